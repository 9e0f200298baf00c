/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Queue: the names of domains that want a pass, and the workers that run them. A name is queued
 * once however often it is added, and never runs twice at once: added while it runs, it runs
 * again after. A name that fails waits (reconcile/backoff.h); adding it then does not hasten it,
 * queue_add_fresh() does. All functions are thread-safe.
 */
typedef struct Queue Queue;

#define QUEUE_NEVER (-1)

typedef struct QueueResult {
    bool is_failed;
    gint64 requeue_after; /* us; QUEUE_NEVER: when something happens. After a failure the longer
                             of this and the back-off holds */
} QueueResult;

/* Runs in a worker. Workers are threads that stay, so a
 * GPrivate serves for per-worker things such as a database connection. */
typedef QueueResult (*QueueWork)(const char *name, gpointer data);

Queue *queue_new(guint n_workers, QueueWork work, gpointer data);
/* So many from now on; those too many end after the pass they run. At least 1. */
void queue_set_workers(Queue *queue, guint n_workers);
/* Run @name as soon as a worker is free (or, after failures, when its back-off allows). */
void queue_add(Queue *queue, const char *name);
/* Likewise but forgets past failures: what failed has changed (file edited, operator's retry). */
void queue_add_fresh(Queue *queue, const char *name);
/* Run @name no sooner than in @delay_us, unless it is added for sooner. */
void queue_add_after(Queue *queue, const char *name, gint64 delay_us);
/* Forget what is known of @name (its domain is gone); a running pass ends normally. */
void queue_remove(Queue *queue, const char *name);

/* No further pass begins; waits until those running have ended. Idempotent. */
void queue_stop(Queue *queue);
void queue_free(Queue *queue); /* stops it; NULL is allowed */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Queue, queue_free)

/* Waits until nothing runs and nothing is due by now + @horizon_us, at most @timeout_us; false
 * on time-out. For tests and for the first round of `watch`. */
bool queue_wait_idle(Queue *queue, gint64 horizon_us, gint64 timeout_us);

typedef struct QueueStatistics {
    guint n_running, n_ready, n_delayed;
    guint64 n_passes, n_failures;
    gint64 oldest_running_us; /* how long the longest-running pass has run; 0 when none does */
} QueueStatistics;
QueueStatistics queue_statistics(Queue *queue);
