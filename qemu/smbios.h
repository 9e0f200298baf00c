/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu/device.h"

/* SMBIOS strings, fw_cfg files, ACPI tables and the VM Generation ID: what firmware hands on. */
void smbios_spell(const DeviceContext *context, CommandLine *line);
