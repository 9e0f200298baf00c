/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

/* A piece of guest memory as the domain describes it: boot memory, a NUMA cell, a memory device. */
typedef struct MemoryPiece {
    guint64 page_size;     /* asked for by the piece itself, bytes; 0 = memoryBacking decides */
    OptUint node;          /* guest NUMA node; not set: boot memory without nodes */
    const char *node_mask; /* host nodes; NULL = numatune decides */
} MemoryPiece;

/* Whether the pages behind @piece are huge, of the size that is the host's default. */
bool memory_piece_has_default_pages(const Domain *domain, const MemoryPiece *piece);
/* The size of the huge pages behind @piece, bytes; 0 = ordinary ones. @page_size: of the system's
 * ordinary pages; @default_huge_page: of its default huge ones, 0 = it has none. */
guint64 memory_piece_huge_page(const Domain *domain, const MemoryPiece *piece, guint64 page_size,
                               guint64 default_huge_page);
/* The host nodes that @piece comes from, a canonical set; NULL = any. How firmly, in @ret_mode:
 * NUMA_MODE_STRICT binds, by restrictive the backend is told nothing (NULL). */
const char *memory_piece_host_nodes(const Domain *domain, const MemoryPiece *piece,
                                    NumaMode *ret_mode);
