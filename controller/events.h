/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "model/json.h"

/*
 * Events: the `events` monitors of the running QEMUs, held by `watch` alone. What arrives is a
 * hint that a pass is due, and an end of the connection is the end of that QEMU.
 */
typedef struct Events Events;

/* In the main context. @event: as QEMU sent it, borrowed; NULL: the connection has ended. */
typedef void (*EventsCallback)(const char *name, const Json *event, gpointer data);

/* In the main context. A QEMU could not be listened to, and it is time to try again: call
 * events_attach(), from a thread that may block. */
typedef void (*EventsRetry)(const char *name, gpointer data);

/* @run: the run directory RUN. */
Events *events_new(const char *run, EventsCallback callback, EventsRetry retry, gpointer data);
/* In the main thread, when no other thread calls events_attach() any more. NULL is allowed. */
void events_free(Events *events);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Events, events_free)

/* Listens to the QEMU of @name, if not yet done. From any thread; may block for a moment. After a
 * failure it does nothing until its back-off (reconcile/backoff.h) is over. */
void events_attach(Events *events, const char *name);
