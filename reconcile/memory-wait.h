/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/memory-budget.h"
#include "reconcile/memory-shortage.h"

/*
 * MemoryWait: why a domain does not get what the file gives it, for people. Sizes are bytes. It
 * borrows from the pools and claims that it was made of.
 */

/* A domain and what it has to do with the wait. */
typedef struct MemoryParty {
    const char *domain;
    guint64 size;       /* that it gives in all, keeps or holds */
    guint64 so_far;     /* givers: of size, what it gave already */
    const char *reason; /* of one that can't give, or NULL */
} MemoryParty;

typedef struct MemoryWait {
    const char *domain;
    guint64 missing; /* what it waits for, in all */
    bool is_start;   /* to start; else to grow */
    bool is_restart; /* or to be restarted with more */
    bool is_never;   /* it can never start so; shortage says why */
    MemoryShortage shortage;
    GPtrArray *claims;      /* const MemoryClaim*: those that wait */
    const MemoryPool *pool; /* the first without room */
    MemoryPoolFigures figures;
    GArray *givers, *keepers, *holders; /* MemoryParty of this pool, largest first */
    const char *first;  /* the first of n_ahead domains that are served before, or NULL */
    char *first_reason; /* "priority 10", "guaranteed", "waits longer" */
    guint n_ahead;
} MemoryWait;

/* MemoryWaits: of many domains that wait at the same time, what is the same for all found once. It
 * borrows its arguments; @queue: as it is if no domain asks, served. */
typedef struct MemoryWaits MemoryWaits;
MemoryWaits *memory_waits_new(const GPtrArray *pools, const MemoryQueue *queue);
void memory_waits_free(MemoryWaits *waits);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MemoryWaits, memory_waits_free)
/* memory_wait_find() for a domain for which that queue is the same as if it asked
 * (memory_answers_are_common()). */
bool memory_waits_find(const MemoryWaits *waits, const char *domain, MemoryWait *ret_wait);

/* Fills in @ret_wait if @domain waits @now (us) for anything that is not free for it; else false.
 * Clear it by memory_wait_clear(). */
bool memory_wait_find(const GPtrArray *pools, const GPtrArray *claims, const char *domain,
                      gint64 now, MemoryWait *ret_wait);
void memory_wait_clear(MemoryWait *wait);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MemoryWait, memory_wait_clear)

/* "web-2 waits for 1.5 GiB: db-1 is giving back 2 GiB (700 MiB so far)". Names at most three of a
 * kind. Caller frees. */
char *memory_wait_text(const MemoryWait *wait);
/* The same without the domain's name. Caller frees. */
char *memory_wait_reason(const MemoryWait *wait);
