/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/memory-claim.h"
#include "tests/reconcile/simulated-guest.h"

/*
 * Crowd: a pool that is never empty of small guests. They come, hold what they got for a while,
 * leave and come again, and there is always one that waits; some giants wait for more than is ever
 * free by chance. Sizes are small numbers, times microseconds; a step is a second.
 */
#define CROWD_MOST_GIANTS 3
#define CROWD_MOST_SMALL 8
#define CROWD_MOST (1 + CROWD_MOST_GIANTS + CROWD_MOST_SMALL)

typedef struct {
    Chance chance;
    MemoryPool pool;
    GPtrArray *pools, *claims; /* borrowed pointers into this; one claim a guest */
    MemoryClaim guests[CROWD_MOST];
    char names[CROWD_MOST][16];
    gint64 leaves_at[CROWD_MOST];
    guint n_giants, n_small; /* guest 0 stays for good, then giants, then small ones */
    gint64 now, hold;        /* the longest that a small one holds */
    gint64 giants_since;     /* when the giants came, and all was taken */
    guint64 giants[CROWD_MOST_GIANTS];
    guint64 n_served; /* small ones, in all */
} Crowd;

/* All giants fit beside what stays for good and what is guaranteed. */
void crowd_begin(Crowd *crowd, guint64 seed);
void crowd_clear(Crowd *crowd);
/* A second passes: everybody leaves whose time is over, and has a pass. False when more is granted
 * than there is, or a guarantee is not there for its owner. */
bool crowd_step(Crowd *crowd);
/* How many giants still wait. */
guint crowd_waiting_giants(const Crowd *crowd);
