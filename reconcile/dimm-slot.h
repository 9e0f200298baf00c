/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/resolution.h"

/* Gives each device on BUS_DIMM its slot (address-assignment.md 4): its ancestor's, else the
 * lowest free one below maxMemory's slots. */
void resolve_dimm_slots(const Resolution *resolution);
