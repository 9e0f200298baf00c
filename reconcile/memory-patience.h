/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/memory-queue.h"

/*
 * MemoryPatience: whose turn it is to have memory gathered for it. Times are microseconds.
 */

/* How long a giant waits, and is passed by, before that. */
#define MEMORY_PATIENCE ((gint64) 60 * G_USEC_PER_SEC)

/* Of @n giants, numbered, the oldest of which has waited for @age, the one for which memory is
 * gathered now, or -1. Of all the time from MEMORY_PATIENCE on it is half in which nothing is
 * gathered; and at whatever age that is a power of two times MEMORY_PATIENCE, until it has doubled,
 * each has 1/(2 @n) of that age, in one piece, for itself. */
gint memory_patience_turn(gint64 age, guint n);

/* The one of the @queue's turns that it is @now: of those that are whole, have waited long enough
 * and are not stuck. NULL: none, or one that could never be served out of @pools. */
MemoryTurn *memory_patience_find(const MemoryQueue *queue, const GPtrArray *pools, gint64 now);
