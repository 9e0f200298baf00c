/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ledger in a test is written as a few lines: who has how much of what and wants how much. Sizes
 * are small numbers where only their sums matter.
 */
#include "tests/reconcile/budget-rig.h"

#include "reconcile/memory-budget.h"
#include "reconcile/memory-queue.h"

Ledger
ledger_new(void)
{
    return (Ledger){
        .pools = g_ptr_array_new_with_free_func((GDestroyNotify) memory_pool_free),
        .claims = memory_claims_new(),
    };
}

void
ledger_clear(Ledger *ledger)
{
    g_clear_pointer(&ledger->pools, g_ptr_array_unref);
    g_clear_pointer(&ledger->claims, g_ptr_array_unref);
}

MemoryPool *
ledger_pool(Ledger *ledger, const char *name, guint64 capacity)
{
    MemoryPool *pool = g_new0(MemoryPool, 1);

    pool->name = g_strdup(name);
    pool->capacity = capacity;
    g_ptr_array_add(ledger->pools, pool);
    return pool;
}

/* A copy of @like, driven and running, granted what it holds. */
static MemoryClaim *
ledger_claim(Ledger *ledger, MemoryClaim like)
{
    MemoryClaim *claim = memory_claim_copy(&like);

    claim->granted = MAX(claim->granted, memory_claim_held(claim));
    claim->is_running = claim->is_driven = true;
    g_ptr_array_add(ledger->claims, claim);
    return claim;
}

MemoryClaim *
ledger_blocks(Ledger *ledger, const char *domain, guint64 held, guint64 wanted)
{
    MemoryClaim like = { .domain = (char *) domain,
                         .device = (char *) "vm0",
                         .block = 1,
                         .requested = held,
                         .current = held,
                         .wanted = wanted,
                         .giving_from = wanted < held ? held : 0,
                         .waiting_since = wanted > held ? ledger->claims->len + 1 : 0 };

    return ledger_claim(ledger, like);
}

MemoryClaim *
ledger_start(Ledger *ledger, const char *domain, const char *device, guint64 wanted)
{
    MemoryClaim like = { .domain = (char *) domain,
                         .device = (char *) device,
                         .wanted = wanted,
                         .waiting_since = ledger->claims->len + 1 };
    MemoryClaim *claim = ledger_claim(ledger, like);

    claim->is_running = false;
    return claim;
}

guint64
ledger_limit(Ledger *ledger, const MemoryClaim *claim)
{
    g_autofree guint64 *limits = g_new(guint64, ledger->claims->len);
    guint i;

    memory_budget_allocate(ledger->pools, ledger->claims, claim->domain, 0, limits);
    g_assert_true(g_ptr_array_find(ledger->claims, claim, &i));
    return limits[i];
}

void
ledger_pass(Ledger *ledger, const char *domain)
{
    g_autofree guint64 *limits = g_new(guint64, ledger->claims->len);

    memory_budget_allocate(ledger->pools, ledger->claims, domain, 0, limits);
    for (guint i = 0; i < ledger->claims->len; i++) {
        MemoryClaim *claim = ledger->claims->pdata[i];

        if (!g_str_equal(claim->domain, domain))
            continue;
        claim->requested = MIN(limits[i], claim->wanted);
        if (!memory_claim_is_stuck(claim))
            claim->current = claim->requested;
        claim->granted = memory_claim_held(claim);
        claim->is_running |= claim->granted > 0;
        if (!memory_claim_missing(claim))
            claim->waiting_since = 0;
    }
}
