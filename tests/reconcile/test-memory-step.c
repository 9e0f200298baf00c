/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory stepping by example: one rule a test, told as a short story with one device. A Rig is
 * the device, what was observed and what the last pass kept; pass() decides and, as QEMU does at
 * once, takes over what is asked; the guest moves only where a test moves it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "reconcile/memory-step.h"

#define MIB ((guint64) 1 << 20)
#define GIB ((guint64) 1 << 30)
#define SECOND ((gint64) G_USEC_PER_SEC)
#define assert_size(a, b) assert_int_equal((a) / MIB, (b) / MIB)

typedef struct {
    MemoryStepInput in;
    Policy policy;
    MemoryStepState state;
    MemoryStepDecision out;
    guint n_sets, n_pokes;
} Rig;

/* 512 MiB and a device of 4 GiB with 2 MiB blocks, an idle guest with statistics. */
static Rig
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

static Rig
rig_without_statistics(guint64 current, guint64 target)
{
    Rig rig = rig_new(current, target);

    rig.in.has_balloon = false;
    rig.in.statistics_at = 0;
    return rig;
}

static const MemoryStepDecision *
pass(Rig *rig)
{
    rig->out = memory_step(&rig->state, &rig->in, &rig->policy);
    rig->state = rig->out.state;
    rig->n_sets += rig->out.verb == MEMORY_STEP_VERB_SET;
    rig->n_pokes += rig->out.verb == MEMORY_STEP_VERB_POKE;
    rig->in.requested = rig->out.requested;
    return &rig->out;
}

static const MemoryStepDecision *
pass_after(Rig *rig, gint64 us)
{
    rig->in.now += us;
    return pass(rig);
}

/* Passes as often as they ask for it, for @us. */
static const MemoryStepDecision *
passes(Rig *rig, gint64 us)
{
    gint64 end = rig->in.now + us;

    pass(rig);
    while (rig->in.now < end && rig->out.poll_after != MEMORY_STEP_NO_POLL)
        pass_after(rig, MIN(MAX(rig->out.poll_after, 1), end - rig->in.now));
    return &rig->out;
}

/* The guest does what it was asked; statistics keep coming. */
static const MemoryStepDecision *
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

static void
assert_reason(const MemoryStepDecision *out, SyncState condition, MemoryStepReason reason)
{
    assert_string_equal(memory_step_reason_name(out->reason), memory_step_reason_name(reason));
    assert_int_equal(out->condition, condition);
}

static void
at_target_nothing_is_done(void **unused)
{
    Rig rig = rig_new(GIB, GIB);
    const MemoryStepDecision *out = pass(&rig);

    assert_reason(out, SYNC_SYNCED, MEMORY_STEP_CONVERGED);
    assert_int_equal(out->verb, MEMORY_STEP_VERB_NONE);
    assert_int_equal(out->poll_after, MEMORY_STEP_NO_POLL);
    assert_false(out->want_statistics);
}

static void
growth_starts_at_one_block_and_doubles(void **unused)
{
    Rig rig = rig_new(0, 2 * GIB);
    const guint64 asked[] = { 2, 6, 14, 30, 62, 126, 254, 510, 1022, 1534, 2046, 2048 };

    pass(&rig);
    for (guint i = 0; i < G_N_ELEMENTS(asked); i++) {
        assert_int_equal(rig.out.verb, MEMORY_STEP_VERB_SET);
        assert_size(rig.out.requested, asked[i] * MIB);
        assert_reason(&rig.out, SYNC_PROGRESSING, MEMORY_STEP_GROWING);
        follow_for(&rig, 1);
    }
    assert_reason(&rig.out, SYNC_SYNCED, MEMORY_STEP_CONVERGED);
}

static void
growth_goes_on_before_all_is_accepted(void **unused)
{
    Rig rig = rig_new(0, 3 * GIB);

    pass(&rig);
    follow_for(&rig, 9);
    assert_size(rig.in.requested - rig.in.current, 512 * MIB);
    rig.in.current += 254 * MIB;
    assert_int_equal(pass_after(&rig, 1000)->verb, MEMORY_STEP_VERB_NONE);
    rig.in.current += 2 * MIB;
    assert_int_equal(pass_after(&rig, 1000)->verb, MEMORY_STEP_VERB_SET);
    assert_size(rig.in.requested - rig.in.current, 512 * MIB);
}

static void
a_block_larger_than_the_window_is_one_window(void **unused)
{
    Rig rig = rig_new(0, 4 * GIB);

    rig.in.block = GIB;
    assert_size(pass(&rig)->requested, GIB);
    assert_reason(follow_for(&rig, 4), SYNC_SYNCED, MEMORY_STEP_CONVERGED);
}

static void
step_blocks_keeps_to_its_number(void **unused)
{
    Rig rig = rig_new(0, GIB);

    rig.policy.step = 8;
    for (guint i = 1; i <= 64; i++) {
        pass_after(&rig, 1000);
        assert_size(rig.in.requested, i * 16 * MIB);
        rig.in.current = rig.in.requested;
    }
    assert_reason(pass_after(&rig, 1000), SYNC_SYNCED, MEMORY_STEP_CONVERGED);
}

static void
step_all_is_one_jump_but_guarded(void **unused)
{
    Rig rig = rig_new(0, 4 * GIB);

    rig.policy.step = STEP_ALL;
    assert_size(pass(&rig)->requested, 4 * GIB);

    rig = rig_new(4 * GIB, 0);
    rig.policy.step = STEP_ALL;
    rig.policy.guest_reserve = 512 * MIB;
    rig.in.available = GIB;
    assert_size(pass(&rig)->requested, 4 * GIB - 512 * MIB);
}

static void
a_lagging_guest_halves_the_window(void **unused)
{
    Rig rig = rig_new(0, 4 * GIB);

    pass(&rig);
    follow_for(&rig, 9);
    assert_size(rig.state.window, 512 * MIB);
    passes(&rig, 3 * SECOND);
    assert_size(rig.state.window, 256 * MIB);
    passes(&rig, 30 * SECOND);
    assert_size(rig.state.window, 128 * MIB);
}

static void
a_slow_guest_halves_it_below_a_section(void **unused)
{
    Rig rig = rig_new(0, 4 * GIB);

    pass(&rig);
    follow_for(&rig, 6);
    assert_size(rig.state.window, 128 * MIB);
    for (guint i = 0; i < 40; i++) { /* 2 MiB in 0.6 s: 64 take 19 s */
        rig.in.current += 2 * MIB;
        pass_after(&rig, 600 * 1000);
    }
    assert_size(rig.state.window, 64 * MIB);
}

static void
a_guest_of_coarser_blocks_is_served_after_a_poke(void **unused)
{
    Rig rig = rig_new(0, GIB);

    for (guint i = 0; i < 4000 && rig.out.condition != SYNC_SYNCED; i++) {
        rig.in.current += (rig.in.requested - rig.in.current) / (128 * MIB) * (128 * MIB);
        pass_after(&rig, MAX(rig.out.poll_after, 1));
    }
    assert_reason(&rig.out, SYNC_SYNCED, MEMORY_STEP_CONVERGED);
    assert_true(rig.in.now < 1004 * SECOND);
}

static void
a_shrink_walks_in_windows(void **unused)
{
    Rig rig = rig_new(2 * GIB, 0);
    const guint64 asked[] = { 2046, 2042, 2034, 2018, 1986, 1922, 1794, 1538, 1282 };

    pass(&rig);
    for (guint i = 0; i < G_N_ELEMENTS(asked); i++) {
        assert_size(rig.out.requested, asked[i] * MIB);
        assert_reason(&rig.out, SYNC_PROGRESSING, MEMORY_STEP_SHRINKING);
        follow_for(&rig, 1);
    }
    assert_reason(follow_for(&rig, 20), SYNC_SYNCED, MEMORY_STEP_CONVERGED);
}

static void
the_guard_holds_and_says_the_figures(void **unused)
{
    Rig rig = rig_new(512 * MIB, 0);
    g_autofree char *message = NULL;

    rig.in.available = 175 * MIB;
    rig.policy.guest_reserve = 172 * MIB;
    assert_reason(pass(&rig), SYNC_GUARDED, MEMORY_STEP_GUEST_RESERVE);
    assert_int_equal(rig.out.verb, MEMORY_STEP_VERB_NONE);
    assert_int_equal(rig.out.poll_after, SECOND);
    assert_size(rig.out.floor, 510 * MIB);
    message = memory_step_message(&rig.out, NULL);
    assert_string_equal(
        message, "held at 512 MiB of 0 B: guest has 175 MiB available, 172 MiB are kept back");
}

static void
the_guard_stops_at_its_floor_and_goes_on(void **unused)
{
    Rig rig = rig_new(GIB, 0);

    rig.in.available = 673 * MIB; /* 700 MiB of tmpfs: bench.md */
    for (guint i = 0; i < 40; i++) {
        pass(&rig);
        rig.in.available -= rig.in.current - rig.in.requested;
        rig.in.current = rig.in.requested;
        rig.in.now += 100 * 1000;
        rig.in.statistics_at = rig.in.now / SECOND * SECOND;
    }
    assert_reason(&rig.out, SYNC_GUARDED, MEMORY_STEP_GUEST_RESERVE);
    assert_in_range(rig.in.available, 128 * MIB, 144 * MIB);
    rig.in.available += 300 * MIB;
    assert_int_equal(pass_after(&rig, SECOND)->verb, MEMORY_STEP_VERB_SET);
    assert_reason(&rig.out, SYNC_PROGRESSING, MEMORY_STEP_SHRINKING);
}

static void
the_guard_does_not_nibble(void **unused)
{
    Rig rig = rig_new(512 * MIB, 0);

    rig.in.available = 128 * MIB + 15 * MIB;
    assert_int_equal(pass(&rig)->verb, MEMORY_STEP_VERB_NONE);
    rig.in.target = 500 * MIB; /* but the last few to the target are worth it */
    assert_int_equal(pass_after(&rig, 1000)->verb, MEMORY_STEP_VERB_SET);
}

static void
an_old_sample_counts_for_the_size_of_its_time(void **unused)
{
    Rig rig = rig_new(GIB, 0);

    rig.policy.step = STEP_ALL;
    rig.in.available = 628 * MIB; /* 500 MiB to spare at 1 GiB */
    assert_size(pass(&rig)->requested, 524 * MIB);
    rig.in.current = 524 * MIB;
    assert_int_equal(pass_after(&rig, SECOND)->verb, MEMORY_STEP_VERB_NONE);
    assert_reason(&rig.out, SYNC_GUARDED, MEMORY_STEP_GUEST_RESERVE);
    assert_true(rig.out.want_statistics || rig.in.now - rig.in.statistics_at <= SECOND);
    /* From its second on there were both 1 GiB and 524 MiB: the worse is taken. */
    rig.in.statistics_at += SECOND;
    assert_int_equal(pass_after(&rig, 1000)->verb, MEMORY_STEP_VERB_NONE);
    rig.in.statistics_at += SECOND;
    assert_size(pass_after(&rig, SECOND)->requested, 24 * MIB);
}

static void
a_guest_that_eats_gets_back_what_is_unaccepted(void **unused)
{
    Rig rig = rig_new(2 * GIB, 0);

    pass(&rig);
    follow_for(&rig, 8);
    assert_size(rig.in.current - rig.in.requested, 256 * MIB);
    rig.in.now = (rig.in.now / SECOND + 2) * SECOND;
    rig.in.statistics_at = rig.in.now;
    rig.in.available = 100 * MIB;
    assert_int_equal(pass(&rig)->verb, MEMORY_STEP_VERB_SET);
    assert_size(rig.out.requested, rig.in.current);
    assert_reason(&rig.out, SYNC_GUARDED, MEMORY_STEP_GUEST_RESERVE);
}

/* Between two passes far apart an outsider had it grow and shrink: its peak is not seen. */
static void
what_was_requested_in_a_gap_may_have_been_the_size(void **unused)
{
    Rig rig = rig_new(512 * MIB, GIB);

    rig.policy.step = STEP_ALL;
    pass(&rig);
    rig.in.target = 0;
    rig.in.requested = 512 * MIB;
    rig.in.now += 2 * SECOND;
    rig.in.statistics_at = rig.in.now - SECOND; /* taken at 1 GiB, it may be */
    rig.in.available = 628 * MIB;
    assert_size(pass(&rig)->requested, 512 * MIB);
    assert_size(rig.out.floor, 524 * MIB);
}

static void
a_lagging_shrink_is_taken_back_to_the_window(void **unused)
{
    Rig rig = rig_new(2 * GIB, 0);

    pass(&rig);
    follow_for(&rig, 8);
    assert_size(rig.in.current - rig.in.requested, 256 * MIB);
    for (guint i = 0; i < 10; i++) {
        pass_after(&rig, 250 * 1000);
        rig.in.statistics_at = rig.in.now / SECOND * SECOND;
    }
    assert_size(rig.in.current - rig.in.requested, 128 * MIB);
}

static void
growth_does_not_ask_the_guard(void **unused)
{
    Rig rig = rig_new(GIB, 2 * GIB);

    rig.in.available = 0;
    assert_int_equal(pass(&rig)->verb, MEMORY_STEP_VERB_SET);
    assert_false(rig.out.want_statistics);
}

static void
statistics_are_waited_for_before_policy_decides(void **unused)
{
    Rig rig = rig_new(GIB, 0);

    rig.in.statistics_at = 0;
    assert_reason(pass(&rig), SYNC_PROGRESSING, MEMORY_STEP_AWAITING_STATISTICS);
    assert_true(rig.out.want_statistics);
    assert_int_equal(rig.out.verb, MEMORY_STEP_VERB_NONE);
    passes(&rig, 1900 * 1000);
    assert_int_equal(rig.n_sets, 0);
    passes(&rig, 200 * 1000);
    assert_int_equal(rig.n_sets, 1);
    assert_reason(&rig.out, SYNC_PROGRESSING, MEMORY_STEP_NO_STATISTICS);
}

static void
statistics_that_come_end_the_waiting(void **unused)
{
    Rig rig = rig_new(GIB, 0);

    rig.in.statistics_at = 900 * SECOND;
    pass(&rig);
    rig.in.statistics_at = 1000 * SECOND;
    assert_reason(pass_after(&rig, 20 * 1000), SYNC_PROGRESSING, MEMORY_STEP_SHRINKING);
}

static void
unguarded_refuse_asks_for_nothing_and_takes_back(void **unused)
{
    Rig rig = rig_without_statistics(GIB, 0);

    rig.policy.shrink_unguarded = UNGUARDED_REFUSE;
    assert_reason(pass(&rig), SYNC_GUARDED, MEMORY_STEP_NO_STATISTICS);
    assert_int_equal(rig.n_sets, 0);
    rig.in.requested = 512 * MIB; /* an outsider's qom-set, or statistics that ceased */
    pass_after(&rig, SECOND);
    assert_size(rig.in.requested, GIB);
}

static void
unguarded_small_steps_are_a_section_and_a_pause(void **unused)
{
    Rig rig = rig_without_statistics(GIB, 512 * MIB);

    for (guint section = 1; section <= 4; section++) {
        guint64 floor = GIB - section * 128 * MIB;
        for (guint i = 0; i < 20 && rig.in.current > floor; i++) {
            pass_after(&rig, 1000);
            assert_true(rig.in.requested >= floor);
            rig.in.current = rig.in.requested;
        }
        assert_size(rig.in.current, floor);
        if (section == 4)
            break;
        pass_after(&rig, 1000);
        assert_reason(&rig.out, SYNC_PROGRESSING, MEMORY_STEP_NO_STATISTICS);
        passes(&rig, 990 * 1000);
        assert_size(rig.in.requested, floor);
    }
    assert_reason(pass_after(&rig, 1000), SYNC_SYNCED, MEMORY_STEP_CONVERGED);
}

static void
unguarded_allow_walks_on(void **unused)
{
    Rig rig = rig_without_statistics(GIB, 0);

    rig.policy.shrink_unguarded = UNGUARDED_ALLOW;
    pass(&rig);
    assert_reason(follow_for(&rig, 12), SYNC_SYNCED, MEMORY_STEP_CONVERGED);
    assert_true(rig.in.now < 1001 * SECOND);
}

static void
a_fresh_state_trusts_no_older_sample(void **unused)
{
    Rig rig = rig_new(GIB, 0);

    rig.in.statistics_at -= SECOND;
    assert_reason(pass(&rig), SYNC_PROGRESSING, MEMORY_STEP_AWAITING_STATISTICS);
    rig.in.statistics_at += 2 * SECOND;
    assert_reason(pass_after(&rig, SECOND), SYNC_PROGRESSING, MEMORY_STEP_SHRINKING);
}

static void
a_revert_turns_at_once(void **unused)
{
    Rig rig = rig_new(0, 4 * GIB);

    pass(&rig);
    follow_for(&rig, 9);
    assert_true(rig.in.requested > rig.in.current);
    rig.in.target = 256 * MIB;
    assert_int_equal(pass_after(&rig, 1000)->verb, MEMORY_STEP_VERB_SET);
    assert_true(rig.in.requested < rig.in.current);
    follow_for(&rig, 6);
    assert_true(rig.in.requested < rig.in.current);
    rig.in.target = 4 * GIB;
    assert_int_equal(pass_after(&rig, 1000)->verb, MEMORY_STEP_VERB_SET);
    assert_true(rig.in.requested > rig.in.current);
    rig.in.target = rig.in.current;
    pass_after(&rig, 1000);
    assert_size(rig.in.requested, rig.in.current);
    assert_reason(pass_after(&rig, 1000), SYNC_SYNCED, MEMORY_STEP_CONVERGED);
}

static void
more_than_the_target_is_put_right_at_once(void **unused)
{
    Rig rig = rig_new(0, GIB);

    rig.in.requested = 3 * GIB;
    assert_size(pass(&rig)->requested, GIB);
    rig = rig_new(2 * GIB, GIB);
    rig.in.requested = 0;
    assert_size(pass(&rig)->requested, GIB);
}

static void
what_the_command_line_asked_for_is_left(void **unused)
{
    Rig rig = rig_new(0, 4 * GIB);

    rig.in.requested = 4 * GIB;
    rig.in.is_booting = true;
    rig.in.driver = MEMORY_DRIVER_UNBOUND;
    assert_reason(pass(&rig), SYNC_PROGRESSING, MEMORY_STEP_GUEST_BOOTING);
    passes(&rig, 300 * SECOND);
    assert_reason(&rig.out, SYNC_PROGRESSING, MEMORY_STEP_GUEST_BOOTING);
    assert_int_equal(rig.n_sets + rig.n_pokes, 0);
    rig.in.is_booting = false;
    passes(&rig, SECOND);
    assert_reason(&rig.out, SYNC_PROGRESSING, MEMORY_STEP_NO_DRIVER);
    passes(&rig, 61 * SECOND);
    assert_reason(&rig.out, SYNC_STALLED, MEMORY_STEP_NO_DRIVER);
    assert_int_equal(rig.n_sets + rig.n_pokes, 0);
    rig.in.driver = MEMORY_DRIVER_BOUND;
    assert_reason(pass_after(&rig, SECOND), SYNC_PROGRESSING, MEMORY_STEP_GROWING);
}

static void
a_reboot_is_neither_drift_nor_error(void **unused)
{
    Rig rig = rig_new(GIB, GIB);

    pass(&rig);
    rig.in.current = 0;
    rig.in.driver = MEMORY_DRIVER_UNKNOWN;
    assert_reason(pass_after(&rig, SECOND), SYNC_PROGRESSING, MEMORY_STEP_GUEST_BOOTING);
    passes(&rig, 100 * SECOND);
    assert_reason(&rig.out, SYNC_PROGRESSING, MEMORY_STEP_GUEST_BOOTING);
    rig.in.current = 128 * MIB;
    assert_reason(pass_after(&rig, SECOND), SYNC_PROGRESSING, MEMORY_STEP_GROWING);
    rig.in.current = GIB;
    assert_reason(pass_after(&rig, SECOND), SYNC_SYNCED, MEMORY_STEP_CONVERGED);
    assert_int_equal(rig.n_sets + rig.n_pokes, 0);
}

static void
a_reboot_while_shrinking_grows_to_the_target(void **unused)
{
    Rig rig = rig_new(2 * GIB, GIB);

    pass(&rig);
    rig.in.current = 0;
    assert_size(pass_after(&rig, SECOND)->requested, GIB);
}

static void
nothing_is_written_while_migrating(void **unused)
{
    Rig rig = rig_new(0, GIB);

    rig.in.is_migrating = true;
    assert_reason(pass(&rig), SYNC_PROGRESSING, MEMORY_STEP_MIGRATING);
    rig.in.requested = 2 * GIB;
    passes(&rig, 300 * SECOND);
    assert_int_equal(rig.n_sets + rig.n_pokes, 0);
    rig.in.is_migrating = false;
    rig.in.requested = 512 * MIB; /* the guest was told BUSY and sleeps for 50 s */
    assert_int_equal(pass_after(&rig, SECOND)->verb, MEMORY_STEP_VERB_POKE);
}

static void
a_pause_stops_the_stall_clock(void **unused)
{
    Rig rig = rig_new(0, GIB);

    pass(&rig);
    passes(&rig, 50 * SECOND);
    rig.in.is_running = false;
    assert_reason(pass_after(&rig, SECOND), SYNC_PROGRESSING, MEMORY_STEP_GUEST_PAUSED);
    passes(&rig, 1000 * SECOND);
    assert_reason(&rig.out, SYNC_PROGRESSING, MEMORY_STEP_GUEST_PAUSED);
    rig.in.is_running = true;
    passes(&rig, 50 * SECOND);
    assert_reason(&rig.out, SYNC_PROGRESSING, MEMORY_STEP_GROWING);
}

static void
a_paused_guest_is_asked_for_nothing_new(void **unused)
{
    Rig rig = rig_new(0, GIB);

    rig.in.is_running = false;
    assert_reason(pass(&rig), SYNC_PROGRESSING, MEMORY_STEP_GUEST_PAUSED);
    assert_int_equal(rig.n_sets, 0);
    rig.in.requested = 2 * GIB; /* but what is wrong is put right */
    assert_size(pass_after(&rig, SECOND)->requested, GIB);
    rig.in.target = 0;
    rig.in.current = 512 * MIB;
    rig.in.requested = 512 * MIB;
    assert_int_equal(pass_after(&rig, SECOND)->verb, MEMORY_STEP_VERB_NONE);
}

static void
hours_without_a_pass_are_no_stall(void **unused)
{
    Rig rig = rig_new(0, GIB);

    pass(&rig);
    passes(&rig, 10 * SECOND);
    pass_after(&rig, 7200 * SECOND);
    assert_reason(&rig.out, SYNC_PROGRESSING, MEMORY_STEP_GROWING);
}

static void
pokes_come_at_growing_intervals(void **unused)
{
    Rig rig = rig_new(0, GIB);
    const guint due[] = { 2, 6, 14, 30, 90, 150 }; /* seconds; from 60 s on it is stalled */
    gint64 begin = rig.in.now;

    rig.policy.step = 1;
    pass(&rig);
    for (guint i = 0; i < G_N_ELEMENTS(due); i++) {
        while (rig.n_pokes == i)
            pass_after(&rig, rig.out.poll_after);
        assert_in_range(rig.in.now - begin, due[i] * SECOND, (due[i] + 5) * SECOND + 300 * 1000);
        assert_size(rig.in.requested, 2 * MIB);
    }
    assert_int_equal(rig.n_sets, 1);
}

static void
a_short_stall_timeout_pokes_sooner(void **unused)
{
    Rig rig = rig_new(0, GIB);

    rig.policy.step = 1;
    rig.policy.stall_timeout = 3 * SECOND;
    pass(&rig);
    passes(&rig, 2900 * 1000);
    assert_int_equal(rig.out.condition, SYNC_PROGRESSING);
    assert_int_equal(rig.n_pokes, 3);
    assert_reason(passes(&rig, 300 * 1000), SYNC_STALLED, MEMORY_STEP_NOT_FOLLOWING);
}

static void
a_stall_is_latched_until_the_guest_moves(void **unused)
{
    Rig rig = rig_new(64 * MIB, GIB);
    guint64 asked;

    pass(&rig);
    passes(&rig, 61 * SECOND);
    assert_reason(&rig.out, SYNC_STALLED, MEMORY_STEP_NOT_FOLLOWING);
    asked = rig.in.requested;
    passes(&rig, 600 * SECOND);
    assert_reason(&rig.out, SYNC_STALLED, MEMORY_STEP_NOT_FOLLOWING);
    assert_size(rig.in.requested, asked);
    rig.in.current += 2 * MIB;
    assert_reason(pass_after(&rig, SECOND), SYNC_PROGRESSING, MEMORY_STEP_GROWING);
}

static void
a_stall_ends_with_an_edited_target(void **unused)
{
    Rig rig = rig_new(64 * MIB, GIB);

    pass(&rig);
    passes(&rig, 61 * SECOND);
    rig.in.target = 2 * GIB;
    assert_reason(pass_after(&rig, SECOND), SYNC_PROGRESSING, MEMORY_STEP_GROWING);
}

/* Shrinks in vain until it is stalled, the statistics fresh all the time. */
static void
stall_shrinking(Rig *rig)
{
    rig->policy.stall_timeout = 3 * SECOND;
    for (guint i = 0; i < 40; i++) {
        pass_after(rig, 250 * 1000);
        rig->in.statistics_at = rig->in.now / SECOND * SECOND;
    }
    assert_reason(&rig->out, SYNC_STALLED, MEMORY_STEP_UNMOVABLE);
}

static void
a_stalled_shrink_is_poked_when_the_guest_frees_memory(void **unused)
{
    Rig rig = rig_new(GIB, 0);
    guint n_pokes;

    stall_shrinking(&rig);
    assert_true(rig.in.current - rig.in.requested <= 128 * MIB);
    n_pokes = rig.n_pokes;
    rig.in.available += 64 * MIB;
    assert_int_equal(pass_after(&rig, 250 * 1000)->verb, MEMORY_STEP_VERB_POKE);
    assert_int_equal(rig.n_pokes, n_pokes + 1);
    assert_int_equal(rig.out.condition, SYNC_STALLED);
    assert_int_equal(pass_after(&rig, 250 * 1000)->verb, MEMORY_STEP_VERB_NONE);
    for (guint i = 0; i < 24; i++) { /* no news for 6 s */
        pass_after(&rig, 250 * 1000);
        rig.in.statistics_at = rig.in.now / SECOND * SECOND;
    }
    assert_int_equal(rig.n_pokes, n_pokes + 1);
    for (guint i = 0; i < 16; i++) { /* news all the time, for 4 s */
        rig.in.available += 64 * MIB;
        pass_after(&rig, 250 * 1000);
        rig.in.statistics_at = rig.in.now / SECOND * SECOND;
    }
    assert_int_equal(rig.n_pokes, n_pokes + 2);
}

static void
a_stalled_guest_that_was_asked_for_enough_is_asked_for_no_more(void **unused)
{
    Rig rig = rig_new(GIB, 0);

    rig.policy.step = STEP_ALL;
    rig.in.available = 428 * MIB;
    stall_shrinking(&rig);
    assert_size(rig.in.requested, GIB - 300 * MIB);
    rig.in.available = 628 * MIB;
    assert_int_equal(pass_after(&rig, 250 * 1000)->condition, SYNC_STALLED);
    assert_size(rig.in.requested, GIB - 300 * MIB);
}

static void
a_stalled_guest_that_was_asked_for_little_is_asked_again(void **unused)
{
    Rig rig = rig_new(GIB, 0);

    rig.in.available = 148 * MIB;
    stall_shrinking(&rig);
    assert_size(rig.in.requested, GIB - 20 * MIB);
    rig.in.available = 628 * MIB;
    assert_reason(pass_after(&rig, 250 * 1000), SYNC_PROGRESSING, MEMORY_STEP_SHRINKING);
    assert_size(rig.in.requested, GIB - 128 * MIB);
}

static void
a_stalled_guest_that_eats_is_guarded(void **unused)
{
    Rig rig = rig_new(GIB, 0);

    stall_shrinking(&rig);
    rig.in.available = 50 * MIB;
    assert_reason(pass_after(&rig, 250 * 1000), SYNC_GUARDED, MEMORY_STEP_GUEST_RESERVE);
    assert_size(rig.in.requested, GIB);
}

static void
a_stop_near_a_gibibyte_is_a_guest_that_does_not_online(void **unused)
{
    Rig rig = rig_new(0, 4 * GIB);

    pass(&rig);
    for (guint i = 0; i < 2000; i++) {
        rig.in.current = MIN(rig.in.requested, GIB);
        pass_after(&rig, MAX(rig.out.poll_after, 1));
    }
    assert_reason(&rig.out, SYNC_STALLED, MEMORY_STEP_NOT_ONLINED);
    assert_true(rig.in.requested - rig.in.current <= 512 * MIB);
}

static void
the_grant_bounds_growth_and_says_so(void **unused)
{
    Rig rig = rig_new(GIB, 3 * GIB);
    g_autofree char *message = NULL;

    rig.in.grant = GIB + 511 * MIB;
    pass(&rig);
    assert_reason(follow_for(&rig, 30), SYNC_WAITING, MEMORY_STEP_HOST_BUDGET);
    assert_size(rig.in.requested, GIB + 510 * MIB);
    message = memory_step_message(&rig.out, "web-2");
    assert_string_equal(message, "held at 1.5 GiB of 3 GiB: the host's memory budget has no room "
                                 "for the missing 1.5 GiB, waits for web-2");
    rig.in.grant = GIB + 600 * MIB;
    assert_int_equal(pass_after(&rig, SECOND)->verb, MEMORY_STEP_VERB_SET);
    rig.in.grant = GIB; /* the budget was cut: what is unaccepted is taken back, no more */
    pass_after(&rig, SECOND);
    assert_size(rig.in.requested, rig.in.current);
}

static void
the_grant_takes_back_whole_blocks(void **unused)
{
    Rig rig = rig_new(GIB, 3 * GIB);

    rig.in.requested = 2 * GIB;
    rig.in.grant = GIB + 511 * MIB;
    assert_size(pass(&rig)->requested, GIB + 510 * MIB);
    assert_size(rig.out.requested % rig.in.block, 0);
}

static void
waiting_for_the_budget_is_not_lagging(void **unused)
{
    Rig rig = rig_new(GIB, 3 * GIB);
    guint64 window;

    rig.in.grant = GIB + 512 * MIB;
    pass(&rig);
    follow_for(&rig, 30);
    window = rig.state.window;
    pass_after(&rig, 10 * SECOND);
    rig.in.grant = MEMORY_STEP_UNLIMITED;
    pass_after(&rig, SECOND);
    follow_for(&rig, 1);
    assert_size(rig.state.window, MIN(window * 2, 512 * MIB));
}

static void
the_target_is_taken_in_whole_blocks_up_to_the_maximum(void **unused)
{
    Rig rig = rig_new(GIB, GIB + 3 * MIB);

    pass(&rig);
    follow_for(&rig, 5);
    assert_reason(&rig.out, SYNC_SYNCED, MEMORY_STEP_CONVERGED);
    assert_size(rig.in.current, GIB + 2 * MIB);
    rig.in.target = 100 * GIB;
    pass(&rig);
    follow_for(&rig, 40);
    assert_reason(&rig.out, SYNC_SYNCED, MEMORY_STEP_CONVERGED);
    assert_size(rig.in.current, 4 * GIB);
}

static void
two_devices_share_one_available_memory(void **unused)
{
    Rig rig = rig_new(GIB, 0);
    MemoryStepInput inputs[2];
    MemoryStepState states[2] = { { 0 } };
    MemoryStepDecision out[2];

    rig.policy.step = STEP_ALL;
    rig.in.available = 828 * MIB; /* 700 MiB to spare */
    inputs[0] = inputs[1] = rig.in;
    inputs[0].target = 512 * MIB;
    memory_step_guest(states, inputs, 2, &rig.policy, out);
    assert_size(out[0].requested, 512 * MIB);
    assert_size(out[1].requested, GIB - 188 * MIB);

    /* Done, and the sample is still that of before: nothing more is to be had. */
    for (guint i = 0; i < 2; i++) {
        inputs[i].requested = inputs[i].current = out[i].requested;
        inputs[i].now += SECOND;
        states[i] = out[i].state;
    }
    memory_step_guest(states, inputs, 2, &rig.policy, out);
    assert_int_equal(out[1].verb, MEMORY_STEP_VERB_NONE);
    assert_reason(&out[1], SYNC_GUARDED, MEMORY_STEP_GUEST_RESERVE);
}

static void
two_devices_take_turns_without_statistics(void **unused)
{
    Rig rig = rig_without_statistics(256 * MIB, 0);
    MemoryStepInput inputs[2] = { rig.in, rig.in };
    MemoryStepState states[2] = { { 0 } };
    MemoryStepDecision out[2];
    guint64 before = 512 * MIB;

    for (guint i = 0; i < 400 && inputs[0].current + inputs[1].current > 0; i++) {
        gint64 began = inputs[0].now;
        memory_step_guest(states, inputs, 2, &rig.policy, out);
        assert_true(inputs[0].requested == inputs[0].current ||
                    out[1].requested == inputs[1].current);
        for (guint j = 0; j < 2; j++) {
            inputs[j].requested = inputs[j].current = out[j].requested;
            inputs[j].now = began + 50 * 1000;
            states[j] = out[j].state;
        }
        assert_true(before - inputs[0].current - inputs[1].current <= 128 * MIB);
        before = inputs[0].current + inputs[1].current;
    }
    assert_size(before, 0);
    assert_true(inputs[0].now - rig.in.now > 3 * SECOND);
}

static void
another_qemu_is_another_state(void **unused)
{
    Rig rig = rig_new(64 * MIB, GIB);

    pass(&rig);
    passes(&rig, 61 * SECOND);
    assert_int_equal(rig.out.condition, SYNC_STALLED);
    rig.in.generation++;
    assert_int_equal(pass_after(&rig, SECOND)->condition, SYNC_PROGRESSING);
}

static void
the_reserve_is_the_larger_of_two(void **unused)
{
    Policy policy = { .guest_reserve = RESERVE_AUTO };

    assert_size(memory_step_reserve(&policy, GIB), 128 * MIB);
    assert_size(memory_step_reserve(&policy, 100 * GIB), 5 * GIB);
    policy.guest_reserve = 0;
    assert_size(memory_step_reserve(&policy, 100 * GIB), 0);
}

static void
the_state_survives_json(void **unused)
{
    Rig rig = rig_new(2 * GIB, 0);
    MemoryStepDecision other;
    MemoryStepState read;

    pass(&rig);
    follow_for(&rig, 5);
    passes(&rig, 3 * SECOND);
    g_autoptr(Json) json = memory_step_state_to_json(&rig.state);
    g_autofree char *text = json_format(json, false);
    g_autoptr(Json) parsed = json_parse(text, -1, NULL);
    read = memory_step_state_from_json(parsed);
    g_autoptr(Json) again = memory_step_state_to_json(&read);
    assert_true(json_equal(json, again));
    other = memory_step(&read, &rig.in, &rig.policy);
    pass(&rig);
    assert_int_equal(other.verb, rig.out.verb);
    assert_true(other.requested == rig.out.requested);
    assert_true(other.poll_after == rig.out.poll_after);
}

static void
garbage_is_a_fresh_state(void **unused)
{
    Rig rig = rig_new(GIB, 0);
    const char *const texts[] = { "null", "[]", "7", "{}", "{\"version\":1}", "{\"version\":99}" };

    assert_false(memory_step_state_from_json(NULL).is_begun);
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(Json) json = json_parse(texts[i], -1, NULL);
        assert_false(memory_step_state_from_json(json).is_begun);
    }
    pass(&rig);
    g_autoptr(Json) good = memory_step_state_to_json(&rig.state);
    for (guint i = 0; i < json_length(good); i++) { /* each member wrong in turn */
        g_autoptr(Json) bad = json_copy(good);
        json_set_string(bad, json_name_at(good, i), "garbage");
        assert_false(memory_step_state_from_json(bad).is_begun);
        json_remove(bad, json_name_at(good, i));
        assert_false(memory_step_state_from_json(bad).is_begun);
    }
    json_set_int(good, "driver", 99);
    assert_false(memory_step_state_from_json(good).is_begun);
}

static void
a_state_of_another_clock_does_no_harm(void **unused)
{
    Rig rig = rig_new(GIB, 2 * GIB);

    pass(&rig);
    rig.in.now = 5 * SECOND; /* the host was restarted, the start time happens to be the same */
    rig.in.statistics_at = 5 * SECOND;
    rig.in.requested = rig.in.current;
    assert_reason(follow_for(&rig, 30), SYNC_SYNCED, MEMORY_STEP_CONVERGED);

    /* Nor do the sizes and the beginning that it remembers hold a shrink back. */
    rig = rig_new(2 * GIB, 2 * GIB);
    pass(&rig);
    rig.in.now = 5 * SECOND;
    rig.in.current = rig.in.requested = 256 * MIB;
    rig.in.available = 400 * MIB;
    rig.in.target = 0;
    rig.in.statistics_at = 5 * SECOND;
    pass(&rig);
    rig.in.now = rig.in.statistics_at = 12 * SECOND;
    assert_reason(pass(&rig), SYNC_PROGRESSING, MEMORY_STEP_SHRINKING);
    assert_size(rig.out.floor, 0);
}

static void
every_reason_has_a_name(void **unused)
{
    for (guint i = 0; i < MEMORY_STEP_N_REASONS; i++) {
        const char *name = memory_step_reason_name(i);
        assert_non_null(name);
        for (guint j = 0; j < i; j++)
            assert_string_not_equal(name, memory_step_reason_name(j));
    }
}

static void
messages_read_well(void **unused)
{
    Rig rig = rig_new(512 * MIB, GIB);
    g_autofree char *growing = NULL, *stalled = NULL;

    pass(&rig);
    growing = memory_step_message(&rig.out, NULL);
    assert_string_equal(growing, "growing to 1 GiB: at 512 MiB, asked for 514 MiB");
    rig = rig_new(18 * MIB, 0);
    pass(&rig);
    for (guint i = 0; i < 400; i++) {
        rig.in.statistics_at = rig.in.now;
        pass_after(&rig, 250 * 1000);
    }
    stalled = memory_step_message(&rig.out, NULL);
    assert_string_equal(stalled, "stalled at 18 MiB of 0 B: the guest cannot free the rest "
                                 "(unmovable pages, or memory in use)");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_target_nothing_is_done),
        cmocka_unit_test(growth_starts_at_one_block_and_doubles),
        cmocka_unit_test(growth_goes_on_before_all_is_accepted),
        cmocka_unit_test(a_block_larger_than_the_window_is_one_window),
        cmocka_unit_test(step_blocks_keeps_to_its_number),
        cmocka_unit_test(step_all_is_one_jump_but_guarded),
        cmocka_unit_test(a_lagging_guest_halves_the_window),
        cmocka_unit_test(a_slow_guest_halves_it_below_a_section),
        cmocka_unit_test(a_guest_of_coarser_blocks_is_served_after_a_poke),
        cmocka_unit_test(a_shrink_walks_in_windows),
        cmocka_unit_test(the_guard_holds_and_says_the_figures),
        cmocka_unit_test(the_guard_stops_at_its_floor_and_goes_on),
        cmocka_unit_test(the_guard_does_not_nibble),
        cmocka_unit_test(an_old_sample_counts_for_the_size_of_its_time),
        cmocka_unit_test(a_guest_that_eats_gets_back_what_is_unaccepted),
        cmocka_unit_test(what_was_requested_in_a_gap_may_have_been_the_size),
        cmocka_unit_test(a_lagging_shrink_is_taken_back_to_the_window),
        cmocka_unit_test(growth_does_not_ask_the_guard),
        cmocka_unit_test(statistics_are_waited_for_before_policy_decides),
        cmocka_unit_test(statistics_that_come_end_the_waiting),
        cmocka_unit_test(unguarded_refuse_asks_for_nothing_and_takes_back),
        cmocka_unit_test(unguarded_small_steps_are_a_section_and_a_pause),
        cmocka_unit_test(unguarded_allow_walks_on),
        cmocka_unit_test(a_fresh_state_trusts_no_older_sample),
        cmocka_unit_test(a_revert_turns_at_once),
        cmocka_unit_test(more_than_the_target_is_put_right_at_once),
        cmocka_unit_test(what_the_command_line_asked_for_is_left),
        cmocka_unit_test(a_reboot_is_neither_drift_nor_error),
        cmocka_unit_test(a_reboot_while_shrinking_grows_to_the_target),
        cmocka_unit_test(nothing_is_written_while_migrating),
        cmocka_unit_test(a_pause_stops_the_stall_clock),
        cmocka_unit_test(a_paused_guest_is_asked_for_nothing_new),
        cmocka_unit_test(hours_without_a_pass_are_no_stall),
        cmocka_unit_test(pokes_come_at_growing_intervals),
        cmocka_unit_test(a_short_stall_timeout_pokes_sooner),
        cmocka_unit_test(a_stall_is_latched_until_the_guest_moves),
        cmocka_unit_test(a_stall_ends_with_an_edited_target),
        cmocka_unit_test(a_stalled_shrink_is_poked_when_the_guest_frees_memory),
        cmocka_unit_test(a_stalled_guest_that_was_asked_for_enough_is_asked_for_no_more),
        cmocka_unit_test(a_stalled_guest_that_was_asked_for_little_is_asked_again),
        cmocka_unit_test(a_stalled_guest_that_eats_is_guarded),
        cmocka_unit_test(a_stop_near_a_gibibyte_is_a_guest_that_does_not_online),
        cmocka_unit_test(the_grant_bounds_growth_and_says_so),
        cmocka_unit_test(the_grant_takes_back_whole_blocks),
        cmocka_unit_test(waiting_for_the_budget_is_not_lagging),
        cmocka_unit_test(the_target_is_taken_in_whole_blocks_up_to_the_maximum),
        cmocka_unit_test(two_devices_share_one_available_memory),
        cmocka_unit_test(two_devices_take_turns_without_statistics),
        cmocka_unit_test(another_qemu_is_another_state),
        cmocka_unit_test(the_reserve_is_the_larger_of_two),
        cmocka_unit_test(the_state_survives_json),
        cmocka_unit_test(garbage_is_a_fresh_state),
        cmocka_unit_test(a_state_of_another_clock_does_no_harm),
        cmocka_unit_test(every_reason_has_a_name),
        cmocka_unit_test(messages_read_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
