/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

typedef enum {
    FS_MOUNT = 1,
    FS_TEMPLATE,
    FS_FILE,
    FS_BLOCK,
    FS_RAM,
    FS_BIND,
    FS_VOLUME
} FilesystemType;
typedef enum { FS_PASSTHROUGH = 1, FS_MAPPED, FS_SQUASH } FilesystemAccess;
typedef enum {
    FS_DRIVER_PATH = 1,
    FS_DRIVER_HANDLE,
    FS_DRIVER_VIRTIOFS,
    FS_DRIVER_MTP,
    FS_DRIVER_LOOP,
    FS_DRIVER_NBD,
    FS_DRIVER_PLOOP
} FilesystemDriver;

typedef struct FilesystemIds {
    OptUint start, target, count;
} FilesystemIds;

typedef struct Filesystem {
    DeviceInfo info;
    int type, access, model, driver; /* model: VirtioModel of model/input.h */
    int write_policy;                /* 1: immediate */
    OptUint queue;                   /* virtiofs: entries of the queue */
    int multidevs;
    char *fmode, *dmode; /* octal */
    char *source, *socket, *target;
    bool is_readonly;
    VirtioOptions virtio;
    /* virtiofsd's */
    char *binary;
    int xattr, posix_lock, flock; /* on/off */
    int cache, sandbox;
    OptUint thread_pool, open_files;
    GPtrArray *uids, *gids; /* FilesystemIds */
} Filesystem;

extern const DeviceKind filesystem_kind;
