/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What waits for a time of day, where the time of day is set. */
#pragma once

#include "state/store.h"

/* Moves what waits for a wall clock (a shutdown's deadline, removals, places in queues) by as much
 * as the clock was set since the last call in this boot. @real_us: wall clock; @monotonic_us: a
 * clock of this boot that all processes share and nobody sets. */
gboolean store_clock_follow(Store *store, const char *boot_id, gint64 real_us, gint64 monotonic_us,
                            GError **error);
