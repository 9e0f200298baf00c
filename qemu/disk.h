/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/disk.h"

/* What a disk's parts are called in QEMU (disk.c), for those who change them. */

/* Whether QEMU has an image for it: not where there is no medium, nor where a vhost-user server
 * has it. */
bool disk_has_medium(const Disk *disk);
/* The node its device is given, the topmost filter or the image; NULL without medium. Caller
 * frees. */
char *disk_drive_node(const Disk *disk);
/* The image's own topmost node, below all filters; NULL without medium. Caller frees. */
char *disk_image_node(const Disk *disk);
/* The QOM path or id of what has the drive. Caller frees. */
char *disk_drive_owner(const Disk *disk);
