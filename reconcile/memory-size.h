/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

/*
 * The sizes QEMU is given, as libvirt makes them of a file's (qemuDomainAlignMemorySizes and its
 * parsing of newly defined domains; ../shared/libvirt/virtio-mem.md):
 * - <maxMemory> without NUMA cells: one cell with all vcpus and the total less the memory devices
 *   is added, and devices without <node> belong to it;
 * - NUMA cells, boot memory and maxMemory are rounded up to 1 MiB, memory devices to 2 MiB, and
 *   the total is their sum; currentMemory is the total where the file gives none.
 * NULL, or what is wrong (static): nothing left to boot from, sizes beyond 256 PiB. The domain is
 * then of no use.
 */
const char *resolve_memory_sizes(Domain *domain);
