/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A Rig is one device, what was observed of it and what the last pass kept. A pass decides and, as
 * QEMU does at once, takes over what is asked; the guest moves only where a test moves it, and
 * time passes only where a test lets it.
 */
#include "tests/reconcile/memory-rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

Rig
rig_new(guint64 current, guint64 target)
{
    Rig rig = { .in = { .now = 1000 * SECOND,
                        .generation = 4711,
                        .target = target,
                        .block = 2 * MIB,
                        .max = 4 * GIB,
                        .requested = current,
                        .current = current,
                        .grant = MEMORY_STEP_UNLIMITED,
                        .is_running = true,
                        .driver = MEMORY_DRIVER_BOUND,
                        .guest_total = 512 * MIB + current,
                        .has_balloon = true,
                        .statistics_at = 1000 * SECOND,
                        .available = 400 * MIB + current },
                .policy = { .step = STEP_AUTO,
                            .stall_timeout = 60 * SECOND,
                            .guest_reserve = RESERVE_AUTO,
                            .shrink_unguarded = UNGUARDED_SMALL_STEPS } };
    return rig;
}

Rig
rig_without_statistics(guint64 current, guint64 target)
{
    Rig rig = rig_new(current, target);

    rig.in.has_balloon = false;
    rig.in.statistics_at = 0;
    return rig;
}

const MemoryStepDecision *
pass(Rig *rig)
{
    rig->out = memory_step(&rig->state, &rig->in, &rig->policy);
    rig->state = rig->out.state;
    rig->n_sets += rig->out.verb == MEMORY_STEP_VERB_SET;
    rig->n_pokes += rig->out.verb == MEMORY_STEP_VERB_POKE;
    rig->in.requested = rig->out.requested;
    return &rig->out;
}

const MemoryStepDecision *
pass_after(Rig *rig, gint64 us)
{
    rig->in.now += us;
    return pass(rig);
}

const MemoryStepDecision *
passes(Rig *rig, gint64 us)
{
    gint64 end = rig->in.now + us;

    pass(rig);
    while (rig->in.now < end && rig->out.poll_after != MEMORY_STEP_NO_POLL)
        pass_after(rig, MIN(MAX(rig->out.poll_after, 1), end - rig->in.now));
    return &rig->out;
}

const MemoryStepDecision *
follow_for(Rig *rig, guint n_passes)
{
    for (guint i = 0; i < n_passes && rig->out.condition != SYNC_SYNCED; i++) {
        rig->in.available += rig->in.requested - rig->in.current;
        rig->in.guest_total += rig->in.requested - rig->in.current;
        rig->in.current = rig->in.requested;
        rig->in.now += MAX(rig->out.poll_after, 1);
        if (rig->in.statistics_at)
            rig->in.statistics_at = rig->in.now / SECOND * SECOND;
        pass(rig);
    }
    return &rig->out;
}

void
assert_reason(const MemoryStepDecision *out, SyncState condition, MemoryStepReason reason)
{
    assert_string_equal(memory_step_reason_name(out->reason), memory_step_reason_name(reason));
    assert_int_equal(out->condition, condition);
}
