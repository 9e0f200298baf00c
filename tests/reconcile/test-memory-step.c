/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory stepping by example: one rule a test, told as a short story with one device on a Rig
 * (memory-rig.h): how it is led, put right, poked, called stalled, and what survives in the
 * database. What the shrink guard does is in test-memory-guard.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/reconcile/memory-rig.h"

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
        rig.in.current = rig.in.requested;
        pass_after(&rig, 50 * 1000);
    }
    assert_reason(&rig.out, SYNC_SYNCED, MEMORY_STEP_CONVERGED);
}

static void
growth_that_is_followed_at_once_quadruples(void **unused)
{
    Rig rig = rig_new(0, 2 * GIB);
    const guint64 asked[] = { 2, 10, 42, 170, 682, 1194, 1706, 2048 };

    pass(&rig);
    for (guint i = 0; i < G_N_ELEMENTS(asked); i++) {
        assert_size(rig.out.requested, asked[i] * MIB);
        follow_for(&rig, 1);
    }
    assert_reason(&rig.out, SYNC_SYNCED, MEMORY_STEP_CONVERGED);
}

static void
growth_goes_on_before_all_is_accepted(void **unused)
{
    Rig rig = rig_new(0, 3 * GIB);

    pass(&rig);
    follow_for(&rig, 5);
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
    follow_for(&rig, 3);
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
    message = memory_step_message(&rig.out);
    assert_string_equal(message, "held at 1.5 GiB of 3 GiB: the host's memory budget has no room "
                                 "for the missing 1.5 GiB");
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
    growing = memory_step_message(&rig.out);
    assert_string_equal(growing, "growing to 1 GiB: at 512 MiB, asked for 514 MiB");
    rig = rig_new(18 * MIB, 0);
    pass(&rig);
    for (guint i = 0; i < 400; i++) {
        rig.in.statistics_at = rig.in.now;
        pass_after(&rig, 250 * 1000);
    }
    stalled = memory_step_message(&rig.out);
    assert_string_equal(stalled, "stalled at 18 MiB of 0 B: the guest cannot free the rest "
                                 "(unmovable pages, or memory in use)");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_target_nothing_is_done),
        cmocka_unit_test(growth_starts_at_one_block_and_doubles),
        cmocka_unit_test(growth_that_is_followed_at_once_quadruples),
        cmocka_unit_test(growth_goes_on_before_all_is_accepted),
        cmocka_unit_test(a_block_larger_than_the_window_is_one_window),
        cmocka_unit_test(step_blocks_keeps_to_its_number),
        cmocka_unit_test(step_all_is_one_jump_but_guarded),
        cmocka_unit_test(a_lagging_guest_halves_the_window),
        cmocka_unit_test(a_slow_guest_halves_it_below_a_section),
        cmocka_unit_test(a_guest_of_coarser_blocks_is_served_after_a_poke),
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
        cmocka_unit_test(a_stop_near_a_gibibyte_is_a_guest_that_does_not_online),
        cmocka_unit_test(the_grant_bounds_growth_and_says_so),
        cmocka_unit_test(the_grant_takes_back_whole_blocks),
        cmocka_unit_test(waiting_for_the_budget_is_not_lagging),
        cmocka_unit_test(the_target_is_taken_in_whole_blocks_up_to_the_maximum),
        cmocka_unit_test(another_qemu_is_another_state),
        cmocka_unit_test(the_state_survives_json),
        cmocka_unit_test(garbage_is_a_fresh_state),
        cmocka_unit_test(a_state_of_another_clock_does_no_harm),
        cmocka_unit_test(every_reason_has_a_name),
        cmocka_unit_test(messages_read_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
