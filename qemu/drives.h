/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/observed.h"
#include "qemu/monitor.h"

/*
 * The drives of a running QEMU (query-block): those of devices with an id, ObservedDrive* without
 * what the controller sets. Caller unrefs. Errors are QMP_ERROR.
 */
GPtrArray *drives_query(Monitor *monitor, GError **error);
