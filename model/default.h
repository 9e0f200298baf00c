/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/schema.h"

/* For DeviceKind.fill_defaults: give a member a value where it has none. */
static inline void
default_string(char **member, const char *value)
{
    if (!*member)
        *member = g_strdup(value);
}

static inline void
default_enum(int *member, int value)
{
    if (!*member)
        *member = value;
}

static inline void
default_uint(OptUint *member, guint64 value)
{
    if (!member->is_set)
        *member = (OptUint){ .value = value, .is_set = true };
}
