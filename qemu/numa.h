/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu/device.h"

/* -m, the boot memory's backend where there are no NUMA cells, -overcommit. */
void memory_spell_boot(const DeviceContext *context, CommandLine *line);
/* Cells, their backends and distances. */
void numa_spell(const DeviceContext *context, CommandLine *line);
/* The id of the boot memory's backend, for -machine; NULL when the cells have their own. */
const char *memory_boot_backend_id(const DeviceContext *context);
