/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/chardev.h"
#include "model/storage-source.h"
#include "qemu/device.h"

/*
 * HostNeed: something that must be there on the host before a domain's QEMU can start. Collected
 * here without looking at the host; whoever plans looks.
 */
typedef enum {
    HOST_IMAGE,     /* a regular file */
    HOST_BLOCK,     /* a block device */
    HOST_CHARACTER, /* a character device */
    HOST_DIRECTORY,
    HOST_SOCKET, /* a UNIX socket that QEMU connects to */
    HOST_PIPE,   /* a FIFO */
    HOST_PLACE,  /* a file that QEMU makes: its directory */
    HOST_SECRET, /* a file that others can't read */
    HOST_ENTRY,  /* anything: an entry of sysfs */
} HostNeedKind;

typedef struct HostNeed {
    HostNeedKind kind;
    char *path;
    char *otherwise; /* what does as well; NULL = nothing */
    char *at;        /* path in the document */
    bool is_written;
    bool is_optional; /* the device is left out where it is not there */
} HostNeed;

/* What @domain needs. Refusals that no host can mend (what virtkeep does not launch) become
 * diagnostics, as does a pool that the configuration does not name. Caller unrefs (HostNeed). */
GPtrArray *host_needs(const Domain *domain, const HostFacts *facts, const PositionMap *positions,
                      Diagnostics *diagnostics);

/* What one device of it needs. Caller unrefs (HostNeed). */
GPtrArray *host_needs_of(const Domain *domain, const DeviceKind *kind, gconstpointer device,
                         const HostFacts *facts, Diagnostics *diagnostics);

/* For the kinds' files. @field is as for validation_error(). A NULL @path needs nothing. */
void need_add(const DeviceContext *context, GPtrArray *needs, HostNeedKind kind, const char *field,
              const char *path);
/* What was added last is written to, or something else does as well. */
void need_set_written(GPtrArray *needs);
void need_set_otherwise(GPtrArray *needs, const char *path);
/* What an image needs: @field is where its <source> stands ("source"). @source may be NULL. */
typedef struct StorageNeed {
    const char *field;
    int type, format; /* DiskType, DiskFormat */
    const StorageSource *source;
    const StorageAuth *auth;
    const StorageEncryption *encryption;
    bool is_written;
} StorageNeed;
void need_add_storage(const DeviceContext *context, GPtrArray *needs, const StorageNeed *storage);
/* A PCI device that QEMU opens itself, and what it opens it by. */
void need_add_pci(const DeviceContext *context, GPtrArray *needs, const char *field, guint domain,
                  guint bus, guint slot, guint function);
void need_add_chardev(const DeviceContext *context, GPtrArray *needs, const Chardev *chardev);
void need_add_secret(const DeviceContext *context, GPtrArray *needs, const char *field,
                     const SecretReference *secret);
