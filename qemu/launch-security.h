/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu/device.h"

/* The object that -machine names as confidential-guest-support. */
#define LAUNCH_SECURITY_ID "lsec0"
void launch_security_spell(const DeviceContext *context, CommandLine *line);
