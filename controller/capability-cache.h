/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/stat.h>

#include "model/capabilities.h"

/*
 * Capability cache: what was found out of an emulator, as a file of the user's
 * ($XDG_CACHE_HOME/virtkeep), for commands that have no state file to keep it in. Neither call
 * fails: what can't be kept is found out again.
 */

/* What is kept of @emulator, whose @status is as it was then; NULL: nothing that is good. */
Capabilities *capability_cache_get(const char *emulator, const struct stat *status);
void capability_cache_put(const char *emulator, const struct stat *status,
                          const Capabilities *capabilities);
