/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/spec.h"

/* Adds to @spec's diagnostics what a first start would be refused for, whatever the host: devices
 * without a place, two in one, buses that the machine hasn't got. For a valid @spec; nothing of it
 * changes otherwise. */
void spec_check_places(Spec *spec);
