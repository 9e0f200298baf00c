/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The balloon of a running QEMU.
 *
 * QEMU is told a size and keeps a number of pages: what it counted at that time less the size.
 * Later DIMMs come and go around these pages. So it is the pages that are compared and asked for:
 *
 *     counted    |---------- boot memory ----------|---- DIMMs that are there ----|
 *     stays      |---------- boot memory ----------|---- of these, in the file ---|
 *     all        |---------- boot memory ----------|---- DIMMs of the file ----------------|
 *     taken      what <currentMemory> leaves out of `stays`, at least; of `all`, at most
 *     to         counted - taken: what QEMU is told, and says as `actual` once the guest followed
 *
 * `stays` and `all` differ for as long as a DIMM has not come. What is taken may be anything in
 * between then: a DIMM that is late, or refused, moves no page of the guest's other memory, and one
 * that the guest is yet to let go of does not either.
 *
 * Of the balloon nothing is remembered but that the guest was asked: then a size that is not the
 * file's is one under way; else somebody made it so, and it is put back.
 */
#include "reconcile/plan-balloon.h"

#include "model/balloon.h"
#include "model/memory.h"
#include "model/quantity.h"
#include "reconcile/actual.h"
#include "reconcile/plan-live.h"

/* Guests move pages of theirs, which are of up to 64 KiB, and QEMU rounds its memory up to 8 KiB.
 */
#define GRAIN (64 << 10)

static bool
is_there(const PlanInput *input, const MemoryDevice *memory)
{
    return memory->model == MEMORY_MODEL_DIMM && memory_device_is_there(input->observed, memory);
}

guint64
plan_balloon_counted(const PlanInput *input)
{
    guint64 counted = domain_boot_memory(input->applied);

    for (guint i = 0; i < list_length(input->applied->memories); i++) {
        const MemoryDevice *memory = list_at(input->applied->memories, i, MemoryDevice);

        counted += is_there(input, memory) ? memory->size.value : 0;
    }
    return counted;
}

static guint64
target_of(const PlanInput *input)
{
    guint64 boot = domain_boot_memory(input->applied), stays = boot;
    guint64 counted = plan_balloon_counted(input);
    guint64 all =
        boot + domain_balloon_counted(input->desired) - domain_boot_memory(input->desired);
    guint64 is;

    for (guint i = 0; i < list_length(input->applied->memories); i++) {
        const MemoryDevice *memory = list_at(input->applied->memories, i, MemoryDevice);
        guint64 size = is_there(input, memory) ? memory->size.value : 0;

        stays += domain_find_memory(input->desired, memory->info.alias) ? size : 0;
    }
    is = counted - MIN(input->observed->balloon_actual, counted);
    return counted - CLAMP(is, domain_balloon_taken(input->desired, stays),
                           domain_balloon_taken(input->desired, MAX(all, stays)));
}

static bool
has_balloon(const PlanInput *input)
{
    return input->observed->has_balloon && input->applied && input->desired &&
           domain_balloon(input->applied) && domain_balloon(input->desired);
}

guint64
plan_balloon_target(const PlanInput *input)
{
    return has_balloon(input) ? target_of(input) : 0;
}

bool
plan_balloon_agrees(guint64 actual, guint64 target)
{
    return (actual > target ? actual - target : target - actual) < GRAIN;
}

/* The index of the change that asks for it, or the number of changes. */
static guint
find_cause(const DomainPlan *plan)
{
    guint i = 0;

    for (; i < plan->changes->len; i++) {
        const Change *change = plan->changes->pdata[i];

        if (change->class_ == CHANGE_LIVE && !change->item_schema &&
            g_str_equal(change->path, "currentMemory"))
            break;
    }
    return i;
}

static char *
drift_text(const char *id, guint64 actual, guint64 target)
{
    g_autofree char *from = size_text(actual), *to = size_text(target);

    return g_strdup_printf("%s: currentMemory: is %s, not %s", id, from, to);
}

static bool
is_contested(DomainPlan *plan, const PlanInput *input, const char *drift)
{
    g_autofree char *what = drift_what(drift);

    return plan_is_contested(plan, input, what, true);
}

void
plan_balloon(DomainPlan *plan, const PlanInput *input)
{
    guint64 target = plan_balloon_target(input);
    guint64 actual = input->observed->balloon_actual;
    guint cause = find_cause(plan);
    g_autofree char *drift = NULL;
    const char *id;
    PlanAction *action;

    if (!target || plan_balloon_agrees(actual, target))
        return;
    id = balloon_id(domain_balloon(input->applied));
    if (cause == plan->changes->len && input->balloon_asked != target)
        drift = drift_text(id, actual, target);
    if (drift && is_contested(plan, input, drift))
        return;
    action = plan_add_action(plan, PLAN_ACTION_SET_BALLOON);
    action->device = g_strdup(id);
    action->from = actual;
    action->to = target;
    if (cause < plan->changes->len)
        g_array_append_val(action->because, cause);
    action->drift = g_steal_pointer(&drift);
}

bool
plan_balloon_is_done(const DomainPlan *plan, const PlanInput *input)
{
    return find_cause(plan) < plan->changes->len && has_balloon(input) &&
           plan_balloon_agrees(input->observed->balloon_actual, target_of(input));
}
