/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What waits for a time of day moves with a clock that is set: once, in the boot that it was set in,
 * and not with one that is merely steered.
 */
#include "state/clock.h"
#include "state/domains.h"
#include "state/facts.h"
#include "state/unplugs.h"
#include "tests/state/state-file.h"

static void
follow_clock(Store *store, const char *boot_id, gint64 real_us, gint64 monotonic_us)
{
    g_autoptr(GError) error = NULL;
    assert_ok(store_clock_follow(store, boot_id, real_us, monotonic_us, &error));
}

static gint64
deadline_of(Store *store)
{
    g_autoptr(DomainRecord) record = NULL;
    g_autoptr(GError) error = NULL;
    assert_ok(store_domain_get(store, "a", &record, &error));
    assert_int_equal(record->shutdown.deadline_us - record->shutdown.requested_at_us, 60);
    return record->shutdown.deadline_us;
}

/* A deadline is as far away after the clock was set as before, in the boot that it was set in. */
static void
deadlines_follow_the_clock(void **state)
{
    const gint64 second = G_USEC_PER_SEC, hour = 3600 * second;
    g_autoptr(Store) store = state_file_open(*state, STORE_READ_WRITE);
    g_autoptr(GError) error = NULL;
    DomainShutdown shutdown = { 9 * hour, 9 * hour + 60, (char *) "stop" };
    UnplugRecord unplug = {
        .domain = (char *) "a", .device = (char *) "net0", .asked_at_us = 5, .last_asked_at_us = 9
    };
    gint64 deadline = shutdown.deadline_us;

    assert_ok(store_domain_put_shutdown(store, "a", &shutdown, &error));
    assert_ok(store_unplug_put(store, &unplug, &error));
    follow_clock(store, "boot", 9 * hour, hour);
    assert_int_equal(deadline_of(store), deadline);
    follow_clock(store, "boot", 10 * hour + second / 2, 2 * hour); /* it is steered */
    assert_int_equal(deadline_of(store), deadline);
    follow_clock(store, "boot", 9 * hour, 2 * hour);
    assert_int_equal(deadline_of(store), deadline - hour);
    follow_clock(store, "boot", 9 * hour, 2 * hour); /* once */
    assert_int_equal(deadline_of(store), deadline - hour);
    follow_clock(store, "boot", 5000 * hour, 2 * hour);
    assert_int_equal(deadline_of(store), deadline + 4990 * hour);
    {
        g_autoptr(GPtrArray) rows = store_unplug_list(store, "a", &error);
        const UnplugRecord *row = rows->pdata[0];

        assert_int_equal(row->asked_at_us, 5 + 4990 * hour);
        assert_int_equal(row->last_asked_at_us, 9 + 4990 * hour);
    }
    follow_clock(store, "another-boot", hour, hour);
    assert_int_equal(deadline_of(store), deadline + 4990 * hour);
    /* What is no difference of clocks is replaced by one. */
    assert_ok(store_fact_put(store, "clock", "another-boot -9223372036854775808", &error));
    follow_clock(store, "another-boot", hour, hour);
    follow_clock(store, "another-boot", 2 * hour, hour);
    assert_int_equal(deadline_of(store), deadline + 4991 * hour);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        state_test(deadlines_follow_the_clock),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
