/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"
#include "qemu/monitor.h"

/*
 * Tells a running QEMU the boot index of each of @domain's devices that has one and is there. The
 * firmware reads them at the guest's next reset. Errors are QMP_ERROR.
 */
bool boot_order_settle(Monitor *monitor, const Domain *domain, GError **error);
