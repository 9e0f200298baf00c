/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu/device.h"

/*
 * Plugging a device into a running QEMU and out of it, with everything behind it. Errors are
 * QMP_ERROR, QEMU's words prefixed with the command.
 */

/* Backends in order, then the device. What an earlier attempt left under the same ids is removed
 * first; after a failure nothing of this device is left. */
bool hot_plug_add(Monitor *monitor, const DeviceTrees *trees, GError **error);

/* Asks for the device @id to be taken out: QEMU tells the guest, which may take its time. Asked
 * again while QEMU still waits for the guest: true as well. *ret_is_gone: there is none any more.
 */
bool hot_plug_ask(Monitor *monitor, const char *id, bool *ret_is_gone, GError **error);

/* Removes what is left behind a device that has gone. */
bool hot_plug_sweep(Monitor *monitor, const DeviceTrees *trees, GError **error);

/* The backends alone, in order. After a failure those before it are there. */
bool hot_plug_add_backends(Monitor *monitor, const DeviceTrees *trees, GError **error);
/* Removes the objects or block nodes whose ids begin with @prefix, the uppermost first: what is
 * behind a drive, however it came there. */
bool hot_plug_sweep_named(Monitor *monitor, BackendKind kind, const char *prefix, GError **error);
