/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu/device.h"

/* The block nodes of flash firmware. */
void firmware_spell_flash(const DeviceContext *context, CommandLine *line);
/* Appends pflash0, pflash1 and the firmware's other switches to the text of -machine. */
void firmware_add_machine(const Domain *domain, GString *text);
/* -bios. */
void firmware_spell_rom(const DeviceContext *context, CommandLine *line);
/* -boot, -kernel, -initrd, -append. */
void firmware_spell_boot(const DeviceContext *context, CommandLine *line);
