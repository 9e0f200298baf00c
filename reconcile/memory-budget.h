/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/memory-queue.h"

/*
 * The host's memory budget: how much each claim may hold. Values in, values out. Sizes are bytes,
 * arrays are of MemoryPool* and of MemoryClaim*, always the whole ledger: all claims of all
 * domains, in any order.
 */

/* What @claims make of a pool. */
typedef struct MemoryPoolFigures {
    guint64 granted, held; /* sums over the claims in it */
    guint64 guaranteed;    /* kept for guarantees beyond what is granted */
    guint64 coming;        /* of granted: what is being given back and not held by stuck guests */
    guint64 free;          /* what anybody may still be granted, or MEMORY_POOL_UNLIMITED */
    guint64 overcommitted; /* granted above the capacity: it was lowered, or QEMUs were found */
} MemoryPoolFigures;

MemoryPoolFigures memory_pool_figures(const MemoryPool *pool, const GPtrArray *claims);

/* How much each of @claims may hold @now (us, as waiting_since is) if @domain asks: for its claims
 * in ret_limits[i], for those of others what is granted to them. @domain's requested and current
 * must be what its QEMU says, is_driven true; all that it misses counts as waiting, since now if
 * waiting_since is 0. The answer is to be granted as it is, or what is held if that is more:
 * - by blocks of the claim, or whole; the whole claims of a domain that is not running together or
 *   none of them;
 * - no sum of granted over a pool rises above its capacity or, where it is above, at all;
 * - never below what the guest has, nor below requested, but for a guest that does not take what
 *   it was offered while others need that: its limit is current, and requested is to be lowered.
 * Needs a time of about n log n for n claims. */
void memory_budget_allocate(const GPtrArray *pools, const GPtrArray *claims, const char *domain,
                            gint64 now, guint64 *ret_limits);

/* The same of the claim number @i of a queue that was served for its domain. */
guint64 memory_budget_limit(const MemoryQueue *queue, guint i);
