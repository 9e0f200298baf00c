/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/*
 * Lock: flock(2) on RUN/.NAME.lock: one pass with side effects a domain, over all processes and
 * threads. The kernel drops it with its holder. The file stays (removing it would let two holders
 * in) and names its last holder.
 */
typedef struct Lock Lock;

#define LOCK_FOREVER (-1)

/* Takes the lock, waiting at most @timeout_us (0: not at all; LOCK_FOREVER). Creates @run_dir and
 * its missing parents (0700). NULL with @error: G_IO_ERROR_TIMED_OUT (the message names the
 * holder) or whatever the file system says. @cancellable may be NULL. */
Lock *lock_acquire(const char *run_dir, const char *name, gint64 timeout_us,
                   GCancellable *cancellable, GError **error);
void lock_release(Lock *lock); /* NULL is allowed */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Lock, lock_release)
