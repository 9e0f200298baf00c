/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/resolution.h"

/*
 * Gives every PCI device its address, adding the PCI controllers that takes, and PCI controllers
 * their chassis and port numbers (address-assignment.md 2). Devices keep their ancestor's
 * address where it is still free and its bus still takes them.
 */
void resolve_pci_addresses(const Resolution *resolution);
