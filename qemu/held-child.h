/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "qemu/launch.h"

/*
 * A detached process that waits before it executes a program: it has its pid, and will have it
 * after the exec, but does nothing until released. Closing the channel instead, or dying with it
 * open, ends it.
 */

/* Borrowed. What @fds doesn't list is closed in the child, stdio too. */
typedef struct {
    const char *const *argv;
    const char *const *environment;
    const LaunchFd *fds; /* here any number, 0 to 2 included */
    guint n_fds;
} HeldChildSpec;

/* *ret_channel: a descriptor to release the child with, or to close. Error: G_IO_ERROR. */
bool held_child_fork(const HeldChildSpec *spec, pid_t *ret_pid, int *ret_channel, GError **error);

/* Lets the child go, and waits until it executes the program. Error: G_IO_ERROR as the system's
 * errno says (of exec: NOT_FOUND, PERMISSION_DENIED, …), TIMED_OUT. True also when the child had
 * been killed before: its pidfd tells. */
bool held_child_release(int channel, gint64 timeout_us, GError **error);
