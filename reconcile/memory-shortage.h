/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/memory-claim.h"

/*
 * MemoryShortage: what a domain can never have of the host's memory, however long it waits.
 */
typedef struct MemoryShortage {
    const MemoryPool *pool; /* borrowed */
    guint64 needed;         /* by the whole claims in it */
    guint64 guaranteed;     /* of its capacity, to other domains */
} MemoryShortage;

/* Whether the whole claims of @domain can never be held together, by it alone, beside what is
 * guaranteed to other domains. Only pools are looked at out of which one of them wants more than it
 * has: what is there is there. @ret_shortage, may be NULL, is the first pool that is too small.
 * @pools, @claims: as memory_budget_allocate() takes them. */
bool memory_shortage_find(const GPtrArray *pools, const GPtrArray *claims, const char *domain,
                          MemoryShortage *ret_shortage);
