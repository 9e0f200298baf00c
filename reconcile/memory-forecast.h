/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/memory-claim.h"

/*
 * MemoryForecast: how memory would move between guests if each did as it is asked: in which order,
 * how much each pool would hold at most, and who would wait in the end. Sizes are bytes.
 */

/* All that one claim does, from its first step to its last. Moves are in order of their first. */
typedef struct MemoryForecastMove {
    char *domain, *device; /* owned */
    guint64 from, to;      /* what is granted to it */
    char *after;           /* the domain whose memory it had to wait for at first, or NULL; owned */
} MemoryForecastMove;

typedef struct MemoryPoolPeak {
    char *pool; /* owned */
    guint64 now, peak, end, capacity;
} MemoryPoolPeak;

typedef struct MemoryForecast {
    GPtrArray *moves; /* MemoryForecastMove* */
    GPtrArray *peaks; /* MemoryPoolPeak*, as the pools are */
    GPtrArray *waits; /* char*: a sentence for each domain that still waits in the end */
} MemoryForecast;

/* What becomes of @claims, `wanted` being what it is after the change. Those that are stuck, or
 * whose owner does not live (is_driven), stay as they are. Who does not wait yet waits in the order
 * of @claims. */
MemoryForecast *memory_forecast_new(const GPtrArray *pools, const GPtrArray *claims);
void memory_forecast_free(MemoryForecast *forecast);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MemoryForecast, memory_forecast_free)
