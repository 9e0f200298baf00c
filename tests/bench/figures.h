/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Figures: what was measured of one thing, repeatedly. The unit is the caller's (ms, KiB).
 * Benchmarks print medians with their extremes: times differ from machine to machine, ratios of
 * medians taken in turns on one machine travel.
 */
typedef struct Figures Figures;

Figures *figures_new(void);
void figures_free(Figures *figures); /* NULL is allowed */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Figures, figures_free)

void figures_add(Figures *figures, double value);
guint figures_count(const Figures *figures);
double figures_last(const Figures *figures);   /* the newest; there is one */
double figures_median(const Figures *figures); /* 0 when there are none */
/* "102 (88-149, n=7)": median, least, most, how many. Caller frees. */
char *figures_text(const Figures *figures);

/* Milliseconds since @start_us, of g_get_monotonic_time(). */
double milliseconds_since(gint64 start_us);
/* A median of @figures over one of @reference, the median of each round's own ratio: what slowed
 * the machine for a round slowed both. Both have the same length, at least 1. */
double figures_ratio(const Figures *figures, const Figures *reference);
