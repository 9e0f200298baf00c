/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which pages and which of the host's nodes a piece of guest memory comes from. Two have to agree
 * on it: the command line, which makes it so, and the budget of the host's memory, which counts it
 * before there is a QEMU.
 *
 * The rules are libvirt's (formatdomain "Memory Backing", "NUMA Node Tuning"): what the piece says
 * itself, else what is said for its guest node, else what is said for the domain. Pages that are
 * "huge" of the system's ordinary size are ordinary.
 */
#include "model/memory-backing.h"

#include "model/memory.h"

static guint64
declared_page_size(const Domain *domain, const MemoryPiece *piece)
{
    MemoryDevice device = { .node = piece->node };

    device.page_size.is_set = piece->page_size != 0;
    device.page_size.value = piece->page_size;
    return memory_device_page_size(domain, &device);
}

bool
memory_piece_has_default_pages(const Domain *domain, const MemoryPiece *piece)
{
    return domain->has_huge_pages && !list_length(domain->huge_pages) &&
           !declared_page_size(domain, piece);
}

guint64
memory_piece_huge_page(const Domain *domain, const MemoryPiece *piece, guint64 page_size,
                       guint64 default_huge_page)
{
    guint64 size = memory_piece_has_default_pages(domain, piece)
                       ? default_huge_page
                       : declared_page_size(domain, piece);

    return size == page_size ? 0 : size;
}

const char *
memory_piece_host_nodes(const Domain *domain, const MemoryPiece *piece, NumaMode *ret_mode)
{
    const char *mask = piece->node_mask ? piece->node_mask : domain->numa_nodeset;
    int mode = domain->numa_mode;

    for (guint i = 0; piece->node.is_set && i < list_length(domain->memory_nodes); i++) {
        const MemoryNode *node = list_at(domain->memory_nodes, i, MemoryNode);

        if (node->cell.value != piece->node.value)
            continue;
        mode = node->mode;
        mask = piece->node_mask ? piece->node_mask : node->nodeset;
    }
    *ret_mode = mode ? (NumaMode) mode : NUMA_MODE_STRICT;
    return *ret_mode == NUMA_MODE_RESTRICTIVE ? NULL : mask;
}
