/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/render-plan.h"
#include "reconcile/memory-forecast.h"

/*
 * What a plan makes of the host's memory, for people and for scripts.
 */

/* Lines, each ended; "" where nothing moves. Caller frees. */
char *forecast_text(const MemoryForecast *forecast, const PlanStyle *style);
/* {"pools": [{"name", "capacity", "granted", "peak", "end"}], "moves": [{"domain", "device",
 * "from", "to", "after"}], "waits": [text]}; sizes in bytes. Pools without limit, or that nobody
 * has anything of, are left out. Caller frees. */
Json *forecast_json(const MemoryForecast *forecast);
