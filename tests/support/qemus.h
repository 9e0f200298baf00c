/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/json.h"
#include "tests/support/scratch.h"

/*
 * Qemus: the QEMU processes of a test as the kernel knows them, found by their log (stderr goes
 * to log/NAME.log of the scratch directory), not by what virtkeep says of them.
 */

/* How many live QEMUs the domain has, or with NULL the whole scratch directory. */
unsigned qemus_count(Scratch *scratch, const char *name);

/* How many live processes of any program have their stderr in a file whose path begins with
 * @log, which is below the scratch directory ("log/web-1-"). */
unsigned processes_logging(Scratch *scratch, const char *log);

/* "PID START-TIME" of the domain's only QEMU, which tells it from every other process there ever
 * is; NULL where there is none. Fails the cmocka test where there are several. */
char *qemu_identity(Scratch *scratch, const char *name);

/* True where the domain has exactly one QEMU, and it is this one. */
bool qemu_is(Scratch *scratch, const char *name, const char *identity);

/* Signals the domain's QEMU, which must be there. */
void qemu_signal(Scratch *scratch, const char *name, int signal);

/* Asks the domain's QEMU on the monitor that virtkeep leaves to operators (debug.sock). Takes
 * @arguments, NULL for none. Fails the cmocka test where it refuses. */
Json *qemu_ask(Scratch *scratch, const char *name, const char *command, Json *arguments);

/* The virtio-mem device's requested-size and size in bytes, by that monitor. */
guint64 qemu_requested(Scratch *scratch, const char *name);
guint64 qemu_current(Scratch *scratch, const char *name);
