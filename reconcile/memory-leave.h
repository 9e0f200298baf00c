/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"
#include "model/observed.h"

/*
 * virtio-mem devices that the file has dropped. Which of the running QEMU's can be taken out is
 * Observed.can_unplug_memory's to say.
 */

/* Whether @applied has one that @desired has not. */
bool memory_is_leaving(const Domain *applied, const Domain *desired);

/* @desired with those that the guest still has memory of, asked for nothing: they are emptied
 * before they are taken out. NULL: there are none. Caller frees. */
Domain *memory_emptied(const Domain *applied, const Domain *desired, const Observed *observed);

/* Of @changes (Change*), the removals of such devices that this QEMU can do become live. */
void memory_lift(GPtrArray *changes, const Domain *applied, const Observed *observed);
