/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu/device.h"

/* -machine and -accel. */
void machine_spell(const DeviceContext *context, CommandLine *line);
/* -rtc. */
void machine_spell_clock(const DeviceContext *context, CommandLine *line);
/* -global and -watchdog-action: chipset parts that have no device of their own. */
void machine_spell_globals(const DeviceContext *context, CommandLine *line);
