/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a change would do to the memory of all guests: the order of the moves, the peak, who waits.
 * The peak of changes that just fit is the capacity, never more.
 */
#include "reconcile/memory-forecast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "tests/reconcile/budget-rig.h"

static MemoryClaim *
add_memory(Ledger *ledger, const char *domain, guint64 held, guint64 wanted)
{
    MemoryClaim *claim = ledger_blocks(ledger, domain, held, wanted);

    claim->block = 2 * MIB;
    claim->waiting_since = 0; /* nobody waits before the change */
    return claim;
}

static void
assert_move(const MemoryForecast *forecast, guint i, const char *domain, guint64 from, guint64 to,
            const char *after)
{
    const MemoryForecastMove *move;

    assert_true(i < forecast->moves->len);
    move = forecast->moves->pdata[i];
    assert_string_equal(move->domain, domain);
    assert_int_equal(move->from / MIB, from / MIB);
    assert_int_equal(move->to / MIB, to / MIB);
    if (after)
        assert_string_equal(move->after, after);
    else
        assert_null(move->after);
}

static void
assert_peak(const MemoryForecast *forecast, guint64 now, guint64 most, guint64 end)
{
    const MemoryPoolPeak *peak = forecast->peaks->pdata[0];

    assert_int_equal(peak->now / MIB, now / MIB);
    assert_int_equal(peak->peak / MIB, most / MIB);
    assert_int_equal(peak->end / MIB, end / MIB);
}

static void
a_rotation_that_just_fits(void **unused)
{
    g_auto(Ledger) ledger = ledger_new();
    g_autoptr(MemoryForecast) forecast = NULL;

    ledger_pool(&ledger, "memory", 2 * GIB);
    add_memory(&ledger, "a", 0, GIB);
    add_memory(&ledger, "b", GIB, 512 * MIB);
    add_memory(&ledger, "c", 512 * MIB, 256 * MIB);
    add_memory(&ledger, "d", 512 * MIB, 256 * MIB);
    forecast = memory_forecast_new(ledger.pools, ledger.claims);
    assert_int_equal(forecast->moves->len, 4);
    assert_move(forecast, 0, "b", GIB, 512 * MIB, NULL);
    assert_move(forecast, 1, "c", 512 * MIB, 256 * MIB, NULL);
    assert_move(forecast, 2, "d", 512 * MIB, 256 * MIB, NULL);
    assert_move(forecast, 3, "a", 0, GIB, "d");
    assert_peak(forecast, 2 * GIB, 2 * GIB, 2 * GIB);
    assert_int_equal(forecast->waits->len, 0);
    /* The ledger is as it was. */
    assert_int_equal(((MemoryClaim *) ledger.claims->pdata[1])->granted, GIB);
}

static void
a_giant_that_nobody_makes_room_for(void **unused)
{
    g_auto(Ledger) ledger = ledger_new();
    g_autoptr(MemoryForecast) forecast = NULL;

    ledger_pool(&ledger, "memory", 4 * GIB);
    add_memory(&ledger, "db", 2 * GIB, GIB + 512 * MIB);
    ledger_start(&ledger, "giant", "boot", 3 * GIB);
    add_memory(&ledger, "web", GIB, 2 * GIB);
    forecast = memory_forecast_new(ledger.pools, ledger.claims);
    assert_int_equal(forecast->moves->len, 2);
    assert_move(forecast, 0, "db", 2 * GIB, GIB + 512 * MIB, NULL);
    assert_move(forecast, 1, "web", GIB, 2 * GIB, NULL);
    assert_peak(forecast, 3 * GIB, 3 * GIB + 512 * MIB, 3 * GIB + 512 * MIB);
    assert_int_equal(forecast->waits->len, 1);
    assert_string_equal(forecast->waits->pdata[0],
                        "giant waits for 3 GiB to start: the budget of 4 GiB has 512 MiB free: web "
                        "2 GiB, db 1.5 GiB; nobody gives back");
}

static void
a_stuck_giver(void **unused)
{
    g_auto(Ledger) ledger = ledger_new();
    g_autoptr(MemoryForecast) forecast = NULL;
    MemoryClaim *db;

    ledger_pool(&ledger, "memory", 2 * GIB);
    db = add_memory(&ledger, "db", GIB, 512 * MIB);
    db->is_stuck = true;
    db->stuck_at = GIB;
    db->reason = g_strdup("unmovable pages");
    add_memory(&ledger, "web", 512 * MIB, GIB + 512 * MIB);
    forecast = memory_forecast_new(ledger.pools, ledger.claims);
    assert_int_equal(forecast->moves->len, 1);
    assert_move(forecast, 0, "web", 512 * MIB, GIB, NULL);
    assert_int_equal(forecast->waits->len, 1);
    assert_string_equal(forecast->waits->pdata[0],
                        "web waits for 512 MiB: db can't give back 512 MiB (guest keeps it: "
                        "unmovable pages); the budget of 2 GiB is used up: db 1 GiB, web 1 GiB");
}

static void
a_start_that_waits_for_others(void **unused)
{
    g_auto(Ledger) ledger = ledger_new();
    g_autoptr(MemoryForecast) forecast = NULL;

    ledger_pool(&ledger, "memory", 2 * GIB);
    ledger_start(&ledger, "web", "boot", GIB);
    add_memory(&ledger, "web", 0, 512 * MIB)->is_running = false;
    add_memory(&ledger, "db", 2 * GIB, 512 * MIB);
    forecast = memory_forecast_new(ledger.pools, ledger.claims);
    assert_int_equal(forecast->moves->len, 3);
    assert_move(forecast, 0, "db", 2 * GIB, 512 * MIB, NULL);
    assert_move(forecast, 1, "web", 0, GIB, "db");
    assert_string_equal(((MemoryForecastMove *) forecast->moves->pdata[1])->device, "boot");
    assert_move(forecast, 2, "web", 0, 512 * MIB, "db");
    assert_peak(forecast, 2 * GIB, 2 * GIB, 2 * GIB);
    assert_int_equal(forecast->waits->len, 0);
}

static void
nothing_to_do(void **unused)
{
    g_auto(Ledger) ledger = ledger_new();
    g_autoptr(MemoryForecast) forecast = NULL;

    ledger_pool(&ledger, "memory", 2 * GIB);
    add_memory(&ledger, "db", GIB, GIB);
    forecast = memory_forecast_new(ledger.pools, ledger.claims);
    assert_int_equal(forecast->moves->len, 0);
    assert_int_equal(forecast->waits->len, 0);
    assert_peak(forecast, GIB, GIB, GIB);
}

static void
five_hundred_guests_change_places(void **unused)
{
    g_auto(Ledger) ledger = ledger_new();
    g_autoptr(MemoryForecast) forecast = NULL;
    clock_t began = clock();

    ledger_pool(&ledger, "memory", 500 * 5 * GIB);
    for (guint i = 0; i < 500; i++) {
        g_autofree char *name = g_strdup_printf("guest-%03u", i);

        add_memory(&ledger, name, i % 2 ? GIB : 9 * GIB, i % 2 ? 9 * GIB : GIB);
    }
    forecast = memory_forecast_new(ledger.pools, ledger.claims);
    printf("500 guests: %.2f s\n", (double) (clock() - began) / CLOCKS_PER_SEC);
    assert_int_equal(forecast->moves->len, 500);
    assert_int_equal(forecast->waits->len, 0);
    assert_peak(forecast, 500 * 5 * GIB, 500 * 5 * GIB, 500 * 5 * GIB);
    assert_true(clock() - began < 10 * CLOCKS_PER_SEC);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rotation_that_just_fits),
        cmocka_unit_test(a_giant_that_nobody_makes_room_for),
        cmocka_unit_test(a_stuck_giver),
        cmocka_unit_test(a_start_that_waits_for_others),
        cmocka_unit_test(nothing_to_do),
        cmocka_unit_test(five_hundred_guests_change_places),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
