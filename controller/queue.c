/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The work queue.
 *
 *                 add, add_fresh, add_after
 *                           │
 *               ┌───────────▼──────────┐   due, worker free   ┌─────────┐
 *               │ waiting (due at T)   ├──────────────────────► running │
 *               └───────────▲──────────┘                      └────┬────┘
 *                           │  added meanwhile, requeue_after,     │
 *                           └──────── or failed: back-off ─────────┤
 *                                                                  └──► idle
 *
 * One mutex guards it all; passes run outside it. Each worker is a thread of its own: no timer
 * thread and no pool in between, and a worker keeps what belongs to a thread (a database
 * connection) for the queue's whole life.
 *
 * One of those without a pass keeps watch: it alone sleeps until the earliest item is due, so that
 * whatever is added wakes one thread. When it takes an item and others are to come, the next one
 * keeps watch; when none are, nobody does until something is added or a pass ends.
 *
 * A name that is added for a later time than it is already due keeps the earlier one, so that
 * adding never delays. A name that failed may not run before its back-off, however often events
 * add it; only queue_add_fresh() forgets the failures, because something about it has changed.
 *
 * Items are few (one a domain), so the earliest is found by looking at all of them.
 */
#include "controller/queue.h"

#include "reconcile/backoff.h"

#define NOT_DUE G_MAXINT64

typedef struct Item {
    char *name;
    gint64 due; /* monotonic us; NOT_DUE: idle */
    bool is_running;
    bool is_fresh;     /* added afresh while running: what that pass finds is out of date */
    bool is_forgotten; /* removed while running */
    gint64 started_at; /* monotonic us, while running */
    Backoff backoff;
} Item;

struct Queue {
    QueueWork work;
    gpointer data;

    GMutex mutex;
    GCond sooner;    /* for who keeps watch: something is due earlier than before */
    GCond unwatched; /* for the other workers: somebody is to keep watch */
    GCond changed;   /* for who waits for the whole queue: a pass ended, an item went */
    bool is_watched;
    GHashTable *items; /* name -> Item */
    bool is_stopping;
    guint64 n_passes, n_failures;

    guint n_workers, n_wanted; /* threads that take passes; should */
    GPtrArray *threads; /* GThread*, also of workers that have ended; emptied by queue_stop() */
};

static void
item_free(gpointer data)
{
    Item *item = data;

    g_free(item->name);
    g_free(item);
}

static Item *
get_item(Queue *queue, const char *name)
{
    Item *item = g_hash_table_lookup(queue->items, name);

    if (!item) {
        item = g_new0(Item, 1);
        item->name = g_strdup(name);
        item->due = NOT_DUE;
        g_hash_table_insert(queue->items, item->name, item);
    }
    return item;
}

/* Due at @when, or when its back-off ends, or as before, if that was sooner. */
static void
schedule(Queue *queue, Item *item, gint64 when)
{
    when = MAX(when, item->backoff.retry_at);
    if (when >= item->due)
        return;
    item->due = when;
    g_cond_signal(queue->is_watched ? &queue->sooner : &queue->unwatched);
}

/* The item to run next: the one that has been due longest. If none is due, NULL, and *@ret_wake is
 * when the next one is. */
static Item *
find_due(Queue *queue, gint64 now, gint64 *ret_wake)
{
    Item *item, *next = NULL;
    GHashTableIter iter;

    g_hash_table_iter_init(&iter, queue->items);
    while (g_hash_table_iter_next(&iter, NULL, (gpointer *) &item))
        if (!item->is_running && (!next || item->due < next->due))
            next = item;
    *ret_wake = next ? next->due : NOT_DUE;
    return next && next->due <= now ? next : NULL;
}

/* What follows from the pass of @item that has just ended. */
static void
settle(Queue *queue, Item *item, QueueResult result)
{
    gint64 now = g_get_monotonic_time(), added = item->due;
    gint64 again = result.requeue_after >= 0 ? now + result.requeue_after : NOT_DUE;

    queue->n_passes++;
    queue->n_failures += result.is_failed;
    item->is_running = false;
    item->due = NOT_DUE;
    g_cond_broadcast(&queue->changed);
    if (item->is_forgotten) {
        g_hash_table_remove(queue->items, item->name);
        return;
    }
    if (!result.is_failed || item->is_fresh)
        item->backoff = backoff_reset();
    else
        item->backoff = backoff_failed(item->backoff, now, backoff_seed(item->name));
    item->is_fresh = false;
    /* A failure is always tried again: nothing else may ever wake it. */
    if (result.is_failed)
        again = MAX(item->backoff.retry_at, again == NOT_DUE ? now : again);
    if (added != NOT_DUE)
        schedule(queue, item, added);
    if (again != NOT_DUE)
        schedule(queue, item, again);
}

static bool
is_wanted(const Queue *queue)
{
    return !queue->is_stopping && queue->n_workers <= queue->n_wanted;
}

/* Keeps watch until something is due, and takes that; NULL: the worker is to end. */
static Item *
take_due(Queue *queue)
{
    Item *item = NULL;
    gint64 wake;

    queue->is_watched = true;
    while (is_wanted(queue)) {
        item = find_due(queue, g_get_monotonic_time(), &wake);
        if (item)
            break;
        if (wake == NOT_DUE)
            g_cond_wait(&queue->sooner, &queue->mutex);
        else
            g_cond_wait_until(&queue->sooner, &queue->mutex, wake);
    }
    queue->is_watched = false;
    if (item) {
        item->due = NOT_DUE;
        item->is_running = true;
        item->started_at = g_get_monotonic_time();
    }
    (void) find_due(queue, 0, &wake);
    if (wake != NOT_DUE)
        g_cond_signal(&queue->unwatched);
    return item;
}

static gpointer
run_worker(gpointer data)
{
    Queue *queue = data;

    g_mutex_lock(&queue->mutex);
    while (is_wanted(queue)) {
        Item *item = queue->is_watched ? NULL : take_due(queue);
        g_autofree char *name = NULL;
        QueueResult result;

        if (!item) {
            if (is_wanted(queue))
                g_cond_wait(&queue->unwatched, &queue->mutex);
            continue;
        }
        name = g_strdup(item->name);
        g_mutex_unlock(&queue->mutex);
        result = queue->work(name, queue->data);
        g_mutex_lock(&queue->mutex);
        settle(queue, item, result);
    }
    queue->n_workers--;
    g_mutex_unlock(&queue->mutex);
    return NULL;
}

/* All of them, to see whether they are still wanted. */
static void
wake_workers(Queue *queue)
{
    g_cond_broadcast(&queue->sooner);
    g_cond_broadcast(&queue->unwatched);
}

void
queue_set_workers(Queue *queue, guint n_workers)
{
    g_assert(n_workers > 0);
    g_mutex_lock(&queue->mutex);
    queue->n_wanted = n_workers;
    for (; !queue->is_stopping && queue->n_workers < queue->n_wanted; queue->n_workers++)
        g_ptr_array_add(queue->threads, g_thread_new("worker", run_worker, queue));
    wake_workers(queue);
    g_mutex_unlock(&queue->mutex);
}

Queue *
queue_new(guint n_workers, QueueWork work, gpointer data)
{
    Queue *queue = g_new0(Queue, 1);

    queue->work = work;
    queue->data = data;
    g_mutex_init(&queue->mutex);
    g_cond_init(&queue->sooner);
    g_cond_init(&queue->unwatched);
    g_cond_init(&queue->changed);
    queue->items = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, item_free);
    queue->threads = g_ptr_array_new();
    queue_set_workers(queue, n_workers);
    return queue;
}

static void
add(Queue *queue, const char *name, gint64 delay_us, bool is_fresh)
{
    Item *item;

    g_mutex_lock(&queue->mutex);
    item = get_item(queue, name);
    item->is_forgotten = false;
    if (is_fresh) {
        item->backoff = backoff_reset();
        item->is_fresh = item->is_running;
    }
    schedule(queue, item, g_get_monotonic_time() + MAX(delay_us, 0));
    g_mutex_unlock(&queue->mutex);
}

void
queue_add(Queue *queue, const char *name)
{
    add(queue, name, 0, false);
}

void
queue_add_fresh(Queue *queue, const char *name)
{
    add(queue, name, 0, true);
}

void
queue_add_after(Queue *queue, const char *name, gint64 delay_us)
{
    add(queue, name, delay_us, false);
}

void
queue_remove(Queue *queue, const char *name)
{
    Item *item;

    g_mutex_lock(&queue->mutex);
    item = g_hash_table_lookup(queue->items, name);
    if (item && item->is_running)
        item->is_forgotten = true;
    else if (item)
        g_hash_table_remove(queue->items, name);
    g_cond_broadcast(&queue->changed);
    g_mutex_unlock(&queue->mutex);
}

void
queue_stop(Queue *queue)
{
    g_mutex_lock(&queue->mutex);
    queue->is_stopping = true;
    wake_workers(queue);
    g_mutex_unlock(&queue->mutex);
    while (queue->threads->len > 0)
        g_thread_join(g_ptr_array_steal_index(queue->threads, queue->threads->len - 1));
}

void
queue_free(Queue *queue)
{
    if (!queue)
        return;
    queue_stop(queue);
    g_ptr_array_unref(queue->threads);
    g_hash_table_unref(queue->items);
    g_cond_clear(&queue->sooner);
    g_cond_clear(&queue->unwatched);
    g_cond_clear(&queue->changed);
    g_mutex_clear(&queue->mutex);
    g_free(queue);
}

static QueueStatistics
count(Queue *queue, gint64 now, gint64 horizon_us)
{
    QueueStatistics counted = { .n_passes = queue->n_passes, .n_failures = queue->n_failures };
    GHashTableIter iter;
    Item *item;

    g_hash_table_iter_init(&iter, queue->items);
    while (g_hash_table_iter_next(&iter, NULL, (gpointer *) &item)) {
        if (item->is_running) {
            counted.n_running++;
            counted.oldest_running_us = MAX(counted.oldest_running_us, now - item->started_at);
        } else if (item->due <= now + horizon_us) {
            counted.n_ready++;
        } else if (item->due != NOT_DUE) {
            counted.n_delayed++;
        }
    }
    return counted;
}

QueueStatistics
queue_statistics(Queue *queue)
{
    QueueStatistics counted;

    g_mutex_lock(&queue->mutex);
    counted = count(queue, g_get_monotonic_time(), 0);
    g_mutex_unlock(&queue->mutex);
    return counted;
}

bool
queue_wait_idle(Queue *queue, gint64 horizon_us, gint64 timeout_us)
{
    gint64 deadline = g_get_monotonic_time() + timeout_us;
    bool is_idle = false, is_late = false;

    g_mutex_lock(&queue->mutex);
    while (!is_idle && !is_late) {
        QueueStatistics counted = count(queue, g_get_monotonic_time(), horizon_us);

        is_idle = counted.n_running == 0 && counted.n_ready == 0;
        if (!is_idle)
            is_late = !g_cond_wait_until(&queue->changed, &queue->mutex, deadline);
    }
    g_mutex_unlock(&queue->mutex);
    return is_idle;
}
