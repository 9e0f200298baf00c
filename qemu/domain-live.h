/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"
#include "qemu/monitor.h"

/*
 * Tells a running QEMU what of the domain's own fields (not its devices') differs between @before
 * and @after and can change while the guest runs. Doing it twice is harmless. Errors are
 * QMP_ERROR.
 */
bool domain_live_update(Monitor *monitor, const Domain *before, const Domain *after,
                        GError **error);
