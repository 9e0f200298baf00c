/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Deadline: waiting for a condition instead of sleeping.
 *
 *     assert_within(10, guest_mem_total(guest) == wanted);
 *
 * fails the cmocka test, naming the condition, if it has not become true within 10 s. The
 * condition is evaluated again and again, so it must have no effect and must not leak.
 * The seconds are those of a machine that has nothing else to do. They are stretched, for one that
 * is slower or busy: how long a test that fails waits is all that depends on it. And they are
 * stretched by VIRTKEEP_TEST_SLOWDOWN (a factor, 1 by default), for sanitizers.
 */
typedef struct Deadline {
    gint64 end_us; /* monotonic */
    guint pause_ms;
} Deadline;

Deadline deadline_in(double seconds);

/* Waits a little (1 ms at first, growing to 50 ms); false once the deadline has passed.
 * Runs the default main context meanwhile, if this thread owns it. */
bool deadline_pause(Deadline *deadline);

#define assert_within(seconds, condition)                                                          \
    do {                                                                                           \
        Deadline deadline_ = deadline_in(seconds);                                                 \
        while (!(condition)) {                                                                     \
            if (!deadline_pause(&deadline_) && !(condition))                                       \
                fail_msg("not within %g s: %s", (double) (seconds), #condition);                   \
        }                                                                                          \
    } while (0)

/* The same as a value: true if it became true in time. */
#define is_within(seconds, condition)                                                              \
    ({                                                                                             \
        Deadline deadline_ = deadline_in(seconds);                                                 \
        bool is_true_;                                                                             \
        while (!(is_true_ = (condition)) && deadline_pause(&deadline_))                            \
            ;                                                                                      \
        is_true_;                                                                                  \
    })
