/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/resolution.h"

/* Gives disks on drive buses without an address the one their target's name says
 * (address-assignment.md 1) and makes partial ones whole. Two disks on one address are an error. */
void resolve_drive_addresses(const Resolution *resolution);
