/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory stepping by the clock: `step: auto` against one single jump, on a guest modelled after
 * measurements of Debian's kernel on QEMU 7.2 (TCG, 2 MiB blocks): it plugs about 9 MiB a
 * millisecond, unplugs a section of 128 MiB in 0.55 s or a block in 10.4 ms, begins a piece anew
 * that was at work when requested-size was written, wakes 0.5 ms after a write, and each QMP
 * command takes 1 ms. All of it is simulated time: what is held here is the number of writes and of
 * polls and the ratio of the two times (1.25 growing, 1.10 shrinking), on any machine.
 *
 * The balloon samples once a second, so that the shrink guard must let an idle guest shrink at
 * full speed on statistics that are up to two seconds old.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "reconcile/memory-step.h"

#define MIB ((guint64) 1 << 20)
#define GIB ((guint64) 1 << 30)
#define SECOND ((gint64) G_USEC_PER_SEC)
#define ROUND_TRIP 1000
#define WAKE 500
#define BLOCK (2 * MIB)
#define PLUG_BLOCK 222 /* us */
#define UNPLUG_BLOCK 10400
#define UNPLUG_SECTION 550000

typedef struct {
    gint64 now;
    guint64 requested, current, boot, used;
    gint64 busy_until; /* the piece at work is done then */
    guint64 piece;     /* 0: none */
    bool is_disturbed; /* in an unplug: it will have to begin anew */
    gint64 sampled_at;
    guint64 available;
    guint n_writes, n_polls;
    gint64 idle_time; /* it had nothing to do */
} Guest;

static void
sample(Guest *guest, gint64 until)
{
    while (guest->sampled_at + SECOND <= until) {
        guest->sampled_at += SECOND;
        guest->available = guest->boot + guest->current - guest->used;
    }
}

static gint64
duration_of(const Guest *guest)
{
    if (guest->requested > guest->current)
        return PLUG_BLOCK;
    return guest->piece == MEMORY_STEP_SECTION ? UNPLUG_SECTION : UNPLUG_BLOCK;
}

static void
take_piece(Guest *guest, gint64 at)
{
    guint64 owed = guest->requested > guest->current ? guest->requested - guest->current
                                                     : guest->current - guest->requested;

    if (guest->requested > guest->current)
        guest->piece = BLOCK;
    else /* whole sections where it may, block by block where it must */
        guest->piece = guest->current % MEMORY_STEP_SECTION == 0 && owed >= MEMORY_STEP_SECTION
                           ? MEMORY_STEP_SECTION
                           : BLOCK;
    guest->busy_until = at + duration_of(guest);
    guest->is_disturbed = false;
}

static void
let_pass(Guest *guest, gint64 us)
{
    gint64 until = guest->now + us;

    while (guest->piece > 0 && guest->busy_until <= until) {
        gint64 at = guest->busy_until;
        sample(guest, at);
        if (guest->requested > guest->current)
            guest->current += guest->piece;
        else if (guest->requested < guest->current && !guest->is_disturbed)
            guest->current -= guest->piece;
        guest->piece = 0;
        if (guest->requested != guest->current)
            take_piece(guest, at);
        else
            guest->busy_until = at;
    }
    sample(guest, until);
    if (guest->piece == 0)
        guest->idle_time += until - MAX(guest->busy_until, guest->now);
    guest->now = until;
}

static void
write_requested(Guest *guest, guint64 requested)
{
    guest->is_disturbed = guest->piece > 0;
    guest->requested = requested;
    guest->n_writes++;
    if (guest->piece == 0 && requested != guest->current) {
        guest->piece = BLOCK;
        take_piece(guest, guest->now + WAKE);
    }
    let_pass(guest, ROUND_TRIP);
}

static Guest
guest_at(guint64 current)
{
    return (Guest){ .now = 100 * SECOND + 123456,
                    .requested = current,
                    .current = current,
                    .boot = 512 * MIB,
                    .used = 150 * MIB,
                    .sampled_at = 99 * SECOND + 500000,
                    .available = 362 * MIB + current };
}

static MemoryStepInput
observation(const Guest *guest, guint64 target)
{
    return (MemoryStepInput){ .now = guest->now,
                              .target = target,
                              .block = BLOCK,
                              .max = 8 * GIB,
                              .requested = guest->requested,
                              .current = guest->current,
                              .grant = MEMORY_STEP_UNLIMITED,
                              .is_running = true,
                              .guest_total = guest->boot + guest->current,
                              .has_balloon = true,
                              .statistics_at = guest->sampled_at / SECOND * SECOND,
                              .available = guest->available };
}

/* Moves the guest to @target by stepping, and says how long it took. */
static gint64
step_to(Guest *guest, guint64 target, gint64 step)
{
    Policy policy = { .step = step,
                      .stall_timeout = 60 * SECOND,
                      .guest_reserve = RESERVE_AUTO,
                      .shrink_unguarded = UNGUARDED_REFUSE };
    MemoryStepInput at_rest = observation(guest, guest->current);
    MemoryStepDecision out;
    gint64 began;

    at_rest.now -= 10 * SECOND; /* a pass some time ago saw it converged */
    out = memory_step(NULL, &at_rest, &policy);
    began = guest->now;
    do {
        let_pass(guest, ROUND_TRIP); /* query-memory-devices */
        guest->n_polls++;
        if (target < guest->current)
            let_pass(guest, ROUND_TRIP); /* guest-stats */
        MemoryStepInput in = observation(guest, target);
        out = memory_step(&out.state, &in, &policy);
        if (out.verb != MEMORY_STEP_VERB_NONE)
            write_requested(guest, out.requested);
        if (out.poll_after > 0)
            let_pass(guest, out.poll_after);
    } while (out.condition != SYNC_SYNCED);
    return guest->now - began;
}

/* The same by one write, looked at every millisecond. */
static gint64
jump_to(Guest *guest, guint64 target)
{
    gint64 began = guest->now;

    write_requested(guest, target);
    while (guest->current != target)
        let_pass(guest, ROUND_TRIP + 1000);
    return guest->now - began;
}

static double
ratio(guint64 from, guint64 to, gint64 step, Guest *ret_guest)
{
    Guest stepped = guest_at(from), jumped = guest_at(from);
    gint64 by_steps = step_to(&stepped, to, step);
    gint64 by_jump = jump_to(&jumped, to);

    printf("%5d to %5d MiB: %8.1f ms by steps (%u writes, %u polls, idle %.1f ms), %8.1f ms by "
           "one jump: %.3f\n",
           (int) (from / MIB), (int) (to / MIB), by_steps / 1e3, stepped.n_writes, stepped.n_polls,
           stepped.idle_time / 1e3, by_jump / 1e3, (double) by_steps / by_jump);
    *ret_guest = stepped;
    return (double) by_steps / by_jump;
}

static void
growth_costs_hardly_more_than_a_jump(void **unused)
{
    Guest guest;

    assert_true(ratio(0, GIB, STEP_AUTO, &guest) <= 1.25);
    assert_true(guest.n_writes <= 12);
    assert_true(ratio(0, 4 * GIB, STEP_AUTO, &guest) <= 1.10);
    assert_true(guest.n_writes <= 24);
    assert_true(ratio(256 * MIB, GIB, STEP_AUTO, &guest) <= 1.30);
    assert_true(ratio(0, GIB, STEP_ALL, &guest) <= 1.10);
}

static void
shrinking_costs_hardly_more_than_a_jump(void **unused)
{
    Guest guest;

    assert_true(ratio(GIB, 0, STEP_AUTO, &guest) <= 1.10);
    assert_true(guest.n_writes <= 20);
    assert_true(guest.n_polls <= 1200);
    assert_true(ratio(4 * GIB, 0, STEP_AUTO, &guest) <= 1.05);
    assert_true(ratio(GIB, 256 * MIB, STEP_AUTO, &guest) <= 1.10);
    assert_true(ratio(256 * MIB, 192 * MIB, STEP_AUTO, &guest) <= 1.15);
    assert_true(ratio(GIB, 0, STEP_ALL, &guest) <= 1.10);
}

/* What the window is for: a step a write costs many times as much. */
static void
single_blocks_cost_much_more(void **unused)
{
    Guest guest;

    assert_true(ratio(0, GIB, 1, &guest) > 5);
    assert_int_equal(guest.n_writes, GIB / BLOCK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(growth_costs_hardly_more_than_a_jump),
        cmocka_unit_test(shrinking_costs_hardly_more_than_a_jump),
        cmocka_unit_test(single_blocks_cost_much_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
