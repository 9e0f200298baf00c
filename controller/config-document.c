/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * docs/configuration.md, written from the tables that read the file: the rows of config_keys and
 * the schema of policies. A test compares it with the page in the tree. The defaults of policies
 * are text here, and a test holds them to policy_default().
 */
#include "controller/config-document.h"

#include <string.h>

const ConfigPolicyDefault config_policy_defaults[] = {
    { "run-strategy", "rerun-on-failure" },
    { "restart-required", "report" },
    { "prune", "keep" },
    { "shutdown-timeout", "60s" },
    { "memory-step", "auto" },
    { "memory-stall-timeout", "60s" },
    { "memory-guest-reserve", "auto" },
    { "memory-shrink-unguarded", "small-steps" },
    { "memory-priority", "0" },
    { "memory-guarantee", "0" },
    { "memory-admission", "wait" },
    { "memory-balloon", "whole" },
    { NULL, NULL },
};

static const char *
policy_default_text(const char *name)
{
    for (const ConfigPolicyDefault *row = config_policy_defaults; row->name; row++)
        if (!strcmp(row->name, name))
            return row->text;
    return NULL;
}

/* "memory-step" as it stands in YAML: "policy.memory.step". Caller frees. */
static char *
policy_key(const char *name)
{
    if (g_str_has_prefix(name, "memory-"))
        return g_strconcat("policy.memory.", name + strlen("memory-"), NULL);
    return g_strconcat("policy.", name, NULL);
}

static void
append_key(GString *out, const char *key, const char *fallback, const char *user_fallback,
           const char *doc)
{
    g_string_append_printf(out, "| `%s` | ", key);
    if (fallback)
        g_string_append_printf(out, "`%s`", fallback);
    if (user_fallback)
        g_string_append_printf(out, "; not root: `%s`", user_fallback);
    g_string_append_printf(out, " | %s |\n", doc);
}

static void
append_policy(GString *out)
{
    for (const Field *field = policy_schema.fields; field->path; field++) {
        g_autofree char *key = policy_key(field->path + 1);
        g_autofree char *names = NULL;
        g_autofree char *doc = NULL;

        if (field->type == TYPE_ENUM)
            names = g_strjoinv("`, `", (char **) field->names + 1);
        doc = names ? g_strdup_printf("%s One of `%s`.", field->doc, names) : g_strdup(field->doc);
        append_key(out, key, policy_default_text(field->path + 1), NULL, doc);
    }
}

char *
config_document(void)
{
    GString *out = g_string_new("| key | default | meaning |\n| --- | --- | --- |\n");

    for (const ConfigKey *row = config_keys; row->path; row++) {
        g_auto(GStrv) parts = g_strsplit(row->path, "/", -1);
        g_autofree char *key = g_strjoinv(".", parts);

        append_key(out, key, row->fallback, row->user_fallback, row->doc);
        if (row->type == KEY_POLICY)
            append_policy(out);
    }
    return g_string_free(out, FALSE);
}
