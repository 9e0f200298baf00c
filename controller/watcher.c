/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Noticing that the domains directory may have changed.
 *
 *     inotify event ──► hint ──► quiet for settle_us, or WATCHER_CAP times that since the first
 *                                   ──► renew the watches ──► changed()
 *
 * What an event says is not used beyond "look again": events can be merged, lost (the queue
 * overflows at fs.inotify.max_queued_events) and come in any order, a scan can't. The watches are
 * renewed before changed() is called, so whatever happens after the scan has begun is an event of
 * its own, and a directory that appeared is watched before it is read.
 *
 * watch-tree.c says which directories; here they are kept by watch descriptor, swept by generation:
 * what the last renewal did not name is removed. Events of names that can't matter (hidden ones,
 * writes to files that aren't *.xml) are dropped, so that a log file in the directory does not
 * keep the controller busy.
 *
 * It is one GSource: reading the descriptor takes microseconds and is never behind slow work, which
 * has its own threads.
 */
#include "controller/watcher.h"

#include <errno.h>
#include <glib-unix.h>
#include <stdbool.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "controller/watch-tree.h"

#define NEVER (-1)
#define CHANGE_MASK                                                                                \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ATTRIB |            \
     IN_DELETE_SELF | IN_MOVE_SELF)
#define CONTENT_MASK (IN_CLOSE_WRITE | IN_ATTRIB)

/* One watched directory. */
typedef struct Place {
    guint generation;
    bool is_tree;      /* all its names matter */
    GHashTable *names; /* char*: those that matter in any case */
} Place;

struct Watcher {
    char *root;
    gint64 settle_us;
    WatcherCallback changed;
    gpointer data;

    int fd;
    GSource *source;
    gpointer fd_tag;
    gint64 first_hint; /* monotonic us; NEVER: nothing pending */

    GHashTable *places; /* wd -> Place */
    guint generation;
    char *problem;
    WatcherStatistics statistics;
};

typedef struct WatcherSource {
    GSource source;
    Watcher *watcher;
} WatcherSource;

static void
place_free(gpointer data)
{
    Place *place = data;

    g_hash_table_unref(place->names);
    g_free(place);
}

void
watcher_set_settle(Watcher *watcher, gint64 settle_us)
{
    watcher->settle_us = settle_us;
}

void
watcher_hint(Watcher *watcher)
{
    gint64 now = g_get_monotonic_time();

    if (watcher->first_hint == NEVER)
        watcher->first_hint = now;
    g_source_set_ready_time(
        watcher->source,
        MIN(now + watcher->settle_us, watcher->first_hint + WATCHER_CAP * watcher->settle_us));
}

/* ---- watches ---- */

static void
note_problem(Watcher *watcher, const char *directory, int code)
{
    if (watcher->problem || code == ENOENT || code == ENOTDIR)
        return; /* gone meanwhile: the watch on its parent tells */
    watcher->problem =
        g_strdup_printf("%s can't be watched: %s%s", directory, g_strerror(code),
                        code == ENOSPC ? " (the limit is fs.inotify.max_user_watches)" : "");
}

static void
add_place(const char *directory, const char *name, gpointer data)
{
    Watcher *watcher = data;
    int wd = inotify_add_watch(watcher->fd, directory, CHANGE_MASK | IN_ONLYDIR | IN_EXCL_UNLINK);
    Place *place;

    if (wd < 0) {
        note_problem(watcher, directory, errno);
        return;
    }
    place = g_hash_table_lookup(watcher->places, GINT_TO_POINTER(wd));
    if (!place) {
        place = g_new0(Place, 1);
        place->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_hash_table_insert(watcher->places, GINT_TO_POINTER(wd), place);
    }
    if (place->generation != watcher->generation) {
        place->generation = watcher->generation;
        place->is_tree = false;
        g_hash_table_remove_all(place->names);
    }
    if (name)
        g_hash_table_add(place->names, g_strdup(name));
    else
        place->is_tree = true;
}

static void
renew_watches(Watcher *watcher)
{
    GHashTableIter iter;
    gpointer wd, place;

    watcher->generation++;
    g_clear_pointer(&watcher->problem, g_free);
    watch_tree(watcher->root, add_place, watcher);
    g_hash_table_iter_init(&iter, watcher->places);
    while (g_hash_table_iter_next(&iter, &wd, &place)) {
        if (((Place *) place)->generation == watcher->generation)
            continue;
        inotify_rm_watch(watcher->fd, GPOINTER_TO_INT(wd));
        g_hash_table_iter_remove(&iter);
    }
    watcher->statistics.n_watches = g_hash_table_size(watcher->places);
}

/* ---- events ---- */

static bool
is_relevant(const Place *place, const struct inotify_event *event)
{
    const char *name = event->len ? event->name : "";

    if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT))
        return true;
    if (g_hash_table_contains(place->names, name))
        return true;
    if (!place->is_tree || *name == '.')
        return false;
    /* A created name may be a symlink to a directory, so any counts; contents only of *.xml. */
    return !(event->mask & CONTENT_MASK) || (event->mask & IN_ISDIR) ||
           g_str_has_suffix(name, ".xml");
}

static void
take_event(Watcher *watcher, const struct inotify_event *event)
{
    const Place *place = g_hash_table_lookup(watcher->places, GINT_TO_POINTER(event->wd));

    /* What strangers do beside a directory above the tree (/tmp, say) is not counted. */
    if (!place || place->is_tree || is_relevant(place, event))
        watcher->statistics.n_events++;
    if (event->mask & IN_Q_OVERFLOW) {
        watcher->statistics.n_overflows++;
        watcher_hint(watcher);
        return;
    }
    if (place && is_relevant(place, event))
        watcher_hint(watcher);
    if (event->mask & IN_IGNORED)
        g_hash_table_remove(watcher->places, GINT_TO_POINTER(event->wd));
}

static void
drain(Watcher *watcher)
{
    _Alignas(struct inotify_event) char buffer[16384];
    ssize_t n;

    while ((n = read(watcher->fd, buffer, sizeof(buffer))) > 0) {
        for (const char *p = buffer; p < buffer + n;) {
            const struct inotify_event *event = (const struct inotify_event *) p;

            take_event(watcher, event);
            p += sizeof(*event) + event->len;
        }
    }
}

static gboolean
dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    Watcher *watcher = ((WatcherSource *) source)->watcher;

    if (g_source_query_unix_fd(source, watcher->fd_tag))
        drain(watcher);
    if (watcher->first_hint == NEVER || g_source_get_ready_time(source) > g_get_monotonic_time())
        return G_SOURCE_CONTINUE;
    watcher->first_hint = NEVER;
    g_source_set_ready_time(source, -1);
    watcher->statistics.n_changes++;
    renew_watches(watcher);
    watcher->changed(watcher->data); /* last: it may free the watcher */
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_functions = { .dispatch = dispatch };

Watcher *
watcher_new(const char *root, gint64 settle_us, GMainContext *context, WatcherCallback changed,
            gpointer data, GError **error)
{
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    Watcher *watcher;

    if (fd < 0) {
        int code = errno;

        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code), "inotify: %s%s",
                    g_strerror(code),
                    code == EMFILE ? " (the limit is fs.inotify.max_user_instances)" : "");
        return NULL;
    }
    watcher = g_new0(Watcher, 1);
    watcher->root = g_canonicalize_filename(root, NULL);
    watcher->settle_us = settle_us;
    watcher->changed = changed;
    watcher->data = data;
    watcher->fd = fd;
    watcher->first_hint = NEVER;
    watcher->places = g_hash_table_new_full(NULL, NULL, NULL, place_free);
    watcher->source = g_source_new(&source_functions, sizeof(WatcherSource));
    ((WatcherSource *) watcher->source)->watcher = watcher;
    g_source_set_static_name(watcher->source, "domains directory");
    watcher->fd_tag = g_source_add_unix_fd(watcher->source, fd, G_IO_IN);
    g_source_attach(watcher->source, context);
    renew_watches(watcher);
    return watcher;
}

void
watcher_free(Watcher *watcher)
{
    if (!watcher)
        return;
    g_source_destroy(watcher->source);
    g_source_unref(watcher->source);
    close(watcher->fd);
    g_hash_table_unref(watcher->places);
    g_free(watcher->problem);
    g_free(watcher->root);
    g_free(watcher);
}

const char *
watcher_problem(const Watcher *watcher)
{
    return watcher->problem;
}

WatcherStatistics
watcher_statistics(const Watcher *watcher)
{
    WatcherStatistics statistics = watcher->statistics;

    statistics.is_pending = watcher->first_hint != NEVER;
    return statistics;
}
