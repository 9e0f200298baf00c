/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stands behind guest memory. Boot memory, NUMA cells and memory devices all ask here, since
 * they follow the same rules (libvirt, formatdomain "Memory Backing", "NUMA Node Tuning"): from the
 * piece itself, else from its cell, else from <memoryBacking>. Those about pages and host nodes are
 * shared with the host's memory budget and stand in model/memory-backing.c.
 *
 *     source type memfd            memory-backend-memfd, huge pages by hugetlbsize
 *     huge pages, access or file   memory-backend-file in the hugetlbfs or the memory directory
 *     otherwise                    memory-backend-ram
 *
 * A mem-path is always a directory: QEMU then makes a nameless file in it, which no crash can leave
 * behind. virtio-mem memory is never reserved (reserve=false), which is the point of it, and never
 * preallocated as a whole: the device preallocates block by block as it plugs.
 */
#include "qemu/memory-backend.h"

#include "model/memory-backing.h"
#include "model/quantity.h"

static const char *const policy_names[] = {
    [NUMA_MODE_STRICT] = "bind",
    [NUMA_MODE_PREFERRED] = "preferred",
    [NUMA_MODE_INTERLEAVE] = "interleave",
    [NUMA_MODE_RESTRICTIVE] = NULL, /* cgroups only */
};

static MemoryPiece
piece_of(const MemoryBackend *backend)
{
    return (MemoryPiece){ .page_size = backend->page_size,
                          .node = backend->node,
                          .node_mask = backend->node_mask };
}

guint64
memory_backend_huge_page(const DeviceContext *context, const MemoryBackend *backend)
{
    const Domain *domain = context->at.domain;
    const HostFacts *facts = context->facts;
    MemoryPiece piece = piece_of(backend);

    if (backend->file)
        return 0;
    if (!facts->default_huge_page && memory_piece_has_default_pages(domain, &piece))
        validation_error(&context->at, backend->field, "no-huge-pages",
                         "this host has no huge pages");
    return memory_piece_huge_page(domain, &piece, facts->page_size, facts->default_huge_page);
}

static const NumaCell *
find_cell(const Domain *domain, const OptUint *node)
{
    for (guint i = 0; node->is_set && i < list_length(domain->cells); i++) {
        const NumaCell *cell = list_at(domain->cells, i, NumaCell);

        if ((cell->id.is_set ? cell->id.value : i) == node->value)
            return cell;
    }
    return NULL;
}

static int
effective_access(const Domain *domain, const MemoryBackend *backend)
{
    const NumaCell *cell = find_cell(domain, &backend->node);

    if (backend->access)
        return backend->access;
    if (cell && cell->access)
        return cell->access;
    return domain->memory_access;
}

static Tristate
effective_discard(const Domain *domain, const MemoryBackend *backend)
{
    const NumaCell *cell = find_cell(domain, &backend->node);

    if (backend->discard)
        return backend->discard;
    if (cell && cell->discard)
        return cell->discard;
    return domain->is_discard ? TRISTATE_ON : TRISTATE_ABSENT;
}

static const char *
backend_type(const Domain *domain, const MemoryBackend *backend, guint64 huge_page, int access)
{
    if (backend->file)
        return "memory-backend-file";
    if (domain->memory_source == MEMORY_SOURCE_MEMFD)
        return "memory-backend-memfd";
    if (huge_page || access || domain->memory_source == MEMORY_SOURCE_FILE)
        return "memory-backend-file";
    return "memory-backend-ram";
}

static void
add_path(const DeviceContext *context, const MemoryBackend *backend, guint64 huge_page, Json *tree)
{
    const char *directory = context->facts->memory_directory;

    if (backend->file)
        return json_set_string(tree, "mem-path", backend->file);
    if (huge_page) {
        g_autofree char *size = size_text(huge_page);

        directory = host_facts_huge_page_mount(context->facts, huge_page);
        if (!directory)
            validation_error(&context->at, backend->field, "no-huge-pages",
                             "no huge pages of %s are mounted on this host", size);
    } else if (!directory) {
        validation_error(&context->at, NULL, "no-memory-directory",
                         "there is no directory for guest memory backed by files");
    }
    json_set_string(tree, "mem-path", directory);
}

static void
add_host_nodes(const Domain *domain, const MemoryBackend *backend, Json *tree)
{
    MemoryPiece piece = piece_of(backend);
    NumaMode mode;
    const char *mask = memory_piece_host_nodes(domain, &piece, &mode);
    g_autoptr(GArray) members = NULL;
    Json *nodes;

    if (!mask)
        return;
    members = cpuset_members(mask);
    nodes = json_new_array();
    for (guint i = 0; i < members->len; i++)
        json_append(nodes, json_new_uint(g_array_index(members, guint, i)));
    json_set(tree, "host-nodes", nodes);
    json_set_string(tree, "policy", policy_names[mode]);
}

static void
add_allocation(const DeviceContext *context, const MemoryBackend *backend, guint64 huge_page,
               const char *type, Json *tree)
{
    const Domain *domain = context->at.domain;
    bool is_immediate = huge_page || domain->memory_allocation == ALLOCATION_IMMEDIATE ||
                        (backend->is_nvdimm && !backend->is_pmem);

    if (backend->is_virtio_mem) {
        if (capabilities_has_object_property(context->capabilities, type, "reserve"))
            json_set_bool(tree, "reserve", false);
        return;
    }
    if (!is_immediate || backend->is_pmem || (backend->file && !backend->is_nvdimm))
        return;
    json_set_bool(tree, "prealloc", true);
    if (domain->allocation_threads.is_set)
        json_set_uint(tree, "prealloc-threads", domain->allocation_threads.value);
}

Json *
memory_backend_tree(const DeviceContext *context, const MemoryBackend *backend)
{
    const Domain *domain = context->at.domain;
    guint64 huge_page = memory_backend_huge_page(context, backend);
    int access = effective_access(domain, backend);
    const char *type = backend_type(domain, backend, huge_page, access);
    Tristate discard = effective_discard(domain, backend);
    bool is_file = g_str_equal(type, "memory-backend-file");
    bool is_memfd = g_str_equal(type, "memory-backend-memfd");
    Json *tree = json_new_object();

    if (!capabilities_has_object(context->capabilities, type))
        validation_error(&context->at, NULL, "not-in-qemu", "this QEMU has no object '%s'", type);
    json_set_string(tree, "qom-type", type);
    json_set_string(tree, "id", backend->id);
    if (is_file)
        add_path(context, backend, huge_page, tree);
    if (is_memfd && huge_page) {
        json_set_bool(tree, "hugetlb", true);
        json_set_uint(tree, "hugetlbsize", huge_page);
    }
    if (is_file && discard)
        json_set_bool(tree, "discard-data", discard == TRISTATE_ON);
    if (access)
        json_set_bool(tree, "share", access == MEMORY_ACCESS_SHARED);
    /* The block of boot memory keeps its plain name ("pc.ram") whatever it is backed by. */
    if (backend->is_default && (is_file || is_memfd))
        json_set_bool(tree, "x-use-canonical-path-for-ramblock-id", false);
    add_allocation(context, backend, huge_page, type, tree);
    json_set_uint(tree, "size", backend->size);
    if (backend->align)
        json_set_uint(tree, "align", backend->align);
    if (backend->is_pmem)
        json_set_bool(tree, "pmem", true);
    add_host_nodes(domain, backend, tree);
    return tree;
}
