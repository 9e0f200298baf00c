/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/config-keys.h"

/* The defaults of policy keys as a user would write them; ended by a row without name. */
typedef struct ConfigPolicyDefault {
    const char *name, *text;
} ConfigPolicyDefault;

extern const ConfigPolicyDefault config_policy_defaults[];
