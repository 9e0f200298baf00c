/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/resolution.h"

/* Forgets the aliases that are not the user's own ("ua-…"): libvirt writes its generated ones
 * into what it prints, and reads them no more than we do. */
void drop_generated_aliases(Domain *domain);

/* Gives every device its QEMU id (address-assignment.md 5). Addresses must be there. */
void resolve_aliases(const Resolution *resolution);
