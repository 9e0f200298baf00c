/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The shrink guard: asking a guest for less than its working set does not stall, it kills.
 *
 * The balloon's statistics say how much is available, but late: a sample is up to a second old,
 * its time stamp is whole seconds, and meanwhile the device went on shrinking. So a sample
 * taken at some time t is tied to the size the device had then. Of that size only an upper bound
 * is known, the highest `current` observed since the sample's second began:
 *
 *     current ──╮ peak since t                 floor = peak - (available - reserve - taken)
 *               ╰──╮
 *                  ╰──── now                   and requested >= floor, whatever current is now
 *     ─────┬───────────────── floor
 *          t: available, measured
 *
 * The floor stays where it is while the device shrinks towards it, and moves when the next sample
 * comes: a shrink with room to spare never waits for statistics, one without stops in time. An
 * upper bound errs to the safe side: growth since t makes the floor too high for a second or two.
 *
 * Peaks are kept per second, for more seconds than a sample may be old. Between two observations
 * current is bounded by what it was at both, and, when they lie far apart, by what was requested.
 * A fresh state does not know what went before and takes only samples from after its beginning.
 *
 * Without fresh statistics they are asked for and waited for a little; then policy decides.
 * Small steps: down to step_floor, one section below, in as many requests as the window takes;
 * then a pause; then the next.
 *
 *     FRESH ──stale──▶ AWAITING ──2 s──▶ UNGUARDED: STEPPING ──step_floor reached──▶ PAUSE ─1 s─╮
 *       ▲─────────────fresh──┴────────────────────────▲───────────────────────────────────────╯
 */
#include "reconcile/memory-guard.h"

#include "model/size-arithmetic.h"

#define AWAIT_MOST ((gint64) 2 * G_USEC_PER_SEC)
#define AWAIT_POLL_LEAST ((gint64) 1000)
#define AWAIT_POLL_MOST ((gint64) 100 * 1000)
#define REFRESH_AGE ((gint64) 1 * G_USEC_PER_SEC)
#define CLOCK_SLACK ((gint64) 1 * G_USEC_PER_SEC)
#define HOLD_POLL ((gint64) 1 * G_USEC_PER_SEC)
#define OTHER_POLL ((gint64) 250 * 1000)

void
memory_guard_observe(MemoryStepState *state, const MemoryStepInput *input)
{
    gint64 second = MAX(input->now, 0) / G_USEC_PER_SEC;
    MemoryPeak *peak = &state->peaks[second % MEMORY_STEP_N_PEAKS];
    guint64 size = input->current;

    if (state->is_begun) {
        size = MAX(size, state->current);
        if (input->now - state->seen_at > G_USEC_PER_SEC)
            size = MAX(size, MAX(state->requested, input->requested));
    }
    if (peak->second == second)
        size = MAX(size, peak->size);
    *peak = (MemoryPeak){ .second = second, .size = size };
}

guint64
memory_guard_peak(const MemoryStepState *state, gint64 at)
{
    guint64 size = 0;

    for (guint i = 0; i < MEMORY_STEP_N_PEAKS; i++) {
        if (state->peaks[i].second >= at / G_USEC_PER_SEC)
            size = MAX(size, state->peaks[i].size);
    }
    return size;
}

bool
memory_guard_is_fresh(const MemoryStepState *state, const MemoryStepInput *input)
{
    if (input->statistics_at <= 0)
        return false;
    if (input->statistics_at > input->now + CLOCK_SLACK)
        return false;
    if (input->now - input->statistics_at > MEMORY_STEP_STATISTICS_AGE)
        return false;
    return input->statistics_at >= state->begun_at;
}

void
memory_guard_leave(MemoryStepState *state, gint64 now)
{
    state->statistics_since = 0;
    state->is_unguarded = false;
    if (!state->is_stepping)
        return;
    state->is_stepping = false;
    state->pause_until = now + MEMORY_GUARD_PAUSE;
}

/* The floor that a fresh sample gives. */
static guint64
sample_floor(const MemoryStepState *state, const MemoryStepInput *input, guint64 reserve)
{
    gint64 at = MIN(input->statistics_at, input->now);
    guint64 spare = size_less(size_less(input->available, input->taken), reserve);
    guint64 floor = size_less(memory_guard_peak(state, at), spare);

    return (floor + input->block - 1) / input->block * input->block;
}

/* Without statistics: the next section, or the pause after the last one. */
static MemoryGuard
small_step(MemoryStepState *state, const MemoryStepInput *input)
{
    guint64 section = MAX(MEMORY_STEP_SECTION, input->block);

    if (state->is_stepping && input->current <= state->step_floor) {
        state->is_stepping = false;
        state->pause_until = input->now + MEMORY_GUARD_PAUSE;
    }
    if (!state->is_stepping) {
        gint64 pause = state->pause_until - input->now;
        if (pause > 0 || input->is_other_shrinking)
            return (MemoryGuard){ .low = input->current,
                                  .reason = MEMORY_STEP_NO_STATISTICS,
                                  .poll_after = MAX(pause, OTHER_POLL) };
        state->is_stepping = true;
        state->step_floor = 0;
    }
    /* Poked in vain: the rest of the step may be less than the guest can give. */
    if (state->n_pokes > 0)
        state->step_floor = 0;
    state->step_floor = MAX(state->step_floor, size_less(input->current, section));
    return (MemoryGuard){ .low = state->step_floor, .reason = MEMORY_STEP_NO_STATISTICS };
}

static MemoryGuard
unguarded(MemoryStepState *state, const MemoryStepInput *input, const Policy *policy)
{
    switch (policy->shrink_unguarded) {
    case UNGUARDED_SMALL_STEPS:
        return small_step(state, input);
    case UNGUARDED_ALLOW:
        return (MemoryGuard){ .low = 0, .reason = MEMORY_STEP_REASON_NONE };
    case UNGUARDED_REFUSE:
        break;
    }
    return (MemoryGuard){ .low = input->current,
                          .reason = MEMORY_STEP_NO_STATISTICS,
                          .is_holding = true,
                          .poll_after = HOLD_POLL };
}

/* Fresh statistics are on their way: nothing more is asked, nothing taken back. */
static MemoryGuard
awaiting(const MemoryStepState *state, const MemoryStepInput *input)
{
    gint64 waited = input->now - state->statistics_since;

    return (MemoryGuard){ .low = MIN(input->requested, input->current),
                          .reason = MEMORY_STEP_AWAITING_STATISTICS,
                          .poll_after = CLAMP(waited / 8, AWAIT_POLL_LEAST, AWAIT_POLL_MOST) };
}

MemoryGuard
memory_guard_bound(MemoryStepState *state, const MemoryStepInput *input, const Policy *policy)
{
    guint64 reserve = memory_step_reserve(policy, input->guest_total);
    MemoryGuard guard;

    if (memory_guard_is_fresh(state, input)) {
        memory_guard_leave(state, input->now);
        return (MemoryGuard){ .low = sample_floor(state, input, reserve),
                              .reason = MEMORY_STEP_GUEST_RESERVE,
                              .is_fresh = true,
                              .reserve = reserve,
                              .want_statistics = input->now - input->statistics_at > REFRESH_AGE,
                              .poll_after = HOLD_POLL };
    }
    if (input->has_balloon && !state->is_unguarded) {
        if (state->statistics_since == 0)
            state->statistics_since = input->now;
        if (input->now - state->statistics_since < AWAIT_MOST) {
            guard = awaiting(state, input);
            guard.want_statistics = true;
            return guard;
        }
        state->is_unguarded = true;
    }
    guard = unguarded(state, input, policy);
    guard.reserve = reserve;
    guard.want_statistics = input->has_balloon;
    return guard;
}
