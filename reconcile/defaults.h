/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

/* Fills in what the file leaves open and libvirt's QEMU driver gives a fixed value: machine,
 * lifecycle actions, disk device and format, controller and network models, serial ports, video
 * memory. Values that QEMU's own defaults decide stay absent. */
void resolve_defaults(Domain *domain);
