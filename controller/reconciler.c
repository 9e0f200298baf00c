/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The queue with its workers. A worker takes a name, puts together the Site of this moment (each
 * worker has a state file connection of its own), runs one pass, and answers the queue when the
 * name wants to run again.
 *
 * The scan and the configuration are swapped under a mutex and referenced by the passes that use
 * them, so that neither a rescan nor SIGHUP waits for a pass.
 */
#include "controller/reconciler.h"

typedef struct Wish {
    const char *trigger; /* static */
    bool is_named;
} Wish;

typedef struct PruneHolder {
    PruneDecision *decision;
    gint n_references;
} PruneHolder;

struct Reconciler {
    GMutex mutex;
    Config *config;
    const Host *host;
    DirectoryScan *scan;
    PruneHolder *prune;
    GPtrArray *given;   /* Store: for workers that have none yet; owned */
    GHashTable *wishes; /* name -> Wish: of what was added since its last pass */
    Queue *queue;
    ReconcilerDone done;
    gpointer data;
};

static void
close_store(gpointer store)
{
    store_close(store);
}

static GPrivate worker_store = G_PRIVATE_INIT(close_store);

static PruneHolder *
prune_ref(PruneHolder *holder)
{
    if (holder)
        g_atomic_int_inc(&holder->n_references);
    return holder;
}

static void
prune_unref(PruneHolder *holder)
{
    if (!holder || !g_atomic_int_dec_and_test(&holder->n_references))
        return;
    prune_decision_free(holder->decision);
    g_free(holder);
}

static QueueResult
answer(const PassResult *result)
{
    return (QueueResult){
        .is_failed = result->is_failed,
        .requeue_after = result->requeue_after == PASS_NEVER ? QUEUE_NEVER : result->requeue_after,
    };
}

/* One to the file at @path, or NULL. */
static Store *
take_given(Reconciler *reconciler, const char *path)
{
    g_autoptr(Store) store = NULL;

    g_mutex_lock(&reconciler->mutex);
    if (reconciler->given->len)
        store = g_ptr_array_steal_index_fast(reconciler->given, reconciler->given->len - 1);
    g_mutex_unlock(&reconciler->mutex);
    return store && g_str_equal(store_path(store), path) ? g_steal_pointer(&store) : NULL;
}

static Store *
store_of_worker(Reconciler *reconciler, const Config *config, GError **error)
{
    Store *store = g_private_get(&worker_store);

    if (!store || !g_str_equal(store_path(store), config->state)) {
        store = take_given(reconciler, config->state);
        if (!store)
            store = store_open(config->state, STORE_READ_WRITE, error);
        if (!store)
            return NULL;
        g_private_replace(&worker_store, store);
    }
    return store_follow(store, error) ? store : NULL;
}

static PassResult *
run_pass(Reconciler *reconciler, Site *site, const char *name)
{
    g_autoptr(GError) error = NULL;
    PassResult *result;

    site->store = store_of_worker(reconciler, site->config, &error);
    if (site->store)
        return pass_run(site, name);
    result = pass_result_failed(error->message);
    return result;
}

static void
wake(const char *name, gpointer data)
{
    reconciler_add(data, name, "memory", false);
}

static QueueResult
work(const char *name, gpointer data)
{
    Reconciler *reconciler = data;
    g_autoptr(PassResult) result = NULL;
    g_autofree Wish *wish = NULL;
    g_autofree char *key = NULL;
    PruneHolder *prune;
    Config *config;
    DirectoryScan *scan;
    Site site;

    g_mutex_lock(&reconciler->mutex);
    config = config_ref(reconciler->config);
    scan = directory_scan_ref(reconciler->scan);
    prune = prune_ref(reconciler->prune);
    g_hash_table_steal_extended(reconciler->wishes, name, (gpointer *) &key, (gpointer *) &wish);
    g_mutex_unlock(&reconciler->mutex);

    site = (Site){
        .config = config,
        .host = reconciler->host,
        .scan = scan,
        .prune = prune ? prune->decision : NULL,
        .trigger = wish ? wish->trigger : "timer",
        .is_named = wish && wish->is_named,
        .wake = wake,
        .wake_data = reconciler,
    };
    result = run_pass(reconciler, &site, name);
    if (reconciler->done)
        reconciler->done(name, result, reconciler->data);
    prune_unref(prune);
    directory_scan_unref(scan);
    config_unref(config);
    return answer(result);
}

Reconciler *
reconciler_new(Config *config, const Host *host, ReconcilerDone done, gpointer data)
{
    Reconciler *reconciler = g_new0(Reconciler, 1);

    g_mutex_init(&reconciler->mutex);
    reconciler->config = config_ref(config);
    reconciler->host = host;
    reconciler->done = done;
    reconciler->data = data;
    reconciler->given = g_ptr_array_new_with_free_func(close_store);
    reconciler->wishes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    reconciler->queue = queue_new(config->workers, work, reconciler);
    return reconciler;
}

void
reconciler_free(Reconciler *reconciler)
{
    if (!reconciler)
        return;
    queue_free(reconciler->queue);
    g_ptr_array_unref(reconciler->given);
    config_unref(reconciler->config);
    directory_scan_unref(reconciler->scan);
    prune_unref(reconciler->prune);
    g_hash_table_unref(reconciler->wishes);
    g_mutex_clear(&reconciler->mutex);
    g_free(reconciler);
}

void
reconciler_give_store(Reconciler *reconciler, Store *store)
{
    g_ptr_array_add(reconciler->given, store);
}

Queue *
reconciler_queue(Reconciler *reconciler)
{
    return reconciler->queue;
}

void
reconciler_set_scan(Reconciler *reconciler, DirectoryScan *scan, PruneDecision *prune)
{
    DirectoryScan *old_scan;
    PruneHolder *old_prune, *holder = NULL;

    if (prune) {
        holder = g_new0(PruneHolder, 1);
        *holder = (PruneHolder){ prune, 1 };
    }
    g_mutex_lock(&reconciler->mutex);
    old_scan = reconciler->scan;
    old_prune = reconciler->prune;
    reconciler->scan = directory_scan_ref(scan);
    reconciler->prune = holder;
    g_mutex_unlock(&reconciler->mutex);
    directory_scan_unref(old_scan);
    prune_unref(old_prune);
}

void
reconciler_set_config(Reconciler *reconciler, Config *config)
{
    Config *old;

    g_mutex_lock(&reconciler->mutex);
    old = reconciler->config;
    reconciler->config = config_ref(config);
    g_mutex_unlock(&reconciler->mutex);
    queue_set_workers(reconciler->queue, config->workers);
    config_unref(old);
}

void
reconciler_add(Reconciler *reconciler, const char *name, const char *trigger, bool is_named)
{
    Wish *wish;

    g_mutex_lock(&reconciler->mutex);
    wish = g_hash_table_lookup(reconciler->wishes, name);
    if (!wish) {
        wish = g_new0(Wish, 1);
        g_hash_table_insert(reconciler->wishes, g_strdup(name), wish);
    }
    wish->trigger = trigger;
    wish->is_named |= is_named;
    g_mutex_unlock(&reconciler->mutex);
    if (g_str_equal(trigger, "file") || is_named)
        queue_add_fresh(reconciler->queue, name);
    else
        queue_add(reconciler->queue, name);
}
