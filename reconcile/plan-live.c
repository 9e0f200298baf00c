/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a running QEMU is told when its file was edited.
 *
 *     live change                         action
 *     a device more                       add-device, the controllers first
 *     a field of a device                 set-device, one for all fields of that device
 *     a field of the domain               set-domain
 *     a device less                       remove-device, the controllers last
 *
 * One that takes the id or the address of a device less is added when that one has left.
 *
 * Taking a device out is the guest's to do: QEMU is asked, the guest is told, and may take its time
 * or refuse. So it is asked, looked at later, and asked again at growing intervals; that a removal
 * is due again, and that it has gone on for too long, is said here from when it was asked for.
 *
 * virtio-mem's requested is moved in steps (plan-domain.c, memory-step.c), and what concerns
 * virtkeep itself (its policy) needs nothing done.
 */
#include "reconcile/plan-live.h"

#include "model/controller.h"
#include "model/memory.h"
#include "model/quantity.h"

#include "reconcile/plan-drift.h"
#include "reconcile/plan-thread.h"

/* What is told of a plan's changes. */
typedef struct Telling {
    DomainPlan *plan;
    const PlanInput *input;
    const GPtrArray *drifts; /* plan_drifts() */
} Telling;

#define FIRST_RETRY_US (5 * G_USEC_PER_SEC) /* QEMU 7.2 refuses to ask the guest again before */
#define MOST_RETRY_US (300 * G_USEC_PER_SEC)

static const PlanUnplug *
unplug_of(const PlanInput *input, const char *id)
{
    for (guint i = 0; input->unplugs && i < input->unplugs->len; i++) {
        const PlanUnplug *unplug = input->unplugs->pdata[i];

        if (!g_strcmp0(unplug->device, id))
            return unplug;
    }
    return NULL;
}

static gint64
due_at(const PlanUnplug *unplug)
{
    gint64 wait = FIRST_RETRY_US;

    for (guint i = 1; i < unplug->n_asked && wait < MOST_RETRY_US; i++)
        wait *= 2;
    return unplug->last_asked_at + MIN(wait, MOST_RETRY_US);
}

static const DeviceKind *
kind_of(const Change *change)
{
    for (guint k = 0; device_kinds[k]; k++)
        if (device_kinds[k]->schema == change->item_schema)
            return device_kinds[k];
    return NULL;
}

/* Virtual CPUs and I/O threads come and go by their numbers (plan-thread.c), and the balloon by
 * what QEMU says of it (plan-balloon.c). */
static bool
is_counted(const Change *change)
{
    return g_str_equal(change->path, "currentMemory") ||
           g_str_equal(change->path, "vcpu/@current") || g_str_has_prefix(change->path, "vcpus/") ||
           g_str_equal(change->path, "iothreads");
}

/* Whether this change is told to QEMU here. */
static bool
is_told(const Change *change)
{
    if (change->class_ != CHANGE_LIVE)
        return false;
    if (!change->item_schema)
        return !g_str_has_prefix(change->path, "metadata") && !is_counted(change);
    return !change->field || change->item_schema != memory_kind.schema;
}

static PlanActionKind
action_of(const Change *change)
{
    if (!change->item_schema)
        return PLAN_ACTION_SET_DOMAIN;
    if (!change->from_item)
        return PLAN_ACTION_ADD_DEVICE;
    return change->to_item ? PLAN_ACTION_SET_DEVICE : PLAN_ACTION_REMOVE_DEVICE;
}

static PlanAction *
find_action(const DomainPlan *plan, PlanActionKind kind, const Change *change)
{
    for (guint i = 0; i < plan->actions->len; i++) {
        PlanAction *action = plan->actions->pdata[i];

        if (action->kind == kind && action->before == change->from_item &&
            action->after == change->to_item)
            return action;
    }
    return NULL;
}

static bool
is_waited_for(const PlanInput *input, PlanActionKind kind, const char *id)
{
    const PlanUnplug *unplug = kind == PLAN_ACTION_REMOVE_DEVICE ? unplug_of(input, id) : NULL;

    return unplug && input->now < due_at(unplug);
}

bool
plan_is_waited_for(const PlanInput *input, const char *id)
{
    return is_waited_for(input, PLAN_ACTION_REMOVE_DEVICE, id);
}

static bool
is_same_place(const DeviceInfo *a, const DeviceInfo *b)
{
    return !g_strcmp0(a->alias, b->alias) ||
           (a->boot_order.is_set && b->boot_order.is_set &&
            a->boot_order.value == b->boot_order.value) ||
           (a->address && b->address && schema_equal(&address_schema, a->address, b->address));
}

/* What is there must have left before another one takes its id, its address or its place in the
 * boot order. */
static bool
is_taken(const DomainPlan *plan, PlanActionKind kind, const DeviceInfo *added)
{
    for (guint i = 0; kind == PLAN_ACTION_ADD_DEVICE && i < plan->changes->len; i++) {
        const Change *change = plan->changes->pdata[i];

        if (change->from_item && !change->to_item && is_same_place(change->from_item, added))
            return true;
    }
    return false;
}

/* ---- what is fought over ---- */

static bool
is_noted(const DomainPlan *plan, const char *what)
{
    for (guint i = 0; i < plan->contests->len; i++)
        if (g_str_equal(((const PlanContest *) plan->contests->pdata[i])->what, what))
            return true;
    return false;
}

bool
plan_is_contested(DomainPlan *plan, const PlanInput *input, const char *what, bool is_undone_now)
{
    PlanContest *noted;
    Contest contest;

    if (!contest_find(input->undoings, what, is_undone_now, input->now, &contest))
        return false;
    if (is_noted(plan, what))
        return true;
    noted = g_new0(PlanContest, 1);
    *noted = (PlanContest){ g_strdup(what), contest };
    g_ptr_array_add(plan->contests, noted);
    plan->retry_at = plan->retry_at ? MIN(plan->retry_at, contest.until) : contest.until;
    return true;
}

bool
plan_is_memory_contested(DomainPlan *plan, const PlanInput *input, const char *id)
{
    g_autofree char *what = drift_requested(id);

    return plan_is_contested(plan, input, what, false);
}

static bool
is_drift_contested(const Telling *telling, const char *drift)
{
    g_autofree char *what = drift ? drift_what(drift) : NULL;

    return what && plan_is_contested(telling->plan, telling->input, what, true);
}

/* Put back so often of late that it is left alone for now; taking away is up to the file alone. */
static bool
is_contested(const Telling *telling, PlanActionKind kind, const char *id, const char *drift)
{
    return kind != PLAN_ACTION_REMOVE_DEVICE &&
           ((id && plan_is_contested(telling->plan, telling->input, id, false)) ||
            is_drift_contested(telling, drift));
}

/* ---- what is told ---- */

static void
tell(const Telling *telling, PlanActionKind kind, guint index)
{
    DomainPlan *plan = telling->plan;
    const Change *change = plan->changes->pdata[index];
    const DeviceInfo *info = change->to_item ? change->to_item : change->from_item;
    const char *id = info ? info->alias : NULL;
    const char *drift = telling->drifts->pdata[index];
    PlanAction *action = find_action(plan, kind, change);

    if (is_waited_for(telling->input, kind, id) || is_taken(plan, kind, info) ||
        is_contested(telling, kind, id, drift))
        return;
    if (!action) {
        action = plan_add_action(plan, kind);
        action->device = g_strdup(id);
        action->device_kind = kind_of(change);
        action->before = change->from_item;
        action->after = change->to_item;
    }
    if (drift && !action->drift)
        action->drift = g_strdup(drift);
    g_array_append_val(action->because, index);
}

static bool
is_controller(const Change *change)
{
    return change->item_schema == controller_kind.schema;
}

static void
tell_all(const Telling *telling, PlanActionKind kind, bool is_of_controllers)
{
    for (guint i = 0; i < telling->plan->changes->len; i++) {
        const Change *change = telling->plan->changes->pdata[i];

        if (is_told(change) && action_of(change) == kind &&
            is_controller(change) == is_of_controllers)
            tell(telling, kind, i);
    }
}

/* The action of that kind, which there may be already, for what differs by itself. */
static PlanAction *
put_back(DomainPlan *plan, PlanActionKind kind, const char *device)
{
    for (guint i = 0; i < plan->actions->len; i++) {
        PlanAction *action = plan->actions->pdata[i];

        if (action->kind == kind && !g_strcmp0(action->device, device))
            return action;
    }
    return plan_add_action(plan, kind);
}

void
plan_live(DomainPlan *plan, const PlanInput *input)
{
    g_autofree char *drift = input->drift ? g_strdup(input->drift) : plan_iothread_drift(input);
    g_autoptr(GPtrArray) drifts = plan_drifts(plan, input);
    const Telling telling = { plan, input, drifts };

    /* What is taken out makes place: for what is added in a later pass, once it has left. */
    tell_all(&telling, PLAN_ACTION_REMOVE_DEVICE, false);
    tell_all(&telling, PLAN_ACTION_REMOVE_DEVICE, true);
    plan_iothreads_come(plan, input);
    tell_all(&telling, PLAN_ACTION_ADD_DEVICE, true);
    tell_all(&telling, PLAN_ACTION_ADD_DEVICE, false);
    tell_all(&telling, PLAN_ACTION_SET_DEVICE, true);
    tell_all(&telling, PLAN_ACTION_SET_DEVICE, false);
    tell_all(&telling, PLAN_ACTION_SET_DOMAIN, false);
    if (drift && !is_drift_contested(&telling, drift))
        put_back(plan, PLAN_ACTION_SET_DOMAIN, NULL)->drift = g_steal_pointer(&drift);
    plan_vcpus(plan, input);
    plan_iothreads_leave(plan, input);
}

gint64
plan_next_unplug(const PlanInput *input)
{
    gint64 next = G_MAXINT64;

    for (guint i = 0; input->unplugs && i < input->unplugs->len; i++)
        next = MIN(next, due_at(input->unplugs->pdata[i]));
    return next;
}

void
plan_find_leaving(DomainPlan *plan, const PlanInput *input)
{
    for (guint i = 0; i < plan->changes->len; i++) {
        const Change *change = plan->changes->pdata[i];
        const DeviceInfo *info = change->to_item ? NULL : change->from_item;

        if (info && info->alias)
            g_ptr_array_add(plan->leaving, g_strdup(info->alias));
    }
    plan_vcpus_leaving(input, plan->leaving);
}

char *
plan_unplugs_text(const DomainPlan *plan, const PlanInput *input, bool *ret_is_overdue)
{
    g_autoptr(GString) text = g_string_new(NULL);

    *ret_is_overdue = false;
    for (guint i = 0; i < plan->leaving->len; i++) {
        const PlanUnplug *unplug = unplug_of(input, plan->leaving->pdata[i]);
        gint64 age = unplug ? input->now - unplug->asked_at : 0;
        g_autofree char *since = duration_text(age - age % G_USEC_PER_SEC);

        if (!unplug)
            continue;
        g_string_append_printf(text, "%s%s (asked %u time%s in %s%s%s)", text->len ? ", " : "",
                               unplug->device, unplug->n_asked, unplug->n_asked == 1 ? "" : "s",
                               since, unplug->refusal ? "; " : "",
                               unplug->refusal ? unplug->refusal : "");
        *ret_is_overdue |= age > input->policy.stall_timeout;
    }
    return text->len ? g_strdup(text->str) : NULL;
}

char *
plan_contests_text(const DomainPlan *plan, const PlanInput *input)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < plan->contests->len; i++) {
        const PlanContest *noted = plan->contests->pdata[i];
        gint64 left = noted->contest.until - input->now;
        g_autofree char *since = time_text(noted->contest.since);
        g_autofree char *rest = duration_text(left - left % G_USEC_PER_SEC);

        g_string_append_printf(text, "%s%s was undone %u times since %s and is put back in %s",
                               text->len ? "; " : "", noted->what, noted->contest.n, since, rest);
    }
    return text->len ? g_strdup(text->str) : NULL;
}
