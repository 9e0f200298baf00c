/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `virtkeep watch`: the service. Everything that can happen only enqueues names:
 *
 *     inotify (settled) ──> rescan ──> names whose file changed, came or went
 *     QMP event, QEMU's end ─────────> that name
 *     a helper process's end ────────> its domain's name
 *     suspend, resume (RUN/.wake) ───> all names
 *     resync timer, SIGHUP ──────────> all names
 *     another state file at its name ─> all names
 *     a pass that wants to come back ─> its name, later
 *
 * The main loop scans, listens and keeps time; workers run the passes (controller/reconciler).
 * SIGTERM lets the passes that run end and leaves every QEMU running. Killed otherwise, nothing is
 * lost: the next watch, or `apply`, looks and goes on.
 */
#include <malloc.h>
#include <signal.h>
#include <string.h>

#include <glib-unix.h>

#include "controller/commands.h"
#include "controller/commit.h"
#include "controller/companion-watch.h"
#include "controller/events.h"
#include "controller/message.h"
#include "controller/notify.h"
#include "controller/options.h"
#include "controller/reconciler.h"
#include "controller/site.h"
#include "controller/wake.h"
#include "controller/watcher.h"

#define PRUNE_HISTORY_S 300
#define GIT_WAIT_MS 200
#define TRIM_S 2
#define STATE_CHECK_S 1
#define N_HEAPS 2
/* A pass is bounded by seconds; one that has run this long is stuck, and the watchdog may bite. */
#define STUCK_US (180 * G_USEC_PER_SEC)

typedef struct Watch {
    const Invocation *invocation;
    SiteSetup *setup;
    DirectoryCache *cache;
    Reconciler *reconciler;
    Events *events;
    CompanionWatch *companions;
    Watcher *watcher;
    GMainLoop *loop;
    GHashTable *digests;    /* name -> what was last known of its file */
    GMutex mutex;           /* over conditions */
    GHashTable *conditions; /* name -> SyncState */
    guint resync;
    guint git_wait;   /* source: git is at work in the directory */
    gint is_trim_due; /* atomic */
    GFileMonitor *wake;
    char *problem; /* the watcher's, as last said */
    bool is_state_lost;
} Watch;

/* ---- passes ---- */

static gboolean
update_status(gpointer data)
{
    Watch *watch = data;
    guint counts[SYNC_FAILED + 1] = { 0 }, n = 0;
    g_autoptr(GString) text = g_string_new(NULL);
    GHashTableIter iter;
    gpointer value;

    g_mutex_lock(&watch->mutex);
    g_hash_table_iter_init(&iter, watch->conditions);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        counts[GPOINTER_TO_UINT(value)]++;
        n++;
    }
    g_mutex_unlock(&watch->mutex);
    g_string_append_printf(text, "%u domain%s", n, n == 1 ? "" : "s");
    for (guint i = SYNC_SYNCED; i <= SYNC_FAILED; i++)
        if (counts[i])
            g_string_append_printf(text, ", %u %s", counts[i], sync_state_name(i));
    notify_status("%s", text->str);
    return G_SOURCE_REMOVE;
}

/* What the domain's pass ended in; false when that is the same as last time. A domain that is
 * forgotten counts no more, and is news should its name come back. */
static bool
note_condition(Watch *watch, const char *name, const PassResult *result)
{
    gpointer old;

    g_mutex_lock(&watch->mutex);
    old = g_hash_table_lookup(watch->conditions, name);
    if (result->is_forgotten)
        g_hash_table_remove(watch->conditions, name);
    else
        g_hash_table_insert(watch->conditions, g_strdup(name), GUINT_TO_POINTER(result->sync));
    g_mutex_unlock(&watch->mutex);
    return result->is_forgotten || GPOINTER_TO_UINT(old) != result->sync;
}

/* After a round over many domains the C library keeps a third of what watch weighs: parts of
 * documents long freed, in the heap of each worker. */
static gboolean
on_trim(gpointer data)
{
    Watch *watch = data;
    QueueStatistics queue = queue_statistics(reconciler_queue(watch->reconciler));

    if (queue.n_running || queue.n_ready)
        return G_SOURCE_CONTINUE;
    g_atomic_int_set(&watch->is_trim_due, 0);
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    return G_SOURCE_REMOVE;
}

/* In a worker. */
static void
on_pass(const char *name, const PassResult *result, gpointer data)
{
    Watch *watch = data;

    if (g_atomic_int_compare_and_exchange(&watch->is_trim_due, 0, 1))
        g_timeout_add_seconds(TRIM_S, on_trim, watch);
    if (result->is_running) {
        events_attach(watch->events, name);
        companion_watch_attach(watch->companions, name);
    }
    if (!note_condition(watch, name, result)) {
        message_detail("%s: %s: %s", name, sync_state_name(result->sync), result->reason);
        return;
    }
    g_idle_add(update_status, watch);
    if (result->is_failed)
        message_error("%s: %s", name, result->reason);
    else
        message_note("%s: %s: %s", name, sync_state_name(result->sync), result->reason);
}

/* ---- the directory ---- */

/* What a pass of the domain would go by. */
static char *
entry_digest(const DirectoryEntry *entry)
{
    return g_strdup_printf("%d %s %s", entry->state, entry->file,
                           entry->digest ? entry->digest : entry->message);
}

static GHashTable *
digest_table(const DirectoryScan *scan)
{
    GHashTable *digests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    for (guint i = 0; i < scan->entries->len; i++) {
        const DirectoryEntry *entry = scan->entries->pdata[i];

        /* Of several files with one name the last one stands: any change of it shows. */
        if (entry->name)
            g_hash_table_insert(digests, g_strdup(entry->name), entry_digest(entry));
    }
    return digests;
}

static void
enqueue_changed(Watch *watch, GHashTable *digests)
{
    GHashTableIter iter;
    gpointer name, digest;

    g_hash_table_iter_init(&iter, digests);
    while (g_hash_table_iter_next(&iter, &name, &digest))
        if (g_strcmp0(digest, g_hash_table_lookup(watch->digests, name)) &&
            domain_name_is_valid(name))
            reconciler_add(watch->reconciler, name, "file", false);
    g_hash_table_iter_init(&iter, watch->digests);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        if (!g_hash_table_contains(digests, name) && domain_name_is_valid(name))
            reconciler_add(watch->reconciler, name, "file", false);
}

static void
enqueue_all(Watch *watch, const char *trigger)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) names = site_domain_names(&watch->setup->site, &error);

    if (!names)
        message_error("%s", error->message);
    for (guint i = 0; names && i < names->len; i++)
        reconciler_add(watch->reconciler, names->pdata[i], trigger, false);
}

/* Reads the directory; the new scan becomes what passes go by. */
static bool
rescan(Watch *watch, GError **error)
{
    SiteSetup *setup = watch->setup;
    DirectoryScan *scan = site_scan(setup->config, setup->store, watch->cache, error);
    g_autoptr(PruneDecision) prune = NULL;

    if (!scan)
        return false;
    prune = site_decide_prune(setup->config, setup->store, scan, false, error);
    if (!prune || !site_record_directory(setup->store, scan, prune, error)) {
        directory_scan_unref(scan);
        return false;
    }
    directory_scan_unref(setup->scan);
    setup->scan = scan;
    setup->site.scan = scan;
    g_clear_pointer(&setup->prune, prune_decision_free);
    setup->site.prune = prune; /* the reconciler's, until the next scan */
    reconciler_set_scan(watch->reconciler, scan, g_steal_pointer(&prune));
    return true;
}

/* What is wrong with the directory, and, once, with the watching of it. */
static void
complain(Watch *watch)
{
    const char *problem = watcher_problem(watch->watcher);

    site_print_complaints(&watch->setup->site);
    if (problem && g_strcmp0(problem, watch->problem))
        message_error("%s; what changes there is seen by the resync alone", problem);
    g_free(watch->problem);
    watch->problem = g_strdup(problem);
}

static gboolean retry_changed(gpointer data);

static void
on_changed(gpointer data)
{
    Watch *watch = data;
    g_autoptr(GError) error = NULL;
    GHashTable *digests;

    /* A checkout under way is half of two commits. */
    if (commit_is_busy(watch->setup->config->domains, g_get_real_time())) {
        if (!watch->git_wait) /* one is enough, however many events git makes */
            watch->git_wait = g_timeout_add(GIT_WAIT_MS, retry_changed, watch);
        return;
    }
    if (!rescan(watch, &error)) {
        message_error("%s", error->message);
        return;
    }
    digests = digest_table(watch->setup->scan);
    enqueue_changed(watch, digests);
    /* What ends the commotion may cause no event of its own. */
    if (watch->setup->scan->is_changing)
        watcher_hint(watch->watcher);
    g_hash_table_unref(watch->digests);
    watch->digests = digests;
    complain(watch);
}

static gboolean
retry_changed(gpointer data)
{
    ((Watch *) data)->git_wait = 0;
    on_changed(data);
    return G_SOURCE_REMOVE;
}

/* ---- QEMU's events ---- */

/* Worth keeping in the history. */
static const char *const kept_events[] = {
    "SHUTDOWN",
    "RESET",
    "POWERDOWN",
    "STOP",
    "RESUME",
    "SUSPEND",
    "WAKEUP",
    "WATCHDOG",
    "GUEST_PANICKED",
    "GUEST_CRASHLOADED",
    "BLOCK_IO_ERROR",
    "DEVICE_DELETED",
    "DEVICE_TRAY_MOVED",
    "DEVICE_UNPLUG_GUEST_ERROR",
    "MIGRATION",
    NULL,
};
/* Come often and tell a pass nothing. */
static const char *const idle_events[] = {
    "RTC_CHANGE",
    "VSERPORT_CHANGE",
    "NIC_RX_FILTER_CHANGED",
    "VNC_CONNECTED",
    "VNC_INITIALIZED",
    "VNC_DISCONNECTED",
    "SPICE_CONNECTED",
    "SPICE_INITIALIZED",
    "SPICE_DISCONNECTED",
    NULL,
};

static void
on_event(const char *name, const Json *event, gpointer data)
{
    Watch *watch = data;
    const char *word = event ? json_get_string(event, "event") : "QEMU_ENDED";
    g_autofree char *detail = NULL;

    if (!word || g_strv_contains(idle_events, word))
        return;
    if (event && json_get(event, "data"))
        detail = json_format(json_get(event, "data"), false);
    if (!event || g_strv_contains(kept_events, word)) {
        EventRecord record = { .domain = (char *) name,
                               .kind = (char *) word,
                               .detail = detail,
                               .at_us = g_get_real_time() };

        (void) store_event_add(watch->setup->store, &record, NULL);
    }
    reconciler_add(watch->reconciler, name, "event", false);
}

/* A companion ended, or the events monitor is to be tried again: a pass looks, and attaches. */
static void
on_look_again(const char *name, gpointer data)
{
    reconciler_add(((Watch *) data)->reconciler, name, "event", false);
}

/* ---- time and signals ---- */

static gboolean
on_resync(gpointer data)
{
    Watch *watch = data;

    on_changed(watch);
    enqueue_all(watch, "timer");
    return G_SOURCE_CONTINUE;
}

static gboolean
on_prune_history(gpointer data)
{
    Watch *watch = data;
    HistoryLimits limits = HISTORY_LIMITS_DEFAULT;
    g_autoptr(GError) error = NULL;

    if (!store_prune_history(watch->setup->store, g_get_real_time(), &limits, &error))
        message_error("%s", error->message);
    return G_SOURCE_CONTINUE;
}

/* The state file was removed, or another one put in its place. Workers follow by themselves
 * (controller/reconciler.c); what QEMUs hold is read back by whose pass is first. */
static gboolean
on_check_state(gpointer data)
{
    Watch *watch = data;
    Store *store = watch->setup->store;
    g_autoptr(GError) error = NULL;

    if (!store_has_moved(store))
        return G_SOURCE_CONTINUE;
    if (!store_follow(store, &error)) {
        if (!watch->is_state_lost)
            message_error("the state file was removed or replaced while it was in use: %s",
                          error->message);
        watch->is_state_lost = true; /* and is tried again */
        return G_SOURCE_CONTINUE;
    }
    message_error(
        "%s was removed or replaced while it was in use: going on with what is there now, "
        "and looking at all domains",
        store_path(store));
    watch->is_state_lost = false;
    (void) on_resync(watch);
    return G_SOURCE_CONTINUE;
}

/* Before anybody can put another file in the place of the one that was opened: a worker that opened
 * it only then would take the former one's log for its own (state/store.c). */
static bool
open_stores(Watch *watch, GError **error)
{
    for (guint i = 0; i < watch->setup->config->workers; i++) {
        Store *store = store_open(watch->setup->config->state, STORE_READ_WRITE, error);

        if (!store)
            return false;
        reconciler_give_store(watch->reconciler, store);
    }
    return true;
}

static gboolean
on_watchdog(gpointer data)
{
    Watch *watch = data;
    QueueStatistics statistics = queue_statistics(reconciler_queue(watch->reconciler));

    if (statistics.oldest_running_us < STUCK_US)
        notify_watchdog();
    return G_SOURCE_CONTINUE;
}

static guint
add_resync(Watch *watch)
{
    return g_timeout_add(MAX(watch->setup->config->resync / 1000, 100), on_resync, watch);
}

/* Someone changed what stands in no file. */
static void
on_wake(Watch *watch)
{
    enqueue_all(watch, "operator");
}

/* A configuration that is bad leaves the old one in force. Paths are for the next start. */
static gboolean
on_reload(gpointer data)
{
    Watch *watch = data;
    SiteSetup *setup = watch->setup;
    Config *config, *old = setup->config;

    notify_reloading();
    config = invocation_config(watch->invocation);
    if (config && (g_strcmp0(config->domains, old->domains) || g_strcmp0(config->run, old->run) ||
                   g_strcmp0(config->state, old->state))) {
        message_error("domains, state and run can't change while watch runs; restart it");
        g_clear_pointer(&config, config_unref);
    }
    if (config) {
        setup->config = config;
        setup->site.config = config;
        reconciler_set_config(watch->reconciler, config);
        watcher_set_settle(watch->watcher, config->settle_time);
        config_unref(old);
        g_source_remove(watch->resync);
        watch->resync = add_resync(watch);
        enqueue_all(watch, "reload");
    }
    notify_ready();
    return G_SOURCE_CONTINUE;
}

static gboolean
on_terminate(gpointer data)
{
    notify_stopping();
    g_main_loop_quit(((Watch *) data)->loop);
    return G_SOURCE_CONTINUE;
}

static void
add_timers_and_signals(Watch *watch)
{
    gint64 watchdog = notify_watchdog_interval();

    watch->resync = add_resync(watch);
    g_timeout_add_seconds(PRUNE_HISTORY_S, on_prune_history, watch);
    g_timeout_add_seconds(STATE_CHECK_S, on_check_state, watch);
    if (watchdog > 0)
        g_timeout_add(watchdog / 1000, on_watchdog, watch);
    g_unix_signal_add(SIGTERM, on_terminate, watch);
    g_unix_signal_add(SIGINT, on_terminate, watch);
    g_unix_signal_add(SIGHUP, on_reload, watch);
}

/* Actions of controllers that died, of domains that nobody will look at soon. */
static bool
close_interrupted(Watch *watch, GError **error)
{
    ActionOwner heir = host_owner(watch->setup->host);

    return journal_close_interrupted(watch->setup->store, NULL, &heir, host_owner_is_alive,
                                     watch->setup->host, g_get_real_time(), NULL, error);
}

static bool
begin(Watch *watch, GError **error)
{
    SiteSetup *setup = watch->setup;

    watch->watcher = watcher_new(setup->config->domains, setup->config->settle_time, NULL,
                                 on_changed, watch, error);
    if (!watch->watcher || !store_check(setup->store, error) || !close_interrupted(watch, error) ||
        !rescan(watch, error))
        return false;
    watch->digests = digest_table(setup->scan);
    watch->wake = wake_monitor(setup->config->run, G_CALLBACK(on_wake), watch);
    enqueue_all(watch, "start");
    return true;
}

/* The C library would give each worker a heap of its own, and each would keep what its largest pass
 * needed. Passes wait for QEMU and the disk much longer than for one another's malloc. */
static void
limit_heaps(void)
{
#ifdef __GLIBC__
    mallopt(M_ARENA_MAX, N_HEAPS);
#endif
}

static int
run_watch(const Invocation *invocation)
{
    Watch watch = { .invocation = invocation };
    g_autoptr(GError) error = NULL;
    bool is_good;

    limit_heaps();
    watch.setup = site_open(invocation, SITE_ACT);
    if (!watch.setup)
        return EXIT_FAILED;
    g_mutex_init(&watch.mutex);
    watch.loop = g_main_loop_new(NULL, FALSE);
    watch.cache = directory_cache_new_lean();
    watch.conditions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    watch.events = events_new(watch.setup->config->run, on_event, on_look_again, &watch);
    watch.companions = companion_watch_new(watch.setup->config->run, on_look_again, &watch);
    watch.reconciler = reconciler_new(watch.setup->config, watch.setup->host, on_pass, &watch);
    add_timers_and_signals(&watch);
    is_good = open_stores(&watch, &error) && begin(&watch, &error);
    if (is_good) {
        complain(&watch);
        notify_ready();
        g_main_loop_run(watch.loop);
    } else {
        message_error("%s", error->message);
    }
    /* The passes that run end; no QEMU is touched. */
    reconciler_free(watch.reconciler);
    g_clear_object(&watch.wake);
    watcher_free(watch.watcher);
    events_free(watch.events);
    companion_watch_free(watch.companions);
    directory_cache_free(watch.cache);
    g_clear_pointer(&watch.digests, g_hash_table_unref);
    g_hash_table_unref(watch.conditions);
    g_free(watch.problem);
    g_main_loop_unref(watch.loop);
    site_close(watch.setup);
    return is_good ? EXIT_CONVERGED : EXIT_FAILED;
}

const Command watch_command = {
    .name = "watch",
    .arguments = "",
    .summary = "Keep domains as their files say",
    .doc = "The service: follows the domains directory, the running QEMUs and the clock, and\n"
           "applies what is missing. SIGHUP reads the configuration again; SIGTERM ends it and\n"
           "leaves every QEMU running.",
    .examples = "  virtkeep watch\n"
                "  virtkeep --domains ./domains watch -v\n",
    .run = run_watch,
};
