/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Backoff: how long a name that keeps failing is left alone, as a value. Times and durations in
 * microseconds. The first failure waits about 1 s, each further one twice as long, 5 min at most;
 * a deterministic jitter of up to a quarter less keeps names that failed together apart.
 */
typedef struct {
    guint n_failures; /* in a row */
    gint64 failed_at; /* the last one */
    gint64 retry_at;  /* 0: at any time */
} Backoff;

#define BACKOFF_FIRST ((gint64) 1 * G_USEC_PER_SEC)
#define BACKOFF_MOST ((gint64) 300 * G_USEC_PER_SEC)
/* A name that had no failure for this long after its retry was due starts afresh. */
#define BACKOFF_FORGET ((gint64) 600 * G_USEC_PER_SEC)

/* The delay after the @n_failures-th failure in a row (0 gives 0). @seed chooses the jitter. */
gint64 backoff_delay(guint n_failures, guint64 seed);
/* A seed from a name: the same on every run and host. */
guint64 backoff_seed(const char *name);

/* After a failure at @now. */
Backoff backoff_failed(Backoff backoff, gint64 now, guint64 seed);
/* After a success, or when what failed has changed (another spec, an operator's retry). */
Backoff backoff_reset(void);
/* Whether it may be tried at @now, and how long not yet (0 when it may). */
bool backoff_is_due(const Backoff *backoff, gint64 now);
gint64 backoff_remaining(const Backoff *backoff, gint64 now);
