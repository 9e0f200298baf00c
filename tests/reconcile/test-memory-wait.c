/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why a domain waits for memory, as the sentence that people read. Each test is one cause, in a
 * ledger that has no other.
 */
#include "reconcile/memory-wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reconcile/memory-patience.h"
#include "tests/reconcile/budget-rig.h"

#define assert_waits(ledger, domain, sentence)                                                     \
    do {                                                                                           \
        g_auto(MemoryWait) wait_ = { 0 };                                                          \
        g_autofree char *text_ = NULL;                                                             \
        assert_true(memory_wait_find((ledger)->pools, (ledger)->claims, domain, 0, &wait_));       \
        text_ = memory_wait_text(&wait_);                                                          \
        assert_string_equal(text_, sentence);                                                      \
    } while (0)

static void
who_gives_back_and_how_far_it_is(void **unused)
{
    g_auto(Ledger) ledger = ledger_new();
    MemoryClaim *db;

    ledger_pool(&ledger, "memory", 4 * GIB);
    db = ledger_blocks(&ledger, "db-1", 3 * GIB, 2 * GIB);
    ledger_blocks(&ledger, "web-2", GIB, GIB + 512 * MIB);
    assert_waits(&ledger, "web-2", "web-2 waits for 512 MiB: db-1 is giving back 1 GiB");
    db->giving_from = 4 * GIB;
    assert_waits(&ledger, "web-2",
                 "web-2 waits for 512 MiB: db-1 is giving back 2 GiB (1 GiB so far)");
}

static void
who_can_not_give_and_why(void **unused)
{
    g_auto(Ledger) ledger = ledger_new();
    MemoryClaim *db;

    ledger_pool(&ledger, "memory", 4 * GIB);
    db = ledger_blocks(&ledger, "db-1", 3 * GIB, 2 * GIB + 512 * MIB);
    ledger_blocks(&ledger, "web-2", GIB, GIB + 256 * MIB);
    db->is_stuck = true;
    db->stuck_at = db->current;
    db->reason = g_strdup("unmovable pages");
    assert_waits(&ledger, "web-2",
                 "web-2 waits for 256 MiB: db-1 can't give back 512 MiB (guest keeps it: "
                 "unmovable pages); the budget of 4 GiB is used up: db-1 3 GiB, web-2 1 GiB");
    db->is_stuck = db->is_driven = false;
    assert_waits(&ledger, "web-2",
                 "web-2 waits for 256 MiB: db-1 does not give back 512 MiB (no controller leads "
                 "it); the budget of 4 GiB is used up: db-1 3 GiB, web-2 1 GiB");
}

static void
what_a_stuck_taker_gives_up(void **unused)
{
    g_auto(Ledger) ledger = ledger_new();
    MemoryClaim *db;

    ledger_pool(&ledger, "memory", 4 * GIB);
    db = ledger_blocks(&ledger, "db-1", GIB, 3 * GIB);
    db->requested = db->granted = 3 * GIB;
    db->is_stuck = true;
    db->stuck_at = GIB;
    ledger_blocks(&ledger, "web-2", GIB, 2 * GIB);
    assert_waits(&ledger, "web-2",
                 "web-2 waits for 1 GiB: db-1 gives up 2 GiB (its guest does not take it)");
}

static void
who_holds_it_all(void **unused)
{
    g_auto(Ledger) ledger = ledger_new();
    MemoryPool *pool = ledger_pool(&ledger, "memory", 3 * GIB);

    ledger_blocks(&ledger, "a", GIB / 2, GIB / 2);
    ledger_blocks(&ledger, "a", GIB / 2, GIB / 2);
    ledger_blocks(&ledger, "b", GIB, GIB);
    ledger_blocks(&ledger, "c", 512 * MIB, 512 * MIB);
    ledger_blocks(&ledger, "d", 256 * MIB, 256 * MIB);
    ledger_blocks(&ledger, "e", 256 * MIB, 512 * MIB);
    assert_waits(&ledger, "e",
                 "e waits for 256 MiB: the budget of 3 GiB is used up: a 1 GiB, b 1 GiB, c 512 MiB "
                 "and 2 more; nobody gives back");
    pool->capacity = 2 * GIB;
    assert_waits(&ledger, "e",
                 "e waits for 256 MiB: the budget of 2 GiB is exceeded by 1 GiB: a 1 GiB, b 1 GiB, "
                 "c 512 MiB and 2 more; nobody gives back");
}

static void
what_is_guaranteed_to_others(void **unused)
{
    g_auto(Ledger) ledger = ledger_new();

    ledger_pool(&ledger, "memory", 3 * GIB);
    ledger_blocks(&ledger, "a", GIB, 2 * GIB);
    ledger_blocks(&ledger, "b", GIB, GIB)->guaranteed = 2 * GIB;
    assert_waits(&ledger, "a",
                 "a waits for 1 GiB: the budget of 3 GiB is used up: a 1 GiB, b 1 GiB; 1 GiB are "
                 "kept for guarantees; nobody gives back");
}

static void
who_comes_first(void **unused)
{
    g_auto(Ledger) ledger = ledger_new();
    MemoryClaim *first;

    ledger_pool(&ledger, "memory", 3 * GIB);
    first = ledger_blocks(&ledger, "web-1", GIB, 3 * GIB);
    ledger_blocks(&ledger, "web-2", GIB, 2 * GIB);
    assert_waits(&ledger, "web-2", "web-2 waits for 1 GiB: web-1 (waits longer) comes first");
    first->priority = 10;
    assert_waits(&ledger, "web-2", "web-2 waits for 1 GiB: web-1 (priority 10) comes first");
    ledger_blocks(&ledger, "db", 0, GIB)->priority = 20;
    assert_waits(&ledger, "web-2", "web-2 waits for 1 GiB: db (priority 20) comes first");
    first->guaranteed = 2 * GIB;
    first->wanted = 2 * GIB;
    assert_waits(&ledger, "web-2", "web-2 waits for 1 GiB: web-1 (guaranteed) comes first");
}

static void
a_start_waits_for_all_it_needs(void **unused)
{
    g_auto(Ledger) ledger = ledger_new();
    MemoryClaim *db;
    MemoryWait wait;

    ledger_pool(&ledger, "memory", 4 * GIB);
    db = ledger_blocks(&ledger, "db-1", 3 * GIB, GIB);
    ledger_start(&ledger, "web-2", "boot", 2 * GIB);
    ledger_start(&ledger, "web-2", "qemu", 128 * MIB);
    assert_waits(&ledger, "web-2", "web-2 waits for 2.13 GiB to start: db-1 is giving back 2 GiB");
    assert_true(memory_wait_find(ledger.pools, ledger.claims, "web-2", 0, &wait));
    assert_int_equal(wait.claims->len, 2);
    assert_true(wait.is_start);
    memory_wait_clear(&wait);
    db->wanted = 3 * GIB;
    assert_waits(&ledger, "web-2",
                 "web-2 waits for 2.13 GiB to start: the budget of 4 GiB has 1 GiB free: db-1 3 "
                 "GiB; nobody gives back");
}

static void
what_can_never_start(void **unused)
{
    g_auto(Ledger) ledger = ledger_new();

    ledger_pool(&ledger, "memory", 22 * GIB);
    ledger_start(&ledger, "web-2", "boot", 40 * GIB);
    assert_waits(&ledger, "web-2",
                 "web-2 needs 40 GiB of memory; the budget is 22 GiB: it can never start");
    ledger_blocks(&ledger, "db-1", 0, 0)->guaranteed = 4 * GIB;
    assert_waits(&ledger, "web-2",
                 "web-2 needs 40 GiB of memory; the budget is 22 GiB, of which 4 GiB are "
                 "guaranteed to others: it can never start");
}

static void
another_pool_is_named(void **unused)
{
    g_auto(Ledger) ledger = ledger_new();

    ledger_pool(&ledger, "memory", 22 * GIB);
    ledger_pool(&ledger, "memory-node0", GIB)->nodes = 1;
    ledger_blocks(&ledger, "web-2", GIB, 2 * GIB)->nodes = 1;
    assert_waits(&ledger, "web-2",
                 "web-2 waits for 1 GiB: memory-node0 of 1 GiB is used up: web-2 1 GiB; nobody "
                 "gives back");
}

static void
who_is_served_does_not_wait(void **unused)
{
    g_auto(Ledger) ledger = ledger_new();
    MemoryWait wait;

    ledger_pool(&ledger, "memory", 4 * GIB);
    ledger_blocks(&ledger, "web-2", GIB, 2 * GIB);
    assert_false(memory_wait_find(ledger.pools, ledger.claims, "web-2", 0, &wait));
    assert_false(memory_wait_find(ledger.pools, ledger.claims, "nobody", 0, &wait));
}

static void
says_that_memory_is_gathered(void **unused)
{
    g_auto(Ledger) ledger = ledger_new();
    g_auto(MemoryWait) wait = { 0 };
    g_autofree char *text = NULL;

    ledger_pool(&ledger, "memory", 3 * GIB);
    ledger_start(&ledger, "huge", "boot", 2 * GIB);
    ledger_blocks(&ledger, "db", 2 * GIB, 2 * GIB);
    ledger_blocks(&ledger, "web-2", 0, GIB)->block = MIB;
    assert_false(memory_wait_find(ledger.pools, ledger.claims, "web-2", 0, &wait));
    assert_true(memory_wait_find(ledger.pools, ledger.claims, "web-2", 1 + MEMORY_PATIENCE, &wait));
    text = memory_wait_text(&wait);
    assert_string_equal(text, "web-2 waits for 1 GiB: huge (memory is gathered for it for a while) "
                              "comes first");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_gives_back_and_how_far_it_is),
        cmocka_unit_test(who_can_not_give_and_why),
        cmocka_unit_test(what_a_stuck_taker_gives_up),
        cmocka_unit_test(who_holds_it_all),
        cmocka_unit_test(what_is_guaranteed_to_others),
        cmocka_unit_test(who_comes_first),
        cmocka_unit_test(a_start_waits_for_all_it_needs),
        cmocka_unit_test(what_can_never_start),
        cmocka_unit_test(another_pool_is_named),
        cmocka_unit_test(who_is_served_does_not_wait),
        cmocka_unit_test(says_that_memory_is_gathered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
