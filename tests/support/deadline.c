/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A deadline with pauses that start short and grow: what is there at once is seen after a
 * millisecond, and a wait of a minute costs little processor time, of which a guest under TCG
 * has use. The clock is the monotonic one.
 */
#include "tests/support/deadline.h"

#include <poll.h>
#include <stdlib.h>

#define PAUSE_MAX_MS 50
#define STRETCH 4

static double
slowdown(void)
{
    const char *text = g_getenv("VIRTKEEP_TEST_SLOWDOWN");
    double factor = text ? g_ascii_strtod(text, NULL) : 1;

    return factor >= 1 ? factor : 1;
}

Deadline
deadline_in(double seconds)
{
    return (Deadline){
        .end_us =
            g_get_monotonic_time() + (gint64) (seconds * STRETCH * slowdown() * G_USEC_PER_SEC),
        .pause_ms = 1,
    };
}

bool
deadline_pause(Deadline *deadline)
{
    if (g_get_monotonic_time() >= deadline->end_us)
        return false;
    while (g_main_context_iteration(NULL, FALSE))
        ;
    poll(NULL, 0, (int) deadline->pause_ms);
    deadline->pause_ms = MIN(deadline->pause_ms * 2, PAUSE_MAX_MS);
    return true;
}
