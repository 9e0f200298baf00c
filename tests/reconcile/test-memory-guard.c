/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The shrink guard by example, on a Rig (memory-rig.h): what a sample of the balloon allows and
 * for how long, what happens without one, to a guest that is stalled meanwhile, and to several
 * devices of one guest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/reconcile/memory-rig.h"

static void
a_shrink_walks_in_windows(void **unused)
{
    Rig rig = rig_new(2 * GIB, 0);
    /* From 1920 MiB on the steps end where sections do. */
    const guint64 asked[] = { 2046, 2042, 2034, 2018, 1986, 1922, 1920, 1792, 1536 };

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
    message = memory_step_message(&rig.out);
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
the_reserve_is_the_larger_of_two(void **unused)
{
    Policy policy = { .guest_reserve = RESERVE_AUTO };

    assert_size(memory_step_reserve(&policy, GIB), 128 * MIB);
    assert_size(memory_step_reserve(&policy, 100 * GIB), 5 * GIB);
    policy.guest_reserve = 0;
    assert_size(memory_step_reserve(&policy, 100 * GIB), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
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
        cmocka_unit_test(a_stalled_shrink_is_poked_when_the_guest_frees_memory),
        cmocka_unit_test(a_stalled_guest_that_was_asked_for_enough_is_asked_for_no_more),
        cmocka_unit_test(a_stalled_guest_that_was_asked_for_little_is_asked_again),
        cmocka_unit_test(a_stalled_guest_that_eats_is_guarded),
        cmocka_unit_test(two_devices_share_one_available_memory),
        cmocka_unit_test(two_devices_take_turns_without_statistics),
        cmocka_unit_test(the_reserve_is_the_larger_of_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
