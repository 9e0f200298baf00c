/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

/*
 * Whether @device of @domain can be plugged into the running guest: its kind allows that
 * (DeviceKind.is_pluggable), and so does the bus it sits on. @running is the domain as it runs: a
 * bus that only @domain has must itself come by a controller that can be plugged.
 */
bool device_is_pluggable(const Domain *domain, const Domain *running, const DeviceKind *kind,
                         gconstpointer device);
/* Whether @device of the running @domain can be taken out of it, if the guest lets it go. */
bool device_is_unpluggable(const Domain *domain, const DeviceKind *kind, gconstpointer device);
