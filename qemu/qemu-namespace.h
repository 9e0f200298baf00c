/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu/device.h"

/* Arguments and environment of <qemu:commandline>; refused unless the facts allow it. */
void qemu_namespace_spell(const DeviceContext *context, CommandLine *line);
/* What <qemu:override> says of the device in @tree, done to it. */
void qemu_namespace_override(const DeviceContext *context, Json *tree);
