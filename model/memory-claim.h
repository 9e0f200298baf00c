/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * MemoryPool and MemoryClaim: the host's memory, and who holds how much of it. Values that the
 * ledger keeps (state/memory_claims.h), the allocator decides about (reconcile/memory-budget.h) and
 * the pass lives by (controller/memory-ledger.h). Sizes are bytes, times microseconds since the
 * epoch.
 *
 * Of every claim, at every instant:    max(requested, current) <= granted
 * Of every pool:                       sum of granted <= capacity, unless the capacity was lowered
 *                                      or QEMUs were found that hold more; then no sum rises
 */
#define MEMORY_POOL_UNLIMITED G_MAXUINT64

/* What claims are called that are not devices. A guest with several NUMA cells has "boot-node0" and
 * so on. */
#define MEMORY_CLAIM_QEMU "qemu" /* QEMU's own, host.qemu-overhead */
#define MEMORY_CLAIM_BOOT "boot"
#define MEMORY_CLAIM_MODULES "modules" /* all that is plugged, where only QEMU can tell */
/* With the pool's name behind it: what a restart takes of a pool beyond what its QEMU has. */
#define MEMORY_CLAIM_RESTART "restart-"

/* Memory of one kind of page on some of the host's NUMA nodes. */
typedef struct MemoryPool {
    char *name;        /* "memory", "memory-node0", "hugepages-2MiB", "hugepages-2MiB-node1" */
    guint64 page_size; /* of huge pages; 0: ordinary ones */
    guint64 nodes;     /* a bit a node; 0: the whole host */
    guint64 capacity;  /* what guests may have of it, or MEMORY_POOL_UNLIMITED */
} MemoryPool;

/* A part of a domain's memory, and what it may come to. A whole claim (boot memory, a DIMM, QEMU's
 * own) is granted as it is or not at all; one of blocks (virtio-mem) bit by bit. */
typedef struct MemoryClaim {
    char *domain, *device; /* owned */
    guint64 page_size, nodes;
    guint64 block;      /* 0: a whole claim */
    guint64 requested;  /* what QEMU was last asked for; whole claims: the size once it is there */
    guint64 current;    /* what the guest has */
    guint64 granted;    /* what requested may be raised to */
    guint64 wanted;     /* what the file asks for */
    guint64 guaranteed; /* kept free for it, held or not (memory-guarantee) */
    gint64 priority;    /* higher is served first */
    gint64 waiting_since; /* 0: does not wait */
    guint64 giving_from;  /* what it held when the file began to ask for less; 0: gives nothing */
    bool is_running;      /* its QEMU is there, or being launched */
    bool is_extra;        /* of a restart (MEMORY_CLAIM_RESTART): counts in one pool alone */
    bool is_restarting;   /* kept for the QEMU of a restart, also while nobody is there */
    bool is_stuck;        /* its guest does not follow; until `current` is another than stuck_at */
    guint64 stuck_at;
    char *reason; /* why it is stuck, for people; NULL; owned */

    /* The controller that last led it towards `wanted`, and the QEMU, 0 before there is one. */
    gint64 owner_pid;
    guint64 owner_start_time;
    char *owner_boot_id; /* owned */
    gint64 qemu_pid;
    guint64 qemu_start_time;

    bool is_driven; /* not kept: whether the owner lives, so that somebody will use what is free */
} MemoryClaim;

void memory_pool_free(MemoryPool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MemoryPool, memory_pool_free)
void memory_claim_free(MemoryClaim *claim);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MemoryClaim, memory_claim_free)
/* An array that owns its claims. */
GPtrArray *memory_claims_new(void);
MemoryClaim *memory_claim_copy(const MemoryClaim *claim);
/* The one of @claims (MemoryClaim*) for @device of @domain, borrowed; NULL when there is none. */
MemoryClaim *memory_claim_find(const GPtrArray *claims, const char *domain, const char *device);

/* In all that is kept. */
bool memory_claim_equal(const MemoryClaim *a, const MemoryClaim *b);

/* Whether @claim's memory comes out of @pool. What may lie on several nodes counts in every pool
 * that has all of them: it fits the pools if it fits each of these. What is extra counts in the
 * pool of just its nodes. */
bool memory_pool_holds(const MemoryPool *pool, const MemoryClaim *claim);
/* Whether both come out of the same pools. */
bool memory_claim_shares_pools(const MemoryClaim *a, const MemoryClaim *b);
/* @claim, as it was just looked at, goes on from @before, what the ledger has of it (NULL:
 * nothing): what it was granted, since when it waits, from what size it gives back. What was of
 * other pools is another claim's. */
void memory_claim_inherit(MemoryClaim *claim, const MemoryClaim *before);
/* @claim is stuck as @before was found to be. */
void memory_claim_stay_stuck(MemoryClaim *claim, const MemoryClaim *before);
/* The most the guest has or may take without being asked again: max(requested, current). */
guint64 memory_claim_held(const MemoryClaim *claim);
/* What counts of it: what is granted, or held if that is more. */
guint64 memory_claim_level(const MemoryClaim *claim);
/* What it still has to get, and to give back, to be as the file says. */
guint64 memory_claim_missing(const MemoryClaim *claim);
guint64 memory_claim_excess(const MemoryClaim *claim);
