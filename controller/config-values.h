/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/config-keys.h"

/* Reading values of virtkeep.yaml: one setter for each KeyType. */
typedef struct ConfigContext {
    const char *directory; /* of the file, for relative paths */
    Diagnostics *diagnostics;
} ConfigContext;

/* Reads @node into @row's member of @config, or adds diagnostics (codes bad-type, bad-value,
 * unknown-key, missing-key). */
typedef void (*ConfigSetter)(ConfigContext *context, const ConfigKey *row, Config *config,
                             const YamlNode *node);
extern const ConfigSetter config_setters[]; /* by KeyType */

/* @node is of @type (or null, where a mapping or list is wanted); else a diagnostic about @name. */
bool config_expect(ConfigContext *context, const YamlNode *node, YamlType type, const char *name);

/* The member of @config that @row is about. */
#define config_member(config, row, Type) (*(Type *) ((char *) (config) + (row)->offset))
