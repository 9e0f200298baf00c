/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Sums and differences of sizes in bytes that end at what the type can hold, as "unlimited" must
 * stay unlimited and nobody has less than nothing. */

static inline guint64
size_sum(guint64 a, guint64 b)
{
    return a > G_MAXUINT64 - b ? G_MAXUINT64 : a + b;
}

static inline guint64
size_less(guint64 a, guint64 b)
{
    return a > b ? a - b : 0;
}
