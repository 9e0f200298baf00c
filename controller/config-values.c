/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What reads the values of virtkeep.yaml, one setter a type of key.
 *
 * A setter gets any node and answers for its shape: a list where a size belongs is a mistake at
 * that line, not a crash and not a guess. It writes its member only when the value is good, and
 * goes on after a mistake, so that a file's mistakes are reported at once.
 *
 * Policies have no list of keys here: a key is looked up among the attributes of
 * model/policy.h's schema and its value checked by policy_check(), so that a new policy attribute
 * can be written in the configuration without a change to this file.
 */
#include "controller/config-values.h"

#include <string.h>

#include "model/interface.h"
#include "model/memory-claim.h"
#include "model/quantity.h"
#include "qemu/companion.h"

#define ISCSI_PORT 3260
#define BUDGET_MAX_PERCENT 1000u
#define INTERFACE_NAME_MAX 15u /* linux/if.h: IFNAMSIZ with its NUL */

#define mistake(context, at, code, ...)                                                            \
    diagnostics_add((context)->diagnostics, SEVERITY_ERROR, at, code, __VA_ARGS__)

void
config_override_free(gpointer data)
{
    ConfigOverride *override = data;

    g_free(override->match);
    schema_clear(&policy_schema, &override->policy);
    g_free(override);
}

void
config_network_free(gpointer data)
{
    ConfigNetwork *network = data;

    g_free(network->name);
    g_free(network->to.bridge);
    g_free(network->to.direct);
    g_free(network);
}

void
config_pool_free(gpointer data)
{
    ConfigPool *pool = data;

    g_free(pool->name);
    g_free(pool->path);
    g_free(pool->host);
    g_free(pool->target);
    g_free(pool);
}

bool
config_expect(ConfigContext *context, const YamlNode *node, YamlType type, const char *name)
{
    if (node->type == type)
        return true;
    if (node->type == YAML_SCALAR && node->is_null && type != YAML_SCALAR)
        return true; /* "policy:" with nothing behind it; callers see no children */
    mistake(context, node->at, "bad-type", "'%s' must be %s, not %s", name, yaml_type_name(type),
            yaml_type_name(node->type));
    return false;
}

static guint
n_children(const YamlNode *node)
{
    return node->children ? node->children->len : 0;
}

/* A value's text; NULL after a diagnostic. */
static const char *
scalar_text(ConfigContext *context, const YamlNode *node, const char *name)
{
    if (!config_expect(context, node, YAML_SCALAR, name))
        return NULL;
    if (*node->text)
        return node->text;
    mistake(context, node->at, "bad-value", "'%s' has no value", name);
    return NULL;
}

/* ---- values ---- */

static char *
read_path(ConfigContext *context, const YamlNode *node, const char *name)
{
    const char *text = scalar_text(context, node, name);

    if (!text)
        return NULL;
    if (*text == '~') {
        mistake(context, node->at, "bad-value", "'%s': '~' has no meaning here; write the path out",
                name);
        return NULL;
    }
    return g_canonicalize_filename(text, context->directory);
}

static void
set_path(ConfigContext *context, const ConfigKey *row, Config *config, const YamlNode *node)
{
    char *path = read_path(context, node, row->path);

    if (!path)
        return;
    g_free(config_member(config, row, char *));
    config_member(config, row, char *) = path;
}

static bool
in_bounds(ConfigContext *context, const ConfigKey *row, const YamlNode *node, guint64 value)
{
    if (value >= row->min && (!row->max || value <= row->max))
        return true;
    mistake(context, node->at, "bad-value", "'%s': %s is too %s", row->path, node->text,
            value < row->min ? "small" : "large");
    return false;
}

static void
set_duration(ConfigContext *context, const ConfigKey *row, Config *config, const YamlNode *node)
{
    const char *text = scalar_text(context, node, row->path);
    gint64 duration;

    if (!text)
        return;
    if (!duration_parse(text, &duration) || duration < 0)
        mistake(context, node->at, "bad-value", "'%s': '%s' is not a duration such as 200ms or 5m",
                row->path, text);
    else if (in_bounds(context, row, node, duration))
        config_member(config, row, gint64) = duration;
}

static void
set_size(ConfigContext *context, const ConfigKey *row, Config *config, const YamlNode *node)
{
    const char *text = scalar_text(context, node, row->path);
    guint64 size;

    if (!text)
        return;
    if (!size_parse(text, &size))
        mistake(context, node->at, "bad-value", "'%s': '%s' is not a size such as 2GiB", row->path,
                text);
    else if (in_bounds(context, row, node, size))
        config_member(config, row, guint64) = size;
}

/* "25%" as 25. */
static bool
parse_percent(const char *text, guint64 max, guint64 *ret_percent)
{
    g_autofree char *digits =
        g_str_has_suffix(text, "%") ? g_strndup(text, strlen(text) - 1) : NULL;

    return digits && g_ascii_string_to_unsigned(digits, 10, 0, max, ret_percent, NULL);
}

static void
set_budget(ConfigContext *context, const ConfigKey *row, Config *config, const YamlNode *node)
{
    const char *text = scalar_text(context, node, row->path);
    ConfigBudget budget = { BUDGET_AUTO };

    if (!text)
        return;
    if (!strcmp(text, "none"))
        budget.form = BUDGET_NONE;
    else if (parse_percent(text, BUDGET_MAX_PERCENT, &budget.value) && budget.value)
        budget.form = BUDGET_PERCENT;
    else if (size_parse(text, &budget.value) && budget.value < MEMORY_POOL_UNLIMITED)
        budget.form = BUDGET_SIZE;
    else if (strcmp(text, "auto"))
        mistake(context, node->at, "bad-value",
                "'%s': '%s' is not auto, none, a size such as 24GiB or a percentage such as 80%%",
                row->path, text);
    if (budget.form != BUDGET_SIZE || in_bounds(context, row, node, budget.value))
        config_member(config, row, ConfigBudget) = budget;
}

static void
set_count(ConfigContext *context, const ConfigKey *row, Config *config, const YamlNode *node)
{
    const char *text = scalar_text(context, node, row->path);
    bool is_percent = row->type == KEY_PERCENT;
    guint64 count;

    if (!text)
        return;
    if (is_percent ? !parse_percent(text, G_MAXUINT, &count)
                   : !g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT, &count, NULL))
        mistake(context, node->at, "bad-value", "'%s': '%s' is not a %s", row->path, text,
                is_percent ? "percentage such as 25%" : "whole number");
    else if (in_bounds(context, row, node, count))
        config_member(config, row, guint) = count;
}

/* ---- policy ---- */

const Field *
config_policy_field(const char *name)
{
    for (const Field *field = policy_schema.fields; field->path; field++)
        if (!strcmp(field->path + 1, name)) /* "@memory-step" */
            return field;
    return NULL;
}

static bool
is_policy_group(const char *name)
{
    size_t length = strlen(name);

    for (const Field *field = policy_schema.fields; field->path; field++)
        if (!strncmp(field->path + 1, name, length) && field->path[1 + length] == '-')
            return true;
    return false;
}

static void
set_policy_value(ConfigContext *context, const Field *field, PolicyOverrides *policy,
                 const YamlNode *node)
{
    const char *name = field->path + 1, *text = scalar_text(context, node, node->key);
    char *base = (char *) policy + field->offset;
    g_autofree char *wrong = NULL;
    g_autofree char *allowed = NULL;

    if (!text)
        return;
    if (field->type == TYPE_ENUM) {
        int value = enum_value(field->names, text);

        if (value) {
            *(int *) base = value;
            return;
        }
        allowed = g_strjoinv(", ", (char **) field->names + 1);
        mistake(context, node->at, "bad-value", "'%s': '%s' is none of %s", node->key, text,
                allowed);
        return;
    }
    g_assert(field->type == TYPE_STRING);
    wrong = policy_check(name, text);
    if (wrong) {
        mistake(context, node->at, "bad-value", "'%s': %s", node->key, wrong);
        return;
    }
    g_free(*(char **) base);
    *(char **) base = g_strdup(text);
}

/* "run-strategy, …, memory" or, below a group, "step, …". Caller frees. */
static char *
policy_keys_text(const char *prefix)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    size_t length = strlen(prefix);
    bool has_memory = false;

    for (const Field *field = policy_schema.fields; field->path; field++) {
        const char *name = field->path + 1;

        if (strncmp(name, prefix, length))
            continue;
        if (!length && g_str_has_prefix(name, "memory-"))
            has_memory = true;
        else
            g_ptr_array_add(names, g_strdup(name + length));
    }
    if (has_memory)
        g_ptr_array_add(names, g_strdup("memory"));
    g_ptr_array_add(names, NULL);
    return g_strjoinv(", ", (char **) names->pdata);
}

/* The keys of @node as policy attributes that begin with @prefix; @except is somebody else's. */
static void
set_policy(ConfigContext *context, PolicyOverrides *policy, const YamlNode *node,
           const char *prefix, const char *except)
{
    for (guint i = 0; i < n_children(node); i++) {
        const YamlNode *child = node->children->pdata[i];
        g_autofree char *name = g_strconcat(prefix, child->key, NULL);
        g_autofree char *group = g_strconcat(name, "-", NULL);
        const Field *field = config_policy_field(name);

        /* The nested form is the only one: `memory-step:` beside `memory: { step: }` would be two
         * names for one thing. */
        if (field && (*prefix || !g_str_has_prefix(name, "memory-"))) {
            set_policy_value(context, field, policy, child);
        } else if (!*prefix && is_policy_group(name) && !strcmp(name, "memory")) {
            if (config_expect(context, child, YAML_MAPPING, child->key))
                set_policy(context, policy, child, group, NULL);
        } else if (g_strcmp0(child->key, except)) {
            g_autofree char *allowed = policy_keys_text(prefix);

            mistake(context, child->key_at, "unknown-key",
                    "unknown key '%s'; here may stand %s%s%s", child->key, except ? except : "",
                    except ? ", " : "", allowed);
        }
    }
}

/* ---- lists and mappings ---- */

static const YamlNode *
find_child(const YamlNode *mapping, const char *key)
{
    for (guint i = 0; i < n_children(mapping); i++) {
        const YamlNode *child = mapping->children->pdata[i];

        if (!strcmp(child->key, key))
            return child;
    }
    return NULL;
}

static void
set_overrides(ConfigContext *context, const ConfigKey *row, Config *config, const YamlNode *node)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(config_override_free);

    if (config_expect(context, node, YAML_SEQUENCE, row->path)) {
        for (guint i = 0; i < n_children(node); i++) {
            const YamlNode *item = node->children->pdata[i];
            ConfigOverride *override = g_new0(ConfigOverride, 1);
            const YamlNode *match = NULL;

            g_ptr_array_add(list, override);
            if (!config_expect(context, item, YAML_MAPPING, "an override"))
                continue;
            match = find_child(item, "match");
            if (match)
                override->match = g_strdup(scalar_text(context, match, "match"));
            else
                mistake(context, item->at, "missing-key", "this override has no 'match'");
            set_policy(context, &override->policy, item, "", "match");
        }
    }
    g_clear_pointer(&config_member(config, row, GPtrArray *), g_ptr_array_unref);
    config_member(config, row, GPtrArray *) = list;
}

static bool
is_interface_name(const char *name)
{
    return strlen(name) <= INTERFACE_NAME_MAX && !strpbrk(name, "/: \t") && strcmp(name, ".") &&
           strcmp(name, "..");
}

static bool
read_switch(ConfigContext *context, const YamlNode *node, const char *name)
{
    const char *text = scalar_text(context, node, name);

    if (text && strcmp(text, "true") && strcmp(text, "false"))
        mistake(context, node->at, "bad-value", "'%s': expected true or false", name);
    return !g_strcmp0(text, "true");
}

static void
read_link_name(ConfigContext *context, const YamlNode *node, char **member)
{
    const char *text = scalar_text(context, node, node->key);

    if (text && !is_interface_name(text))
        mistake(context, node->at, "bad-value", "'%s': '%s' can't be the name of an interface",
                node->key, text);
    g_free(*member);
    *member = g_strdup(text);
}

static void
read_network_mode(ConfigContext *context, const YamlNode *node, HostNetwork *to)
{
    const char *text = scalar_text(context, node, node->key);
    g_autofree char *allowed = g_strjoinv(", ", (char **) macvtap_mode_names + 1);

    to->mode = text ? enum_value(macvtap_mode_names, text) : 0;
    if (text && !to->mode)
        mistake(context, node->at, "bad-value", "'mode': '%s' is none of %s", text, allowed);
}

static void
read_network_key(ConfigContext *context, HostNetwork *to, const YamlNode *node)
{
    if (!strcmp(node->key, "bridge"))
        read_link_name(context, node, &to->bridge);
    else if (!strcmp(node->key, "create"))
        to->is_made = read_switch(context, node, node->key);
    else if (!strcmp(node->key, "direct"))
        read_link_name(context, node, &to->direct);
    else if (!strcmp(node->key, "mode"))
        read_network_mode(context, node, to);
    else if (!strcmp(node->key, "user"))
        to->is_user = read_switch(context, node, node->key);
    else
        mistake(context, node->key_at, "unknown-key",
                "unknown key '%s'; here may stand bridge, create, direct, mode, user", node->key);
}

static void
set_network(ConfigContext *context, GPtrArray *list, const YamlNode *node)
{
    ConfigNetwork *network = g_new0(ConfigNetwork, 1);
    const YamlNode *create = find_child(node, "create"), *mode = find_child(node, "mode");
    guint n_errors = context->diagnostics->n_errors, n_kinds;

    network->name = g_strdup(node->key);
    g_ptr_array_add(list, network);
    if (!config_expect(context, node, YAML_MAPPING, node->key))
        return;
    for (guint i = 0; i < n_children(node); i++)
        read_network_key(context, &network->to, node->children->pdata[i]);
    if (context->diagnostics->n_errors > n_errors)
        return;
    n_kinds = (network->to.bridge != NULL) + (network->to.direct != NULL) + network->to.is_user;
    if (!n_kinds)
        mistake(context, node->key_at, "missing-key",
                "network '%s' has no 'bridge', no 'direct', and not 'user: true'", node->key);
    if (n_kinds > 1)
        mistake(context, node->key_at, "bad-value",
                "network '%s' can be one of 'bridge', 'direct' and 'user: true' only", node->key);
    if (create && !network->to.bridge)
        mistake(context, create->key_at, "bad-value", "'create' is for a 'bridge'");
    if (mode && !network->to.direct)
        mistake(context, mode->key_at, "bad-value", "'mode' is for a 'direct' network");
}

static void
set_networks(ConfigContext *context, const ConfigKey *row, Config *config, const YamlNode *node)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(config_network_free);

    if (config_expect(context, node, YAML_MAPPING, row->path))
        for (guint i = 0; i < n_children(node); i++)
            set_network(context, list, node->children->pdata[i]);
    g_clear_pointer(&config_member(config, row, GPtrArray *), g_ptr_array_unref);
    config_member(config, row, GPtrArray *) = list;
}

/* { type: iscsi, host: …, target: … } */
static void
set_server_pool(ConfigContext *context, ConfigPool *pool, const YamlNode *node)
{
    const YamlNode *type = find_child(node, "type");
    guint64 port = ISCSI_PORT;

    for (guint i = 0; i < n_children(node); i++) {
        const YamlNode *child = node->children->pdata[i];
        const char *text = scalar_text(context, child, child->key);

        if (!text)
            continue;
        if (!strcmp(child->key, "host"))
            pool->host = g_strdup(text);
        else if (!strcmp(child->key, "target"))
            pool->target = g_strdup(text);
        else if (!strcmp(child->key, "type") && strcmp(text, "iscsi"))
            mistake(context, child->at, "bad-value", "'type': '%s' is not iscsi", text);
        else if (!strcmp(child->key, "port") &&
                 !g_ascii_string_to_unsigned(text, 10, 1, 65535, &port, NULL))
            mistake(context, child->at, "bad-value", "'port': '%s' is no TCP port", text);
        else if (strcmp(child->key, "type") && strcmp(child->key, "port"))
            mistake(context, child->key_at, "unknown-key",
                    "unknown key '%s'; here may stand type, host, port, target", child->key);
    }
    pool->port = port;
    if (!type || !find_child(node, "host") || !find_child(node, "target"))
        mistake(context, node->key_at, "missing-key", "pool '%s' needs type, host and target",
                node->key);
}

static void
set_pools(ConfigContext *context, const ConfigKey *row, Config *config, const YamlNode *node)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(config_pool_free);

    if (config_expect(context, node, YAML_MAPPING, row->path)) {
        for (guint i = 0; i < n_children(node); i++) {
            const YamlNode *child = node->children->pdata[i];
            ConfigPool *pool = g_new0(ConfigPool, 1);

            pool->name = g_strdup(child->key);
            if (child->type == YAML_MAPPING)
                set_server_pool(context, pool, child);
            else
                pool->path = read_path(context, child, child->key);
            g_ptr_array_add(list, pool);
        }
    }
    g_clear_pointer(&config_member(config, row, GPtrArray *), g_ptr_array_unref);
    config_member(config, row, GPtrArray *) = list;
}

static void
set_helpers(ConfigContext *context, const ConfigKey *row, Config *config, const YamlNode *node)
{
    g_autofree char *allowed = g_strjoinv(", ", (char **) companion_programs);

    set_pools(context, row, config, node);
    for (guint i = 0; i < n_children(node); i++) {
        const YamlNode *child = node->children->pdata[i];

        if (!g_strv_contains(companion_programs, child->key))
            mistake(context, child->key_at, "unknown-key", "unknown key '%s'; here may stand %s",
                    child->key, allowed);
    }
}

static void
set_files(ConfigContext *context, const ConfigKey *row, Config *config, const YamlNode *node)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(g_free);

    if (config_expect(context, node, YAML_SEQUENCE, row->path)) {
        for (guint i = 0; i < n_children(node); i++) {
            const YamlNode *child = node->children->pdata[i];
            const char *text = scalar_text(context, child, row->path);

            if (text && *text != '/')
                mistake(context, child->at, "bad-value", "'%s': '%s' is not an absolute path",
                        row->path, text);
            else if (text)
                g_ptr_array_add(list, g_strdup(text));
        }
        if (!n_children(node))
            mistake(context, node->at, "bad-value", "'%s' must not be empty", row->path);
    }
    g_clear_pointer(&config_member(config, row, GPtrArray *), g_ptr_array_unref);
    config_member(config, row, GPtrArray *) = list;
}

static void
set_root_policy(ConfigContext *context, const ConfigKey *row, Config *config, const YamlNode *node)
{
    if (config_expect(context, node, YAML_MAPPING, row->path))
        set_policy(context, &config_member(config, row, PolicyOverrides), node, "", NULL);
}

static void
set_switch(ConfigContext *context, const ConfigKey *row, Config *config, const YamlNode *node)
{
    config_member(config, row, gboolean) = read_switch(context, node, row->path);
}

const ConfigSetter config_setters[] = {
    [KEY_PATH] = set_path,          [KEY_DURATION] = set_duration,   [KEY_SIZE] = set_size,
    [KEY_BUDGET] = set_budget,      [KEY_COUNT] = set_count,         [KEY_PERCENT] = set_count,
    [KEY_POLICY] = set_root_policy, [KEY_OVERRIDES] = set_overrides, [KEY_NETWORKS] = set_networks,
    [KEY_POOLS] = set_pools,        [KEY_FILES] = set_files,         [KEY_SWITCH] = set_switch,
    [KEY_HELPERS] = set_helpers,
};
