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

/* The part of it that devices may refer to, and that is not there yet: before they are plugged or
 * changed. */
bool domain_live_make(Monitor *monitor, const Domain *before, const Domain *after, GError **error);
