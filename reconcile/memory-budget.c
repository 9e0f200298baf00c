/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The allocator of the host's memory budget: what one domain may hold, given what all hold and
 * want. It is asked by the pass of a domain, within the transaction that then writes the answer,
 * and it answers about that domain only: what others could have is found by their own passes.
 *
 * The bound rests on three things. Everybody counts in full for what is granted to them, used or
 * not, since they may use it at this very instant. The answer never adds more than the pools have
 * spare. And only a domain's own pass lowers what is granted to it, after it saw its QEMU below.
 * A capacity that was lowered leaves less than nothing spare: then nobody grows, nobody shrinks.
 *
 * That everything converges rests on the queue (reconcile/memory-queue.c): the order does not
 * depend on who asks, so of those that wait there is always a first one whom nobody is before,
 * and it gets all that is there. Who can't be served makes room for those behind unless givers
 * are about to make it possible, and they either move or are found stuck.
 *
 * A stuck guest that was asked to take more holds, by its request, memory that nobody has. While
 * somebody who would use it is short of it, its limit is what it has; alone, it keeps its chance.
 * It is asked again when nobody is short, and comes to its old place in the order once its guest
 * has moved by a block. Nobody is made to withdraw for one who could not be served anyway.
 */
#include "reconcile/memory-budget.h"

#include <string.h>

#include "model/size-arithmetic.h"

MemoryPoolFigures
memory_pool_figures(const MemoryPool *pool, const GPtrArray *claims)
{
    MemoryPoolFigures figures = { 0 };

    for (guint i = 0; i < claims->len; i++) {
        const MemoryClaim *claim = claims->pdata[i];
        guint64 granted = MAX(claim->granted, memory_claim_held(claim));

        if (!memory_pool_holds(pool, claim))
            continue;
        figures.granted = size_sum(figures.granted, granted);
        figures.held = size_sum(figures.held, memory_claim_held(claim));
        figures.guaranteed = size_sum(figures.guaranteed, size_less(claim->guaranteed, granted));
        if (!memory_claim_is_stuck(claim))
            figures.coming += granted - memory_claim_settles(claim, granted);
    }
    figures.free = MEMORY_POOL_UNLIMITED;
    if (pool->capacity == MEMORY_POOL_UNLIMITED)
        return figures;
    figures.free = size_less(pool->capacity, size_sum(figures.granted, figures.guaranteed));
    figures.overcommitted = size_less(figures.granted, pool->capacity);
    return figures;
}

/* Whether @claim is to withdraw what its guest did not take. */
static bool
is_withdrawn(const MemoryQueue *queue, const MemoryClaim *claim)
{
    if (!memory_claim_is_stuck(claim) || claim->requested <= claim->current)
        return false;
    for (guint i = 0; i < queue->n_rooms; i++)
        if (queue->rooms[i].is_short && memory_pool_holds(queue->rooms[i].pool, claim))
            return true;
    return false;
}

guint64
memory_budget_limit(const MemoryQueue *queue, guint i)
{
    const MemoryClaim *claim = queue->claims->pdata[i];

    return is_withdrawn(queue, claim) ? claim->current : queue->charged[i];
}

void
memory_budget_allocate(const GPtrArray *pools, const GPtrArray *claims, const char *domain,
                       gint64 now, guint64 *ret_limits)
{
    g_autoptr(MemoryQueue) queue = memory_queue_new(pools, claims, domain, now);

    memory_queue_serve(queue);
    for (guint i = 0; i < claims->len; i++) {
        const MemoryClaim *claim = claims->pdata[i];

        ret_limits[i] =
            g_str_equal(claim->domain, domain) ? memory_budget_limit(queue, i) : claim->granted;
    }
}
