/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The devices of one guest by property: up to four devices of one guest shrink and grow at random
 * targets while it eats and frees memory. They share one available memory, so the guard's bound
 * is one over all of them: what they may still take, counted from the sizes they really had when
 * the balloon sampled, never exceeds what that sample had to spare, and no pass takes more once
 * it is exceeded (by the guest's own growth, which no statistics can foresee). Without statistics
 * one section is on its way at a time, in the guest, not in each device.
 *
 * VIRTKEEP_SEED and VIRTKEEP_HISTORIES as in test-memory-step-histories.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/reconcile/simulated-guest.h"

#define MIB ((guint64) 1 << 20)
#define SECOND ((gint64) G_USEC_PER_SEC)
#define MOST_DEVICES 4
#define RESERVE (64 * MIB)

typedef struct {
    Chance chance;
    guint n;
    gint64 now, sampled_at;
    guint64 boot, used, available;
    bool has_balloon;
    guint64 current[MOST_DEVICES], requested[MOST_DEVICES], target[MOST_DEVICES];
    guint64 sampled[MOST_DEVICES]; /* current at the sample */
    MemoryStepState states[MOST_DEVICES];
    Policy policy;
} Family;

static guint64
total(const Family *family)
{
    guint64 sum = family->boot;

    for (guint i = 0; i < family->n; i++)
        sum += family->current[i];
    return sum;
}

static guint64
random_blocks(Family *family)
{
    return chance_below(&family->chance, 513) * 2 * MIB;
}

static void
begin(Family *family, guint64 seed)
{
    *family = (Family){ .chance = { seed }, .now = 1000 * SECOND, .boot = 512 * MIB };
    family->n = 2 + chance_below(&family->chance, MOST_DEVICES - 1);
    family->has_balloon = chance_of(&family->chance, 70);
    family->policy = (Policy){ .step = chance_of(&family->chance, 50) ? STEP_AUTO : STEP_ALL,
                               .stall_timeout = 10 * SECOND,
                               .guest_reserve = RESERVE,
                               .shrink_unguarded = UNGUARDED_SMALL_STEPS };
    for (guint i = 0; i < family->n; i++) {
        family->current[i] = family->requested[i] = random_blocks(family);
        family->target[i] = random_blocks(family);
    }
    family->used = chance_below(&family->chance, total(family));
}

static void
let_pass(Family *family, gint64 us)
{
    family->now += us;
    for (guint i = 0; i < family->n; i++) {
        guint64 from = family->current[i], to = family->requested[i];
        guint64 blocks = (to > from ? to - from : from - to) / (2 * MIB);
        guint64 moved = chance_below(&family->chance, blocks + 1) * 2 * MIB;
        family->current[i] = to > from ? from + moved : from - moved;
    }
    if (!family->has_balloon || family->now - family->sampled_at < SECOND)
        return;
    family->sampled_at = family->now;
    family->available = total(family) > family->used ? total(family) - family->used : 0;
    for (guint i = 0; i < family->n; i++)
        family->sampled[i] = family->current[i];
}

/* What the devices took since the sample or may take, if they are asked for @requested. */
static guint64
taken(const Family *family, const guint64 *requested)
{
    guint64 sum = 0;

    for (guint i = 0; i < family->n; i++) {
        guint64 low = MIN(requested[i], family->current[i]);
        sum += family->sampled[i] > low ? family->sampled[i] - low : 0;
    }
    return sum;
}

static guint64
outstanding(const Family *family)
{
    guint64 sum = 0;

    for (guint i = 0; i < family->n; i++) {
        if (family->requested[i] < family->current[i])
            sum += family->current[i] - family->requested[i];
    }
    return sum;
}

/* One pass over all devices; says what guarantee did not hold. */
static const char *
pass(Family *family)
{
    MemoryStepInput inputs[MOST_DEVICES];
    MemoryStepDecision out[MOST_DEVICES];
    guint64 spare = family->available > RESERVE ? family->available - RESERVE : 0;
    guint64 before = outstanding(family);
    guint64 asked[MOST_DEVICES] = { 0 };

    for (guint i = 0; i < family->n; i++)
        inputs[i] = (MemoryStepInput){ .now = family->now,
                                       .target = family->target[i],
                                       .block = 2 * MIB,
                                       .max = 1024 * MIB,
                                       .requested = family->requested[i],
                                       .current = family->current[i],
                                       .grant = MEMORY_STEP_UNLIMITED,
                                       .is_running = true,
                                       .driver = MEMORY_DRIVER_BOUND,
                                       .guest_total = total(family),
                                       .has_balloon = family->has_balloon,
                                       .statistics_at = family->sampled_at / SECOND * SECOND,
                                       .available = family->available };
    memory_step_guest(family->states, inputs, family->n, &family->policy, out);
    memcpy(asked, family->requested, sizeof(asked)); /* as it is while the first is decided */
    for (guint i = 0; i < family->n; i++) {
        asked[i] = out[i].requested;
        family->states[i] = out[i].state;
        if (asked[i] < family->requested[i] && asked[i] < family->current[i] &&
            out[i].has_available && taken(family, asked) > spare)
            return "a shrink was asked that the sample had no room for";
    }
    memcpy(family->requested, asked, sizeof(asked));
    if (!family->has_balloon && outstanding(family) > MAX(before, MEMORY_STEP_SECTION))
        return "more than a section is on its way in the guest";
    return NULL;
}

static bool
run_family(guint64 seed)
{
    Family record, *family = &record;
    const char *broken = NULL;
    guint n;

    begin(family, seed);
    n = 20 + chance_below(&family->chance, 60);
    for (guint i = 0; i < n && !broken; i++) {
        guint64 kind = chance_below(&family->chance, 30);
        if (kind < 2)
            family->target[chance_below(&family->chance, family->n)] = random_blocks(family);
        else if (kind == 2)
            family->used = chance_below(&family->chance, total(family));
        broken = pass(family);
        let_pass(family, chance_below(&family->chance, kind < 20 ? 20000 : SECOND));
    }
    if (broken)
        printf("history with VIRTKEEP_SEED=%" G_GUINT64_FORMAT " VIRTKEEP_HISTORIES=1: %s\n", seed,
               broken);
    return !broken;
}

static guint64
number_from_environment(const char *name, guint64 fallback)
{
    const char *text = g_getenv(name);

    return text && *text ? g_ascii_strtoull(text, NULL, 10) : fallback;
}

static void
devices_share_what_the_guest_can_spare(void **unused)
{
    guint64 seed = number_from_environment("VIRTKEEP_SEED", 20240229);
    guint64 n = number_from_environment("VIRTKEEP_HISTORIES", 40000);
    guint n_broken = 0;

    for (guint64 i = 0; i < n && n_broken < 3; i++)
        n_broken += !run_family(seed + i);
    assert_int_equal(n_broken, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_share_what_the_guest_can_spare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
