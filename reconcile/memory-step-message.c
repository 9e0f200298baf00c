/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a decision is called: the names that scripts and the database's views rely on, and the one
 * sentence that `status` and `explain` print.
 *
 * A sentence is made of where it stands (`stalled at 18 MiB of 0 B`, by condition) and why, one
 * row per reason. Two kinds of row carry figures and are written out: the guard's (what is
 * available, what is kept back) and the budget's (what is missing, whom it waits for). It names
 * what an operator can look at inside the guest, since that is where most stalls are mended.
 */
#include "reconcile/memory-step.h"

#include "model/quantity.h"

typedef struct {
    const char *name;
    const char *text; /* NULL: no more to say */
} ReasonWords;

static const ReasonWords reason_words[MEMORY_STEP_N_REASONS] = {
    [MEMORY_STEP_REASON_NONE] = { "None", NULL },
    [MEMORY_STEP_CONVERGED] = { "Converged", NULL },
    [MEMORY_STEP_GROWING] = { "Growing", NULL },
    [MEMORY_STEP_SHRINKING] = { "Shrinking", NULL },
    [MEMORY_STEP_GUEST_PAUSED] = { "GuestPaused", "the guest is paused" },
    [MEMORY_STEP_GUEST_BOOTING] = { "GuestBooting", "the guest is booting" },
    [MEMORY_STEP_MIGRATING] = { "Migrating", "no steps while a migration runs" },
    [MEMORY_STEP_AWAITING_STATISTICS] = { "AwaitingStatistics",
                                          "waiting for fresh memory statistics of the guest" },
    [MEMORY_STEP_NO_DRIVER] = { "NoDriver", "no virtio-mem driver is bound in the guest" },
    [MEMORY_STEP_NOT_ONLINED] = { "NotOnlined",
                                  "it stopped near a multiple of 1 GiB: the guest seems not to "
                                  "online what it is given (auto_online_blocks)" },
    [MEMORY_STEP_UNMOVABLE] = { "Unmovable",
                                "the guest cannot free the rest (unmovable pages, or memory in "
                                "use)" },
    [MEMORY_STEP_NOT_FOLLOWING] = { "NotFollowing",
                                    "the guest does not take what it is offered (no driver, or "
                                    "no memory left to manage more)" },
    [MEMORY_STEP_GUEST_RESERVE] = { "GuestReserve", NULL },
    [MEMORY_STEP_NO_STATISTICS] = { "NoStatistics",
                                    "the guest gives no memory statistics to guard the shrink" },
    [MEMORY_STEP_HOST_BUDGET] = { "HostBudget", "the host's memory budget has no room" },
};

/* Where it stands, in the words before the figures. */
static const char *
place_of(SyncState condition)
{
    if (condition == SYNC_STALLED)
        return "stalled at";
    return condition == SYNC_GUARDED || condition == SYNC_WAITING ? "held at" : "at";
}

const char *
memory_step_reason_name(MemoryStepReason reason)
{
    g_assert(reason < MEMORY_STEP_N_REASONS);
    return reason_words[reason].name;
}

/* Measured by the guest: nobody wants its hundredths. */
static char *
measure_text(guint64 size)
{
    return size_text(size >= (1 << 20) ? size >> 20 << 20 : size);
}

static char *
moving_message(const MemoryStepDecision *decision, const char *verb)
{
    g_autofree char *target = size_text(decision->target);
    g_autofree char *current = size_text(decision->current);
    g_autofree char *requested = size_text(decision->requested);

    return g_strdup_printf("%s to %s: at %s, asked for %s", verb, target, current, requested);
}

static char *
reserve_message(const MemoryStepDecision *decision)
{
    g_autofree char *target = size_text(decision->target);
    g_autofree char *current = size_text(decision->current);
    g_autofree char *available = measure_text(decision->available);
    g_autofree char *reserve = measure_text(decision->reserve);

    return g_strdup_printf("held at %s of %s: guest has %s available, %s are kept back", current,
                           target, available, reserve);
}

char *
memory_step_message(const MemoryStepDecision *decision)
{
    g_autofree char *target = size_text(decision->target);
    g_autofree char *current = size_text(decision->current);
    g_autofree char *missing = size_text(decision->missing);
    const char *place = place_of(decision->condition);
    const char *text = reason_words[decision->reason].text;

    if (decision->reason == MEMORY_STEP_CONVERGED)
        return g_strdup_printf("at %s", current);
    if (decision->reason == MEMORY_STEP_GROWING)
        return moving_message(decision, "growing");
    if (decision->reason == MEMORY_STEP_SHRINKING)
        return moving_message(decision, "shrinking");
    if (decision->reason == MEMORY_STEP_GUEST_RESERVE)
        return reserve_message(decision);
    if (decision->reason == MEMORY_STEP_HOST_BUDGET)
        return g_strdup_printf("%s %s of %s: %s for the missing %s", place, current, target, text,
                               missing);
    return g_strdup_printf("%s %s of %s: %s", place, current, target, text ? text : "moving");
}
