/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"
#include "model/throttle.h"
#include "qemu/monitor.h"

/* The domain's groups of limits, as objects. */

/* The id of the group of that name; caller frees. */
char *throttle_group_id(const char *group);
/* The arguments of object-add; caller frees. */
Json *throttle_group_tree(const Throttle *group);

/* For qemu/domain-live.c. */
bool throttle_groups_are_same(const Domain *before, const Domain *after);
/* Makes those that are not there. */
bool throttle_groups_make(Monitor *monitor, const Domain *after, GError **error);
/* All of them: those that are there get their limits, those of no group of @after go. */
bool throttle_groups_set(Monitor *monitor, const Domain *after, GError **error);
