/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Conditions are drawn from a fresh look (the subject and its plan) and, where only time tells,
 * from what passes have noted: that a guest stalls, or is guarded, is not to be seen in one moment.
 *
 * `status` and `explain` therefore never contradict a pass: what they add is only newer.
 */
#include "controller/conditions.h"

#include "controller/render-status.h"
#include "qemu/companion-process.h"

static void
condition_free(gpointer data)
{
    Condition *condition = data;

    g_free(condition->reason);
    g_free(condition->message);
    g_free(condition);
}

static Condition *
add(GPtrArray *conditions, const char *type, bool is_true, bool is_good)
{
    Condition *condition = g_new0(Condition, 1);

    condition->type = type;
    condition->is_true = is_true;
    condition->is_good = is_good;
    g_ptr_array_add(conditions, condition);
    return condition;
}

/* A state of memory that a pass finds out by watching for a while. */
static bool
is_found_by_passes(SyncState sync)
{
    return sync == SYNC_STALLED || sync == SYNC_GUARDED || sync == SYNC_WAITING ||
           sync == SYNC_PROGRESSING;
}

SyncState
sync_now(const Subject *subject, const DomainPlan *plan, const char **ret_reason,
         const char **ret_message)
{
    const DomainRecord *row = subject->row;

    if (row && plan->verdict == PLAN_UPDATE && is_found_by_passes(row->sync)) {
        *ret_reason = row->reason;
        *ret_message = row->message;
        return row->sync;
    }
    /* Nobody but the last pass knows of a failure that is to be tried again. */
    if (row && row->last_error && plan->actions->len) {
        *ret_reason = "Failed";
        *ret_message = row->last_error;
        return SYNC_FAILED;
    }
    *ret_reason = plan->reason_word;
    *ret_message = plan->reason;
    return plan->sync;
}

static void
add_valid(GPtrArray *conditions, const Subject *subject)
{
    Condition *condition;

    if (!subject->entry) {
        condition = add(conditions, "Valid", false, false);
        condition->reason = g_strdup("NoFile");
        condition->message = g_strdup("no file describes it");
        return;
    }
    condition = add(conditions, "Valid", !subject->invalid, !subject->invalid);
    condition->message = g_strdup(subject->invalid);
}

static void
add_running(GPtrArray *conditions, const Subject *subject)
{
    const Observed *observed = subject->observed;
    bool is_running = observed->run_state == RUN_STATE_RUNNING;
    bool is_expected = is_running || subject->policy.run_strategy == RUN_HALTED;
    Condition *condition = add(conditions, "Running", is_running, is_expected);

    condition->reason = g_strdup(run_state_name(observed->run_state));
    condition->message = g_strdup(observed->message);
    condition->since = observed->started_at;
}

/* Only of domains that have any. */
static void
add_companions(GPtrArray *conditions, const Subject *subject)
{
    g_autoptr(GString) text = g_string_new(NULL);
    Condition *condition;

    if (!subject->companions || !subject->companions->len)
        return;
    condition =
        add(conditions, "Companions", !subject->companion_failure, !subject->companion_failure);
    for (guint i = 0; i < subject->companions->len; i++) {
        const CompanionRecord *record = subject->companions->pdata[i];

        g_string_append_printf(text, "%s%s of %s (pid %d)", i ? ", " : "", record->kind, record->id,
                               (int) record->process->pid);
    }
    condition->message =
        g_strdup(subject->companion_failure ? subject->companion_failure : text->str);
}

static void
add_synced(GPtrArray *conditions, const Subject *subject, const DomainPlan *plan)
{
    const char *reason, *message;
    SyncState sync = sync_now(subject, plan, &reason, &message);
    Condition *condition = add(conditions, "Synced", sync == SYNC_SYNCED, sync == SYNC_SYNCED);

    condition->reason = g_strdup(reason);
    condition->message = g_strdup(message);
    if (subject->row && subject->row->sync == sync)
        condition->since = subject->row->since_us;
}

static void
add_suspended(GPtrArray *conditions, const Subject *subject)
{
    bool is_suspended = subject->input.is_suspended;
    Condition *condition = add(conditions, "Suspended", is_suspended, !is_suspended);

    if (!is_suspended)
        return;
    condition->message = g_strdup(subject->input.suspend_reason);
    condition->since = subject->row ? subject->row->suspended_since_us : 0;
}

GPtrArray *
conditions_of(const Subject *subject, const DomainPlan *plan)
{
    GPtrArray *conditions = g_ptr_array_new_with_free_func(condition_free);

    add_valid(conditions, subject);
    add_running(conditions, subject);
    add_companions(conditions, subject);
    add_synced(conditions, subject, plan);
    add(conditions, "RestartRequired", plan->is_restart_required, !plan->is_restart_required);
    add_suspended(conditions, subject);
    return conditions;
}

Json *
condition_json(const Condition *condition)
{
    Json *json = json_new_object();

    json_set_string(json, "type", condition->type);
    json_set_bool(json, "status", condition->is_true);
    json_set_text_or_null(json, "reason", condition->reason);
    json_set_text_or_null(json, "message", condition->message);
    json_set_time_or_null(json, "since", condition->since);
    return json;
}
