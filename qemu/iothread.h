/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/iothread.h"
#include "qemu/device.h"

/* I/O threads, the main loop's settings and throttle groups: objects that disks refer to. */
void io_spell(const DeviceContext *context, CommandLine *line);
/* iothread= or iothread-vq-mapping= of a virtio device. Where this QEMU knows no mappings, their
 * first thread serves the whole device: that is the host's matter, the guest sees no difference. */
void device_tree_add_iothreads(const DeviceContext *context, Json *tree, const char *driver,
                               const OptUint *iothread, const GPtrArray *mappings);
