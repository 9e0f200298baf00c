/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/pci-placement.h"

/* Places that a machine's chipset fixes or prefers (address-assignment.md 2.3). */

/* Gives the controllers that are part of the chipset their only possible address; another one in
 * the file is an error. */
void chipset_fix(const Resolution *resolution);

/* Takes the functions of the chipset's parts that no file speaks of. */
void chipset_reserve(PciMap *map, bool is_q35);

/* Places devices that have a usual place, if it is free: the first video card, the first ICH9 USB
 * controllers, a dmi-to-pci-bridge. */
void chipset_prefer(PciPlacement *placement);
