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

GPtrArray *
memory_claims_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify) memory_claim_free);
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

MemoryClaim *
memory_claim_find(const GPtrArray *claims, const char *domain, const char *device)
{
    for (guint i = 0; i < claims->len; i++) {
        MemoryClaim *claim = claims->pdata[i];

        if (g_str_equal(claim->domain, domain) && g_str_equal(claim->device, device))
            return claim;
    }
    return NULL;
}

bool
memory_claim_equal(const MemoryClaim *a, const MemoryClaim *b)
{
    return g_str_equal(a->domain, b->domain) && g_str_equal(a->device, b->device) &&
           a->page_size == b->page_size && a->nodes == b->nodes && a->block == b->block &&
           a->requested == b->requested && a->current == b->current && a->granted == b->granted &&
           a->wanted == b->wanted && a->guaranteed == b->guaranteed && a->priority == b->priority &&
           a->waiting_since == b->waiting_since && a->giving_from == b->giving_from &&
           a->is_running == b->is_running && a->is_extra == b->is_extra &&
           a->is_restarting == b->is_restarting && a->is_stuck == b->is_stuck &&
           a->stuck_at == b->stuck_at && !g_strcmp0(a->reason, b->reason) &&
           a->owner_pid == b->owner_pid && a->owner_start_time == b->owner_start_time &&
           !g_strcmp0(a->owner_boot_id, b->owner_boot_id) && a->qemu_pid == b->qemu_pid &&
           a->qemu_start_time == b->qemu_start_time;
}

bool
memory_pool_holds(const MemoryPool *pool, const MemoryClaim *claim)
{
    if (pool->page_size != claim->page_size)
        return false;
    if (claim->is_extra)
        return claim->nodes == pool->nodes;
    return !pool->nodes || (claim->nodes && !(claim->nodes & ~pool->nodes));
}

bool
memory_claim_shares_pools(const MemoryClaim *a, const MemoryClaim *b)
{
    return a->page_size == b->page_size && a->nodes == b->nodes && a->is_extra == b->is_extra;
}

void
memory_claim_inherit(MemoryClaim *claim, const MemoryClaim *before)
{
    guint64 held = memory_claim_held(claim);

    if (before && !memory_claim_shares_pools(before, claim))
        before = NULL;
    claim->granted = MAX(before ? before->granted : 0, held);
    claim->waiting_since = before ? before->waiting_since : 0;
    claim->giving_from = 0;
    if (held > claim->wanted)
        claim->giving_from = MAX(before ? before->giving_from : 0, held);
}

void
memory_claim_stay_stuck(MemoryClaim *claim, const MemoryClaim *before)
{
    claim->is_stuck = true;
    claim->stuck_at = before->stuck_at;
    claim->reason = g_strdup(before->reason);
}

guint64
memory_claim_held(const MemoryClaim *claim)
{
    return MAX(claim->requested, claim->current);
}

guint64
memory_claim_level(const MemoryClaim *claim)
{
    return MAX(claim->granted, memory_claim_held(claim));
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
