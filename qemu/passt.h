/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/interface.h"
#include "qemu/device.h"

/* passt, which connects interfaces to the host's network without any privilege. */

/* Where it listens; caller frees. */
char *passt_socket(const DeviceContext *context, const Interface *interface);
/* The hook `companions` of interfaces: nothing for those that aren't passt's. */
void passt_companions(const DeviceContext *context, gconstpointer device, GPtrArray *companions);
