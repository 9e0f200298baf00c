/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One connection a running QEMU. It is opened by the worker that has just run the domain's pass,
 * since the handshake of a hung QEMU may take its time, and read in the main loop.
 *
 *     worker: events_attach ── handshake ──> main loop: readable ──> callback(event)
 *                                                       hang-up ──> callback(NULL), forgotten
 *
 * A monitor serves one client, and a QEMU may be too busy to greet: then it is tried again, by the
 * back-off of all that fails, from one second on. Until it succeeds the guest's doings are seen by
 * the passes alone that the trying makes, and by the periodic resync.
 *
 *     worker: events_attach ── refused ──> timer ──> main loop: retry(name) ──> worker:
 * events_attach
 */
#include "controller/events.h"

#include <glib-unix.h>

#include "qemu/launch.h"
#include "qemu/qmp.h"
#include "reconcile/backoff.h"

#define OPEN_TIMEOUT_US (1 * G_USEC_PER_SEC)

typedef struct Listener {
    Events *events;
    char *name;
    Qmp *qmp;
    guint source;
    Backoff backoff;
    guint retry; /* source: waits for the next attempt */
    bool is_due; /* the waiting is over */
} Listener;

struct Events {
    char *run;
    EventsCallback callback;
    EventsRetry retry;
    gpointer data;
    GMutex mutex;
    GHashTable *listeners; /* name -> Listener */
};

static void
listener_free(gpointer data)
{
    Listener *listener = data;

    if (listener->source)
        g_source_remove(listener->source);
    if (listener->retry)
        g_source_remove(listener->retry);
    qmp_free(listener->qmp);
    g_free(listener->name);
    g_free(listener);
}

Events *
events_new(const char *run, EventsCallback callback, EventsRetry retry, gpointer data)
{
    Events *events = g_new0(Events, 1);

    g_mutex_init(&events->mutex);
    events->run = g_strdup(run);
    events->callback = callback;
    events->retry = retry;
    events->data = data;
    events->listeners = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, listener_free);
    return events;
}

void
events_free(Events *events)
{
    if (!events)
        return;
    g_hash_table_unref(events->listeners);
    g_mutex_clear(&events->mutex);
    g_free(events->run);
    g_free(events);
}

static gboolean
on_readable(gint fd, GIOCondition condition, gpointer data)
{
    Listener *listener = data;
    Events *events = listener->events;
    bool is_open = qmp_read_events(listener->qmp, NULL);
    g_autofree char *name = NULL;
    Json *event;

    while ((event = qmp_next_event(listener->qmp))) {
        events->callback(listener->name, event, events->data);
        json_free(event);
    }
    if (is_open)
        return G_SOURCE_CONTINUE;
    name = g_strdup(listener->name);
    listener->source = 0;
    g_mutex_lock(&events->mutex);
    g_hash_table_remove(events->listeners, name);
    g_mutex_unlock(&events->mutex);
    events->callback(name, NULL, events->data);
    return G_SOURCE_REMOVE;
}

/* In the main loop, so that reading begins where it ends. What came with the greeting is read
 * first, since it makes no descriptor readable. */
static gboolean
begin_reading(gpointer data)
{
    Listener *listener = data;
    int fd = qmp_fd(listener->qmp);

    if (on_readable(fd, G_IO_IN, listener) == G_SOURCE_CONTINUE)
        listener->source = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, listener);
    return G_SOURCE_REMOVE;
}

/* NULL when there is a listener already, or it is too soon to try again. */
static Listener *
claim(Events *events, const char *name)
{
    Listener *listener;

    g_mutex_lock(&events->mutex);
    listener = g_hash_table_lookup(events->listeners, name);
    if (listener && !listener->is_due) {
        listener = NULL;
    } else if (listener) {
        listener->is_due = false; /* claimed */
    } else {
        listener = g_new0(Listener, 1);
        listener->events = events;
        listener->name = g_strdup(name);
        g_hash_table_insert(events->listeners, listener->name, listener);
    }
    g_mutex_unlock(&events->mutex);
    return listener;
}

static gboolean
on_retry(gpointer data)
{
    Listener *listener = data;
    Events *events = listener->events;
    g_autofree char *name = g_strdup(listener->name);

    g_mutex_lock(&events->mutex);
    listener->retry = 0;
    listener->is_due = true;
    g_mutex_unlock(&events->mutex);
    events->retry(name, events->data);
    return G_SOURCE_REMOVE;
}

void
events_attach(Events *events, const char *name)
{
    Listener *listener = claim(events, name);
    g_autofree char *directory = NULL, *path = NULL;
    Qmp *qmp;

    if (!listener)
        return;
    directory = g_build_filename(events->run, name, NULL);
    path = launch_socket_path(directory, LAUNCH_EVENTS);
    qmp = qmp_open(path, OPEN_TIMEOUT_US, NULL);
    g_mutex_lock(&events->mutex);
    listener->qmp = qmp;
    if (!qmp) {
        gint64 now = g_get_monotonic_time();

        listener->backoff = backoff_failed(listener->backoff, now, backoff_seed(name));
        listener->retry = g_timeout_add(backoff_remaining(&listener->backoff, now) / 1000 + 1,
                                        on_retry, listener);
    }
    g_mutex_unlock(&events->mutex);
    if (qmp)
        g_idle_add_full(G_PRIORITY_DEFAULT, begin_reading, listener, NULL);
}
