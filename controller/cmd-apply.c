/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `virtkeep apply`: reconcile until everything named is as its file says, or until it is clear that
 * it will not be. It is the queue of `watch` without the watching: passes ask to be run again until
 * they have converged.
 *
 * When to end: every domain has settled (converged, refused, or in a state that only the guest, a
 * restart or an edit can change), or the timeout is over. Without --timeout a domain that is
 * stalled or guarded counts as settled, since waiting longer may be forever; with it, it is waited
 * for.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib-unix.h>

#include "controller/causes.h"
#include "controller/commands.h"
#include "controller/message.h"
#include "controller/options.h"
#include "controller/reconciler.h"
#include "controller/site.h"
#include "controller/terminal.h"
#include "model/quantity.h"

typedef struct ApplyOptions {
    char *plan;
    bool no_wait;
    bool accept_directory;
    gint64 timeout;
} ApplyOptions;

static const Option apply_options[] = {
    { "plan", 0, OPTION_STRING, offsetof(ApplyOptions, plan), "FILE", NULL,
      "carry out a plan saved by `plan --out`, if it still holds" },
    { "no-wait", 0, OPTION_FLAG, offsetof(ApplyOptions, no_wait), NULL, NULL,
      "one pass a domain, then end" },
    { "timeout", 0, OPTION_DURATION, offsetof(ApplyOptions, timeout), "D", NULL,
      "wait at most this long for convergence (5m), also for what stalls" },
    { "accept-directory", 0, OPTION_FLAG, offsetof(ApplyOptions, accept_directory), NULL, NULL,
      "the domains directory is another one than before, and that is right" },
    OPTION_END,
};

#define DEFAULT_TIMEOUT_US (300 * G_USEC_PER_SEC)

/* Last result of a domain, as the main thread needs it. */
typedef struct Outcome {
    SyncState sync;
    char *reason;
    PlanVerdict verdict; /* the most that any pass did */
    bool is_converged, is_failed, is_hopeful, is_seen;
} Outcome;

typedef struct Apply {
    const ApplyOptions *options;
    GMutex mutex;
    GHashTable *outcomes; /* name -> Outcome */
    Progress *progress;
    GMainLoop *loop;
    bool is_interrupted, is_timed_out;
} Apply;

static void
outcome_free(gpointer data)
{
    Outcome *outcome = data;

    g_free(outcome->reason);
    g_free(outcome);
}

/* Nothing that apply can do or wait for is left. */
static bool
is_settled(const Apply *apply, const Outcome *outcome)
{
    if (!outcome->is_seen)
        return false;
    if (apply->options->no_wait || outcome->is_converged || outcome->is_failed)
        return true;
    switch (outcome->sync) {
    case SYNC_INVALID:
    case SYNC_OUT_OF_SYNC:
    case SYNC_ORPHANED:
    case SYNC_SUSPENDED:
    case SYNC_RESTART_REQUIRED:
        return true;
    case SYNC_WAITING:
        return !apply->options->timeout && !outcome->is_hopeful;
    case SYNC_STALLED:
    case SYNC_GUARDED:
        return !apply->options->timeout;
    case SYNC_UNKNOWN:
    case SYNC_SYNCED:
    case SYNC_PROGRESSING:
    case SYNC_FAILED:
        return false;
    }
    return false;
}

static bool
all_settled(Apply *apply)
{
    GHashTableIter iter;
    gpointer outcome;

    g_hash_table_iter_init(&iter, apply->outcomes);
    while (g_hash_table_iter_next(&iter, NULL, &outcome))
        if (!is_settled(apply, outcome))
            return false;
    return true;
}

static void
show_progress(Apply *apply, const char *name, const PassResult *result)
{
    for (guint i = 0; i < result->memories->len; i++) {
        const PassMemory *memory = result->memories->pdata[i];
        g_autofree char *id = g_strdup_printf("%s %s", name, memory->device);

        if (memory->condition != SYNC_SYNCED || memory->from != memory->current)
            progress_set(apply->progress, id, memory->from, memory->current, memory->target,
                         memory->condition == SYNC_PROGRESSING ? NULL : memory->message);
    }
    progress_draw(apply->progress);
}

/* In the main loop; an idle source, since the loop may not have begun to run yet. */
static gboolean
quit_loop(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

/* In a worker. */
static void
on_pass(const char *name, const PassResult *result, gpointer data)
{
    Apply *apply = data;
    Outcome *outcome;

    g_mutex_lock(&apply->mutex);
    outcome = g_hash_table_lookup(apply->outcomes, name);
    if (outcome) {
        g_free(outcome->reason);
        outcome->reason = g_strdup(result->reason);
        outcome->sync = result->sync;
        outcome->is_converged = result->is_converged;
        outcome->is_hopeful = result->is_hopeful;
        outcome->is_failed |= result->is_failed;
        outcome->is_seen = true;
        if (result->verdict != PLAN_NONE && outcome->verdict != PLAN_START)
            outcome->verdict = result->verdict;
        show_progress(apply, name, result);
        if (all_settled(apply))
            g_idle_add(quit_loop, apply->loop);
    }
    g_mutex_unlock(&apply->mutex);
}

static gboolean
on_timeout(gpointer data)
{
    Apply *apply = data;

    apply->is_timed_out = true;
    g_main_loop_quit(apply->loop);
    return G_SOURCE_REMOVE;
}

static gboolean
on_signal(gpointer data)
{
    Apply *apply = data;

    apply->is_interrupted = true;
    g_main_loop_quit(apply->loop);
    return G_SOURCE_CONTINUE;
}

/* ---- a saved plan ---- */

/* Whether the plan in the file still holds; *ret_names are its domains. */
static bool
check_plan(const char *file, const Site *site, GPtrArray **ret_names, GError **error)
{
    g_autofree char *text = NULL, *staleness = NULL;
    g_autoptr(Json) json = NULL;
    g_autoptr(Plan) saved = NULL, now = NULL;
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    gsize length;

    if (!g_file_get_contents(file, &text, &length, error))
        return false;
    json = json_parse(text, length, error);
    saved = json ? plan_from_json(json, error) : NULL;
    if (!saved) {
        g_prefix_error(error, "%s: ", file);
        return false;
    }
    *ret_names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < saved->domains->len; i++) {
        const DomainPlan *domain = saved->domains->pdata[i];

        g_ptr_array_add(names, domain->name);
        g_ptr_array_add(*ret_names, g_strdup(domain->name));
    }
    g_ptr_array_add(names, NULL);
    now = site_plan(site, (const char *const *) names->pdata, PLAN_KEEP_BASES, NULL, error);
    if (!now)
        return false;
    staleness = plan_staleness(saved, now);
    if (!staleness)
        return true;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s no longer holds, nothing was done:\n%s",
                file, g_strchomp(staleness));
    return false;
}

static GPtrArray *
choose_names(const Invocation *invocation, const Site *site, GError **error)
{
    const ApplyOptions *options = invocation->options;
    g_autoptr(GPtrArray) names = NULL;

    if (options->plan)
        return check_plan(options->plan, site, &names, error) ? g_steal_pointer(&names) : NULL;
    if (!invocation->n_args)
        return site_domain_names(site, error);
    if (!site_check_names(site, invocation->args))
        return NULL;
    names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < invocation->n_args; i++)
        if (!g_ptr_array_find_with_equal_func(names, invocation->args[i], g_str_equal, NULL))
            g_ptr_array_add(names, g_strdup(invocation->args[i]));
    return g_steal_pointer(&names);
}

/* ---- saying it ---- */

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return g_strcmp0(*(char *const *) a, *(char *const *) b);
}

static int
exit_status(Apply *apply)
{
    GHashTableIter iter;
    gpointer value;
    bool is_all_converged = true;

    g_hash_table_iter_init(&iter, apply->outcomes);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Outcome *outcome = value;

        if (outcome->is_failed || outcome->sync == SYNC_INVALID || outcome->sync == SYNC_FAILED)
            return EXIT_FAILED;
        is_all_converged &= outcome->is_converged;
    }
    return is_all_converged ? EXIT_CONVERGED : EXIT_NOT_CONVERGED;
}

static const char *
outcome_word(const Outcome *outcome)
{
    if (!outcome->is_seen)
        return "not reached";
    return sync_state_name(outcome->sync);
}

static void
print_json(const GPtrArray *names, GHashTable *outcomes, int status)
{
    g_autoptr(Json) json = message_json_new();
    Json *domains = json_new_array();

    for (guint i = 0; i < names->len; i++) {
        const Outcome *outcome = g_hash_table_lookup(outcomes, names->pdata[i]);
        Json *domain = json_new_object();

        json_set_string(domain, "name", names->pdata[i]);
        json_set_string(domain, "action", plan_verdict_name(outcome->verdict));
        json_set_string(domain, "sync", sync_state_name(outcome->sync));
        json_set_bool(domain, "converged", outcome->is_converged);
        json_set_string(domain, "reason", outcome->reason);
        json_append(domains, domain);
    }
    json_set(json, "domains", domains);
    json_set_int(json, "exit_status", status);
    message_print_json(json);
}

/* A line for each of several causes. */
static void
print_error(const char *name, const char *reason, const DirectoryEntry *entry)
{
    g_auto(GStrv) causes = causes_split(reason ? reason : "failed", entry ? entry->file : NULL);

    for (guint i = 0; causes[i]; i++)
        message_error("%s: %s", name, causes[i]);
}

static void
print_text(const GPtrArray *names, GHashTable *outcomes, const DirectoryScan *scan)
{
    for (guint i = 0; i < names->len; i++) {
        const Outcome *outcome = g_hash_table_lookup(outcomes, names->pdata[i]);
        g_autofree char *name = text_printable(names->pdata[i]);
        bool is_error = outcome->is_failed || outcome->sync == SYNC_INVALID;

        if (is_error)
            print_error(name, outcome->reason, directory_scan_find(scan, names->pdata[i]));
        else if (outcome->verdict != PLAN_NONE || !outcome->is_converged)
            message_note("%s: %s: %s", name, outcome_word(outcome),
                         outcome->reason ? outcome->reason : "");
    }
}

static int
report(const Invocation *invocation, Apply *apply, GPtrArray *names, const DirectoryScan *scan)
{
    int status = exit_status(apply);

    g_ptr_array_sort(names, compare_names);
    if (invocation->global.output == OUTPUT_JSON)
        print_json(names, apply->outcomes, status);
    else
        print_text(names, apply->outcomes, scan);
    if (apply->is_timed_out)
        message_error("not converged in time");
    return apply->is_interrupted ? EXIT_NOT_CONVERGED : status;
}

/* Files that say nothing about which domain they mean can't be part of any domain's outcome. */
static bool
has_nameless(const DirectoryScan *scan)
{
    if (scan->problem || scan->is_missing)
        return true;
    for (guint i = 0; i < scan->entries->len; i++) {
        const DirectoryEntry *entry = scan->entries->pdata[i];

        if (!entry->name && entry->state != ENTRY_VALID)
            return true;
    }
    return false;
}

static void
expect(Apply *apply, const GPtrArray *names)
{
    apply->outcomes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, outcome_free);
    for (guint i = 0; i < names->len; i++) {
        Outcome *outcome = g_new0(Outcome, 1);

        outcome->verdict = PLAN_NONE;
        g_hash_table_insert(apply->outcomes, names->pdata[i], outcome);
    }
}

/* The queue does the work; the main loop waits for the last domain, the timeout or a signal. */
static void
run_queue(Apply *apply, SiteSetup *setup, const GPtrArray *names, bool is_named)
{
    Reconciler *reconciler = reconciler_new(setup->config, setup->host, on_pass, apply);
    gint64 timeout = apply->options->timeout ? apply->options->timeout : DEFAULT_TIMEOUT_US;
    guint timer = g_timeout_add(timeout / 1000, on_timeout, apply);
    guint interrupt = g_unix_signal_add(SIGINT, on_signal, apply);
    guint terminate = g_unix_signal_add(SIGTERM, on_signal, apply);

    reconciler_set_scan(reconciler, setup->scan, g_steal_pointer(&setup->prune));
    setup->site.store = NULL;
    reconciler_give_store(reconciler, g_steal_pointer(&setup->store));
    for (guint i = 0; i < names->len; i++)
        reconciler_add(reconciler, names->pdata[i], "apply", is_named);
    g_main_loop_run(apply->loop);
    reconciler_free(reconciler); /* waits for the passes that run */
    if (!apply->is_timed_out)
        g_source_remove(timer);
    g_source_remove(interrupt);
    g_source_remove(terminate);
}

static int
apply_names(const Invocation *invocation, SiteSetup *setup, GPtrArray *names)
{
    bool is_colored = terminal_has_color(STDERR_FILENO, invocation->global.color);
    Apply apply = { .options = invocation->options };
    int status;

    g_mutex_init(&apply.mutex);
    apply.loop = g_main_loop_new(NULL, FALSE);
    apply.progress = progress_new(STDERR_FILENO, is_colored);
    expect(&apply, names);
    if (names->len)
        run_queue(&apply, setup, names, invocation->n_args > 0);
    else if (setup->scan->is_empty)
        message_note("nothing to do: no domain file in %s", setup->scan->root);
    progress_free(apply.progress);
    status = report(invocation, &apply, names, setup->scan);
    g_hash_table_unref(apply.outcomes);
    g_main_loop_unref(apply.loop);
    g_mutex_clear(&apply.mutex);
    return status;
}

/* The operator may vouch for the directory; what is accepted now is what later ones are held to. */
static bool
settle_directory(SiteSetup *setup, bool is_accepted, GError **error)
{
    if (is_accepted) {
        PruneDecision *prune =
            site_decide_prune(setup->config, setup->store, setup->scan, true, error);

        if (!prune)
            return false;
        prune_decision_free(setup->prune);
        setup->prune = prune;
        setup->site.prune = prune;
    }
    return site_record_directory(setup->store, setup->scan, setup->prune, error);
}

static int
run_apply(const Invocation *invocation)
{
    const ApplyOptions *options = invocation->options;
    g_autoptr(SiteSetup) setup = site_open(invocation, SITE_ACT);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) names = NULL;
    bool has_complaints;
    int status;

    if (!setup)
        return EXIT_FAILED;
    setup->site.trigger = "apply";
    setup->site.is_named = invocation->n_args > 0;
    if (!settle_directory(setup, options->accept_directory, &error)) {
        message_error("%s", error->message);
        return EXIT_FAILED;
    }
    names = choose_names(invocation, &setup->site, &error);
    if (!names) {
        if (error)
            message_error("%s", error->message);
        return EXIT_FAILED;
    }
    has_complaints = !invocation->n_args && !options->plan && has_nameless(setup->scan);
    if (has_complaints)
        site_print_complaints(&setup->site);
    status = apply_names(invocation, setup, names);
    return has_complaints && status == EXIT_CONVERGED ? EXIT_FAILED : status;
}

const Command apply_command = {
    .name = "apply",
    .arguments = "[NAME...]",
    .summary = "Make domains as their files say",
    .doc = "Starts, stops and changes what `virtkeep plan` shows, and waits until memory has\n"
           "moved. Exit status: 0 converged, 1 error, 3 not converged in time.",
    .examples = "  virtkeep apply\n"
                "  virtkeep apply web-1 db-1 --timeout 2m\n"
                "  virtkeep plan --out p.json && virtkeep apply --plan p.json\n",
    .options = apply_options,
    .options_size = sizeof(ApplyOptions),
    .max_args = G_MAXUINT,
    .run = run_apply,
};
