/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory stepping by property: a million random histories of a guest that follows, lags, refuses,
 * follows in part, loses its driver, reboots, is paused or migrated, eats memory and gives
 * statistics or none, while the target, the grant and the policy are edited, an outsider writes
 * requested-size, and passes come soon, late or from a controller that lost its state.
 *
 * After every pass the guarantees of memory-step.h are checked against the guest's truth, not
 * against what stepping knows: the guard's bound, for one, is computed from the size that the
 * sample was really taken at. Then the trouble ends, in one of three ways: the guest is willing
 * (it must converge), dead (it must be called stalled, with the right reason), or willing but
 * short of memory (it must be guarded, with what could be spared taken).
 *
 * History i of a run has the seed VIRTKEEP_SEED + i, so that VIRTKEEP_SEED=<printed seed>
 * VIRTKEEP_HISTORIES=1 repeats one alone; VIRTKEEP_TRACE=1 prints its passes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "tests/reconcile/simulated-guest.h"

#define MIB ((guint64) 1 << 20)
#define SECOND ((gint64) G_USEC_PER_SEC)
#define DEFAULT_SEED 20240229
#define DEFAULT_HISTORIES 1000000

typedef struct {
    Chance chance;
    SimulatedGuest guest;
    Policy policy;
    guint64 target, grant;
    bool can_see_driver, is_traced, is_policy_edited;

    MemoryStepState state;
    MemoryStepInput in;
    MemoryStepDecision out;
    MemoryStepInput last_in; /* of the pass before; now is 0 before the first */
    MemoryStepDecision last_out;
    gint64 begun_at;       /* the state was lost then */
    gint64 quiet_since;    /* nothing about the guest changed since, and it owed something */
    gint64 awaiting_since; /* shrinking without usable statistics since; 0: not */
    guint n_passes;
    const char *broken; /* the guarantee that did not hold */
} History;

#define REQUIRE(condition)                                                                         \
    G_STMT_START                                                                                   \
    {                                                                                              \
        if (!(condition) && !history->broken)                                                      \
            history->broken = #condition;                                                          \
    }                                                                                              \
    G_STMT_END

static guint64
distance(guint64 a, guint64 b)
{
    return a > b ? a - b : b - a;
}

static guint64
reserve_of(const History *history)
{
    if (history->policy.guest_reserve != RESERVE_AUTO)
        return history->policy.guest_reserve;
    return MAX(128 * MIB, history->in.guest_total / 100 * 5);
}

/* The size below which the guest would be left less than the reserve, by the last sample. */
static guint64
true_floor(const History *history)
{
    guint64 available = history->guest.sample_available;
    guint64 reserve = reserve_of(history);
    guint64 spare = available > reserve ? available - reserve : 0;

    return history->guest.sample_size > spare ? history->guest.sample_size - spare : 0;
}

static bool
has_usable_statistics(const History *history)
{
    const MemoryStepInput *in = &history->in;

    return in->statistics_at > 0 && in->now - in->statistics_at <= MEMORY_STEP_STATISTICS_AGE &&
           in->statistics_at >= history->begun_at;
}

static bool
is_frozen(const MemoryStepInput *in)
{
    return in->is_migrating || !in->is_running;
}

/* --- the guarantees ------------------------------------------------------------------------ */

static guint64
window_cap(const History *history)
{
    bool is_growing = history->in.current < history->in.target;

    if (history->policy.step == STEP_ALL)
        return G_MAXUINT64;
    if (history->policy.step > 0)
        return history->policy.step * history->in.block;
    return MAX(is_growing ? 512 * MIB : 256 * MIB, history->in.block);
}

static void
check_always(History *history)
{
    const MemoryStepInput *in = &history->in;
    const MemoryStepDecision *out = &history->out;
    bool is_there = in->requested == in->target && in->current == in->target;
    guint64 owed = (out->requested > in->current) == (in->requested > in->current)
                       ? distance(in->requested, in->current)
                       : 0;

    REQUIRE(out->requested % in->block == 0);
    REQUIRE(out->requested <= in->max);
    REQUIRE((out->verb == MEMORY_STEP_VERB_SET) == (out->requested != in->requested));
    REQUIRE(!in->is_migrating || out->verb == MEMORY_STEP_VERB_NONE);
    REQUIRE(is_there == (out->condition == SYNC_SYNCED));
    REQUIRE((out->poll_after == MEMORY_STEP_NO_POLL) == (out->condition == SYNC_SYNCED));
    REQUIRE(is_there || (out->poll_after >= 0 && out->poll_after <= 5 * SECOND));
    REQUIRE(!is_there || out->verb == MEMORY_STEP_VERB_NONE);
    REQUIRE(out->verb != MEMORY_STEP_VERB_POKE || in->requested != in->current);
    if (out->verb == MEMORY_STEP_VERB_SET)
        REQUIRE(distance(out->requested, in->current) <= MAX(window_cap(history), owed));
}

static void
check_growth(History *history)
{
    const MemoryStepInput *in = &history->in;
    guint64 requested = history->out.requested;
    guint64 limit = MAX(MIN(in->target, in->grant), in->current);

    if (in->is_migrating || in->current >= in->target)
        return;
    REQUIRE(requested <= limit);
    REQUIRE(requested >= in->current);
    REQUIRE(!history->out.want_statistics);
    REQUIRE(history->out.condition != SYNC_GUARDED);
}

static void
check_unguarded(History *history)
{
    const MemoryStepInput *in = &history->in;
    guint64 requested = history->out.requested;
    guint64 before = MIN(in->requested, in->current);
    bool is_awaiting = in->has_balloon && in->now - history->awaiting_since < 2 * SECOND;

    REQUIRE(!history->out.has_available);
    REQUIRE(history->out.want_statistics == in->has_balloon);
    if (is_awaiting)
        REQUIRE(requested >= MIN(before, MAX(in->target, before)));
    else if (history->policy.shrink_unguarded == UNGUARDED_REFUSE)
        REQUIRE(requested == in->current);
    else if (history->policy.shrink_unguarded == UNGUARDED_SMALL_STEPS)
        REQUIRE(requested + MAX(128 * MIB, in->block) >= in->current);
}

static void
check_shrink(History *history)
{
    const MemoryStepInput *in = &history->in;
    guint64 requested = history->out.requested;
    bool is_shrinking = in->current > in->target && !in->is_migrating && in->is_running;

    if (in->current > in->target && !in->is_migrating) {
        REQUIRE(requested >= in->target);
        REQUIRE(requested <= in->current);
        REQUIRE(history->out.condition != SYNC_WAITING);
    }
    if (!is_shrinking || has_usable_statistics(history))
        history->awaiting_since = 0;
    else if (history->awaiting_since == 0 || !history->last_in.has_balloon)
        history->awaiting_since = in->now;
    if (!is_shrinking)
        return;
    if (history->awaiting_since) {
        check_unguarded(history);
        return;
    }
    REQUIRE(history->out.has_available);
    REQUIRE(requested >= MIN(true_floor(history), in->current));
}

/* The guest owes something, is able to act, and nothing that ends a stall happened. */
static bool
is_unchanged(const History *history)
{
    const MemoryStepInput *in = &history->in, *was = &history->last_in;

    return was->now > 0 && history->begun_at != in->now && in->generation == was->generation &&
           in->target == was->target && in->current == was->current && in->driver == was->driver &&
           in->requested != in->current && !is_frozen(in) && !is_frozen(was) &&
           !(in->is_booting && in->driver != MEMORY_DRIVER_BOUND);
}

static void
check_stall(History *history)
{
    const MemoryStepInput *in = &history->in;
    const MemoryStepDecision *out = &history->out;
    bool was_stalled = history->last_out.condition == SYNC_STALLED;
    bool is_stalled = out->condition == SYNC_STALLED;
    bool is_same = is_unchanged(history);

    if (!is_same)
        history->quiet_since = in->now;
    if (is_stalled && !was_stalled)
        REQUIRE(in->now - history->quiet_since >= history->policy.stall_timeout);
    if (is_stalled)
        REQUIRE(!was_stalled || is_same);
    if (!was_stalled || !is_same)
        return;
    /* Latched, unless the guard or the budget took back what was asked, or let more be asked. */
    if (in->grant != history->last_in.grant || in->available != history->last_in.available ||
        in->statistics_at != history->last_in.statistics_at || history->is_policy_edited ||
        in->requested != history->last_out.requested ||
        out->state.is_unguarded != history->last_out.state.is_unguarded)
        return;
    REQUIRE(is_stalled || out->requested == in->current);
    REQUIRE(distance(out->requested, in->current) <= distance(in->requested, in->current));
}

/* --- the pass ------------------------------------------------------------------------------ */

static void
trace(const History *history)
{
    const MemoryStepInput *in = &history->in;
    const MemoryStepDecision *out = &history->out;

    printf("%3u %11.6f target %5" G_GUINT64_FORMAT " requested %5" G_GUINT64_FORMAT
           " current %5" G_GUINT64_FORMAT " %s%s%s driver %u available %5" G_GUINT64_FORMAT
           " (%.3f s) -> %s %5" G_GUINT64_FORMAT " %s %s in %.3f s, window %" G_GUINT64_FORMAT "\n",
           history->n_passes, in->now / 1e6, in->target / MIB, in->requested / MIB,
           in->current / MIB, in->is_running ? "r" : "-", in->is_migrating ? "m" : "-",
           in->is_booting ? "b" : "-", in->driver, in->available / MIB,
           (in->now - in->statistics_at) / 1e6,
           out->verb == MEMORY_STEP_VERB_NONE  ? "none"
           : out->verb == MEMORY_STEP_VERB_SET ? "set "
                                               : "poke",
           out->requested / MIB, sync_state_name(out->condition),
           memory_step_reason_name(out->reason), out->poll_after / 1e6, out->state.window / MIB);
}

static void
lose_state(History *history)
{
    history->state = (MemoryStepState){ 0 };
    history->begun_at = history->guest.now;
    history->awaiting_since = 0;
    history->last_out = (MemoryStepDecision){ 0 };
}

static void
store_state(History *history)
{
    g_autoptr(Json) json = memory_step_state_to_json(&history->state);
    g_autofree char *text = json_format(json, false);
    g_autoptr(Json) parsed = json_parse(text, -1, NULL);

    history->state = memory_step_state_from_json(parsed);
    REQUIRE(history->state.is_begun);
}

static void
pass(History *history)
{
    if (history->guest.generation != history->last_in.generation)
        lose_state(history);
    history->in = guest_observe(&history->guest, history->can_see_driver);
    history->in.target = history->target;
    history->in.grant = history->grant;
    history->out = memory_step(&history->state, &history->in, &history->policy);
    if (history->is_traced)
        trace(history);
    check_always(history);
    check_growth(history);
    check_shrink(history);
    check_stall(history);
    history->state = history->out.state;
    if (chance_below(&history->chance, 4096) == 0)
        store_state(history);
    if (history->out.verb != MEMORY_STEP_VERB_NONE)
        guest_request(&history->guest, history->out.requested);
    history->last_in = history->in;
    history->last_out = history->out;
    history->n_passes++;
    history->is_policy_edited = false;
}

/* --- the trouble ------------------------------------------------------------------------------ */

static guint64
random_size(History *history)
{
    guint64 n = history->guest.max / history->guest.granule;

    switch (chance_below(&history->chance, 4)) {
    case 0:
        return 0;
    case 1:
        return history->guest.max / history->guest.granule * history->guest.granule;
    default:
        return chance_below(&history->chance, n + 1) * history->guest.granule;
    }
}

static void
edit_policy(History *history)
{
    static const gint64 steps[] = { STEP_AUTO, STEP_AUTO, STEP_AUTO, STEP_ALL, 1, 8 };
    static const gint64 timeouts[] = { 1, 3, 3, 10, 10, 60 };
    static const guint64 reserves[] = { RESERVE_AUTO, RESERVE_AUTO, 0, 64 * MIB };
    Chance *chance = &history->chance;

    history->is_policy_edited = true;
    history->policy = (Policy){
        .step = steps[chance_below(chance, G_N_ELEMENTS(steps))],
        .stall_timeout = timeouts[chance_below(chance, G_N_ELEMENTS(timeouts))] * SECOND,
        .guest_reserve = reserves[chance_below(chance, G_N_ELEMENTS(reserves))],
        .shrink_unguarded = UNGUARDED_REFUSE + chance_below(chance, 3),
    };
}

static void
trouble(History *history)
{
    SimulatedGuest *guest = &history->guest;
    Chance *chance = &history->chance;
    guint64 kind = chance_below(chance, 40);

    if (kind < 4)
        history->target = random_size(history);
    else if (kind < 7)
        guest->mood = chance_below(chance, GUEST_N_MOODS);
    else if (kind < 9)
        guest->used = chance_below(chance, guest->boot + guest->max);
    else if (kind == 9)
        guest->is_running = !guest->is_running;
    else if (kind == 10)
        guest->is_migrating = !guest->is_migrating;
    else if (kind == 11)
        guest_reset(guest, chance_below(chance, 20 * SECOND));
    else if (kind == 12)
        guest->has_driver = !guest->has_driver;
    else if (kind == 13)
        guest->is_silent = !guest->is_silent;
    else if (kind == 14)
        guest_request(guest, random_size(history)); /* an outsider */
    else if (kind == 15)
        history->grant = chance_of(chance, 50) ? MEMORY_STEP_UNLIMITED : random_size(history);
    else if (kind == 16 && chance_of(chance, 20))
        edit_policy(history);
    else if (kind == 17 && chance_of(chance, 20))
        lose_state(history);
    else if (kind == 18 && chance_of(chance, 20))
        guest->generation++;
    guest->least = MIN(guest->least, guest->max);
}

static gint64
random_time(History *history)
{
    Chance *chance = &history->chance;
    gint64 asked = MAX(history->out.poll_after, 0);

    switch (chance_below(chance, 16)) {
    case 0:
    case 1:
        return chance_below(chance, SECOND);
    case 2:
        return chance_below(chance, 5 * SECOND);
    case 3:
        return chance_below(chance, 100 * SECOND);
    default:
        return asked + chance_below(chance, 2000);
    }
}

static void
begin(History *history, guint64 seed)
{
    static const guint64 blocks[] = { 1, 2, 2, 2, 4, 32, 128, 512 };
    SimulatedGuest *guest = &history->guest;
    Chance *chance = &history->chance;

    *history = (History){ .chance = { seed }, .grant = MEMORY_STEP_UNLIMITED };
    edit_policy(history);
    guest->now = (1 + chance_below(chance, 1000)) * SECOND + chance_below(chance, SECOND);
    guest->generation = chance_below(chance, 1000);
    guest->block = blocks[chance_below(chance, G_N_ELEMENTS(blocks))] * MIB;
    guest->granule = guest->block;
    if (history->policy.step == STEP_AUTO && guest->block <= 64 * MIB && chance_of(chance, 10))
        guest->granule = guest->block * 2;
    guest->max = (1 + chance_below(chance, 1024 * MIB / guest->block + 8)) * guest->granule;
    guest->boot = (512 + chance_below(chance, 1024)) * MIB;
    guest->is_running = true;
    guest->has_driver = chance_of(chance, 90);
    guest->has_balloon = chance_of(chance, 75);
    guest->is_silent = chance_of(chance, 10);
    guest->mood = chance_below(chance, GUEST_N_MOODS);
    guest->least = random_size(history);
    guest->most = random_size(history);
    guest->current = random_size(history);
    guest->requested = chance_of(chance, 70) ? guest->current : random_size(history);
    guest->used = chance_below(chance, guest->boot);
    history->target = random_size(history);
    history->can_see_driver = chance_of(chance, 70);
    history->begun_at = guest->now;
    history->last_in.generation = guest->generation;
}

/* --- the three endings ------------------------------------------------------------------------ */

static void
calm(History *history)
{
    SimulatedGuest *guest = &history->guest;

    guest->is_running = true;
    guest->is_migrating = false;
    guest->is_booting = false;
    guest->has_driver = true;
    history->grant = MEMORY_STEP_UNLIMITED;
}

/* Passes as they ask for it, until @condition or @n passes. */
static void
pass_until(History *history, SyncState condition, guint n)
{
    for (guint i = 0; i < n && !history->broken && history->out.condition != condition; i++) {
        gint64 asked = history->out.poll_after;
        guest_run(&history->guest, MAX(asked, 1), &history->chance);
        pass(history);
    }
    REQUIRE(history->out.condition == condition);
}

static void
end_willing(History *history)
{
    SimulatedGuest *guest = &history->guest;
    guint64 blocks = guest->max / guest->block;
    guint n = 1000;

    calm(history);
    guest->mood = GUEST_WILLING;
    guest->used = 0;
    guest->is_silent &= history->policy.shrink_unguarded != UNGUARDED_REFUSE;
    guest->has_balloon |= history->policy.shrink_unguarded == UNGUARDED_REFUSE;
    if (history->policy.step > 0) {
        guest->granule = guest->block; /* fewer blocks than a granule would never be taken */
        n += 2 * blocks / history->policy.step;
    }
    n += 20 * (guest->max / (128 * MIB));
    history->out.condition = SYNC_UNKNOWN;
    history->out.poll_after = 1;
    pass_until(history, SYNC_SYNCED, n);
}

static void
end_dead(History *history)
{
    SimulatedGuest *guest = &history->guest;
    gint64 began = guest->now;

    calm(history);
    guest->mood = GUEST_REFUSING;
    guest->has_driver = chance_of(&history->chance, 80);
    guest->used = 0;
    guest->is_silent = false;
    guest->has_balloon = true;
    history->policy.stall_timeout = MIN(history->policy.stall_timeout, 10 * SECOND);
    if (history->target == guest->current)
        history->target = guest->current ? 0 : guest->granule;
    history->out.condition = SYNC_UNKNOWN;
    history->out.poll_after = 1;
    pass_until(history, SYNC_STALLED, 1000);
    /* After a reset without a sign of the driver it is given time to boot. */
    REQUIRE(guest->now - began <= history->policy.stall_timeout + 10 * SECOND ||
            (history->in.current == 0 && history->in.driver != MEMORY_DRIVER_BOUND));
    if (history->in.driver == MEMORY_DRIVER_UNBOUND)
        REQUIRE(history->out.reason == MEMORY_STEP_NO_DRIVER);
    else if (history->in.current > history->in.target)
        REQUIRE(history->out.reason == MEMORY_STEP_UNMOVABLE);
    else
        REQUIRE(history->out.reason == MEMORY_STEP_NOT_FOLLOWING ||
                history->out.reason == MEMORY_STEP_NOT_ONLINED);
    REQUIRE(distance(history->out.requested, history->in.current) <= 512 * MIB ||
            history->policy.step == STEP_ALL || history->in.block > 64 * MIB ||
            history->in.requested == history->last_in.requested);
}

static void
end_short(History *history)
{
    SimulatedGuest *guest = &history->guest;
    guint64 reserve = 64 * MIB, spare, left;

    calm(history);
    guest->mood = GUEST_WILLING;
    guest->granule = guest->block;
    guest->has_balloon = true;
    guest->is_silent = false;
    guest->sampled_at = guest->sampled_at ? 1 : 0;
    if (guest->current < guest->block * 2)
        guest->current = guest->max / guest->block * guest->block;
    guest_request(guest, guest->current);
    history->policy.guest_reserve = reserve;
    history->target = 0;
    /* It could give some, but not all. */
    spare = chance_below(&history->chance, guest->current);
    guest->used = guest->boot + guest->current - reserve - spare;
    history->out.condition = SYNC_UNKNOWN;
    history->out.poll_after = 1;
    for (guint i = 0; i < 12 && !history->broken; i++) {
        history->out.condition = SYNC_UNKNOWN;
        pass_until(history, SYNC_GUARDED, 300 + 2 * guest->max / guest->block);
        history->out.poll_after = SECOND;
    }
    left = guest_available(guest);
    REQUIRE(left >= reserve);
    REQUIRE(left - reserve < 16 * MIB + 2 * guest->block);
}

static bool
run_history(guint64 seed, bool is_traced, guint64 *ret_n_passes)
{
    History record, *history = &record;
    guint n;

    begin(history, seed);
    history->is_traced = is_traced;
    n = 10 + chance_below(&history->chance, 30);
    for (guint i = 0; i < n && !history->broken; i++) {
        trouble(history);
        pass(history);
        guest_run(&history->guest, random_time(history), &history->chance);
    }
    if (!history->broken) {
        guint64 ending = chance_below(&history->chance, 20);
        if (ending < 17)
            end_willing(history);
        else if (ending < 18)
            end_dead(history);
        else
            end_short(history);
    }
    *ret_n_passes += history->n_passes;
    if (!history->broken)
        return true;
    printf("history with VIRTKEEP_SEED=%" G_GUINT64_FORMAT " VIRTKEEP_HISTORIES=1, pass %u: "
           "does not hold: %s\n",
           seed, history->n_passes, history->broken);
    return false;
}

static guint64
number_from_environment(const char *name, guint64 fallback)
{
    const char *text = g_getenv(name);

    return text && *text ? g_ascii_strtoull(text, NULL, 10) : fallback;
}

static void
a_million_histories(void **unused)
{
    guint64 seed = number_from_environment("VIRTKEEP_SEED", DEFAULT_SEED);
    guint64 n = number_from_environment("VIRTKEEP_HISTORIES", DEFAULT_HISTORIES);
    bool is_traced = number_from_environment("VIRTKEEP_TRACE", 0);
    guint64 n_passes = 0;
    guint n_broken = 0;
    clock_t began = clock();

    for (guint64 i = 0; i < n && n_broken < 3; i++)
        n_broken += !run_history(seed + i, is_traced, &n_passes);
    printf("seed %" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT " histories, %" G_GUINT64_FORMAT
           " passes, %.1f s of CPU time\n",
           seed, n, n_passes, (double) (clock() - began) / CLOCKS_PER_SEC);
    assert_int_equal(n_broken, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_million_histories) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
