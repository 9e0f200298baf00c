/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu/device.h"

/* One piece of guest memory, in the domain's words. Sizes in bytes. */
typedef struct MemoryBackend {
    const char *id;
    guint64 size;
    guint64 page_size;     /* asked for by the piece itself; 0 = memoryBacking decides */
    OptUint node;          /* guest NUMA node; not set: boot memory without nodes */
    int access;            /* MemoryAccess; 0 = memoryBacking decides */
    int discard;           /* Tristate; absent = memoryBacking decides */
    const char *node_mask; /* host nodes; NULL = numatune decides */
    const char *file;      /* the file itself; NULL: what backs the rest */
    guint64 align;         /* bytes; 0 = QEMU's */
    bool is_pmem;          /* on persistent memory, which is there already */
    bool is_nvdimm;        /* preallocated unless it is */
    bool is_virtio_mem;    /* neither reserved nor preallocated: the device does that by blocks */
    bool is_default;       /* the machine's boot memory (-machine memory-backend=) */
    const char *field;     /* for refusals: "source/pagesize", "memoryBacking/hugepages" */
} MemoryBackend;

/* The tree of -object; refuses (no-huge-pages, no-memory-directory) what the host lacks. */
Json *memory_backend_tree(const DeviceContext *context, const MemoryBackend *backend);
/* The size of the huge pages behind @backend, bytes; 0 = ordinary pages. */
guint64 memory_backend_huge_page(const DeviceContext *context, const MemoryBackend *backend);
