/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/iothread.h"
#include "qemu/device.h"

/* I/O threads, the main loop's settings and throttle groups: objects that disks refer to. */
void io_spell(const DeviceContext *context, CommandLine *line);
/* One more, one less; one that a device uses is refused by QEMU. Errors are QMP_ERROR. */
bool iothread_add(Monitor *monitor, const Domain *domain, guint64 id, GError **error);
bool iothread_remove(Monitor *monitor, guint64 id, GError **error);
/* Tells what of their settings differs between @before (NULL: what QEMU has by itself) and @after.
 * The threads of @after are there. */
bool iothreads_update(Monitor *monitor, const Domain *before, const Domain *after, GError **error);
/* iothread= or iothread-vq-mapping= of a virtio device. Where this QEMU knows no mappings, their
 * first thread serves the whole device: that is the host's matter, the guest sees no difference. */
void device_tree_add_iothreads(const DeviceContext *context, Json *tree, const char *driver,
                               const OptUint *iothread, const GPtrArray *mappings);
