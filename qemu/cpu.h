/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu/device.h"

/* -cpu. */
void cpu_spell(const DeviceContext *context, CommandLine *line);
/* -smp. */
void cpu_spell_topology(const DeviceContext *context, CommandLine *line);
