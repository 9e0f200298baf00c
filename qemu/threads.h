/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "qemu/monitor.h"

/* The threads of a QEMU and what each is for. */
typedef enum {
    THREAD_EMULATOR, /* all that is none of the others: main loop, workers, RCU */
    THREAD_VCPU,
    THREAD_IOTHREAD,
} ThreadRole;

typedef struct QemuThread {
    pid_t id;
    ThreadRole role;
    guint64 number; /* of the virtual CPU or I/O thread, as in the domain; 0 for the emulator */
} QemuThread;

/* GArray of QemuThread, the main thread first: threads that begin later inherit from it. @pid:
 * QEMU's. Caller unrefs. Errors are QMP_ERROR, G_IO_ERROR. */
GArray *threads_query(Monitor *monitor, pid_t pid, GError **error);
/* The number in "iothread1", QEMU's id of one of the domain's. False for any other id. */
bool iothread_number(const char *id, guint64 *ret_number);
/* "emulator", "vcpu3", "iothread1". Caller frees. */
char *thread_name(ThreadRole role, guint64 number);
