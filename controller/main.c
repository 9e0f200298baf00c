/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtkeep: keeps QEMU virtual machines as their libvirt domain XML files say.
 *
 * A closed pipe or socket is an error of the write that met it, not a signal: QEMUs come and go,
 * and `virtkeep status | head` ends early. A umask that leaves nothing to others goes before
 * anything is created: sockets that steer guests, logs, the state.
 */
#include <signal.h>
#include <sys/stat.h>

#include "controller/commands.h"

int
main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    umask(0077);
    return options_main(commands, argc, argv);
}
