/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Planning one domain: a decision tree from what is wanted and what is there to a verdict.
 *
 *     suspended? ── yes ─> none (Suspended)
 *     no file? ───────────> prune policy: none (Orphaned), or stop
 *     file bad? ──────────> blocked (Invalid): the domain stays as it last was
 *     no QEMU? ───────────> run-strategy: start, or none; blocked (Missing) where it can't start
 *     guest powered off, crashed? ─> reap, then by run-strategy, on_poweroff and on_crash
 *     halted? ────────────> stop
 *     differs? ───────────> live changes: update;  identity: blocked;
 *                           restart: report (RestartRequired), or restart; or, while others do,
 *                           live changes (RestartWaiting)
 *
 * Nothing is decided from what was done before: only from what is there now, so that a pass after
 * a crash decides like any other. A shutdown under way is the one thing that is remembered, since
 * a guest that was asked says nothing while it thinks: it is looked at again until its deadline.
 */
#include "reconcile/plan.h"

#include "model/memory.h"
#include "model/quantity.h"
#include "reconcile/diff.h"
#include "reconcile/disk-growth.h"
#include "reconcile/memory-leave.h"
#include "reconcile/plan-balloon.h"
#include "reconcile/plan-live.h"

PlanAction *
plan_add_action(DomainPlan *plan, PlanActionKind kind)
{
    PlanAction *action = g_new0(PlanAction, 1);

    action->kind = kind;
    action->class_ = CHANGE_LIVE;
    action->because = g_array_new(FALSE, FALSE, sizeof(guint));
    g_ptr_array_add(plan->actions, action);
    return action;
}

/* @format NULL: no sentence beyond the word. */
G_GNUC_PRINTF(5, 6)
static void
conclude(DomainPlan *plan, PlanVerdict verdict, SyncState sync, const char *word,
         const char *format, ...)
{
    va_list args;

    plan->verdict = verdict;
    plan->sync = sync;
    g_free(plan->reason_word);
    plan->reason_word = g_strdup(word);
    g_free(plan->reason);
    va_start(args, format);
    plan->reason = g_strdup_vprintf(format, args);
    va_end(args);
}

static bool
is_shutting_down(const PlanInput *input)
{
    return input->shutdown_purpose != NULL;
}

/* Until the shutdown's deadline, to the second. */
static char *
time_left(const PlanInput *input)
{
    gint64 seconds = (input->shutdown_deadline - input->now + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC;

    return duration_text(seconds * G_USEC_PER_SEC);
}

/* The guest is asked once; until the deadline passes only look. */
static void
plan_stop(DomainPlan *plan, const PlanInput *input, PlanVerdict verdict, bool is_graceful,
          const char *why)
{
    /* A paused guest hears nothing, but whoever paused it has the timeout to let it go on. */
    bool can_listen = input->observed->run_state == RUN_STATE_RUNNING ||
                      input->observed->run_state == RUN_STATE_PAUSED;

    if (is_graceful && is_shutting_down(input) && input->now < input->shutdown_deadline) {
        g_autofree char *left = time_left(input);

        conclude(plan, verdict, SYNC_PROGRESSING, "ShuttingDown",
                 "%s; the guest has %s left to power off", why, left);
        return;
    }
    if (is_graceful && can_listen && !is_shutting_down(input)) {
        g_autofree char *timeout = duration_text(input->policy.shutdown_timeout);

        plan_add_action(plan, PLAN_ACTION_SHUTDOWN)->purpose =
            verdict == PLAN_RESTART ? "restart" : "stop";
        conclude(plan, verdict, SYNC_PROGRESSING, "ShuttingDown",
                 "%s; the guest is asked to power off and has %s for it", why, timeout);
        return;
    }
    plan_add_action(plan, PLAN_ACTION_DESTROY);
    conclude(plan, verdict, SYNC_PROGRESSING, "Stopping", "%s", why);
}

static void
plan_orphan(DomainPlan *plan, const PlanInput *input)
{
    bool is_off = input->observed->run_state == RUN_STATE_OFF;

    if (input->observed->run_state == RUN_STATE_SHUTDOWN) {
        plan_add_action(plan, PLAN_ACTION_REAP);
        return conclude(plan, PLAN_STOP, SYNC_ORPHANED, "GuestShutDown",
                        "its file is gone, and its guest powered off");
    }
    if (input->prune_held)
        return conclude(plan, PLAN_NONE, SYNC_ORPHANED, "PruneHeld",
                        "its file is gone; pruning is held: %s", input->prune_held);
    if (input->policy.prune == PRUNE_KEEP || is_off)
        return conclude(plan, PLAN_NONE, SYNC_ORPHANED, "Orphaned",
                        is_off ? "its file is gone and it does not run"
                               : "its file is gone; policy prune=keep leaves it running");
    plan_stop(plan, input, PLAN_STOP, input->policy.prune == PRUNE_SHUTDOWN,
              "its file is gone and policy says to prune it");
}

/* Whether run-strategy wants a QEMU where there is none. */
static bool
wants_start(const PlanInput *input, const char **ret_word, const char **ret_why)
{
    *ret_word = "Stopped";
    switch (input->policy.run_strategy) {
    case RUN_ALWAYS:
        return true;
    case RUN_RERUN_ON_FAILURE:
        if (input->last_exit != EXIT_GUEST_SHUTDOWN || input->is_named)
            return true;
        *ret_word = "GuestShutDown";
        *ret_why = "the guest powered off; run-strategy rerun-on-failure starts it only after a "
                   "failure (`apply NAME` starts it)";
        return false;
    case RUN_ONCE:
        if (!input->n_starts || input->is_named)
            return true;
        *ret_why = "it has run; run-strategy once starts it no more (`apply NAME` does)";
        return false;
    case RUN_MANUAL:
        *ret_why = "run-strategy manual leaves starting to `apply NAME`";
        return input->is_named;
    case RUN_HALTED:
        *ret_word = "Halted";
        *ret_why = "run-strategy halted";
        return false;
    }
    g_assert_not_reached();
}

static void
wait_for_memory(DomainPlan *plan, const PlanInput *input)
{
    conclude(plan, PLAN_BLOCKED, input->is_memory_refused ? SYNC_OUT_OF_SYNC : SYNC_WAITING,
             input->is_memory_refused ? "OverBudget" : "HostBudget", "%s", input->memory_held);
}

static void
plan_off(DomainPlan *plan, const PlanInput *input)
{
    const char *word, *why = NULL;

    if (!wants_start(input, &word, &why))
        return conclude(plan, PLAN_NONE, SYNC_SYNCED, word, "%s", why);
    if (input->missing)
        return conclude(plan, PLAN_BLOCKED, SYNC_FAILED, "Missing", "%s", input->missing);
    if (input->memory_held)
        return wait_for_memory(plan, input);
    plan_add_action(plan, PLAN_ACTION_START)->class_ = CHANGE_RESTART;
    conclude(plan, PLAN_START, SYNC_PROGRESSING, "Starting", "%s",
             input->last_exit == EXIT_CRASHED ? "its QEMU is gone, and it shall run"
             : input->n_starts                ? "it shall run"
                                              : "new");
}

/* The guest powered off, QEMU is still there. */
static void
plan_powered_off(DomainPlan *plan, const PlanInput *input)
{
    bool is_restart = input->desired->on_poweroff == ACTION_RESTART ||
                      input->policy.run_strategy == RUN_ALWAYS ||
                      !g_strcmp0(input->shutdown_purpose, "restart");

    plan_add_action(plan, PLAN_ACTION_REAP);
    if (is_restart && input->policy.run_strategy != RUN_HALTED && !input->memory_held) {
        plan_add_action(plan, PLAN_ACTION_START)->class_ = CHANGE_RESTART;
        return conclude(plan, PLAN_RESTART, SYNC_PROGRESSING, "Restarting",
                        "the guest powered off, and it shall run");
    }
    conclude(plan, PLAN_STOP, SYNC_PROGRESSING, "GuestShutDown", "the guest powered off");
}

static void
plan_crashed(DomainPlan *plan, const PlanInput *input)
{
    bool is_restart = input->desired->on_crash == ACTION_RESTART ||
                      input->desired->on_crash == ACTION_COREDUMP_RESTART ||
                      input->policy.run_strategy == RUN_ALWAYS ||
                      input->policy.run_strategy == RUN_RERUN_ON_FAILURE;

    if (input->desired->on_crash == ACTION_PRESERVE)
        return conclude(plan, PLAN_BLOCKED, SYNC_FAILED, "GuestCrashed",
                        "the guest crashed (%s); on_crash=preserve leaves it to be looked at",
                        input->observed->qemu_status);
    plan_add_action(plan, PLAN_ACTION_DESTROY);
    if (is_restart && input->policy.run_strategy != RUN_HALTED && !input->memory_held) {
        plan_add_action(plan, PLAN_ACTION_START)->class_ = CHANGE_RESTART;
        return conclude(plan, PLAN_RESTART, SYNC_PROGRESSING, "Restarting",
                        "the guest crashed (%s)", input->observed->qemu_status);
    }
    conclude(plan, PLAN_STOP, SYNC_PROGRESSING, "GuestCrashed", "the guest crashed (%s)",
             input->observed->qemu_status);
}

/* The changes of @device's requested-size, as indexes. */
static void
find_causes(const DomainPlan *plan, const MemoryDevice *memory, GArray *because)
{
    for (guint i = 0; i < plan->changes->len; i++) {
        const Change *change = plan->changes->pdata[i];

        if (change->class_ == CHANGE_LIVE && change->to_item == memory)
            g_array_append_val(because, i);
    }
}

guint64
plan_memory_target(const MemoryDevice *desired, const ObservedMemory *observed)
{
    guint64 target = MIN(desired->requested.value, observed->max);

    return target - target % observed->block;
}

static void
plan_memory(DomainPlan *plan, const PlanInput *input)
{
    for (guint i = 0; i < list_length(input->desired->memories); i++) {
        const MemoryDevice *memory = list_at(input->desired->memories, i, MemoryDevice);
        const ObservedMemory *observed = observed_memory(input->observed, memory->info.alias);
        guint64 target;
        PlanAction *action;

        if (memory->model != MEMORY_MODEL_VIRTIO_MEM || !observed || !observed->block)
            continue;
        target = plan_memory_target(memory, observed);
        if ((observed->requested == target && observed->current == target) ||
            plan_is_memory_contested(plan, input, observed->id))
            continue;
        action = plan_add_action(plan, PLAN_ACTION_SET_MEMORY);
        action->device = g_strdup(observed->id);
        action->from = observed->current;
        action->to = target;
        action->steps =
            plan_memory_steps(observed->current, target, observed->block, input->policy.step);
        find_causes(plan, memory, action->because);
    }
}

static const Change *
first_change(const DomainPlan *plan, ChangeClass class_)
{
    for (guint i = 0; i < plan->changes->len; i++) {
        const Change *change = plan->changes->pdata[i];

        if (change->class_ == class_)
            return change;
    }
    return NULL;
}

/* "vcpu (2 to 4) and 2 more" */
static char *
restart_fields(const DomainPlan *plan)
{
    GString *text = g_string_new(NULL);
    guint n = 0;

    for (guint i = 0; i < plan->changes->len; i++) {
        const Change *change = plan->changes->pdata[i];

        if (change->class_ != CHANGE_RESTART || ++n > 3)
            continue;
        g_string_append_printf(text, "%s%s", n > 1 ? ", " : "", change->path);
        if (change->from || change->to)
            g_string_append_printf(text, " (%s to %s)", change->from ? change->from : "absent",
                                   change->to ? change->to : "absent");
    }
    if (n > 3)
        g_string_append_printf(text, " and %u more", n - 3);
    return g_string_free(text, FALSE);
}

/* Whether the guest is waited for to let a device go. @text: of plan_unplugs_text(). */
static bool
plan_unplugs(DomainPlan *plan, const char *text, bool is_overdue)
{
    if (!text)
        return false;
    conclude(plan, PLAN_UPDATE, is_overdue ? SYNC_STALLED : SYNC_PROGRESSING,
             is_overdue ? "DeviceStays" : "DeviceLeaving", "the guest is to let go of %s", text);
    return true;
}

/* Progressing for as long as the others are: `apply` waits for its turn, and ends when it does not
 * come. */
static void
wait_for_restart(DomainPlan *plan, const PlanInput *input)
{
    g_autofree char *fields =
        input->companion_failure ? g_strdup(input->companion_failure) : restart_fields(plan);

    plan->is_restart_waiting = true;
    conclude(plan, PLAN_BLOCKED, input->is_restart_stuck ? SYNC_RESTART_REQUIRED : SYNC_PROGRESSING,
             "RestartWaiting", "is restarted after %s (guards.max-restarts): %s",
             input->restart_held, fields);
}

/* What is not as the file says though the file did not change. */
static const char *
first_drift(const DomainPlan *plan)
{
    for (guint i = 0; i < plan->actions->len; i++)
        if (((const PlanAction *) plan->actions->pdata[i])->drift)
            return ((const PlanAction *) plan->actions->pdata[i])->drift;
    return NULL;
}

static bool
plan_contests(DomainPlan *plan, const PlanInput *input)
{
    g_autofree char *text = plan_contests_text(plan, input);

    if (text)
        conclude(plan, PLAN_BLOCKED, SYNC_OUT_OF_SYNC, "Contended", "%s", text);
    return text != NULL;
}

static void
plan_differences(DomainPlan *plan, const PlanInput *input)
{
    const Change *identity = first_change(plan, CHANGE_IDENTITY);
    g_autofree char *fields = NULL, *unplugs = NULL;
    const char *drift;
    bool is_restarting, is_overdue;
    guint n_moves;

    if (identity)
        return conclude(plan, PLAN_BLOCKED, SYNC_FAILED, "IdentityChanged",
                        "%s can't change from %s to %s: that is another domain", identity->path,
                        identity->from ? identity->from : "absent",
                        identity->to ? identity->to : "absent");
    plan->is_restart_required = input->companion_failure || first_change(plan, CHANGE_RESTART);
    if (plan->is_restart_required && input->policy.restart_required == RESTART_RESTART &&
        input->missing) /* no guest is stopped that could not be started again */
        return conclude(plan, PLAN_BLOCKED, SYNC_RESTART_REQUIRED, "Missing", "%s", input->missing);
    is_restarting = plan->is_restart_required && input->policy.restart_required == RESTART_RESTART;
    if (is_restarting && !input->restart_held && !input->memory_held) {
        fields =
            input->companion_failure ? g_strdup(input->companion_failure) : restart_fields(plan);
        plan_stop(plan, input, PLAN_RESTART, true, fields);
        plan_add_action(plan, PLAN_ACTION_START)->class_ = CHANGE_RESTART;
        return;
    }
    plan_memory(plan, input);
    plan_balloon(plan, input);
    n_moves = plan->actions->len;
    plan_live(plan, input);
    drift = first_drift(plan);
    unplugs = plan_unplugs_text(plan, input, &is_overdue);
    if (unplugs)
        plan->next_unplug = plan_next_unplug(input);
    if (plan->actions->len > n_moves)
        return conclude(plan, PLAN_UPDATE, SYNC_PROGRESSING, "Changing", "%u change%s to make%s%s",
                        plan->actions->len, plan->actions->len == 1 ? "" : "s",
                        drift ? "; to be put back: " : "", drift ? drift : "");
    if (n_moves)
        return conclude(plan, PLAN_UPDATE, SYNC_PROGRESSING, "MemoryMoving",
                        "%u memory device%s to move%s%s%s%s", n_moves, n_moves == 1 ? "" : "s",
                        drift ? "; to be put back: " : "", drift ? drift : "",
                        unplugs ? "; the guest is to let go of " : "", unplugs ? unplugs : "");
    if (is_restarting)
        return input->restart_held ? wait_for_restart(plan, input) : wait_for_memory(plan, input);
    if (input->companion_failure)
        return conclude(plan, PLAN_BLOCKED, SYNC_OUT_OF_SYNC, "CompanionEnded",
                        "%s; its guest gets it back with the next start of its QEMU",
                        input->companion_failure);
    if (plan_unplugs(plan, unplugs, is_overdue) || plan_contests(plan, input))
        return;
    if (plan->is_restart_required) {
        fields = restart_fields(plan);
        return conclude(plan, PLAN_BLOCKED, SYNC_RESTART_REQUIRED, "RestartRequired",
                        "takes effect when the guest next powers off: %s", fields);
    }
    if (input->observed->run_state == RUN_STATE_PAUSED)
        return conclude(plan, PLAN_BLOCKED, SYNC_OUT_OF_SYNC, "Paused",
                        "the guest is paused (%s); whoever or whatever paused it must let it go on",
                        input->observed->qemu_status ? input->observed->qemu_status : "paused");
    conclude(plan, PLAN_NONE, SYNC_SYNCED, "Synced", "as the file says");
}

static void
plan_running(DomainPlan *plan, const PlanInput *input)
{
    if (input->policy.run_strategy == RUN_HALTED)
        return plan_stop(plan, input, PLAN_STOP, true, "run-strategy halted");
    /* Asked to power off for a reason that may be gone by now: see what the guest makes of it. Once
     * its time is over, what the file says now decides. */
    if (is_shutting_down(input) && input->now < input->shutdown_deadline) {
        g_autofree char *left = time_left(input);

        return conclude(plan, PLAN_UPDATE, SYNC_PROGRESSING, "ShuttingDown",
                        "the guest was asked to power off and has %s left", left);
    }
    if (input->observed->run_state == RUN_STATE_PRELAUNCH) {
        plan_add_action(plan, PLAN_ACTION_CONTINUE);
        return conclude(plan, PLAN_UPDATE, SYNC_PROGRESSING, "Starting",
                        "its QEMU was started and never continued");
    }
    if (!input->applied)
        return conclude(plan, PLAN_BLOCKED, SYNC_FAILED, "NothingKnown",
                        "its QEMU runs, and what it was started with is not known");
    plan_differences(plan, input);
}

static void
decide(DomainPlan *plan, const PlanInput *input)
{
    if (input->is_suspended)
        return conclude(plan, PLAN_NONE, SYNC_SUSPENDED, "Suspended", "%s",
                        input->suspend_reason && *input->suspend_reason ? input->suspend_reason
                                                                        : "suspended");
    if (input->observed->run_state == RUN_STATE_UNREACHABLE)
        return conclude(plan, PLAN_BLOCKED, SYNC_FAILED, "MonitorUnreachable", "%s",
                        input->observed->message ? input->observed->message
                                                 : "its QEMU does not answer");
    if (input->invalid)
        return conclude(plan, PLAN_BLOCKED, SYNC_INVALID, "Invalid", "%s", input->invalid);
    if (!input->desired)
        return plan_orphan(plan, input);
    switch (input->observed->run_state) {
    case RUN_STATE_OFF:
        return plan_off(plan, input);
    case RUN_STATE_SHUTDOWN:
        return plan_powered_off(plan, input);
    case RUN_STATE_CRASHED:
        return plan_crashed(plan, input);
    case RUN_STATE_PRELAUNCH:
    case RUN_STATE_RUNNING:
    case RUN_STATE_PAUSED:
    case RUN_STATE_MIGRATING:
    case RUN_STATE_UNREACHABLE:
        return plan_running(plan, input);
    }
}

static GPtrArray *
find_changes(const PlanInput *input)
{
    GPtrArray *changes = domain_diff(input->applied, input->desired, input->positions);

    memory_lift(changes, input->applied, input->observed);
    disk_growth_add(changes, input->applied, input->desired, input->observed, input->positions);
    return changes;
}

DomainPlan *
plan_domain(const PlanInput *input)
{
    DomainPlan *plan = g_new0(DomainPlan, 1);

    plan->name = g_strdup(input->name);
    plan->next_unplug = G_MAXINT64;
    plan->file = g_strdup(input->file);
    plan->actions = plan_actions_new();
    if (input->desired && input->applied)
        plan->changes = find_changes(input);
    else
        plan->changes = g_ptr_array_new_with_free_func((GDestroyNotify) change_free);
    plan->leaving = g_ptr_array_new_with_free_func(g_free);
    plan->contests = plan_contests_new();
    plan_find_leaving(plan, input);
    decide(plan, input);
    return plan;
}
