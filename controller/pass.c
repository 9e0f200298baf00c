/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pass. It always begins by looking, so it does not matter who died where before it:
 *
 *     lock | follow a clock that was set | close what dead controllers left open |
 *     gather, QEMU asked | note exits and adoptions | record what the file says now | look | plan |
 *     effects, looking again after each | step memory for a slice |
 *     plan once more: what is left | record | unlock
 *
 * All of it is bounded: effects end or fail by their deadlines, a guest is never waited for. The
 * first plan decides what is done, the last one what is said.
 *
 * What takes memory of the host (a start, a restart, a plug, growth) asks the ledger of it first
 * (controller/memory-ledger.c), which is left as QEMU is, whatever became of the pass.
 */
#include "controller/pass.h"

#include "controller/balloon-move.h"
#include "controller/companions.h"
#include "controller/device-effect.h"
#include "controller/effect.h"
#include "controller/links.h"
#include "controller/lock.h"
#include "controller/memory-ledger.h"
#include "controller/memory-move.h"
#include "controller/restarts.h"
#include "reconcile/backoff.h"
#include "reconcile/diff.h"
#include "reconcile/plan-balloon.h"
#include "state/clock.h"

/* Longer than a start may take: whoever holds it is at work. */
#define LOCK_TIMEOUT_US (60 * G_USEC_PER_SEC)
#define MONITOR_TIMEOUT_US (5 * G_USEC_PER_SEC)
/* How often a guest that was asked to power off is looked at, should no event say so. */
#define SHUTDOWN_POLL_US (250 * 1000)
/* The same of one that was asked to let a device go. */
#define UNPLUG_POLL_US (1 * G_USEC_PER_SEC)
/* The same of one whose restart has to wait for others'; the longer it waits, the seldomer. */
#define RESTART_POLL_US (500 * 1000)
#define RESTART_POLL_MOST_US (15 * G_USEC_PER_SEC)
/* The same of one that waits for the host's memory, should nobody of this process give it back. */
#define MEMORY_POLL_US (1 * G_USEC_PER_SEC)

static void
pass_memory_free(gpointer data)
{
    PassMemory *memory = data;

    g_free(memory->device);
    g_free(memory->message);
    g_free(memory);
}

void
pass_result_free(PassResult *result)
{
    if (!result)
        return;
    g_free(result->reason_word);
    g_free(result->reason);
    g_ptr_array_unref(result->memories);
    g_free(result);
}

/* ---- what the file says now ---- */

static bool
record_changes(const Subject *subject, const Site *site, GError **error)
{
    g_autoptr(Domain) previous = domain_parse_own(subject->row->resolved_xml, NULL);
    g_autoptr(GPtrArray) changes = NULL;

    if (!previous)
        return true;
    changes = domain_diff(previous, subject_whole(subject),
                          subject->whole ? subject->whole_positions : subject->input.positions);
    for (guint i = 0; i < changes->len; i++) {
        const Change *change = changes->pdata[i];
        ChangeRecord record = {
            .domain = subject->name,
            .path = change->path,
            .from = change->from,
            .to = change->to,
            .change_class = (char *) change_class_name(change->class_),
            .file = subject->entry->file,
            .line = change->at.line,
            .commit = site->scan->commit,
            .at_us = g_get_real_time(),
        };

        if (!store_change_add(site->store, &record, error))
            return false;
    }
    return true;
}

static bool
put_desired(Subject *subject, const Site *site, GError **error)
{
    const Spec *spec = subject->spec;
    g_autofree char *xml = domain_format(subject_whole(subject));
    DomainDesired desired = {
        .uuid = subject->desired->uuid,
        .file = subject->entry->file,
        .line = position_map_get(spec->positions, "name").line,
        .commit = site->scan->commit,
        .digest = spec->digest,
        .memory_boot = domain_boot_memory(subject->desired),
    };

    return store_domain_put_desired(site->store, subject->name, &desired, error) &&
           store_domain_put_resolved(site->store, subject->name, xml, error);
}

/* A file that turned into another domain's is refused; it must not become what the next file, the
 * right one again, inherits from. */
static bool
is_of_another_domain(const Subject *subject)
{
    g_autoptr(GPtrArray) changes = NULL;

    if (!subject->applied)
        return false;
    changes = domain_diff(subject->applied, subject->desired, subject->input.positions);
    for (guint i = 0; i < changes->len; i++)
        if (((const Change *) changes->pdata[i])->class_ == CHANGE_IDENTITY)
            return true;
    return false;
}

/* What changed goes together with what it changed to: a controller killed in between would tell
 * of the changes twice, or never. Power loss may undo it all: nothing has been done by it that the
 * file would not tell again, and the intent of whatever is done brings it to the disk. */
static bool
record_desired(Subject *subject, const Site *site, GError **error)
{
    const Spec *spec = subject->spec;
    bool is_changed;

    if (!spec || !subject->desired || is_of_another_domain(subject))
        return true;
    is_changed = subject->row && subject->row->resolved_xml &&
                 g_strcmp0(subject->row->desired.digest, spec->digest);
    if (!store_begin_relaxed(site->store, error))
        return false;
    if ((!is_changed || record_changes(subject, site, error)) &&
        put_desired(subject, site, error) && store_commit(site->store, error))
        return true;
    store_rollback(site->store);
    return false;
}

/* ---- the process ---- */

static bool
settle_process(Subject *subject, const Site *site, GError **error)
{
    gint64 known = subject->row ? subject->row->process.pid : 0;

    switch (subject->process_state) {
    case PROCESS_ALIVE:
        /* Its monitor agrees that it is the one: make the record anew. */
        if (subject->is_record_lost && subject->monitor)
            return process_record_write(process_record(subject->process), subject->run_directory,
                                        error);
        if (known != process_record(subject->process)->pid &&
            !effect_note_adoption(subject, site, error))
            return false;
        return companions_keep(subject, site, error);
    case PROCESS_NONE:
    case PROCESS_GONE:
        if (known)
            return effect_note_exit(subject, site, error);
        return companions_end(subject, site, error) && links_sweep(subject, error) &&
               run_directory_clear(subject->run_directory, error);
    case PROCESS_FOREIGN:
        return true; /* said by the observation: unreachable */
    }
    g_assert_not_reached();
}

/* ---- effects ---- */

/* Whether the host's budget has room for what the action plugs, if that is memory. */
static bool
may_plug(const Subject *subject, const PlanAction *action, bool *ret_may, GError **error)
{
    const DeviceInfo *info = action->after;
    MemoryGrant grant = MEMORY_GRANTED;

    if (action->kind == PLAN_ACTION_ADD_DEVICE && action->device_kind == &memory_kind &&
        !memory_ledger_ask_plug(subject->ledger, info->alias, &grant, error))
        return false;
    *ret_may = grant == MEMORY_GRANTED;
    return true;
}

/* Each device stands alone: what is refused of one leaves the others to be done. @refusals gets
 * QEMU's words, *ret_held whether one waits for memory. */
static bool
run_device_actions(Subject *subject, const Site *site, const DomainPlan *plan, GString *refusals,
                   bool *ret_held, GError **error)
{
    for (guint i = 0; i < plan->actions->len; i++) {
        const PlanAction *action = plan->actions->pdata[i];
        g_autoptr(GError) refusal = NULL;
        bool may;

        if (!device_effect_is(action->kind))
            continue;
        if (!may_plug(subject, action, &may, error))
            return false;
        *ret_held |= !may;
        if (may && device_effect_run(subject, site, action, &refusal) == EFFECT_FAILED)
            g_string_append_printf(refusals, "%s%s", refusals->len ? "; " : "", refusal->message);
    }
    return true;
}

/* Done by memory-move and balloon-move. */
static bool
is_of_memory(const PlanAction *action)
{
    return action->kind == PLAN_ACTION_SET_MEMORY || action->kind == PLAN_ACTION_SET_BALLOON;
}

static bool
run_actions(Subject *subject, const Site *site, const DomainPlan *plan, GError **error)
{
    for (guint i = 0; i < plan->actions->len; i++) {
        const PlanAction *action = plan->actions->pdata[i];

        if (is_of_memory(action) || device_effect_is(action->kind))
            continue;
        switch (effect_run(subject, site, action, error)) {
        case EFFECT_FAILED:
            return false;
        case EFFECT_PENDING:
            return true;
        case EFFECT_DONE:
            subject_observe(subject, site);
        }
    }
    return true;
}

static bool
is_steppable(const Subject *subject, const DomainPlan *plan)
{
    /* A guest that was asked to power off is left alone until it has, or its time is over. */
    return subject->monitor && subject->desired && subject->applied &&
           !subject->input.is_suspended && !subject->input.shutdown_purpose &&
           plan->sync != SYNC_INVALID && plan->sync != SYNC_FAILED && plan->verdict != PLAN_START &&
           plan->verdict != PLAN_STOP && plan->verdict != PLAN_RESTART &&
           (subject->observed->run_state == RUN_STATE_RUNNING ||
            subject->observed->run_state == RUN_STATE_PAUSED ||
            subject->observed->run_state == RUN_STATE_MIGRATING);
}

/* A guest that did not power off in its time, and needs not any more. */
static bool
drop_stale_shutdown(Subject *subject, const Site *site, const DomainPlan *plan, GError **error)
{
    if (!subject->input.shutdown_purpose || !subject->process ||
        subject->input.now < subject->input.shutdown_deadline || plan->verdict == PLAN_STOP ||
        plan->verdict == PLAN_RESTART)
        return true;
    effect_end_shutdown(subject, site, ACTION_SUPERSEDED, NULL);
    subject->input.shutdown_purpose = NULL;
    return store_domain_put_shutdown(site->store, subject->name, NULL, error);
}

/* What the running QEMU has of the file once the live part is under way. */
static bool
note_live_changes(Subject *subject, const Site *site, const DomainPlan *plan, GError **error)
{
    g_autoptr(Domain) applied = NULL;

    if (!plan->changes->len)
        return true;
    applied = domain_apply_live(subject->applied, subject->desired);
    if (plan_balloon_is_done(plan, &subject->input))
        applied->current_memory = subject->desired->current_memory;
    if (schema_equal(&domain_schema, applied, subject->applied))
        return true;
    if (!effect_note_applied(subject, site, applied, error))
        return false;
    domain_free(subject->applied);
    subject->applied = g_steal_pointer(&applied);
    subject->input.applied = subject->input.told = subject->applied;
    return true;
}

/* ---- the result ---- */

static void
say(PassResult *result, SyncState sync, const char *word, const char *reason)
{
    result->sync = sync;
    g_free(result->reason_word);
    result->reason_word = g_strdup(word);
    g_free(result->reason);
    result->reason = g_strdup(reason);
}

static gint64
restart_poll(const Subject *subject)
{
    const DomainRecord *row = subject->row;
    bool is_waiting = row && !g_strcmp0(row->reason, "RestartWaiting");

    return CLAMP(is_waiting ? (subject->input.now - row->since_us) / 8 : 0, RESTART_POLL_US,
                 RESTART_POLL_MOST_US);
}

static void
say_plan(PassResult *result, const Subject *subject, const DomainPlan *plan)
{
    say(result, plan->sync, plan->reason_word, plan->reason);
    result->is_converged = plan->verdict == PLAN_NONE;
    result->requeue_after = PASS_NEVER;
    if (plan->is_restart_waiting) {
        result->requeue_after = restart_poll(subject);
    } else if (plan->retry_at) {
        result->requeue_after = MAX(plan->retry_at - subject->input.now, 0);
    } else if (plan->verdict == PLAN_BLOCKED) {
        /* A file that is bad waits for its edit; what hangs is looked at again. */
        result->is_failed = plan->sync == SYNC_FAILED;
    } else if (plan->next_unplug != G_MAXINT64) {
        result->requeue_after = CLAMP(plan->next_unplug - subject->input.now, 0, UNPLUG_POLL_US);
    } else if (subject->input.shutdown_purpose || plan->sync == SYNC_PROGRESSING) {
        result->requeue_after = plan->actions->len ? 0 : SHUTDOWN_POLL_US;
    }
}

/* Some was refused: the rest is done, and this is tried again later. */
static void
say_refusals(PassResult *result, const GString *refusals)
{
    if (!refusals->len)
        return;
    say(result, SYNC_OUT_OF_SYNC, "Refused", refusals->str);
    result->is_failed = true;
    result->is_converged = false;
    result->requeue_after = PASS_NEVER;
}

static bool
is_only_memory(const DomainPlan *plan)
{
    for (guint i = 0; i < plan->actions->len; i++)
        if (!is_of_memory(plan->actions->pdata[i]))
            return false;
    return plan->verdict == PLAN_UPDATE && plan->next_unplug == G_MAXINT64;
}

static void
say_memory(PassResult *result, const MemoryMove *move, const DomainPlan *plan)
{
    if (move->condition != SYNC_SYNCED) {
        bool is_all = plan->next_unplug == G_MAXINT64; /* or devices are waited for as well */
        g_autofree char *reason =
            g_strdup_printf("%s%s%s", move->reason, is_all ? "" : "; ", is_all ? "" : plan->reason);

        say(result, move->condition, move->reason_word, reason);
        result->is_converged = false;
    } else if (is_only_memory(plan)) {
        /* Planned before the last step was seen to arrive. */
        say(result, SYNC_SYNCED, "Synced", "as the file says");
        result->is_converged = true;
    }
    if (move->poll_after != PASS_NEVER || is_only_memory(plan))
        result->requeue_after = move->poll_after;
}

static void
say_failure(PassResult *result, const GError *error)
{
    say(result, SYNC_FAILED, "Failed", error ? error->message : "failed");
    result->is_failed = true;
    result->is_converged = false;
    result->requeue_after = PASS_NEVER;
}

/* When the queue of watch comes back to a name by itself: both count from the first failure since
 * something about the name changed. 0: it does not, `apply` ends. */
static gint64
next_attempt(const Site *site, const char *name, guint n_failures, gint64 now)
{
    if (!n_failures || !g_strcmp0(site->trigger, "apply"))
        return 0;
    return now + backoff_delay(n_failures, backoff_seed(name));
}

static bool
is_first_failure(const Subject *subject, const Site *site)
{
    return !subject->row || site->is_named || !g_strcmp0(site->trigger, "file") ||
           !g_strcmp0(site->trigger, "start");
}

static bool
record_result(const Subject *subject, const Site *site, const PassResult *result, GError **error)
{
    gint64 now = g_get_real_time();
    guint n_before = is_first_failure(subject, site) ? 0 : subject->row->n_failures;
    guint n_failures = result->is_failed ? n_before + 1 : 0;

    return store_domain_put_run_state(site->store, subject->name,
                                      run_state_name(subject->observed->run_state), error) &&
           store_domain_put_sync(site->store, subject->name, result->sync, result->reason_word,
                                 result->reason, now, error) &&
           store_domain_put_failure(site->store, subject->name,
                                    result->is_failed ? result->reason : NULL, n_failures,
                                    next_attempt(site, subject->name, n_failures, now), error);
}

static DomainPlan *
plan_now(Subject *subject)
{
    subject->input.now = g_get_real_time();
    return plan_domain(&subject->input);
}

/* A shutdown that was begun in this pass is known to the state, not yet to the input. */
static bool
reload_row(Subject *subject, const Site *site, GError **error)
{
    DomainRecord *row = NULL;

    if (!store_domain_get(site->store, subject->name, &row, error))
        return false;
    if (!row)
        return true;
    g_clear_pointer(&subject->row, domain_record_free);
    subject->row = row;
    subject->input.shutdown_purpose = row->shutdown.deadline_us ? row->shutdown.purpose : NULL;
    subject->input.shutdown_deadline = row->shutdown.deadline_us;
    subject->input.suspend_reason = row->suspend_reason;
    subject->input.n_starts = row->n_starts;
    subject->input.last_exit = last_exit_parse(row->last_exit);
    subject->input.is_named = false; /* it has been heard */
    return true;
}

/* Devices that left since the last look. */
static bool
settle_devices(Subject *subject, const Site *site, GError **error)
{
    return !subject->monitor || subject->input.is_suspended || !subject->gone->len ||
           (device_effect_note_gone(subject, site, error) &&
            subject_load_undoings(subject, site, error));
}

/* Each of these was followed by a look. */
static bool
is_only_process(const DomainPlan *plan)
{
    for (guint i = 0; i < plan->actions->len; i++) {
        PlanActionKind kind = ((const PlanAction *) plan->actions->pdata[i])->kind;

        if (kind != PLAN_ACTION_START && kind != PLAN_ACTION_CONTINUE &&
            kind != PLAN_ACTION_DESTROY && kind != PLAN_ACTION_REAP)
            return false;
    }
    return true;
}

/* What the plan had done to devices, looked at once more. */
static bool
look_at_devices(Subject *subject, const Site *site, const DomainPlan *plan, GError **error)
{
    if (!subject_load_unplugs(subject, site, error))
        return false;
    if (!is_only_memory(plan) && !is_only_process(plan) && subject->monitor)
        subject_observe(subject, site);
    return true;
}

/* A start needs its memory, and so does a restart before anybody is stopped for it. */
static bool
admit(Subject *subject, const DomainPlan *plan, GError **error)
{
    MemoryGrant grant = MEMORY_GRANTED;

    subject->input.memory_held = NULL;
    if (!domain_plan_has_start(plan))
        return true;
    if (subject->process ? !memory_ledger_ask_restart(subject->ledger, &grant, error)
                         : !memory_ledger_ask_start(subject->ledger, &grant, error))
        return false;
    if (grant == MEMORY_GRANTED)
        return true;
    g_free(subject->memory_held);
    subject->memory_held = g_strdup(memory_ledger_wait(subject->ledger));
    subject->input.memory_held = subject->memory_held;
    subject->input.is_memory_refused = memory_ledger_is_impossible(subject->ledger) ||
                                       subject->policy.memory_admission == ADMISSION_REFUSE;
    if (subject->input.is_memory_refused)
        memory_ledger_withdraw(subject->ledger);
    return true;
}

/* A restart needs a place among those at the same time; without one, what can be done live is. */
static DomainPlan *
plan_first(Subject *subject, const Site *site, GError **error)
{
    g_autoptr(DomainPlan) plan = plan_now(subject);

    if (!restarts_claim(subject, site, plan, error))
        return NULL;
    if (subject->restart_held) {
        domain_plan_free(plan);
        plan = plan_now(subject);
    }
    if (!admit(subject, plan, error))
        return NULL;
    return subject->input.memory_held ? plan_now(subject) : g_steal_pointer(&plan);
}

/* Says of a domain that is otherwise well what it waits for. */
static void
say_held(PassResult *result, const Subject *subject, bool is_held)
{
    const char *wait = memory_ledger_wait(subject->ledger);

    result->is_hopeful = wait && memory_ledger_is_hopeful(subject->ledger);
    if (result->sync == SYNC_WAITING || (is_held && wait)) {
        if (is_held && wait)
            say(result, SYNC_WAITING, "HostBudget", wait);
        result->is_converged = false;
        result->requeue_after = MEMORY_POLL_US;
    }
}

/* QEMU answers while the state is written. A look there is in any case: what went wrong is said of
 * a domain that was looked at. */
static bool
settle(Subject *subject, const Site *site, GError **error)
{
    bool is_good = settle_process(subject, site, error) && record_desired(subject, site, error);

    subject_observe(subject, site);
    return is_good && settle_devices(subject, site, error);
}

static bool
reconcile(Subject *subject, const Site *site, PassResult *result, GError **error)
{
    g_autoptr(DomainPlan) first = NULL, left = NULL;
    g_autoptr(GString) refusals = g_string_new(NULL);
    MemoryMove move = { .condition = SYNC_SYNCED, .poll_after = PASS_NEVER };
    bool is_good, is_held = false;

    if (!settle(subject, site, error) || !memory_ledger_note(subject->ledger, error))
        return false;
    first = plan_first(subject, site, error);
    if (!first)
        return false;
    result->verdict = first->verdict;
    if (!drop_stale_shutdown(subject, site, first, error) ||
        !device_effect_forget(subject, site, first, error) ||
        !run_actions(subject, site, first, error))
        return false;
    if (!run_device_actions(subject, site, first, refusals, &is_held, error))
        return false;
    if (first->actions->len && !reload_row(subject, site, error))
        return false;
    /* What has left at once is tidied up now: nothing would ask for another pass. */
    if (first->actions->len &&
        (!look_at_devices(subject, site, first, error) || !settle_devices(subject, site, error)))
        return false;
    left = plan_now(subject);
    say_plan(result, subject, left);
    if (!restarts_settle(subject, site, left, error))
        return false;
    if (!restarts_is_under_way(subject, left) && !subject->input.memory_held)
        memory_ledger_end_restart(subject->ledger);
    if (!is_steppable(subject, left)) {
        say_held(result, subject, is_held);
        say_refusals(result, refusals);
        return true;
    }
    if (!note_live_changes(subject, site, left, error))
        return false;
    is_good = memory_move_run(subject, site, &move, result->memories, error);
    if (is_good && move.is_contested) { /* which the plan could not know yet */
        domain_plan_free(left);
        left = plan_now(subject);
        say_plan(result, subject, left);
    }
    is_good = is_good && balloon_move_run(subject, site, left, &move, result->memories, error);
    if (is_good)
        say_memory(result, &move, left);
    say_held(result, subject, is_held);
    say_refusals(result, refusals);
    memory_move_clear(&move);
    return is_good;
}

/* Whatever became of the pass, the ledger is left as QEMU is. */
static bool
reconcile_with_ledger(Subject *subject, const Site *site, PassResult *result, GError **error)
{
    g_autoptr(MemoryLedger) ledger = memory_ledger_open(subject, site, error);
    bool is_good;

    if (!ledger) {
        subject_observe(subject, site); /* what is recorded of it */
        return false;
    }
    subject->ledger = ledger;
    is_good = reconcile(subject, site, result, error);
    is_good = memory_ledger_close(ledger, is_good ? error : NULL) && is_good;
    subject->ledger = NULL;
    return is_good;
}

/* A domain without file of which nothing is left, and which nobody asked to keep. */
static bool
is_done_with(const Subject *subject, const PassResult *result)
{
    return !subject->entry && !subject->input.prune_held && subject->policy.prune != PRUNE_KEEP &&
           subject->observed->run_state == RUN_STATE_OFF && !result->is_failed;
}

static void
run_locked(const Site *site, const char *name, PassResult *result)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Subject) subject = NULL;

    ActionOwner heir = host_owner(site->host);
    guint n_interrupted = 0;

    if (!store_clock_follow(site->store, site->host->boot_id, g_get_real_time(),
                            g_get_monotonic_time(), &error))
        return say_failure(result, error);
    /* Before the domain's monitor is held: it may ask all QEMUs. */
    if (!memory_ledger_prepare(site, &error))
        return say_failure(result, error);
    if (!journal_close_interrupted(site->store, name, &heir, host_owner_is_alive,
                                   (gpointer) site->host, g_get_real_time(), &n_interrupted,
                                   &error) ||
        !(subject = subject_prepare(site, name, MONITOR_TIMEOUT_US, &error)))
        return say_failure(result, error);
    subject->is_resumed = n_interrupted > 0;
    effect_end_lost(subject, site);
    if (!reconcile_with_ledger(subject, site, result, &error))
        say_failure(result, error);
    effect_end_lost(subject, site);
    result->is_running = subject->process != NULL;
    result->is_forgotten = is_done_with(subject, result);
    g_clear_error(&error);
    if (result->is_forgotten ? !store_domain_remove(site->store, name, &error)
                             : !record_result(subject, site, result, &error)) {
        result->is_forgotten = false;
        say_failure(result, error);
    }
}

static PassResult *
result_new(void)
{
    PassResult *result = g_new0(PassResult, 1);

    result->memories = g_ptr_array_new_with_free_func(pass_memory_free);
    result->verdict = PLAN_NONE;
    result->requeue_after = PASS_NEVER;
    return result;
}

PassResult *
pass_result_failed(const char *reason)
{
    PassResult *result = result_new();

    say(result, SYNC_FAILED, "Failed", reason);
    result->is_failed = true;
    return result;
}

PassResult *
pass_run(const Site *site, const char *name)
{
    PassResult *result = result_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(Lock) lock = NULL;

    lock = lock_acquire(site->config->run, name, LOCK_TIMEOUT_US, NULL, &error);
    if (lock)
        run_locked(site, name, result);
    else
        say_failure(result, error);
    return result;
}
