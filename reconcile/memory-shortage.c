/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What can never be is told from what can't be now: nobody waits for it, and nothing is gathered
 * for it. Only a pool's capacity and the guarantees of others are for ever; what others hold they
 * may give.
 */
#include "reconcile/memory-shortage.h"

#include "model/size-arithmetic.h"

static bool
is_too_small(const MemoryShortage *shortage, bool is_wanted)
{
    guint64 capacity = shortage->pool->capacity;

    return is_wanted &&
           (shortage->guaranteed >= capacity ? shortage->needed > 0
                                             : shortage->needed > capacity - shortage->guaranteed);
}

bool
memory_shortage_find(const GPtrArray *pools, const GPtrArray *claims, const char *domain,
                     MemoryShortage *ret_shortage)
{
    for (guint i = 0; i < pools->len; i++) {
        MemoryShortage shortage = { .pool = pools->pdata[i] };
        bool is_wanted = false;

        for (guint j = 0; j < claims->len; j++) {
            const MemoryClaim *claim = claims->pdata[j];

            if (!memory_pool_holds(shortage.pool, claim))
                continue;
            if (!g_str_equal(claim->domain, domain)) {
                shortage.guaranteed = size_sum(shortage.guaranteed, claim->guaranteed);
            } else if (!claim->block) {
                shortage.needed = size_sum(shortage.needed, claim->wanted);
                is_wanted |= memory_claim_missing(claim) > 0;
            }
        }
        if (!is_too_small(&shortage, is_wanted))
            continue;
        if (ret_shortage)
            *ret_shortage = shortage;
        return true;
    }
    return false;
}
