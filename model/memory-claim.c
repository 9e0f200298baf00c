/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pools and claims as values: the few rules that everybody who touches them has to agree on. Which
 * pools a claim counts in is a question of sets: pages of one size, and nodes all of which the pool
 * has. Memory bound to node 0 counts in "memory-node0" and in "memory"; memory bound to nothing in
 * "memory" alone.
 */
#include "model/memory-claim.h"

void
memory_pool_free(MemoryPool *pool)
{
    if (!pool)
        return;
    g_free(pool->name);
    g_free(pool);
}

void
memory_claim_free(MemoryClaim *claim)
{
    if (!claim)
        return;
    g_free(claim->domain);
    g_free(claim->device);
    g_free(claim->reason);
    g_free(claim->owner_boot_id);
    g_free(claim);
}

MemoryClaim *
memory_claim_copy(const MemoryClaim *claim)
{
    MemoryClaim *copy = g_memdup2(claim, sizeof *claim);

    copy->domain = g_strdup(claim->domain);
    copy->device = g_strdup(claim->device);
    copy->reason = g_strdup(claim->reason);
    copy->owner_boot_id = g_strdup(claim->owner_boot_id);
    return copy;
}

bool
memory_pool_holds(const MemoryPool *pool, const MemoryClaim *claim)
{
    if (pool->page_size != claim->page_size)
        return false;
    return !pool->nodes || (claim->nodes && !(claim->nodes & ~pool->nodes));
}

guint64
memory_claim_held(const MemoryClaim *claim)
{
    return MAX(claim->requested, claim->current);
}

guint64
memory_claim_missing(const MemoryClaim *claim)
{
    return claim->wanted > claim->granted ? claim->wanted - claim->granted : 0;
}

guint64
memory_claim_excess(const MemoryClaim *claim)
{
    guint64 held = memory_claim_held(claim);

    return held > claim->wanted ? held - claim->wanted : 0;
}
