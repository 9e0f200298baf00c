/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/resolution.h"

/* Names the device behind each PCI controller and gives it its chassis, port and bus number
 * (address-assignment.md 2.2, end). Addresses must be there. */
void resolve_pci_numbers(const Resolution *resolution);
