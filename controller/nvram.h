/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

#include "model/domain.h"

/* Makes the domain's variable store from its template when it is not there: once, whole or not at
 * all. One that is there is never touched. Domains without one: true. The errors name the file. */
bool nvram_provide(const Domain *domain, GError **error);
