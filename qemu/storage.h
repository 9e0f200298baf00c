/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/storage-source.h"
#include "qemu/device.h"
#include "qemu/storage-pool.h"

/*
 * Block nodes of one image: what does the I/O, and, where needed, a slice and a format above it.
 * Whoever has images (disks, firmware stores, SCSI host devices) spells them with this.
 */
typedef struct StorageNode {
    const char *name; /* prefix of the nodes' names: "vda"; at most 16 bytes count */
    int type, format; /* DiskType, DiskFormat */
    const StorageSource *source;
    const StorageAuth *auth;             /* may be NULL */
    const StorageEncryption *encryption; /* may be NULL */
    const char *path;                    /* for diagnostics: where <source> stands, or NULL */
    bool is_read_only, is_floppy, is_cdrom;
    bool has_cache, is_direct, no_flush;
    const char *aio, *discard, *detect_zeroes; /* QEMU's words; NULL = say nothing */
    int discard_no_unref;                      /* Tristate */
    OptUint metadata_cache;                    /* bytes */
    const char *backing;                       /* node of the image behind it; NULL = none said */
    bool ends_chain;                           /* nothing is behind it, whatever its header says */
} StorageNode;

/* Appends nodes and what they refer to; the topmost node's name. Caller frees. */
char *storage_add(const DeviceContext *context, const StorageNode *node, GPtrArray *backends);
/* That name alone. Caller frees. */
char *storage_top_node(const StorageNode *node);
/* "<name>-<part>", short enough for QEMU. Caller frees. */
char *storage_node_name(const char *name, const char *part);

/* Where the domain's own helper for persistent reservations listens. Caller frees. */
char *storage_reservations_socket(const DeviceContext *context);

/* For storage.c: the properties of a unit of an iSCSI pool, and of a network source. @id is the
 * node's name. */
void storage_add_iscsi(const DeviceContext *context, const StoragePlace *place, Json *tree);
void storage_add_network(const DeviceContext *context, const StorageNode *node, const char *id,
                         Json *tree, GPtrArray *backends);
