/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

/* Writes out what the file leaves open and libvirt's QEMU driver gives a fixed value: machine,
 * lifecycle actions, and of the devices what their kinds say (DeviceKind.fill_defaults). Values
 * that QEMU's own defaults decide stay absent. */
void resolve_defaults(Domain *domain);
