/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Virtual CPUs and I/O threads of a running QEMU.
 *
 * Unlike devices they have no document of their own that says what QEMU was given: they are
 * counted, by QEMU, and compared with what the file asks for. So what somebody else added or took
 * away is put back like an edit, and there is nothing to remember.
 *
 *     <vcpus>            those that are enabled
 *     <vcpu current>     as many: of those that are there the first ones, and the lowest free ones;
 *                        of too many the last ones leave
 *     I/O threads        those that the file has; one leaves once no device names it
 *
 * A virtual CPU leaves when the guest lets it go, like a PCI device, and is waited for as one.
 * What the file asks for beyond this QEMU's maximum waits for its restart, and so does one less
 * where there is no KVM.
 */
#include "reconcile/plan-thread.h"

#include "model/iothread.h"
#include "model/tuning.h"
#include "reconcile/diff.h"
#include "reconcile/plan-live.h"

/* ---- virtual CPUs ---- */

static guint
running_maximum(const PlanInput *input)
{
    return input->applied->vcpus.is_set ? (guint) input->applied->vcpus.value : 1;
}

/* By the file's own list. */
static bool
is_enabled(const Domain *domain, guint number)
{
    for (guint i = 0; i < list_length(domain->vcpu_list); i++) {
        const Vcpu *vcpu = list_at(domain->vcpu_list, i, Vcpu);

        if (vcpu->id.value == number)
            return vcpu->enabled == TRISTATE_ON;
    }
    return false;
}

static bool *
mark_listed(const PlanInput *input, bool *wanted)
{
    for (guint n = 0; n < running_maximum(input); n++)
        wanted[n] = !n || is_enabled(input->desired, n);
    return wanted;
}

/* Whether each of the numbers below the maximum is to be there. Caller frees. */
static bool *
wanted_vcpus(const PlanInput *input)
{
    guint max = running_maximum(input), left = MIN(domain_vcpus_current(input->desired), max);
    const GArray *there = input->observed->vcpus;
    bool *wanted = g_new0(bool, max);

    if (list_length(input->desired->vcpu_list))
        return mark_listed(input, wanted);
    for (guint i = 0; i < there->len && left; i++) {
        guint number = g_array_index(there, guint, i);

        if (number < max) {
            wanted[number] = true;
            left--;
        }
    }
    for (guint n = 0; n < max && left; n++)
        if (!wanted[n]) {
            wanted[n] = true;
            left--;
        }
    return wanted;
}

static bool
has_vcpus(const PlanInput *input)
{
    return input->applied && input->desired && input->observed->has_vcpus &&
           input->observed->vcpus->len && domain_vcpus_are_live(input->applied, input->desired);
}

static bool
is_of_vcpus(const Change *change)
{
    return g_str_has_prefix(change->path, "vcpu/@current") ||
           g_str_has_prefix(change->path, "vcpus/");
}

static bool
is_of_iothreads(const Change *change)
{
    return g_str_has_prefix(change->path, "iothread");
}

/* QEMU takes out none without KVM (domain_vcpus_are_live()). */
static bool
can_leave(const PlanInput *input)
{
    return input->applied->type == DOMAIN_TYPE_KVM;
}

static bool
has_cause(const DomainPlan *plan, bool (*is_cause)(const Change *change))
{
    for (guint i = 0; i < plan->changes->len; i++)
        if (is_cause(plan->changes->pdata[i]))
            return true;
    return false;
}

/* @is_cause: which of the changes ask for it. */
static void
add(DomainPlan *plan, const PlanInput *input, PlanActionKind kind, const char *prefix,
    guint64 number, bool (*is_cause)(const Change *change))
{
    g_autofree char *id = g_strdup_printf("%s%" G_GUINT64_FORMAT, prefix, number);
    bool is_drift = !has_cause(plan, is_cause);
    PlanAction *action;

    if (is_drift && plan_is_contested(plan, input, id, true))
        return;
    action = plan_add_action(plan, kind);
    action->number = number;
    for (guint i = 0; i < plan->changes->len; i++)
        if (is_cause(plan->changes->pdata[i]))
            g_array_append_val(action->because, i);
    if (is_drift)
        action->drift = g_strdup_printf(
            "%s: %s", id,
            kind == PLAN_ACTION_ADD_VCPU || kind == PLAN_ACTION_ADD_IOTHREAD ? "is missing"
                                                                             : "is there");
    action->device = g_steal_pointer(&id);
}

void
plan_vcpus_leaving(const PlanInput *input, GPtrArray *leaving)
{
    g_autofree bool *wanted = has_vcpus(input) ? wanted_vcpus(input) : NULL;

    for (guint n = 0; wanted && n < running_maximum(input); n++)
        if (!wanted[n] && can_leave(input) && observed_has_vcpu(input->observed, n))
            g_ptr_array_add(leaving, g_strdup_printf("vcpu%u", n));
}

void
plan_vcpus(DomainPlan *plan, const PlanInput *input)
{
    g_autofree bool *wanted = has_vcpus(input) ? wanted_vcpus(input) : NULL;

    for (guint n = 0; wanted && n < running_maximum(input); n++)
        if (wanted[n] && !observed_has_vcpu(input->observed, n))
            add(plan, input, PLAN_ACTION_ADD_VCPU, "vcpu", n, is_of_vcpus);
    for (guint n = wanted ? running_maximum(input) : 0; n > 0; n--) {
        g_autofree char *id = g_strdup_printf("vcpu%u", n - 1);

        if (!wanted[n - 1] && can_leave(input) && observed_has_vcpu(input->observed, n - 1) &&
            !plan_is_waited_for(input, id))
            add(plan, input, PLAN_ACTION_REMOVE_VCPU, "vcpu", n - 1, is_of_vcpus);
    }
}

/* ---- I/O threads ---- */

void
plan_iothreads_come(DomainPlan *plan, const PlanInput *input)
{
    g_autoptr(GArray) ids = domain_iothread_ids(input->desired);

    for (guint i = 0; input->observed->has_iothreads && i < ids->len; i++)
        if (!observed_iothread(input->observed, g_array_index(ids, guint64, i)))
            add(plan, input, PLAN_ACTION_ADD_IOTHREAD, "iothread", g_array_index(ids, guint64, i),
                is_of_iothreads);
}

void
plan_iothreads_leave(DomainPlan *plan, const PlanInput *input)
{
    const GArray *there = input->observed->iothreads;

    for (guint i = 0; i < there->len; i++) {
        guint64 number = g_array_index(there, ObservedIoThread, i).number;

        if (!domain_has_iothread(input->desired, number) &&
            !domain_uses_iothread(input->applied, number))
            add(plan, input, PLAN_ACTION_REMOVE_IOTHREAD, "iothread", number, is_of_iothreads);
    }
}

static bool
is_other(const OptUint *wanted, guint64 is)
{
    return wanted->is_set && wanted->value != is;
}

char *
plan_iothread_drift(const PlanInput *input)
{
    const GPtrArray *list = input->applied->iothread_ids;

    for (guint i = 0; i < list_length(list); i++) {
        const IoThread *thread = list_at(list, i, IoThread);
        const ObservedIoThread *is = observed_iothread(input->observed, thread->id.value);

        if (is && (is_other(&thread->poll_max, is->poll_max) ||
                   is_other(&thread->poll_grow, is->poll_grow) ||
                   is_other(&thread->poll_shrink, is->poll_shrink)))
            return g_strdup_printf("iothread%" G_GUINT64_FORMAT ": polls otherwise",
                                   thread->id.value);
    }
    return NULL;
}
