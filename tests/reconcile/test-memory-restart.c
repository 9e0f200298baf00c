/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a restart takes beyond what its QEMU has, pool by pool, and what passes to the next one. The
 * running QEMU and the start are a ledger each, written out in small numbers.
 */
#include "reconcile/memory-restart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reconcile/memory-budget.h"
#include "tests/reconcile/budget-rig.h"

#define NODE0 1
#define NODE1 2

/* The host's pool and two nodes of it. */
static void
add_pools(Ledger *ledger)
{
    ledger_pool(ledger, "memory", 200);
    ledger_pool(ledger, "memory-node0", 100)->nodes = NODE0;
    ledger_pool(ledger, "memory-node1", 100)->nodes = NODE1;
}

/* A whole one that QEMU has. */
static MemoryClaim *
add_held(Ledger *ledger, const char *device, guint64 size)
{
    MemoryClaim *claim = ledger_start(ledger, "db", device, size);

    claim->requested = claim->current = claim->granted = size;
    claim->is_running = true;
    return claim;
}

static guint64
extra_of(const Ledger *ledger, const char *pool)
{
    g_autofree char *device = g_strconcat("restart-", pool, NULL);
    const MemoryClaim *claim = memory_claim_find(ledger->claims, "db", device);

    return claim ? claim->wanted : 0;
}

static void
as_much_needs_nothing(void **unused)
{
    g_auto(Ledger) running = ledger_new(), start = ledger_new();

    add_pools(&running);
    add_held(&running, "boot", 40);
    ledger_start(&start, "db", "boot-node0", 20);
    ledger_start(&start, "db", "boot-node1", 20);
    memory_restart_extend(running.claims, start.claims, running.pools);
    assert_int_equal(running.claims->len, 1);
}

/* What moves from node to node needs room on the other one, and none in the host's pool. */
static void
each_pool_counts_by_itself(void **unused)
{
    g_auto(Ledger) running = ledger_new(), start = ledger_new();

    add_pools(&running);
    add_held(&running, "boot", 40)->nodes = NODE0;
    ledger_start(&start, "db", "boot", 40)->nodes = NODE1;
    ledger_start(&start, "db", "dimm0", 10);
    memory_restart_extend(running.claims, start.claims, running.pools);
    assert_int_equal(extra_of(&running, "memory"), 10);
    assert_int_equal(extra_of(&running, "memory-node0"), 0);
    assert_int_equal(extra_of(&running, "memory-node1"), 40);
    assert_int_equal(memory_pool_figures(running.pools->pdata[0], running.claims).granted, 40);
    ((MemoryClaim *) running.claims->pdata[2])->granted = 40; /* of node 1 */
    assert_int_equal(memory_pool_figures(running.pools->pdata[0], running.claims).granted, 40);
    assert_int_equal(memory_pool_figures(running.pools->pdata[2], running.claims).granted, 40);
}

/* Blocks keep what they are to have; what they have beyond that is there for what is whole. */
static void
blocks_pass_on_what_they_do_not_need(void **unused)
{
    g_auto(Ledger) running = ledger_new(), start = ledger_new();

    add_pools(&running);
    add_held(&running, "boot", 40);
    ledger_blocks(&running, "db", 30, 20);
    ledger_start(&start, "db", "boot", 60);
    ledger_blocks(&start, "db", 0, 20)->is_running = false;
    memory_restart_extend(running.claims, start.claims, running.pools);
    assert_int_equal(extra_of(&running, "memory"), 10);
}

/* No more is kept by guarantees than before. */
static void
guarantee_goes_along(void **unused)
{
    g_auto(Ledger) running = ledger_new(), start = ledger_new();
    guint64 guaranteed = 0;

    add_pools(&running);
    add_held(&running, "boot", 40)->guaranteed = 40;
    ledger_blocks(&running, "db", 0, 40)->guaranteed = 40;
    ledger_start(&start, "db", "boot", 60)->guaranteed = 60;
    ledger_blocks(&start, "db", 0, 40)->guaranteed = 20;
    memory_restart_extend(running.claims, start.claims, running.pools);
    for (guint i = 0; i < running.claims->len; i++)
        guaranteed += ((const MemoryClaim *) running.claims->pdata[i])->guaranteed;
    assert_int_equal(extra_of(&running, "memory"), 20);
    assert_int_equal(guaranteed, 80);
}

/* All parts together or none of them. */
static void
is_granted_as_one(void **unused)
{
    g_auto(Ledger) ledger = ledger_new(), start = ledger_new();
    MemoryClaim *other;

    add_pools(&ledger);
    add_held(&ledger, "boot", 40)->nodes = NODE0;
    ledger_start(&start, "db", "boot", 60)->nodes = NODE1;
    memory_restart_extend(ledger.claims, start.claims, ledger.pools);
    assert_int_equal(ledger.claims->len, 3);
    for (guint i = 1; i < 3; i++)
        ((MemoryClaim *) ledger.claims->pdata[i])->is_driven = true;
    other = ledger_blocks(&ledger, "web", 50, 50);
    other->nodes = NODE1;
    assert_int_equal(ledger_limit(&ledger, ledger.claims->pdata[1]), 0);
    assert_int_equal(ledger_limit(&ledger, ledger.claims->pdata[2]), 0);
    other->requested = other->current = other->granted = other->wanted = 40;
    assert_int_equal(ledger_limit(&ledger, ledger.claims->pdata[1]), 20);
    assert_int_equal(ledger_limit(&ledger, ledger.claims->pdata[2]), 60);
}

/* Nobody has to ask for what the former QEMU had and what was kept for the next one. */
static void
start_gets_what_was_kept(void **unused)
{
    g_auto(Ledger) running = ledger_new(), start = ledger_new();
    const MemoryClaim *boot, *dimm;

    add_pools(&running);
    add_held(&running, "boot", 40)->nodes = NODE0;
    boot = ledger_start(&start, "db", "boot", 40);
    ((MemoryClaim *) boot)->nodes = NODE1;
    dimm = ledger_start(&start, "db", "dimm0", 10);
    memory_restart_extend(running.claims, start.claims, running.pools);
    memory_restart_pass_on(start.claims, running.claims, running.pools);
    assert_int_equal(boot->granted + dimm->granted, 0); /* it was not granted yet */
    for (guint i = 1; i < running.claims->len; i++) {
        MemoryClaim *extra = running.claims->pdata[i];

        extra->granted = extra->wanted;
    }
    memory_restart_pass_on(start.claims, running.claims, running.pools);
    assert_int_equal(boot->granted, 40);
    assert_int_equal(dimm->granted, 10);
}

/* A balloon that takes more while the guest goes down leaves the sum as it was. */
static void
what_is_lost_meanwhile_is_kept_too(void **unused)
{
    g_auto(Ledger) before = ledger_new(), now = ledger_new(), start = ledger_new();

    add_pools(&before);
    add_held(&before, "boot", 40);
    add_held(&now, "boot", 40);
    ((MemoryClaim *) now.claims->pdata[0])->requested = 30;
    ((MemoryClaim *) now.claims->pdata[0])->current = 30;
    ((MemoryClaim *) now.claims->pdata[0])->wanted = 30;
    ledger_start(&start, "db", "boot", 60);
    memory_restart_extend(before.claims, start.claims, before.pools);
    ((MemoryClaim *) before.claims->pdata[1])->granted = 20;
    memory_restart_extend(now.claims, start.claims, before.pools);
    assert_int_equal(extra_of(&now, "memory"), 30);
    memory_restart_pass_on(now.claims, before.claims, before.pools);
    assert_int_equal(((const MemoryClaim *) now.claims->pdata[1])->granted, 30);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_much_needs_nothing),
        cmocka_unit_test(each_pool_counts_by_itself),
        cmocka_unit_test(blocks_pass_on_what_they_do_not_need),
        cmocka_unit_test(guarantee_goes_along),
        cmocka_unit_test(is_granted_as_one),
        cmocka_unit_test(start_gets_what_was_kept),
        cmocka_unit_test(what_is_lost_meanwhile_is_kept_too),
    };

    return cmocka_run_group_tests_name("memory-restart", tests, NULL, NULL);
}
