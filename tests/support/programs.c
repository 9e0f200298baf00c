/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Programs that devices need beside QEMU. Tests use the real ones, where they are installed and the
 * container that the tests run in lets them shut themselves into namespaces.
 */
#include "tests/support/programs.h"

#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "qemu/companion.h"

static bool
can_make_namespaces(void)
{
    pid_t child = fork();
    int status = 1;

    if (child == 0)
        _exit(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET) ? 1 : 0);
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

bool
program_is_usable(const char *program)
{
    g_autofree char *path = companion_find_program(program);

    if (!path)
        return false;
    if (!strcmp(program, "virtiofsd"))
        return geteuid() == 0 && can_make_namespaces();
    return strcmp(program, "passt") || can_make_namespaces();
}
