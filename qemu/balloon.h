/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"
#include "qemu/monitor.h"

/* Before the guest runs: its balloon's first target, where <currentMemory> leaves out some of what
 * the balloon counts. One command or none. False with @error: QEMU's words. */
bool balloon_inflate(Monitor *monitor, const Domain *domain, GError **error);
