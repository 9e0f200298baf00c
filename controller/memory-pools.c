/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How much memory there is to give away, by the kernel's word and the configuration's.
 *
 *     memory                       host.memory-budget; auto: ordinary - memory-reserve
 *     memory-node0, memory-node1   auto: ordinary of the node - its share of memory-reserve
 *     hugepages-2MiB               nr_hugepages and nr_overcommit_hugepages
 *     hugepages-2MiB-node0, …      nr_hugepages of the node, and what may be made anywhere
 *
 * Ordinary is MemTotal less what is set aside as huge pages, which no other memory can come out of.
 * A reserve is shared out among nodes by their size. A budget of a given size says nothing of
 * nodes: each can give what it has; where the budget is more than the host has, by the user's
 * choice, each node goes beyond what it has in the same proportion. With `none` ordinary memory is
 * unlimited; huge pages never are, since the kernel makes no more of them than it was told to.
 *
 * Nodes have pools only where there are several: with one, whatever is bound to it counts in the
 * host's pool all the same. A size of huge pages that the host knows and has none of is a pool of
 * nothing, so that who asks for some is told.
 *
 * A node beyond 63 has no bit in a pool's mask and gets no pool; what is bound to it counts in the
 * host's.
 */
#include "controller/memory-pools.h"

#include <string.h>

#define NODE_DIRECTORY "/sys/devices/system/node"
#define HUGE_PAGE_DIRECTORY "/sys/kernel/mm/hugepages"
#define HUGE_PAGE_PREFIX "hugepages-" /* "hugepages-2048kB" */
#define N_NODE_BITS 64u

static guint64
subtract(guint64 size, guint64 part)
{
    return size > part ? size - part : 0;
}

/* ---- reading ---- */

HostMemory *
host_memory_new(guint64 total)
{
    HostMemory *host = g_new0(HostMemory, 1);

    host->total = total;
    host->nodes = g_array_new(FALSE, FALSE, sizeof(HostNode));
    host->huge_pages = g_array_new(FALSE, FALSE, sizeof(HostHugePages));
    return host;
}

void
host_memory_free(HostMemory *host)
{
    if (!host)
        return;
    g_array_unref(host->nodes);
    g_array_unref(host->huge_pages);
    g_free(host);
}

guint64
meminfo_bytes(const char *meminfo, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = meminfo; (at = strstr(at, name)); at += length)
        if ((at == meminfo || g_ascii_isspace(at[-1])) && at[length] == ':')
            return g_ascii_strtoull(at + length + 1, NULL, 10) * 1024;
    return 0;
}

/* 0 where there is no such file: a kernel has them all or none. */
static guint64
read_number(const char *directory, const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autofree char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? g_ascii_strtoull(text, NULL, 10) : 0;
}

/* Surplus pages are among nr_hugepages while somebody has them, and were ordinary memory before. */
static void
read_huge_pages(HostMemory *host, const char *directory, gint node)
{
    g_autoptr(GDir) sizes = g_dir_open(directory, 0, NULL);
    const char *name;

    while (sizes && (name = g_dir_read_name(sizes))) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        HostHugePages pages = { .node = node };

        if (!g_str_has_prefix(name, HUGE_PAGE_PREFIX))
            continue;
        pages.page_size = g_ascii_strtoull(name + strlen(HUGE_PAGE_PREFIX), NULL, 10) * 1024;
        pages.reserved = pages.page_size * subtract(read_number(path, "nr_hugepages"),
                                                    read_number(path, "surplus_hugepages"));
        pages.extra = read_number(path, "nr_overcommit_hugepages") * pages.page_size;
        g_array_append_val(host->huge_pages, pages);
    }
}

static void
read_node(HostMemory *host, const char *directory, guint number)
{
    g_autofree char *meminfo_path = g_build_filename(directory, "meminfo", NULL);
    g_autofree char *huge_path = g_build_filename(directory, "hugepages", NULL);
    g_autofree char *meminfo = NULL;
    HostNode node = { .number = number };

    if (!g_file_get_contents(meminfo_path, &meminfo, NULL, NULL))
        return;
    node.total = meminfo_bytes(meminfo, "MemTotal");
    g_array_append_val(host->nodes, node);
    read_huge_pages(host, huge_path, (gint) number);
}

static void
read_nodes(HostMemory *host, const char *directory)
{
    g_autoptr(GDir) nodes = g_dir_open(directory, 0, NULL);
    const char *name;
    guint64 number;

    while (nodes && (name = g_dir_read_name(nodes))) {
        g_autofree char *path = g_build_filename(directory, name, NULL);

        if (g_str_has_prefix(name, "node") &&
            g_ascii_string_to_unsigned(name + 4, 10, 0, N_NODE_BITS - 1, &number, NULL))
            read_node(host, path, (guint) number);
    }
}

static int
compare_nodes(gconstpointer a, gconstpointer b)
{
    const HostNode *left = a, *right = b;

    return (int) left->number - (int) right->number;
}

static int
compare_huge_pages(gconstpointer a, gconstpointer b)
{
    const HostHugePages *left = a, *right = b;

    if (left->page_size != right->page_size)
        return left->page_size < right->page_size ? -1 : 1;
    return left->node - right->node;
}

HostMemory *
host_memory_read(const char *root, GError **error)
{
    g_autofree char *meminfo_path = g_strconcat(root, "/proc/meminfo", NULL);
    g_autofree char *node_path = g_strconcat(root, NODE_DIRECTORY, NULL);
    g_autofree char *huge_path = g_strconcat(root, HUGE_PAGE_DIRECTORY, NULL);
    g_autofree char *meminfo = NULL;
    g_autoptr(HostMemory) host = host_memory_new(0);

    if (!g_file_get_contents(meminfo_path, &meminfo, NULL, error))
        return NULL;
    host->total = meminfo_bytes(meminfo, "MemTotal");
    if (!host->total) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s: has no MemTotal",
                    meminfo_path);
        return NULL;
    }
    read_huge_pages(host, huge_path, HOST_NODE_ANY);
    read_nodes(host, node_path);
    g_array_sort(host->nodes, compare_nodes);
    g_array_sort(host->huge_pages, compare_huge_pages);
    return g_steal_pointer(&host);
}

/* ---- formulas ---- */

/* What of @size falls to @part of @whole. */
static guint64
share(guint64 size, guint64 part, guint64 whole)
{
    double exact = whole ? (double) size * (double) part / (double) whole : 0;

    return exact < (double) G_MAXINT64 ? (guint64) exact : G_MAXINT64;
}

guint64
host_memory_reserved(const HostMemory *host, gint node)
{
    guint64 size = 0;

    for (guint i = 0; i < host->huge_pages->len; i++) {
        const HostHugePages *pages = &g_array_index(host->huge_pages, HostHugePages, i);

        if (pages->node == node)
            size += pages->reserved;
    }
    return size;
}

static guint64
node_capacity(const Config *config, const HostMemory *host, const HostNode *node)
{
    guint64 reserved = host_memory_reserved(host, HOST_NODE_ANY);
    guint64 budget = config_memory_budget(config, host->total, reserved);
    guint64 host_ordinary = subtract(host->total, reserved);
    guint64 ordinary = subtract(node->total, host_memory_reserved(host, (gint) node->number));

    switch (config->memory_budget.form) {
    case BUDGET_AUTO:
        return subtract(ordinary, share(config->memory_reserve, node->total, host->total));
    case BUDGET_NONE:
        return MEMORY_POOL_UNLIMITED;
    case BUDGET_SIZE:
    case BUDGET_PERCENT:
        return budget > host_ordinary ? share(budget, ordinary, host_ordinary) : ordinary;
    }
    g_assert_not_reached();
}

static void
add_pool(GPtrArray *pools, const char *name, gint node, guint64 page_size, guint64 capacity)
{
    MemoryPool *pool = g_new0(MemoryPool, 1);

    pool->name = node == HOST_NODE_ANY ? g_strdup(name) : g_strdup_printf("%s-node%d", name, node);
    pool->page_size = page_size;
    pool->nodes = node == HOST_NODE_ANY ? 0 : G_GUINT64_CONSTANT(1) << node;
    pool->capacity = capacity;
    g_ptr_array_add(pools, pool);
}

/* "hugepages-2MiB". Caller frees. */
static char *
huge_page_pool_name(guint64 page_size)
{
    static const char *const units[] = { "KiB", "MiB", "GiB" };
    guint64 count = page_size >> 10;
    guint unit = 0;

    for (; unit < G_N_ELEMENTS(units) - 1 && count && count % 1024 == 0; unit++)
        count /= 1024;
    return g_strdup_printf(HUGE_PAGE_PREFIX "%" G_GUINT64_FORMAT "%s", count, units[unit]);
}

/* What may be made of huge pages beyond those that are there, the kernel says of the whole host. */
static guint64
extra_huge_pages(const HostMemory *host, guint64 page_size)
{
    guint64 extra = 0;

    for (guint i = 0; i < host->huge_pages->len; i++) {
        const HostHugePages *pages = &g_array_index(host->huge_pages, HostHugePages, i);

        if (pages->page_size == page_size)
            extra = MAX(extra, pages->extra);
    }
    return extra;
}

GPtrArray *
memory_pools_of(const Config *config, const HostMemory *host)
{
    GPtrArray *pools = g_ptr_array_new_with_free_func((GDestroyNotify) memory_pool_free);
    bool has_node_pools = host->nodes->len > 1;

    add_pool(pools, "memory", HOST_NODE_ANY, 0,
             config_memory_budget(config, host->total, host_memory_reserved(host, HOST_NODE_ANY)));
    for (guint i = 0; has_node_pools && i < host->nodes->len; i++) {
        const HostNode *node = &g_array_index(host->nodes, HostNode, i);

        add_pool(pools, "memory", (gint) node->number, 0, node_capacity(config, host, node));
    }
    for (guint i = 0; i < host->huge_pages->len; i++) {
        const HostHugePages *pages = &g_array_index(host->huge_pages, HostHugePages, i);
        g_autofree char *name = huge_page_pool_name(pages->page_size);

        if (pages->node == HOST_NODE_ANY || has_node_pools)
            add_pool(pools, name, pages->node, pages->page_size,
                     pages->reserved + extra_huge_pages(host, pages->page_size));
    }
    return pools;
}

GPtrArray *
memory_pools_read(const Config *config, const char *root, GError **error)
{
    g_autoptr(HostMemory) host = host_memory_read(root, error);

    return host ? memory_pools_of(config, host) : NULL;
}
