/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A plan as a value: the plans of its domains, and two digests that say what it was made from.
 *
 * The desired digest covers every file's content and policy, the observed digest what was there:
 * process, run state, and requested sizes; not what a guest does by itself (current moves while
 * one reads). Each domain keeps its own pair, so that a plan that no longer holds can say which
 * domain moved.
 */
#include "reconcile/plan.h"

#include "reconcile/plan-basis.h"

#include <gio/gio.h>

#include "model/quantity.h"

static const char *const action_names[] = {
    [PLAN_ACTION_START] = "start",
    [PLAN_ACTION_CONTINUE] = "continue",
    [PLAN_ACTION_SHUTDOWN] = "shutdown",
    [PLAN_ACTION_DESTROY] = "destroy",
    [PLAN_ACTION_REAP] = "reap",
    [PLAN_ACTION_SET_MEMORY] = "set-memory",
    [PLAN_ACTION_SET_BALLOON] = "set-balloon",
    [PLAN_ACTION_ADD_DEVICE] = "add-device",
    [PLAN_ACTION_REMOVE_DEVICE] = "remove-device",
    [PLAN_ACTION_SET_DEVICE] = "set-device",
    [PLAN_ACTION_SET_DOMAIN] = "set-domain",
    [PLAN_ACTION_ADD_VCPU] = "add-vcpu",
    [PLAN_ACTION_REMOVE_VCPU] = "remove-vcpu",
    [PLAN_ACTION_ADD_IOTHREAD] = "add-iothread",
    [PLAN_ACTION_REMOVE_IOTHREAD] = "remove-iothread",
    NULL,
};
static const char *const verdict_names[] = {
    [PLAN_NONE] = "none",
    [PLAN_START] = "start",
    [PLAN_STOP] = "stop",
    [PLAN_RESTART] = "restart",
    [PLAN_UPDATE] = "update",
    [PLAN_BLOCKED] = "blocked",
    NULL,
};
static const char *const exit_names[] = {
    [EXIT_GUEST_SHUTDOWN] = "guest-shutdown",
    [EXIT_STOPPED] = "stopped",
    [EXIT_CRASHED] = "crashed",
    NULL,
};

const char *
plan_action_name(PlanActionKind kind)
{
    return action_names[kind];
}

const char *
plan_verdict_name(PlanVerdict verdict)
{
    return verdict_names[verdict];
}

const char *
last_exit_name(LastExit last_exit)
{
    return exit_names[last_exit];
}

LastExit
last_exit_parse(const char *name)
{
    return name ? enum_value(exit_names, name) : EXIT_NEVER;
}

static void
plan_action_free(gpointer data)
{
    PlanAction *action = data;

    g_free(action->device);
    g_free(action->drift);
    g_array_unref(action->because);
    g_free(action);
}

static void
plan_contest_free(gpointer data)
{
    PlanContest *contest = data;

    g_free(contest->what);
    g_free(contest);
}

GPtrArray *
plan_contests_new(void)
{
    return g_ptr_array_new_with_free_func(plan_contest_free);
}

GPtrArray *
plan_actions_new(void)
{
    return g_ptr_array_new_with_free_func(plan_action_free);
}

void
domain_plan_free(DomainPlan *plan)
{
    if (!plan)
        return;
    g_free(plan->name);
    g_free(plan->file);
    g_ptr_array_unref(plan->actions);
    g_ptr_array_unref(plan->changes);
    g_free(plan->reason_word);
    g_free(plan->reason);
    g_free(plan->desired_digest);
    json_free(plan->basis);
    g_free(plan->observed_digest);
    g_clear_pointer(&plan->leaving, g_ptr_array_unref);
    g_clear_pointer(&plan->contests, g_ptr_array_unref);
    g_free(plan);
}

bool
domain_plan_has_start(const DomainPlan *plan)
{
    for (guint i = 0; i < plan->actions->len; i++)
        if (((const PlanAction *) plan->actions->pdata[i])->kind == PLAN_ACTION_START)
            return true;
    return false;
}

static void
free_domain(gpointer data)
{
    domain_plan_free(data);
}

Plan *
plan_new(gint64 created, PlanKeep keep)
{
    Plan *plan = g_new0(Plan, 1);

    plan->created = created;
    plan->keep = keep;
    plan->domains = g_ptr_array_new_with_free_func(free_domain);
    return plan;
}

void
plan_free(Plan *plan)
{
    if (!plan)
        return;
    g_free(plan->desired_digest);
    g_free(plan->observed_digest);
    g_ptr_array_unref(plan->domains);
    g_free(plan);
}

/* Everything a plan was made from on the desired side. The resolved document covers what was
 * inherited from state (addresses); the spec digest alone would miss that. */
static char *
desired_digest(const PlanInput *input, const char *document, const char *spec_digest)
{
    const Policy *policy = &input->policy;
    g_autoptr(GString) text = g_string_new(input->name);

    g_string_append_printf(text,
                           "\n%s\n%s\n%s\n%d %d %d %" G_GINT64_FORMAT " %" G_GINT64_FORMAT
                           " %" G_GINT64_FORMAT " %" G_GUINT64_FORMAT " %d\n%d %d\n",
                           spec_digest ? spec_digest : "", document ? document : "",
                           input->invalid ? input->invalid : "", policy->run_strategy,
                           policy->restart_required, policy->prune, policy->shutdown_timeout,
                           policy->step, policy->stall_timeout, policy->guest_reserve,
                           policy->shrink_unguarded, input->is_orphaned, input->is_suspended);
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, text->str, text->len);
}

static char *
observed_digest(const PlanInput *input)
{
    const Observed *observed = input->observed;
    g_autoptr(GString) text = g_string_new(input->name);
    g_autofree char *document = input->applied ? domain_format(input->applied) : NULL;

    g_string_append_printf(text, "\n%s %" G_GINT64_FORMAT " %" G_GUINT64_FORMAT "\n%s\n",
                           run_state_name(observed->run_state), observed->pid,
                           observed->pid_start_time, document ? document : "");
    for (guint i = 0; i < observed->memories->len; i++) {
        const ObservedMemory *memory = observed->memories->pdata[i];

        g_string_append_printf(text, "%s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n", memory->id,
                               memory->max, memory->requested);
    }
    for (guint i = 0; i < observed->drives->len; i++) {
        const ObservedDrive *drive = observed->drives->pdata[i];

        g_string_append_printf(text, "%s %s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n",
                               drive->device, drive->node ? drive->node : "-", drive->size,
                               drive->image_size);
    }
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, text->str, text->len);
}

void
plan_add(Plan *plan, DomainPlan *domain, const PlanInput *input, const char *spec_digest)
{
    g_autofree char *document = NULL;

    g_ptr_array_add(plan->domains, domain);
    if (plan->keep == PLAN_KEEP_NOTHING)
        return;
    document = input->desired ? domain_format(input->desired) : NULL;
    domain->desired_digest = desired_digest(input, document, spec_digest);
    domain->observed_digest = observed_digest(input);
    if (plan->keep == PLAN_KEEP_BASES)
        domain->basis = plan_basis(input, domain, document);
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return g_strcmp0((*(DomainPlan *const *) a)->name, (*(DomainPlan *const *) b)->name);
}

static void
sum_digests(Plan *plan)
{
    g_autoptr(GChecksum) desired = g_checksum_new(G_CHECKSUM_SHA256);
    g_autoptr(GChecksum) observed = g_checksum_new(G_CHECKSUM_SHA256);

    for (guint i = 0; i < plan->domains->len; i++) {
        const DomainPlan *domain = plan->domains->pdata[i];

        g_checksum_update(desired, (const guchar *) domain->desired_digest, -1);
        g_checksum_update(observed, (const guchar *) domain->observed_digest, -1);
    }
    g_free(plan->desired_digest);
    g_free(plan->observed_digest);
    plan->desired_digest = g_strdup(g_checksum_get_string(desired));
    plan->observed_digest = g_strdup(g_checksum_get_string(observed));
}

void
plan_finish(Plan *plan)
{
    g_ptr_array_sort(plan->domains, compare_names);
    if (plan->keep != PLAN_KEEP_NOTHING)
        sum_digests(plan);
}

bool
plan_has_changes(const Plan *plan)
{
    for (guint i = 0; i < plan->domains->len; i++)
        if (((const DomainPlan *) plan->domains->pdata[i])->verdict != PLAN_NONE)
            return true;
    return false;
}

void
plan_summary(const Plan *plan, guint ret_counts[PLAN_BLOCKED + 1])
{
    for (guint i = 0; i <= PLAN_BLOCKED; i++)
        ret_counts[i] = 0;
    for (guint i = 0; i < plan->domains->len; i++)
        ret_counts[((const DomainPlan *) plan->domains->pdata[i])->verdict]++;
}

guint
plan_memory_steps(guint64 from, guint64 to, guint64 block, gint64 step)
{
    guint64 left = from > to ? from - to : to - from, window = block;
    guint n = 0;

    if (!left || step == STEP_ALL)
        return left ? 1 : 0;
    if (step > 0)
        return (left + block * step - 1) / (block * step);
    /* auto: the window doubles up to memory-step's cap; a boundary here, not a promise. */
    for (; left; n++) {
        left -= MIN(left, window);
        window = MIN(window * 2, PLAN_STEP_CAP);
        if (window < block)
            window = block;
    }
    return n;
}

/* ---- JSON ---- */

static Json *
action_json(const PlanAction *action)
{
    Json *json = json_new_object(), *because = json_new_array();

    json_set_string(json, "kind", plan_action_name(action->kind));
    json_set_string(json, "device", action->device);
    if (action->to || action->from) {
        json_set_uint(json, "from", action->from);
        json_set_uint(json, "to", action->to);
    }
    if (action->kind == PLAN_ACTION_SET_MEMORY)
        json_set_uint(json, "steps", action->steps);
    json_set_string(json, "class", change_class_name(action->class_));
    for (guint i = 0; i < action->because->len; i++)
        json_append(because, json_new_uint(g_array_index(action->because, guint, i)));
    json_set(json, "because", because);
    return json;
}

static Json *
change_json(const Change *change)
{
    Json *json = json_new_object();

    json_set_string(json, "path", change->path);
    json_set(json, "from", change->from ? json_new_string(change->from) : json_new_null());
    json_set(json, "to", change->to ? json_new_string(change->to) : json_new_null());
    json_set_string(json, "class", change_class_name(change->class_));
    json_set_uint(json, "line", change->at.line);
    return json;
}

static Json *
domain_json(const DomainPlan *domain)
{
    Json *json = json_new_object(), *actions = json_new_array(), *changes = json_new_array();

    json_set_string(json, "name", domain->name);
    json_set(json, "file", domain->file ? json_new_string(domain->file) : json_new_null());
    json_set_string(json, "action", plan_verdict_name(domain->verdict));
    for (guint i = 0; i < domain->actions->len; i++)
        json_append(actions, action_json(domain->actions->pdata[i]));
    json_set(json, "actions", actions);
    for (guint i = 0; i < domain->changes->len; i++)
        json_append(changes, change_json(domain->changes->pdata[i]));
    json_set(json, "changes", changes);
    json_set_string(json, "sync", sync_state_name(domain->sync));
    json_set_string(json, "reason_word", domain->reason_word);
    json_set_string(json, "reason", domain->reason);
    json_set_string(json, "desired_digest", domain->desired_digest);
    json_set_string(json, "observed_digest", domain->observed_digest);
    return json;
}

Json *
plan_to_json(const Plan *plan)
{
    static const PlanVerdict order[] = { PLAN_START, PLAN_STOP, PLAN_UPDATE, PLAN_RESTART,
                                         PLAN_BLOCKED };
    Json *json = json_new_object(), *domains = json_new_array(), *summary = json_new_object();
    g_autofree char *created = time_text(plan->created);
    guint counts[PLAN_BLOCKED + 1];

    json_set_int(json, "format_version", 1);
    json_set_string(json, "created", created);
    json_set_string(json, "desired_digest", plan->desired_digest);
    json_set_string(json, "observed_digest", plan->observed_digest);
    for (guint i = 0; i < plan->domains->len; i++)
        json_append(domains, domain_json(plan->domains->pdata[i]));
    json_set(json, "domains", domains);
    plan_summary(plan, counts);
    for (guint i = 0; i < G_N_ELEMENTS(order); i++)
        json_set_uint(summary, plan_verdict_name(order[i]), counts[order[i]]);
    json_set_uint(summary, "unchanged", counts[PLAN_NONE]);
    json_set(json, "summary", summary);
    return json;
}

Json *
plan_bases(const Plan *plan)
{
    Json *bases = json_new_object();

    for (guint i = 0; i < plan->domains->len; i++) {
        const DomainPlan *domain = plan->domains->pdata[i];

        json_set(bases, domain->name, json_copy(domain->basis));
    }
    return bases;
}

static Change *
change_from_json(const Json *json)
{
    static const ChangeClass classes[] = { CHANGE_RESTART, CHANGE_LIVE, CHANGE_IDENTITY,
                                           CHANGE_NONE };
    Change *change = g_new0(Change, 1);

    change->path = g_strdup(json_get_string(json, "path"));
    change->from = g_strdup(json_get_string(json, "from"));
    change->to = g_strdup(json_get_string(json, "to"));
    change->at.line = json_get_uint(json, "line", 0);
    for (guint i = 0; i < G_N_ELEMENTS(classes); i++)
        if (!g_strcmp0(json_get_string(json, "class"), change_class_name(classes[i])))
            change->class_ = classes[i];
    return change;
}

/* What staleness is told by: verdict, changes and digests. Actions are planned anew anyway. */
static DomainPlan *
domain_from_json(const Json *json, const Json *bases)
{
    DomainPlan *domain = g_new0(DomainPlan, 1);
    const Json *changes = json_get(json, "changes"), *basis;

    domain->name = g_strdup(json_get_string(json, "name"));
    domain->file = g_strdup(json_get_string(json, "file"));
    domain->verdict = enum_value(verdict_names, json_get_string(json, "action"));
    domain->reason = g_strdup(json_get_string(json, "reason"));
    domain->reason_word = g_strdup(json_get_string(json, "reason_word"));
    domain->sync = sync_state_parse(json_get_string(json, "sync"));
    domain->desired_digest = g_strdup(json_get_string(json, "desired_digest"));
    domain->observed_digest = g_strdup(json_get_string(json, "observed_digest"));
    basis = bases && domain->name ? json_get(bases, domain->name) : NULL;
    domain->basis = json_type(basis) == JSON_OBJECT ? json_copy(basis) : NULL;
    domain->actions = plan_actions_new();
    domain->changes = g_ptr_array_new_with_free_func((GDestroyNotify) change_free);
    for (guint i = 0; changes && i < json_length(changes); i++)
        if (json_get_string(json_at(changes, i), "path"))
            g_ptr_array_add(domain->changes, change_from_json(json_at(changes, i)));
    return domain;
}

Plan *
plan_from_json(const Json *json, GError **error)
{
    g_autoptr(Plan) plan = plan_new(0, PLAN_KEEP_BASES);
    const Json *domains = json && json_type(json) == JSON_OBJECT ? json_get(json, "domains") : NULL;

    if (!domains || json_type(domains) != JSON_ARRAY ||
        json_get_int(json, "format_version", 0) != 1 || !json_get_string(json, "desired_digest") ||
        !json_get_string(json, "observed_digest")) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                            "not a plan of format_version 1");
        return NULL;
    }
    plan->desired_digest = g_strdup(json_get_string(json, "desired_digest"));
    plan->observed_digest = g_strdup(json_get_string(json, "observed_digest"));
    for (guint i = 0; i < json_length(domains); i++) {
        g_autoptr(DomainPlan) domain =
            domain_from_json(json_at(domains, i), json_get(json, "basis"));

        /* A name becomes part of paths. */
        if (!domain->name || !domain_name_is_valid(domain->name) || !domain->verdict ||
            !domain->desired_digest || !domain->observed_digest) {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                        "domain %u of the plan is not complete", i);
            return NULL;
        }
        g_ptr_array_add(plan->domains, g_steal_pointer(&domain));
    }
    return g_steal_pointer(&plan);
}

/* ---- staleness ---- */

static const DomainPlan *
find_domain(const Plan *plan, const char *name)
{
    for (guint i = 0; i < plan->domains->len; i++) {
        const DomainPlan *domain = plan->domains->pdata[i];

        if (g_str_equal(domain->name, name))
            return domain;
    }
    return NULL;
}

static const Change *
find_change(const DomainPlan *domain, const char *path)
{
    for (guint i = 0; i < domain->changes->len; i++) {
        const Change *change = domain->changes->pdata[i];

        if (!g_strcmp0(change->path, path))
            return change;
    }
    return NULL;
}

/* Fields that the plan had otherwise, or did not have. */
static void
explain_changes(const DomainPlan *saved, const DomainPlan *now, GString *text)
{
    for (guint i = 0; i < now->changes->len; i++) {
        const Change *change = now->changes->pdata[i], *old = find_change(saved, change->path);

        if (old && !g_strcmp0(old->to, change->to) && !g_strcmp0(old->from, change->from))
            continue;
        g_string_append_printf(text, "; %s is now %s to %s", change->path,
                               change->from ? change->from : "absent",
                               change->to ? change->to : "absent");
    }
    for (guint i = 0; i < saved->changes->len; i++) {
        const Change *change = saved->changes->pdata[i];

        if (!find_change(now, change->path))
            g_string_append_printf(text, "; %s no longer differs", change->path);
    }
}

static void
explain_domain(const DomainPlan *saved, const DomainPlan *now, GString *text)
{
    if (!saved || !now) {
        g_string_append_printf(text, "%s: %s\n", (saved ? saved : now)->name,
                               saved ? "is no longer there" : "was not there when it was planned");
        return;
    }
    if (!g_strcmp0(saved->desired_digest, now->desired_digest) &&
        !g_strcmp0(saved->observed_digest, now->observed_digest))
        return;
    g_string_append_printf(text, "%s: %s", now->name,
                           g_strcmp0(saved->desired_digest, now->desired_digest)
                               ? "its file or policy changed"
                               : "its QEMU is not as it was");
    explain_changes(saved, now, text);
    plan_basis_explain(saved->basis, now->basis,
                       (const GPtrArray *const[2]){ saved->changes, now->changes }, text);
    g_string_append_c(text, '\n');
}

char *
plan_staleness(const Plan *saved, const Plan *now)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (!g_strcmp0(saved->desired_digest, now->desired_digest) &&
        !g_strcmp0(saved->observed_digest, now->observed_digest))
        return NULL;
    for (guint i = 0; i < now->domains->len; i++) {
        const DomainPlan *domain = now->domains->pdata[i];

        explain_domain(find_domain(saved, domain->name), domain, text);
    }
    for (guint i = 0; i < saved->domains->len; i++) {
        const DomainPlan *domain = saved->domains->pdata[i];

        if (!find_domain(now, domain->name))
            explain_domain(domain, NULL, text);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}
