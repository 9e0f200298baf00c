/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/memory-claim.h"

#define REFERENCE_MOST_CLAIMS 256

/*
 * What serving everyone in order would give if all that is being given back had been: what each of
 * @claims ends with if nothing else happens. @asker's claims wait as memory_budget_allocate() has
 * it; NULL: those that wait already. At most REFERENCE_MOST_CLAIMS claims.
 */
void reference_ends(const GPtrArray *pools, const GPtrArray *claims, const char *asker,
                    guint64 *ret_ends);
