/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

/*
 * Which device of one domain is which of another. Devices are the same when they have the same
 * alias, else the same key (a disk's target, an interface's MAC address); a device without key on
 * either side takes, of those left over, the one it differs least from.
 *
 * Returns a table from devices of @domain to devices of @other, both borrowed; devices without a
 * counterpart are absent. Caller unrefs.
 */
GHashTable *device_match(const Domain *domain, const Domain *other);
