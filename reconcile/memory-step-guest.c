/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The devices of one guest share one available memory. A sample of the balloon says what the
 * guest could spare when it was taken; from then on each device that shrinks takes its part. So
 * each is decided with what the others took since, or may still take, already subtracted:
 *
 *     taken by a device = its highest current since the sample - min(requested, current)
 *
 * Decided in order, each sees the decisions before it: of two devices that want the same 500 MiB
 * the first gets them. Without statistics the unguarded steps take turns instead: one section in
 * the guest, then the pause, then the next, of whichever device. One that is stalled keeps
 * no other waiting.
 */
#include "model/size-arithmetic.h"
#include "reconcile/memory-guard.h"
#include "reconcile/memory-step.h"

/* What device @input took of the available memory since the sample, or may still take. */
static guint64
taken_by(const MemoryStepState *state, const MemoryStepInput *input, gint64 statistics_at)
{
    MemoryStepState observed = *state;

    memory_guard_observe(&observed, input);
    return size_less(memory_guard_peak(&observed, MIN(statistics_at, input->now)),
                     MIN(input->requested, input->current));
}

static bool
is_stepping_unguarded(const MemoryStepState *state, gint64 now)
{
    return (state->is_stepping && !state->is_stalled) || state->pause_until > now;
}

void
memory_step_guest(const MemoryStepState *states, const MemoryStepInput *inputs, guint n,
                  const Policy *policy, MemoryStepDecision *ret_decisions)
{
    for (guint i = 0; i < n; i++) {
        MemoryStepInput input = inputs[i];
        for (guint j = 0; j < n; j++) {
            const MemoryStepState *state = j < i ? &ret_decisions[j].state : &states[j];
            MemoryStepInput other = inputs[j];
            if (j == i)
                continue;
            if (j < i)
                other.requested = ret_decisions[j].requested;
            input.taken += taken_by(state, &other, input.statistics_at);
            input.is_other_shrinking |= is_stepping_unguarded(state, input.now);
        }
        ret_decisions[i] = memory_step(&states[i], &input, policy);
    }
}
