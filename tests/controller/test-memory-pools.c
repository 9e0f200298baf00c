/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's memory from a tree made like /proc and /sys, and the budgets that follow from it and
 * the configuration. Expected pools are lines "NAME PAGE-SIZE NODES CAPACITY", in MiB and hex.
 */
#include "controller/memory-pools.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/scratch.h"

#define MIB G_GUINT64_CONSTANT(1048576)

static Config *
parse_config(const char *text)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("f.yaml");
    Config *config = config_parse("/conf/f.yaml", text, strlen(text), diagnostics);

    if (!config)
        fail_msg("%s", diagnostics_format(diagnostics));
    return config;
}

static void
write_meminfo(Scratch *scratch, guint64 total_mib)
{
    g_autofree char *text = g_strdup_printf("MemTotal:       %" G_GUINT64_FORMAT " kB\n"
                                            "MemFree:         1000 kB\n"
                                            "MemAvailable:    2000 kB\n",
                                            total_mib * 1024);

    g_free(scratch_write(scratch, "proc/meminfo", text));
}

static void
write_node(Scratch *scratch, guint node, guint64 total_mib)
{
    g_autofree char *name = g_strdup_printf("sys/devices/system/node/node%u/meminfo", node);
    g_autofree char *text = g_strdup_printf("\nNode %u MemTotal:       %" G_GUINT64_FORMAT " kB\n"
                                            "Node %u MemFree:         1000 kB\n",
                                            node, total_mib * 1024, node);

    g_free(scratch_write(scratch, name, text));
}

static void
write_number(Scratch *scratch, const char *directory, const char *name, guint number)
{
    g_autofree char *path = g_strconcat(directory, "/", name, NULL);
    g_autofree char *text = g_strdup_printf("%u\n", number);

    g_free(scratch_write(scratch, path, text));
}

/* @node -1: the whole host, which alone knows of @n_extra. */
static void
write_huge_pages(Scratch *scratch, gint node, const char *size, guint n, guint n_surplus,
                 guint n_extra)
{
    g_autofree char *parent = node < 0 ? g_strdup("sys/kernel/mm")
                                       : g_strdup_printf("sys/devices/system/node/node%d", node);
    g_autofree char *directory = g_strdup_printf("%s/hugepages/hugepages-%s", parent, size);

    write_number(scratch, directory, "nr_hugepages", n);
    write_number(scratch, directory, "surplus_hugepages", n_surplus);
    if (node < 0)
        write_number(scratch, directory, "nr_overcommit_hugepages", n_extra);
}

static void
assert_pools(Scratch *scratch, const char *yaml, const char *expected)
{
    g_autoptr(Config) config = parse_config(yaml);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) pools = memory_pools_read(config, scratch_dir(scratch), &error);
    g_autoptr(GString) text = g_string_new(NULL);

    if (!pools)
        fail_msg("%s", error->message);
    for (guint i = 0; i < pools->len; i++) {
        const MemoryPool *pool = pools->pdata[i];
        g_autofree char *capacity = pool->capacity == MEMORY_POOL_UNLIMITED
                                        ? g_strdup("unlimited")
                                        : g_strdup_printf("%.1f", (double) pool->capacity / MIB);

        g_string_append_printf(text, "%s %" G_GUINT64_FORMAT " %" G_GINT64_MODIFIER "x %s\n",
                               pool->name, pool->page_size / MIB, pool->nodes, capacity);
    }
    assert_string_equal(text->str, expected);
}

static void
test_one_node(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();

    write_meminfo(scratch, 16384);
    write_node(scratch, 0, 16384);
    write_huge_pages(scratch, -1, "2048kB", 512, 0, 0);
    write_huge_pages(scratch, 0, "2048kB", 512, 0, 0);
    write_huge_pages(scratch, -1, "1048576kB", 0, 0, 0);
    write_huge_pages(scratch, 0, "1048576kB", 0, 0, 0);
    assert_pools(scratch, "{}",
                 "memory 0 0 13312.0\n" /* 16384 - 1024 - 2048 */
                 "hugepages-2MiB 2 0 1024.0\n"
                 "hugepages-1GiB 1024 0 0.0\n");
    assert_pools(scratch, "host: { memory-reserve: 512MiB }",
                 "memory 0 0 14848.0\n"
                 "hugepages-2MiB 2 0 1024.0\n"
                 "hugepages-1GiB 1024 0 0.0\n");
    assert_pools(scratch, "host: { memory-reserve: 64GiB }",
                 "memory 0 0 0.0\n"
                 "hugepages-2MiB 2 0 1024.0\n"
                 "hugepages-1GiB 1024 0 0.0\n");
    assert_pools(scratch, "host: { memory-budget: none }",
                 "memory 0 0 unlimited\n"
                 "hugepages-2MiB 2 0 1024.0\n"
                 "hugepages-1GiB 1024 0 0.0\n");
    assert_pools(scratch, "host: { memory-budget: 3GiB }",
                 "memory 0 0 3072.0\n"
                 "hugepages-2MiB 2 0 1024.0\n"
                 "hugepages-1GiB 1024 0 0.0\n");
    assert_pools(scratch, "host: { memory-budget: 75% }",
                 "memory 0 0 12288.0\n"
                 "hugepages-2MiB 2 0 1024.0\n"
                 "hugepages-1GiB 1024 0 0.0\n");
}

/* Node 0 has 12 GiB, 2 of them in huge pages; node 1 has 4. */
static void
write_two_nodes(Scratch *scratch)
{
    write_meminfo(scratch, 16384);
    write_node(scratch, 0, 12288);
    write_node(scratch, 1, 4096);
    write_huge_pages(scratch, -1, "1048576kB", 2, 0, 0);
    write_huge_pages(scratch, 0, "1048576kB", 2, 0, 0);
    write_huge_pages(scratch, 1, "1048576kB", 0, 0, 0);
}

#define HUGE_PAGES_OF_TWO                                                                          \
    "hugepages-1GiB 1024 0 2048.0\n"                                                               \
    "hugepages-1GiB-node0 1024 1 2048.0\n"                                                         \
    "hugepages-1GiB-node1 1024 2 0.0\n"

static void
test_two_nodes(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();

    write_two_nodes(scratch);
    /* The reserve of 2048 falls to the nodes as 1536 and 512. */
    assert_pools(scratch, "{}",
                 "memory 0 0 12288.0\n"
                 "memory-node0 0 1 8704.0\n"
                 "memory-node1 0 2 3584.0\n" HUGE_PAGES_OF_TWO);
    assert_pools(scratch, "host: { memory-reserve: 64GiB }",
                 "memory 0 0 0.0\n"
                 "memory-node0 0 1 0.0\n"
                 "memory-node1 0 2 0.0\n" HUGE_PAGES_OF_TWO);
    assert_pools(scratch, "host: { memory-budget: none }",
                 "memory 0 0 unlimited\n"
                 "memory-node0 0 1 unlimited\n"
                 "memory-node1 0 2 unlimited\n" HUGE_PAGES_OF_TWO);
    /* A budget below what there is binds the host's pool alone. */
    assert_pools(scratch, "host: { memory-budget: 5GiB }",
                 "memory 0 0 5120.0\n"
                 "memory-node0 0 1 10240.0\n"
                 "memory-node1 0 2 4096.0\n" HUGE_PAGES_OF_TWO);
    /* 24 GiB of the 14 that are there: each node with 24/14 of what it has. */
    assert_pools(scratch, "host: { memory-budget: 150% }",
                 "memory 0 0 24576.0\n"
                 "memory-node0 0 1 17554.3\n"
                 "memory-node1 0 2 7021.7\n" HUGE_PAGES_OF_TWO);
}

/* 10 pages of which 4 came out of ordinary memory and go again, and at most 100 may come. */
static void
test_pages_made_on_demand(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();

    write_meminfo(scratch, 4096);
    write_node(scratch, 0, 2048);
    write_node(scratch, 1, 2048);
    write_huge_pages(scratch, -1, "2048kB", 10, 4, 100);
    write_huge_pages(scratch, 0, "2048kB", 10, 4, 0);
    write_huge_pages(scratch, 1, "2048kB", 0, 0, 0);
    assert_pools(scratch, "host: { memory-reserve: 0 }",
                 "memory 0 0 4084.0\n"
                 "memory-node0 0 1 2036.0\n"
                 "memory-node1 0 2 2048.0\n"
                 "hugepages-2MiB 2 0 212.0\n"
                 "hugepages-2MiB-node0 2 1 212.0\n"
                 "hugepages-2MiB-node1 2 2 200.0\n");
}

static void
test_nodes_by_number(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();

    write_meminfo(scratch, 4096);
    write_node(scratch, 63, 1024);
    write_node(scratch, 2, 1024);
    write_node(scratch, 10, 1024);
    write_node(scratch, 64, 1024); /* no bit for it */
    g_free(scratch_write(scratch, "sys/devices/system/node/online", "2,10,63-64\n"));
    assert_pools(scratch, "host: { memory-reserve: 0 }",
                 "memory 0 0 4096.0\n"
                 "memory-node2 0 4 1024.0\n"
                 "memory-node10 0 400 1024.0\n"
                 "memory-node63 0 8000000000000000 1024.0\n");
}

static void
test_without_sysfs(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();

    write_meminfo(scratch, 4096);
    assert_pools(scratch, "{}", "memory 0 0 2048.0\n");
}

static void
assert_unreadable(Scratch *scratch, const char *words)
{
    g_autoptr(Config) config = config_default(0);
    g_autoptr(GError) error = NULL;

    assert_null(memory_pools_read(config, scratch_dir(scratch), &error));
    assert_non_null(error);
    if (!strstr(error->message, "/proc/meminfo") || !strstr(error->message, words))
        fail_msg("not a clear message: %s", error->message);
}

static void
test_unreadable(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();

    assert_unreadable(scratch, "No such file");
    g_free(scratch_write(scratch, "proc/meminfo", "VmallocTotal: 5 kB\nSwapMemTotal: 3 kB\n"));
    assert_unreadable(scratch, "has no MemTotal");
}

/* The machine this runs on: something for guests, and in nodes not more than there is. */
static void
test_real_host(void **state)
{
    g_autoptr(Config) config = parse_config("host: { memory-reserve: 0 }");
    g_autoptr(GError) error = NULL;
    g_autoptr(HostMemory) host = host_memory_read("", &error);
    g_autoptr(GPtrArray) pools = memory_pools_read(config, "", &error);
    guint64 in_nodes = 0;

    assert_non_null(host);
    assert_non_null(pools);
    assert_string_equal(((MemoryPool *) pools->pdata[0])->name, "memory");
    assert_true(((MemoryPool *) pools->pdata[0])->capacity <= host->total);
    for (guint i = 0; i < host->nodes->len; i++)
        in_nodes += g_array_index(host->nodes, HostNode, i).total;
    assert_true(host->nodes->len == 0 || in_nodes >= host->total / 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_node),
        cmocka_unit_test(test_two_nodes),
        cmocka_unit_test(test_pages_made_on_demand),
        cmocka_unit_test(test_nodes_by_number),
        cmocka_unit_test(test_without_sysfs),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_real_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
