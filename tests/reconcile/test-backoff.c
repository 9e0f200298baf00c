/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Back-off by example: the delays of a name that keeps failing, and what ends them.
 *
 * Delays are values of a failure count, a seed and a time, so nothing here waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reconcile/backoff.h"

#define SECOND ((gint64) G_USEC_PER_SEC)

static void
delays_double_up_to_five_minutes(void **unused)
{
    const gint64 expected[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300 };

    assert_int_equal(backoff_delay(0, 1), 0);
    for (guint seed = 0; seed < 1000; seed++) {
        for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
            gint64 most = expected[i] * SECOND;
            assert_in_range(backoff_delay(i + 1, seed), most - most / 4, most);
        }
        assert_in_range(backoff_delay(G_MAXUINT, seed), 225 * SECOND, 300 * SECOND);
    }
}

static void
jitter_is_the_same_each_time_and_not_for_each_name(void **unused)
{
    guint64 seed = backoff_seed("web-1");
    guint n_same = 0;

    for (guint i = 1; i < 20; i++) {
        assert_int_equal(backoff_delay(i, seed), backoff_delay(i, seed));
        n_same += backoff_delay(i, seed) == backoff_delay(i, backoff_seed("web-2"));
    }
    assert_true(n_same <= 1);
}

static void
a_failure_delays_the_next_try(void **unused)
{
    Backoff backoff = backoff_reset();
    gint64 now = 100 * SECOND;

    assert_true(backoff_is_due(&backoff, now));
    assert_int_equal(backoff_remaining(&backoff, now), 0);
    for (guint i = 1; i <= 5; i++) {
        backoff = backoff_failed(backoff, now, 7);
        assert_int_equal(backoff.n_failures, i);
        assert_int_equal(backoff.failed_at, now);
        assert_false(backoff_is_due(&backoff, now));
        assert_int_equal(backoff_remaining(&backoff, now), backoff_delay(i, 7));
        now = backoff.retry_at;
        assert_true(backoff_is_due(&backoff, now));
    }
    backoff = backoff_reset();
    assert_true(backoff_is_due(&backoff, now));
}

static void
a_failure_long_after_is_a_new_story(void **unused)
{
    Backoff backoff = backoff_reset();

    for (guint i = 0; i < 8; i++)
        backoff = backoff_failed(backoff, 100 * SECOND, 7);
    assert_int_equal(backoff_failed(backoff, backoff.retry_at + BACKOFF_FORGET, 7).n_failures, 9);
    assert_int_equal(backoff_failed(backoff, backoff.retry_at + BACKOFF_FORGET + 1, 7).n_failures,
                     1);
}

static void
a_clock_that_went_back_delays_no_longer_than_the_most(void **unused)
{
    Backoff backoff = backoff_failed(backoff_reset(), 1000000 * SECOND, 7);

    assert_int_equal(backoff_remaining(&backoff, 1 * SECOND), BACKOFF_MOST);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delays_double_up_to_five_minutes),
        cmocka_unit_test(jitter_is_the_same_each_time_and_not_for_each_name),
        cmocka_unit_test(a_failure_delays_the_next_try),
        cmocka_unit_test(a_failure_long_after_is_a_new_story),
        cmocka_unit_test(a_clock_that_went_back_delays_no_longer_than_the_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
