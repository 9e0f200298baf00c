/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"
#include "model/observed.h"

/* Appends a Change* (model/schema.h), live, for each disk of both domains whose image on the
 * host (@observed) has become larger than its guest sees it. */
void disk_growth_add(GPtrArray *changes, const Domain *applied, const Domain *desired,
                     const Observed *observed, const PositionMap *positions);
