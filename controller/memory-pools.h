/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/config.h"
#include "model/memory-claim.h"

/*
 * HostMemory: what memory this machine has, as the kernel says it. Sizes are bytes.
 */
typedef struct HostNode {
    guint number;
    guint64 total; /* huge pages included */
} HostNode;

#define HOST_NODE_ANY (-1) /* the whole host */

/* Huge pages of one size, of one node or of the whole host. */
typedef struct HostHugePages {
    guint64 page_size;
    gint node;
    guint64 reserved; /* set aside: nothing else can have it (nr_hugepages) */
    guint64 extra;    /* may be made of ordinary memory when asked for (nr_overcommit_hugepages) */
} HostHugePages;

typedef struct HostMemory {
    guint64 total;      /* huge pages included */
    GArray *nodes;      /* HostNode, by number; empty where the kernel shows none */
    GArray *huge_pages; /* HostHugePages, by size, then the whole host and its nodes */
} HostMemory;

/* One of ordinary pages alone, without nodes. */
HostMemory *host_memory_new(guint64 total);
void host_memory_free(HostMemory *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HostMemory, host_memory_free)

/* Reads /proc/meminfo, /sys/kernel/mm/hugepages and /sys/devices/system/node below @root ("": the
 * real ones). What is not in /sys (a container) is left out; NULL with @error (G_FILE_ERROR,
 * G_IO_ERROR_INVALID_DATA) where MemTotal can't be read. */
HostMemory *host_memory_read(const char *root, GError **error);

/* Set aside as huge pages, of @node or HOST_NODE_ANY; bytes. */
guint64 host_memory_reserved(const HostMemory *host, gint node);

/* The budgets, MemoryPool: "memory", its nodes where there are several, and huge pages likewise. */
GPtrArray *memory_pools_of(const Config *config, const HostMemory *host);

/* Both in one. */
GPtrArray *memory_pools_read(const Config *config, const char *root, GError **error);

/* A line "NAME:   1234 kB" of /proc/meminfo or of a node's, in bytes; 0 when there is none. */
guint64 meminfo_bytes(const char *meminfo, const char *name);
