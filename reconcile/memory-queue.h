/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/memory-claim.h"

/*
 * MemoryQueue: those who wait for the host's memory, in the order in which they are served, and
 * what each of them gets of what there is. Sizes are bytes; more than 8 PiB counts as 8 PiB.
 */

/* What a limited pool has left for the turns to come; below zero where it is overcommitted. */
typedef struct MemoryRoom {
    const MemoryPool *pool;
    gint64 spare; /* capacity less what is granted */
    gint64 free;  /* capacity less what is granted or guaranteed: for those above their guarantee */
    gint64 spare_coming, free_coming; /* by how much they rise by what is being given back */
    bool is_short;                    /* somebody not stuck waits here for what is coming */
} MemoryRoom;

/* One that takes: a claim's blocks up to its guarantee, its blocks above that, a claim that is
 * whole, or all whole claims of a domain that is to start. */
typedef struct MemoryTurn MemoryTurn;
struct MemoryTurn {
    const char *domain;
    guint first, n_claims; /* in the queue's members */
    guint64 unit;          /* of blocks; 0: everything or nothing */
    guint64 n_units;       /* that it waits for */
    bool is_covered;       /* by guarantees, all of it */
    bool is_stuck, is_above;
    gint64 priority, since;
    const MemoryTurn *start; /* the turn without which this one gets nothing, or NULL */

    bool gathers;           /* what comes free is kept for it, though it is not enough yet */
    guint64 n_served;       /* of n_units, out of what is there */
    guint64 n_later;        /* of n_units, counting what is coming as well */
    const MemoryPool *pool; /* the first that has no room for one more; NULL: it is served */
};

typedef struct MemoryQueue {
    const GPtrArray *claims; /* borrowed */
    MemoryRoom *rooms;
    guint n_rooms;
    guint64 *charged; /* of each claim: what it holds or may take, with what it was served */
    guint64 *planned; /* the same with what is kept for it until more has come */
    guint *members;   /* indices of claims that wait, those of a turn next to each other */
    guint n_members;
    MemoryTurn *turns;
    guint n_turns;
    MemoryTurn **order;   /* as they are served */
    MemoryTurn *gatherer; /* one of them, which may gather (reconcile/memory-patience.h), or NULL */
} MemoryQueue;

/* The queue over MemoryPool* @pools and MemoryClaim* @claims as it is if @asker, a domain's name or
 * NULL, asks @now (us): all that it misses waits, and what is granted to it beyond its needs counts
 * as given back. Both arrays must outlive it. */
MemoryQueue *memory_queue_new(const GPtrArray *pools, const GPtrArray *claims, const char *asker,
                              gint64 now);
void memory_queue_free(MemoryQueue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MemoryQueue, memory_queue_free)

/* Gives everyone their turn, once: fills in n_served and n_later, takes it off the rooms. */
void memory_queue_serve(MemoryQueue *queue);

/* Whether its guest does not follow, and has not moved since that was found. */
bool memory_claim_is_stuck(const MemoryClaim *claim);
/* What is left of @held, what it holds or may take, when all that is being given back has been. */
guint64 memory_claim_settles(const MemoryClaim *claim, guint64 held);
/* Whether @turn, of @queue, is served out of @pool. */
bool memory_turn_needs(const MemoryQueue *queue, const MemoryTurn *turn, const MemoryPool *pool);
