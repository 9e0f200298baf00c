/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

/* <memory model='…'>: memory devices. virtio-mem is the one virtkeep steps. */
typedef enum {
    MEMORY_MODEL_VIRTIO_MEM = 1,
    MEMORY_MODEL_DIMM,
    MEMORY_MODEL_NVDIMM,
    MEMORY_MODEL_VIRTIO_PMEM,
    MEMORY_MODEL_SGX_EPC,
} MemoryModel;

typedef struct MemoryDevice {
    DeviceInfo info;
    int model;  /* MemoryModel */
    int access; /* MemoryAccess */
    int discard; /* yes/no */
    OptUint page_size; /* source/pagesize, bytes */
    char *node_mask;   /* host NUMA nodes */
    OptUint size;      /* the cap, bytes */
    OptUint node;      /* guest NUMA node */
    OptUint block, requested; /* bytes */
    int dynamic_memslots;     /* yes/no */
    char *path;               /* nvdimm, virtio-pmem: the file behind it */
    OptUint align, label_size; /* nvdimm, bytes */
    bool is_pmem, is_readonly; /* nvdimm */
    char *uuid;                /* nvdimm on pseries */
    OptUint base; /* target/address/@base: guest physical address */
} MemoryDevice;

extern const DeviceKind memory_kind;

/* The device with that id; NULL: there is none, or @domain is NULL. */
const MemoryDevice *domain_find_memory(const Domain *domain, const char *id);
/* The least block-size of this host's rule (virtio-mem.md): the transparent huge page size. Host
 * facts are passed in: @thp_size in bytes, 2 MiB when unknown. Reports block-below-thp. */
void memory_validate_host(const Domain *domain, const PositionMap *positions, guint64 thp_size,
                          Diagnostics *diagnostics);
/* Huge page size that backs the device, bytes; 0 = the system's page size. */
guint64 memory_device_page_size(const Domain *domain, const MemoryDevice *memory);
