/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/*
 * Watcher: says when the domains directory may have changed. Events are only a hint: the answer
 * to each is a full scan, once the directory has been quiet for the settle time (at most
 * WATCHER_CAP times that after the first event: 5 s by default). Follows symlinks on the way to the
 * root: a switched link or a replaced, removed or newly made root is a change like any other.
 */
typedef struct Watcher Watcher;

#define WATCHER_CAP 25

/* Runs in @context (NULL: the default one), never in the middle of draining. */
typedef void (*WatcherCallback)(gpointer data);

/* Never fails for a missing root (its nearest existing ancestor is watched). NULL with @error
 * when inotify itself is refused (fs.inotify.max_user_instances). */
Watcher *watcher_new(const char *root, gint64 settle_us, GMainContext *context,
                     WatcherCallback changed, gpointer data, GError **error);
void watcher_free(Watcher *watcher); /* NULL is allowed; in the context's thread */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Watcher, watcher_free)

/* How long the directory must be quiet from the next event on. */
void watcher_set_settle(Watcher *watcher, gint64 settle_us);
/* As if an event had come: changed() is called after the settle time. */
void watcher_hint(Watcher *watcher);
/* Some directory can't be watched (fs.inotify.max_user_watches, permission): why, or NULL. The
 * periodic resync is what is left then. Borrowed, until the context runs again. */
const char *watcher_problem(const Watcher *watcher);

typedef struct WatcherStatistics {
    guint n_watches;
    guint64 n_events, n_overflows, n_changes;
    gboolean is_pending; /* changed() is going to be called */
} WatcherStatistics;
WatcherStatistics watcher_statistics(const Watcher *watcher);
