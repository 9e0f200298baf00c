/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One pidfd a companion. The worker that has just run the domain's pass opens those that are new;
 * the main loop hears them end, which a pidfd says by becoming readable, and forgets them:
 *
 *     worker: companion_watch_attach ── pidfd ──> main loop: readable ──> callback(domain)
 *
 * When a QEMU ends its companions do too: then the callback says so once more for each, and the
 * queue makes one pass of it.
 */
#include "controller/companion-watch.h"

#include <glib-unix.h>

#include "qemu/companion-process.h"

struct CompanionWatch {
    char *run;
    CompanionWatchCallback callback;
    gpointer data;
    GMutex mutex;
    GHashTable *watched; /* "PID START-TIME" -> Watched */
};

typedef struct Watched {
    CompanionWatch *watch;
    char *name, *key;
    Process *process;
    guint source;
} Watched;

static void
watched_free(gpointer data)
{
    Watched *watched = data;

    if (watched->source)
        g_source_remove(watched->source);
    process_free(watched->process);
    g_free(watched->name);
    g_free(watched->key);
    g_free(watched);
}

CompanionWatch *
companion_watch_new(const char *run, CompanionWatchCallback callback, gpointer data)
{
    CompanionWatch *watch = g_new0(CompanionWatch, 1);

    g_mutex_init(&watch->mutex);
    watch->run = g_strdup(run);
    watch->callback = callback;
    watch->data = data;
    watch->watched = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, watched_free);
    return watch;
}

void
companion_watch_free(CompanionWatch *watch)
{
    if (!watch)
        return;
    g_hash_table_unref(watch->watched);
    g_mutex_clear(&watch->mutex);
    g_free(watch->run);
    g_free(watch);
}

static gboolean
on_ended(gint fd, GIOCondition condition, gpointer data)
{
    Watched *watched = data;
    CompanionWatch *watch = watched->watch;
    g_autofree char *name = g_strdup(watched->name);

    g_mutex_lock(&watch->mutex);
    watched->source = 0; /* removed by our answer */
    g_hash_table_remove(watch->watched, watched->key);
    g_mutex_unlock(&watch->mutex);
    watch->callback(name, watch->data);
    return G_SOURCE_REMOVE;
}

/* With the mutex held. */
static void
hold(CompanionWatch *watch, const char *name, const CompanionRecord *record)
{
    g_autofree char *key = g_strdup_printf("%d %" G_GUINT64_FORMAT, (int) record->process->pid,
                                           record->process->start_time);
    Process *process = NULL;
    ProcessState state;
    Watched *watched;

    if (g_hash_table_contains(watch->watched, key) ||
        !process_adopt_record(record->process, &state, &process, NULL) || !process)
        return;
    watched = g_new0(Watched, 1);
    watched->watch = watch;
    watched->name = g_strdup(name);
    watched->key = g_steal_pointer(&key);
    watched->process = process;
    g_hash_table_insert(watch->watched, watched->key, watched);
    watched->source = g_unix_fd_add(process_fd(process), G_IO_IN, on_ended, watched);
}

void
companion_watch_attach(CompanionWatch *watch, const char *name)
{
    g_autofree char *directory = g_build_filename(watch->run, name, NULL);
    g_autoptr(GPtrArray) records = companion_records_read(directory, NULL);

    g_mutex_lock(&watch->mutex);
    for (guint i = 0; records && i < records->len; i++)
        hold(watch, name, records->pdata[i]);
    g_mutex_unlock(&watch->mutex);
}
