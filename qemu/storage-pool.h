/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/storage-source.h"
#include "qemu/device.h"

/* Where a volume of a pool is: a file or device of this host, or a unit of an iSCSI server. */
typedef struct StoragePlace {
    char *path;     /* NULL: a server's */
    bool is_device; /* the path is a block device's */
    char *portal;   /* "host:3260" */
    const char *target;
    guint64 unit;
} StoragePlace;

/* False, and refused at @field/@pool, @mode or @volume, when there is no such place. For show there
 * always is one, and a warning says what is missing. */
bool storage_find_volume(const DeviceContext *context, const char *field,
                         const StorageSource *source, StoragePlace *ret_place);
void storage_place_clear(StoragePlace *place);
