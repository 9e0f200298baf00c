/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/disk.h"
#include "qemu/device.h"

/* Changing the disks of a running QEMU (model/disk-change.c says which changes). */

/* The spelling's update: @after is @before with what changes live. */
bool disk_update(const DeviceContext *context, Monitor *monitor, gconstpointer before,
                 gconstpointer after, GError **error);
/* The spelling's part: takes the medium out of a drive that is to leave. */
void disk_part(Monitor *monitor, gconstpointer device);
/* The spelling's sweep: the nodes of all media of a drive that is gone. */
bool disk_sweep(Monitor *monitor, gconstpointer device, GError **error);
/* Whether @node (NULL = none) is what @disk has in its drive, under one of the two names that it can
 * have. */
bool disk_is_own_medium(const Disk *disk, const char *node);
/* Tells QEMU the disk's own <iotune>; without one, that there is no limit. */
bool disk_set_limits(Monitor *monitor, const Disk *disk, GError **error);
/* Bytes that the host has of a raw image in a file or block device now, 0 = can't be said: another
 * kind of disk, or it is not there. The guest sees another size where the image has grown. */
guint64 disk_image_size(const Disk *disk);
