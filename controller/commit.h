/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* The git work tree around a directory, read from its files: git itself is never run, since what
 * it runs (hooks, filters, fsmonitor) is the repository's to say. */

/* The commit checked out at @directory or the work tree it lies in: 40 or 64 hex digits. NULL
 * when there is none (not a repository, no commit yet, a damaged one). Caller frees. */
char *commit_of_directory(const char *directory);

/* git is at work in @directory's work tree (its index.lock exists, and is no older than
 * COMMIT_BUSY_MAX_US, nor from later than that: git that crashed leaves it behind, and a clock can be
 * set back). @now_us: wall clock. */
#define COMMIT_BUSY_MAX_US (60 * G_USEC_PER_SEC)
bool commit_is_busy(const char *directory, gint64 now_us);
/* Waits until it is not, at most @timeout_us; false when it still is. */
bool commit_wait(const char *directory, gint64 timeout_us);
