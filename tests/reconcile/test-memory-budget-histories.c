/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's memory budget under everything at once, in random histories: guests of one host
 * appear, are edited, stall, reboot, die and leave; controllers are killed in the middle of a pass
 * and others take over; the budget is lowered and raised. Held at every step:
 *
 * - what QEMUs really hold is at most what is granted, and what is granted in a pool is at most
 *   its capacity or, where that was lowered or more was found, does not rise;
 * - an answer is by blocks or whole, a start all or nothing, never below what is held;
 * - in a part of the histories: nobody is given what somebody ahead can have once those that give
 *   have given (tests/reconcile/budget-reference.c); and where nobody gives anything, everybody
 *   gets all that is left by those ahead: giants hold nobody back.
 *
 * Then all calms down. Every guest follows but some that are pinned, every controller lives but
 * some that are gone for good. Within four rounds (or one a block, where guests are slow) every
 * claim that is not stuck must hold exactly what the reference says it ends with: what serving all
 * in order would give with all given back. That is what "everything that can converge" means, and
 * it does not depend on who passes when. (Not where more is guaranteed than there is and to blocks
 * of domains that are to start: these come before others from the moment their domain runs.) If all
 * that is wanted and guaranteed fits, all is met. In a part of the histories memory is gathered for
 * giants on the way and at the beginning of the calm.
 *
 * And in the worst crowd (tests/reconcile/crowd.c) every giant starts before its time is over.
 *
 *     VIRTKEEP_HISTORIES, VIRTKEEP_SEED: how many and which; VIRTKEEP_TRACE=1 prints each step
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "reconcile/memory-patience.h"
#include "tests/reconcile/budget-reference.h"
#include "tests/reconcile/crowd.h"
#include "tests/reconcile/simulated-host.h"

#define DEFAULT_SEED 20261124
#define DEFAULT_HISTORIES 1000000

/* Rounds in which guests that do as asked are done, the one in which nothing moves included: give,
 * take, and for stuck ones take back what nobody came for. */
#define ROUNDS_WILLING 4
/* Each slow guest moves by a block at least. */
#define ROUNDS_SLOW 200

typedef struct {
    guint64 n_histories, n_passes, n_rounds, n_met, n_waiting, n_exact, n_guests_most;
} Totals;

/* Mostly nobody has waited long. */
static gint64
random_time(Chance *chance)
{
    return chance_of(chance, 70) ? 0 : MEMORY_PATIENCE + chance_below(chance, 7 * MEMORY_PATIENCE);
}

static void
random_passes(SimulatedHost *host, guint n, bool is_traced)
{
    for (guint i = 0; i < n && !host->broken; i++) {
        guint guest = chance_below(&host->chance, host->n_guests);

        host_trouble(host);
        host_check(host);
        if (is_traced)
            host_print(host, "trouble");
        host->now = host->is_compared ? 0 : random_time(&host->chance);
        host_pass(host, chance_of(&host->chance, 70) ? guest : 0, true);
        if (is_traced)
            host_print(host, "pass");
    }
}

/* --- calm ------------------------------------------------------------------------------------- */

/* What is on its way and can't be is stuck; for the rest nothing is asked of it any more. */
static void
pin(HostGuest *guest)
{
    guest->is_pinned = true;
    guest->file[HOST_DIMM] = guest->devices[HOST_DIMM].current;
    for (guint i = HOST_VM0; i < HOST_N_CLAIMS; i++) {
        MemoryClaim *claim = &guest->claims[i];
        const HostDevice *device = &guest->devices[i];

        claim->is_stuck = guest->file[i] != device->current;
        claim->stuck_at = device->current;
        if (!claim->is_stuck && device->requested != device->current)
            guest->file[i] = MIN(device->requested, device->current);
        claim->is_stuck |= device->requested != device->current;
    }
}

static void
calm(SimulatedHost *host, bool is_slow, bool some_never)
{
    Chance *chance = &host->chance;

    for (guint i = 0; i < host->n_guests; i++) {
        HostGuest *guest = &host->guests[i];
        bool is_gone = some_never && chance_of(chance, 20);

        guest->mood = is_slow && chance_of(chance, 50) ? HOST_SLOW : HOST_WILLING;
        for (guint j = 0; j < HOST_N_CLAIMS; j++) {
            guest->claims[j].is_driven = !is_gone;
            guest->claims[j].is_stuck = false;
            guest->n_idle[j] = 0;
        }
        if (some_never && !is_gone && guest->is_alive && guest->file[HOST_BOOT] &&
            chance_of(chance, 30))
            pin(guest);
    }
    for (guint i = 0; i < host->n_guests; i++)
        host_look(host, i);
}

/* Everybody passes, in random order. */
static void
round_of_passes(SimulatedHost *host)
{
    guint order[HOST_MOST_GUESTS];

    for (guint i = 0; i < host->n_guests; i++) {
        guint j = chance_below(&host->chance, i + 1);

        order[i] = order[j];
        order[j] = i;
    }
    for (guint i = 0; i < host->n_guests && !host->broken; i++)
        host_pass(host, order[i], false);
}

/* Whether guaranteed blocks change places on a start, and that matters. */
static bool
is_order_changing(const SimulatedHost *host, const guint64 *ends)
{
    for (guint i = 0; i < host->n_pools; i++) {
        guint64 sum = 0;
        bool has_promised = false;

        for (guint j = 0; j < host->claims->len; j++) {
            const MemoryClaim *claim = host->claims->pdata[j];

            if (!memory_pool_holds(&host->pools[i], claim))
                continue;
            sum += MAX(ends[j], claim->guaranteed);
            has_promised |=
                claim->block && !claim->is_running && claim->guaranteed && claim->wanted;
        }
        if (has_promised && sum > host->pools[i].capacity)
            return true;
    }
    return false;
}

/* Whether all that is wanted, had for good or guaranteed fits. */
static bool
all_fits(const SimulatedHost *host)
{
    for (guint i = 0; i < host->n_pools; i++) {
        guint64 sum = 0;

        for (guint j = 0; j < host->claims->len; j++) {
            const MemoryClaim *claim = host->claims->pdata[j];
            guint64 least = claim->block || !claim->wanted ? 0 : claim->granted;

            if (memory_pool_holds(&host->pools[i], claim))
                sum += MAX(MAX(claim->wanted, least), claim->guaranteed);
        }
        if (sum > host->pools[i].capacity)
            return false;
    }
    return true;
}

/* @ends NULL: unknown. */
static void
check_ends(SimulatedHost *host, const guint64 *ends, const bool *is_stuck, bool all_met,
           Totals *totals)
{
    for (guint i = 0; i < host->claims->len; i++) {
        const MemoryClaim *claim = host->claims->pdata[i];

        if (is_stuck[i])
            continue;
        HOST_REQUIRE(host, !ends || claim->granted == ends[i]);
        if (!claim->is_driven)
            continue;
        HOST_REQUIRE(host, claim->current == claim->granted);
        HOST_REQUIRE(host, claim->requested == claim->current);
        HOST_REQUIRE(host, !all_met || claim->granted >= claim->wanted / MAX(claim->block, 1) *
                                                             MAX(claim->block, 1));
        totals->n_waiting += claim->waiting_since != 0;
        totals->n_met += claim->wanted && !claim->waiting_since;
    }
}

static void
print_ends(const SimulatedHost *host, const guint64 *ends)
{
    host_print(host, "calm");
    for (guint i = 0; i < host->claims->len; i++) {
        const MemoryClaim *claim = host->claims->pdata[i];

        if (ends[i] || claim->wanted)
            printf("%s %s is to end with %" G_GUINT64_FORMAT "\n", claim->domain, claim->device,
                   ends[i]);
    }
}

static void
end_calmly(SimulatedHost *host, Totals *totals, bool is_traced)
{
    guint64 ends[HOST_MOST_GUESTS * HOST_N_CLAIMS], n_moves;
    bool is_stuck[HOST_MOST_GUESTS * HOST_N_CLAIMS];
    bool is_slow = chance_of(&host->chance, 20), some_never = chance_of(&host->chance, 30);
    guint most = is_slow ? ROUNDS_SLOW : ROUNDS_WILLING, n_rounds = 0;
    bool all_met, is_exact;

    calm(host, is_slow, some_never);
    host->now = random_time(&host->chance);
    for (guint i = 0; host->now && i < ROUNDS_WILLING; i++)
        round_of_passes(host);
    host->now = 0;
    all_met = !some_never && all_fits(host);
    reference_ends(host->pool_list, host->claims, NULL, ends);
    is_exact = !is_order_changing(host, ends);
    totals->n_exact += is_exact;
    for (guint i = 0; i < host->claims->len; i++)
        is_stuck[i] = ((const MemoryClaim *) host->claims->pdata[i])->is_stuck;
    if (is_traced)
        print_ends(host, ends);
    do {
        n_moves = host->n_moves;
        round_of_passes(host);
        if (is_traced)
            host_print(host, "round");
    } while (n_moves != host->n_moves && ++n_rounds < most && !host->broken);
    HOST_REQUIRE(host, n_rounds < most);
    check_ends(host, is_exact ? ends : NULL, is_stuck, all_met, totals);
    totals->n_rounds += n_rounds;
}

/* --- histories -------------------------------------------------------------------------------- */

static guint
random_guests(Chance *chance)
{
    guint64 kind = chance_below(chance, 2000);

    if (kind == 0)
        return HOST_MOST_GUESTS;
    return kind < 20 ? 5 + chance_below(chance, 10) : 1 + chance_below(chance, 4);
}

static bool
run_history(SimulatedHost *host, guint64 seed, bool is_traced, Totals *totals)
{
    guint n_guests;

    host_begin(host, seed);
    n_guests = random_guests(&host->chance);
    for (guint i = 0; i < n_guests; i++)
        host_appear(host);
    host->is_compared = n_guests < 6 && chance_of(&host->chance, 20);
    if (is_traced)
        host_print(host, "begin");
    random_passes(host, 2 + chance_below(&host->chance, 12) + n_guests, is_traced);
    totals->n_guests_most = MAX(totals->n_guests_most, host->n_guests);
    if (!host->broken)
        end_calmly(host, totals, is_traced);
    totals->n_passes += host->n_passes;
    totals->n_histories++;
    if (!host->broken)
        return true;
    printf("history with VIRTKEEP_SEED=%" G_GUINT64_FORMAT " VIRTKEEP_HISTORIES=1: does not "
           "hold: %s\n",
           seed, host->broken);
    return false;
}

static guint64
number_from_environment(const char *name, guint64 fallback)
{
    const char *text = g_getenv(name);

    return text && *text ? g_ascii_strtoull(text, NULL, 10) : fallback;
}

static void
bound_order_and_end_hold(void **unused)
{
    guint64 seed = number_from_environment("VIRTKEEP_SEED", DEFAULT_SEED);
    guint64 n = number_from_environment("VIRTKEEP_HISTORIES", DEFAULT_HISTORIES);
    bool is_traced = number_from_environment("VIRTKEEP_TRACE", 0);
    SimulatedHost *host = g_new0(SimulatedHost, 1);
    Totals totals = { 0 };
    guint n_broken = 0;
    clock_t began = clock();

    for (guint64 i = 0; i < n && n_broken < 3; i++)
        n_broken += !run_history(host, seed + i, is_traced, &totals);
    printf("seed %" G_GUINT64_FORMAT ": %" G_GUINT64_FORMAT " histories of up to %" G_GUINT64_FORMAT
           " guests, %" G_GUINT64_FORMAT " passes, %" G_GUINT64_FORMAT
           " rounds of calm; %" G_GUINT64_FORMAT " claims met, %" G_GUINT64_FORMAT
           " left waiting; %.1f s of CPU time\n",
           seed, totals.n_histories, totals.n_guests_most, totals.n_passes, totals.n_rounds,
           totals.n_met, totals.n_waiting, (double) (clock() - began) / CLOCKS_PER_SEC);
    host_clear(host);
    g_free(host);
    assert_int_equal(n_broken, 0);
    /* They were about something. */
    assert_true(n < 1000 ||
                (totals.n_met > n / 2 && totals.n_waiting > n / 10 && totals.n_exact > n / 2));
}

/* --- giants ----------------------------------------------------------------------------------- */

#define CROWDS_PER_HISTORY 4000

/* By which all of @n giants must have started where nobody that passes holds its memory for longer
 * than @hold: four times the age at which the oldest has (reconcile/memory-patience.c), since the
 * next one's turns begin to grow anew from its own age. */
static gint64
latest_start(guint n, gint64 hold)
{
    return 4 * 4 * MAX(MEMORY_PATIENCE, 2 * (gint64) n * (hold + 2 * G_USEC_PER_SEC));
}

static double
wait_of_crowd(guint64 seed, guint64 *n_small)
{
    Crowd crowd;
    gint64 latest;

    crowd_begin(&crowd, seed);
    latest = latest_start(crowd.n_giants, crowd.hold);
    while (crowd_waiting_giants(&crowd)) {
        bool holds = crowd_step(&crowd);

        if (!holds || crowd.now - crowd.giants_since > latest) {
            printf("crowd with VIRTKEEP_SEED=%" G_GUINT64_FORMAT ": %s\n", seed,
                   holds ? "a giant starves" : "more is granted than there is");
            fail();
        }
    }
    *n_small += crowd.n_served;
    crowd_clear(&crowd);
    return (double) (crowd.now - crowd.giants_since) / latest;
}

static void
no_giant_starves(void **unused)
{
    guint64 seed = number_from_environment("VIRTKEEP_SEED", DEFAULT_SEED), n_small = 0;
    guint64 n = number_from_environment("VIRTKEEP_HISTORIES", DEFAULT_HISTORIES);
    double longest = 0;

    n = 1 + n / CROWDS_PER_HISTORY;
    for (guint64 i = 0; i < n; i++)
        longest = MAX(longest, wait_of_crowd(seed + i, &n_small));
    printf("%" G_GUINT64_FORMAT
           " crowds: all giants start, the last within %.2f of the bound; %" G_GUINT64_FORMAT
           " small ones are served meanwhile\n",
           n, longest, n_small);
    assert_true(n_small > n * 10);
}

/* Half of the time nothing is gathered; each has a piece of its own in every doubling of the age.
 */
static void
turns_are_fair(void **unused)
{
    for (gint n = 1; n < 9; n++)
        for (gint64 period = MEMORY_PATIENCE; period < 64 * MEMORY_PATIENCE; period *= 2) {
            gint64 step = period / (2 * n * 50);
            gint n_steps[9] = { 0 }, n_changes = 0, last = -2;

            for (gint i = 0; i < 2 * n * 50; i++) {
                gint turn = memory_patience_turn(period + i * step, n);

                assert_true(turn >= -1 && turn < n);
                n_changes += turn != last;
                n_steps[turn + 1]++;
                last = turn;
            }
            assert_in_range(n_steps[0], n * 50 - 1, n * 50 + 1);
            for (gint i = 1; i <= n; i++)
                assert_in_range(n_steps[i], 49, 51);
            assert_in_range(n_changes, 2 * n, 2 * n + 1);
        }
    assert_int_equal(memory_patience_turn(MEMORY_PATIENCE - 1, 3), -1);
    assert_int_equal(memory_patience_turn(MEMORY_PATIENCE, 3), 0);
    assert_int_equal(memory_patience_turn(MEMORY_PATIENCE, 0), -1);
    assert_int_equal(memory_patience_turn(G_MININT64, 3), -1);
    (void) memory_patience_turn(G_MAXINT64, G_MAXINT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(bound_order_and_end_hold),
                                        cmocka_unit_test(no_giant_starves),
                                        cmocka_unit_test(turns_are_fair) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
