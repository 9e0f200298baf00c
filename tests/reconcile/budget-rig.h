/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/memory-claim.h"

#define MIB ((guint64) 1 << 20)
#define GIB ((guint64) 1 << 30)

/* A ledger of one's own: pools and claims. */
typedef struct {
    GPtrArray *pools, *claims;
} Ledger;

Ledger ledger_new(void);
/* Pools, claims and the ledger's arrays. */
void ledger_clear(Ledger *ledger);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Ledger, ledger_clear)

/* Ordinary pages. Owned by the ledger. */
MemoryPool *ledger_pool(Ledger *ledger, const char *name, guint64 capacity);
/* "vm0" of @domain in blocks of 1: has @held and wants @wanted; waits since its number in the
 * ledger if that is more. */
MemoryClaim *ledger_blocks(Ledger *ledger, const char *domain, guint64 held, guint64 wanted);
/* A claim that is whole, of a domain that is not running and waits. */
MemoryClaim *ledger_start(Ledger *ledger, const char *domain, const char *device, guint64 wanted);

/* What memory_budget_allocate() answers about @claim when its domain asks. */
guint64 ledger_limit(Ledger *ledger, const MemoryClaim *claim);
/* The domain asks, holds all it may, and gives back what it does not need. */
void ledger_pass(Ledger *ledger, const char *domain);
