/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/config.h"
#include "controller/yaml.h"

/*
 * ConfigKey: one key of virtkeep.yaml. The rows yield reading, defaults, the list of what may
 * stand in a place, and docs/configuration.md. The keys of a policy are not here: they are the
 * attributes of model/policy.h's schema, "memory-step" being `memory: { step: … }`.
 */
typedef enum {
    KEY_PATH,      /* char*: absolute, or from the file's directory */
    KEY_DURATION,  /* gint64, us */
    KEY_SIZE,      /* guint64, bytes */
    KEY_BUDGET,    /* ConfigBudget: auto, none, a size or a percentage */
    KEY_COUNT,     /* guint */
    KEY_PERCENT,   /* guint: "25%" */
    KEY_POLICY,    /* PolicyOverrides: a mapping by policy_schema */
    KEY_OVERRIDES, /* GPtrArray* of ConfigOverride* */
    KEY_NETWORKS,  /* GPtrArray* of ConfigNetwork* */
    KEY_POOLS,     /* GPtrArray* of ConfigPool* */
    KEY_HELPERS,   /* GPtrArray* of ConfigPool*: by a program's name */
    KEY_SWITCH,    /* gboolean: true or false */
    KEY_FILES,     /* GPtrArray* of char*: absolute paths, at least one */
} KeyType;

typedef struct ConfigKey {
    const char *path; /* "host/memory-budget" */
    KeyType type;
    size_t offset;
    guint64 min, max;          /* of numbers, durations (us), sizes (bytes); max 0 = no bound */
    const char *fallback;      /* the default, as YAML */
    const char *user_fallback; /* KEY_PATH: for anyone but root; "$XDG_…" is expanded */
    const char *doc;
} ConfigKey;

extern const ConfigKey config_keys[]; /* ended by a row without path */

/* Fills in every member of @config that is not set yet by its row's default for @uid. */
void config_set_defaults(Config *config, uid_t uid);
/* Reads the document @root into @config, whose file names the directory for relative paths. */
void config_read(Config *config, const YamlNode *root, Diagnostics *diagnostics);

/* The policy schema's row for a key, e.g. "memory-step"; NULL when there is none. */
const Field *config_policy_field(const char *name);

Config *config_new(void);
void config_override_free(gpointer override);
void config_network_free(gpointer network);
void config_pool_free(gpointer pool);
