/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/json.h"

/* The -chardev form of chardev-add's arguments ({"id":…, "backend":{"type":…, "data":{…}}}).
 * Caller frees. */
char *chardev_option_text(const Json *properties);
