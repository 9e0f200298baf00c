/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The worst that can happen to a giant: demand that never ends, of guests each of which would do
 * with what just came free. Without patience (reconcile/memory-patience.h) no giant here ever
 * starts, whatever the seed: the small ones want more than is left beside it at any time.
 */
#include "tests/reconcile/crowd.h"

#include "reconcile/memory-budget.h"

static MemoryClaim *
add_guest(Crowd *crowd, const char *name, guint64 wanted, guint64 block)
{
    guint i = crowd->claims->len;
    MemoryClaim *claim = &crowd->guests[i];

    g_snprintf(crowd->names[i], sizeof crowd->names[i], "%s-%u", name, i);
    *claim = (MemoryClaim){ .domain = crowd->names[i],
                            .device = (char *) "boot",
                            .block = block,
                            .wanted = wanted,
                            .is_driven = true,
                            .is_running = block > 0,
                            .waiting_since = crowd->now };
    g_ptr_array_add(crowd->claims, claim);
    return claim;
}

static void
hold(MemoryClaim *claim, guint64 size)
{
    claim->requested = claim->current = claim->granted = size;
    claim->is_running = size || claim->block;
    if (!memory_claim_missing(claim))
        claim->waiting_since = 0;
}

void
crowd_begin(Crowd *crowd, guint64 seed)
{
    guint64 stays, giants = 0, kept;

    *crowd = (Crowd){ .chance = { seed }, .now = G_USEC_PER_SEC };
    crowd->pools = g_ptr_array_new();
    crowd->claims = g_ptr_array_new();
    crowd->n_giants = 1 + chance_below(&crowd->chance, CROWD_MOST_GIANTS);
    crowd->n_small = CROWD_MOST_SMALL;
    crowd->hold = (1 + (gint64) chance_below(&crowd->chance, 60)) * G_USEC_PER_SEC;
    stays = chance_below(&crowd->chance, 20);
    kept = chance_of(&crowd->chance, 30) ? 1 + chance_below(&crowd->chance, 20) : 0;
    hold(add_guest(crowd, "stays", stays, 1), stays);
    crowd->guests[0].guaranteed = stays + kept;
    for (guint i = 0; i < crowd->n_giants; i++)
        giants += crowd->giants[i] = 40 + chance_below(&crowd->chance, 40);
    for (guint i = 0; i < crowd->n_giants; i++)
        add_guest(crowd, "giant", 0, 0);
    crowd->pool =
        (MemoryPool){ .name = (char *) "memory",
                      .capacity = stays + kept + giants + chance_below(&crowd->chance, 9) };
    g_ptr_array_add(crowd->pools, &crowd->pool);
    for (guint i = 0; i < crowd->n_small; i++)
        add_guest(crowd, "small", crowd->pool.capacity / 6 + chance_below(&crowd->chance, 5),
                  chance_of(&crowd->chance, 30));
    while (crowd->now < crowd->hold)
        crowd_step(crowd);
    crowd->giants_since = crowd->now;
    for (guint i = 0; i < crowd->n_giants; i++) {
        crowd->guests[1 + i].wanted = crowd->giants[i];
        crowd->guests[1 + i].waiting_since = crowd->now;
    }
    crowd->n_served = 0;
}

void
crowd_clear(Crowd *crowd)
{
    g_ptr_array_unref(crowd->pools);
    g_ptr_array_unref(crowd->claims);
}

static bool
is_small(const Crowd *crowd, guint i)
{
    return i > crowd->n_giants;
}

static void
pass(Crowd *crowd, guint i)
{
    MemoryClaim *claim = &crowd->guests[i];
    guint64 limits[CROWD_MOST];

    if (is_small(crowd, i) && crowd->leaves_at[i] && crowd->now >= crowd->leaves_at[i]) {
        hold(claim, 0);
        claim->waiting_since = crowd->now;
        crowd->leaves_at[i] = 0;
        return;
    }
    memory_budget_allocate(crowd->pools, crowd->claims, claim->domain, crowd->now, limits);
    hold(claim, limits[i]);
    if (!is_small(crowd, i) || !claim->granted || crowd->leaves_at[i])
        return;
    crowd->leaves_at[i] = crowd->now + 1 + (gint64) chance_below(&crowd->chance, crowd->hold);
    crowd->n_served++;
}

bool
crowd_step(Crowd *crowd)
{
    guint first = chance_below(&crowd->chance, crowd->claims->len);
    MemoryPoolFigures figures;

    crowd->now += G_USEC_PER_SEC;
    for (guint i = 0; i < crowd->claims->len; i++)
        pass(crowd, (first + i) % crowd->claims->len);
    figures = memory_pool_figures(&crowd->pool, crowd->claims);
    return figures.granted + figures.guaranteed <= crowd->pool.capacity;
}

guint
crowd_waiting_giants(const Crowd *crowd)
{
    guint n = 0;

    for (guint i = 1; i <= crowd->n_giants; i++)
        n += memory_claim_missing(&crowd->guests[i]) > 0;
    return n;
}
