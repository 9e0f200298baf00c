/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Both QEMUs are never there at once, so a restart needs of each pool whichever of the two takes
 * more. That is no sum of claims: boot memory that moves from node 0 to node 1 needs room on node 1
 * and none in the host's own pool, of which it is a part as well. So what is to be added is found
 * pool by pool, and counts in that pool alone.
 *
 *     running  boot 4 GiB on node 0           start  boot 4 GiB on node 1, dimm0 1 GiB
 *     extra    memory 1 GiB, memory-node1 4 GiB
 *
 * It is granted before the guest is asked to power off, stays granted while that one goes down, and
 * then passes to the claims of the QEMU to come, in the transaction that replaces the one by the
 * other. What the running one loses meanwhile (a balloon that takes more) passes to it as well: the
 * domain's sum in a pool stays what it was.
 */
#include "reconcile/memory-restart.h"

#include "model/size-arithmetic.h"

/* ---- what is extra ---- */

typedef struct {
    guint64 needed, guaranteed;
} Share;

/* What the start needs of @pool. */
static Share
start_share(const GPtrArray *claims, const GPtrArray *start, const MemoryPool *pool)
{
    Share share = { 0 };

    for (guint i = 0; i < start->len; i++) {
        const MemoryClaim *claim = start->pdata[i];
        const MemoryClaim *running = memory_claim_find(claims, claim->domain, claim->device);

        if (!memory_pool_holds(pool, claim))
            continue;
        share.guaranteed += claim->guaranteed;
        if (!claim->block)
            share.needed += claim->wanted;
        else if (running && memory_claim_shares_pools(running, claim))
            share.needed += MIN(claim->wanted, memory_claim_held(running));
    }
    return share;
}

/* What the running one has of it, or is to have in any case. */
static Share
running_share(const GPtrArray *claims, const MemoryPool *pool)
{
    Share share = { 0 };

    for (guint i = 0; i < claims->len; i++) {
        const MemoryClaim *claim = claims->pdata[i];
        guint64 held = memory_claim_held(claim);

        if (!memory_pool_holds(pool, claim) || claim->is_extra)
            continue;
        share.guaranteed += claim->guaranteed;
        share.needed += claim->block ? held : MAX(held, claim->wanted);
    }
    return share;
}

/* A guarantee covers the blocks no more than it will: the rest is for what is extra. */
static void
limit_guarantees(GPtrArray *claims, const GPtrArray *start)
{
    for (guint i = 0; i < claims->len; i++) {
        MemoryClaim *claim = claims->pdata[i];
        const MemoryClaim *next = memory_claim_find(start, claim->domain, claim->device);

        if (claim->block && next)
            claim->guaranteed = MIN(claim->guaranteed, next->guaranteed);
    }
}

void
memory_restart_extend(GPtrArray *claims, const GPtrArray *start, const GPtrArray *pools)
{
    const MemoryClaim *any = start->len ? start->pdata[0] : NULL;

    limit_guarantees(claims, start);
    for (guint i = 0; any && i < pools->len; i++) {
        const MemoryPool *pool = pools->pdata[i];
        Share needs = start_share(claims, start, pool), has = running_share(claims, pool);
        MemoryClaim *extra;

        if (needs.needed <= has.needed)
            continue;
        extra = g_new0(MemoryClaim, 1);
        extra->domain = g_strdup(any->domain);
        extra->device = g_strconcat(MEMORY_CLAIM_RESTART, pool->name, NULL);
        extra->page_size = pool->page_size;
        extra->nodes = pool->nodes;
        extra->wanted = needs.needed - has.needed;
        extra->guaranteed = MIN(size_less(needs.guaranteed, has.guaranteed), extra->wanted);
        extra->priority = any->priority;
        extra->is_running = extra->is_extra = true;
        g_ptr_array_add(claims, extra);
    }
}

/* ---- what passes on ---- */

static bool
is_heir(const MemoryClaim *claim)
{
    return !claim->block && (claim->is_extra || !claim->is_running) && memory_claim_missing(claim);
}

/* Of what the domain had in @pool, what its claims leave. */
static guint64
left_in(const MemoryPool *pool, const GPtrArray *claims, const GPtrArray *before)
{
    const char *domain = ((const MemoryClaim *) claims->pdata[0])->domain;
    guint64 had = 0, has = 0;

    for (guint i = 0; i < before->len; i++) {
        const MemoryClaim *claim = before->pdata[i];

        if (g_str_equal(claim->domain, domain) && memory_pool_holds(pool, claim))
            had += MAX(claim->granted, memory_claim_held(claim));
    }
    for (guint i = 0; i < claims->len; i++) {
        const MemoryClaim *claim = claims->pdata[i];

        if (memory_pool_holds(pool, claim))
            has += MAX(MIN(claim->granted, claim->wanted), memory_claim_held(claim));
    }
    return size_less(had, has);
}

static bool
is_enough(const MemoryPool *pool, const GPtrArray *claims, const GPtrArray *before)
{
    guint64 missing = 0;

    for (guint i = 0; i < claims->len; i++) {
        const MemoryClaim *claim = claims->pdata[i];

        if (is_heir(claim) && memory_pool_holds(pool, claim))
            missing += memory_claim_missing(claim);
    }
    return !missing || missing <= left_in(pool, claims, before);
}

void
memory_restart_pass_on(GPtrArray *claims, const GPtrArray *before, const GPtrArray *pools)
{
    for (guint i = 0; claims->len && i < pools->len; i++)
        if (!is_enough(pools->pdata[i], claims, before))
            return;
    for (guint i = 0; i < claims->len; i++) {
        MemoryClaim *claim = claims->pdata[i];

        if (is_heir(claim))
            claim->granted = claim->wanted;
    }
}
