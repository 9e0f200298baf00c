/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A QEMU that can't be listened to is tried again soon, and then less and less often; adding it in
 * between changes nothing. Nothing listens here, so every attempt is refused at once.
 */
#include "controller/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reconcile/backoff.h"
#include "tests/support/deadline.h"
#include "tests/support/scratch.h"

static Events *events;
static guint n_retries;
static gint64 retried_at[2]; /* the first ones */

static void
on_event(const char *name, const Json *event, gpointer data)
{
    fail_msg("no QEMU, and an event");
}

static void
on_retry(const char *name, gpointer data)
{
    assert_string_equal(name, "a");
    if (n_retries < G_N_ELEMENTS(retried_at))
        retried_at[n_retries] = g_get_monotonic_time();
    n_retries++;
    events_attach(events, name);
}

static bool
is_retried(guint n)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
    return n_retries >= n;
}

static void
test_retry(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    gint64 begin = g_get_monotonic_time();
    guint n_last;

    events = events_new(scratch_dir(scratch), on_event, on_retry, NULL);
    events_attach(events, "a");
    events_attach(events, "a");
    assert_within(20, is_retried(2));
    assert_true(retried_at[0] - begin >= backoff_delay(1, backoff_seed("a")));
    assert_true(retried_at[1] - retried_at[0] >= backoff_delay(2, backoff_seed("a")));
    n_last = n_retries;
    events_free(events); /* with an attempt pending */
    assert_false(is_retried(n_last + 1));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retry),
    };

    return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
