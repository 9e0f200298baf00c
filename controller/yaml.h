/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/diagnostic.h"

/*
 * YamlNode: one value of a parsed YAML document, with its position. Only yaml.c includes libyaml.
 *
 * Aliases, anchors, tags, merge keys and further documents are refused, a key written twice is an
 * error, and the limits hold before anything is built: a configuration file is small and plain.
 */
#define YAML_MAX_BYTES (1u << 20)
#define YAML_MAX_DEPTH 16u
#define YAML_MAX_NODES 20000u

typedef enum {
    YAML_SCALAR,
    YAML_SEQUENCE,
    YAML_MAPPING,
} YamlType;

typedef struct YamlNode {
    YamlType type;
    Position at;
    char *key;           /* in a mapping: the key's text; else NULL */
    Position key_at;     /* in a mapping: where the key stands */
    char *text;          /* scalar: its text, "" for null */
    bool is_null;        /* scalar: nothing, ~ or null, unquoted */
    GPtrArray *children; /* YamlNode*, in document order; sequence and mapping only */
} YamlNode;

/* Parses @length bytes. An empty document is an empty mapping. On any mistake adds diagnostics to
 * @diagnostics (codes yaml-syntax, yaml-too-large, yaml-too-deep, yaml-too-many, yaml-alias,
 * yaml-duplicate, yaml-key) and returns NULL. */
YamlNode *yaml_parse(const char *text, gsize length, Diagnostics *diagnostics);
void yaml_node_free(YamlNode *node);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(YamlNode, yaml_node_free)

/* "a mapping", "a list", "a single value": for messages. */
const char *yaml_type_name(YamlType type);
