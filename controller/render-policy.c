/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where each value of a domain's policy comes from: the same walk as config_policy() makes, with
 * the places remembered. The last place that speaks wins:
 *
 *     default  <  configuration's policy  <  its first matching override  <  the file's metadata
 */
#include "controller/render-policy.h"

#include <fnmatch.h>

#include "model/quantity.h"

/* ---- values as they are written ---- */

static char *
run_strategy_text(const Policy *policy)
{
    return g_strdup(run_strategy_names[policy->run_strategy]);
}

static char *
restart_text(const Policy *policy)
{
    return g_strdup(restart_required_names[policy->restart_required]);
}

static char *
prune_text(const Policy *policy)
{
    return g_strdup(prune_names[policy->prune]);
}

static char *
shutdown_text(const Policy *policy)
{
    return duration_text(policy->shutdown_timeout);
}

static char *
step_text(const Policy *policy)
{
    if (policy->step == STEP_AUTO)
        return g_strdup("auto");
    if (policy->step == STEP_ALL)
        return g_strdup("all");
    return g_strdup_printf("%" G_GINT64_FORMAT, policy->step);
}

static char *
stall_text(const Policy *policy)
{
    return duration_text(policy->stall_timeout);
}

static char *
reserve_text(const Policy *policy)
{
    return policy->guest_reserve == RESERVE_AUTO ? g_strdup("auto")
                                                 : size_text(policy->guest_reserve);
}

static char *
unguarded_text(const Policy *policy)
{
    return g_strdup(shrink_unguarded_names[policy->shrink_unguarded]);
}

static char *
priority_text(const Policy *policy)
{
    return g_strdup_printf("%" G_GINT64_FORMAT, policy->memory_priority);
}

static char *
guarantee_text(const Policy *policy)
{
    return size_text(policy->memory_guarantee);
}

static char *
admission_text(const Policy *policy)
{
    return g_strdup(memory_admission_names[policy->memory_admission]);
}

static char *
balloon_text(const Policy *policy)
{
    return g_strdup(memory_balloon_names[policy->memory_balloon]);
}

#define WORD(member) .offset = SCHEMA_OFFSET(PolicyOverrides, member, int)
#define TEXT(member) .offset = SCHEMA_OFFSET(PolicyOverrides, member, char *), .is_text = true
static const struct {
    const char *name;
    size_t offset; /* in PolicyOverrides */
    bool is_text;
    char *(*format)(const Policy *policy);
} rows[] = {
    { "run-strategy", WORD(run_strategy), .format = run_strategy_text },
    { "restart-required", WORD(restart_required), .format = restart_text },
    { "prune", WORD(prune), .format = prune_text },
    { "shutdown-timeout", TEXT(shutdown_timeout), .format = shutdown_text },
    { "memory-step", TEXT(step), .format = step_text },
    { "memory-stall-timeout", TEXT(stall_timeout), .format = stall_text },
    { "memory-guest-reserve", TEXT(guest_reserve), .format = reserve_text },
    { "memory-shrink-unguarded", WORD(shrink_unguarded), .format = unguarded_text },
    { "memory-priority", TEXT(memory_priority), .format = priority_text },
    { "memory-guarantee", TEXT(memory_guarantee), .format = guarantee_text },
    { "memory-admission", WORD(memory_admission), .format = admission_text },
    { "memory-balloon", WORD(memory_balloon), .format = balloon_text },
};

static bool
is_said(const PolicyOverrides *overrides, guint row)
{
    const char *base = (const char *) overrides + rows[row].offset;

    return rows[row].is_text ? *(char *const *) base != NULL : *(const int *) base != 0;
}

/* ---- places ---- */

static const ConfigOverride *
matching_override(const Config *config, const char *name)
{
    for (guint i = 0; i < config->overrides->len; i++) {
        const ConfigOverride *override = config->overrides->pdata[i];

        if (fnmatch(override->match, name, 0) == 0)
            return override;
    }
    return NULL;
}

static char *
metadata_place(const Spec *spec, const char *name)
{
    g_autofree char *path = g_strdup_printf("metadata/vk:policy/@%s", name);
    g_autofree char *file = g_path_get_basename(spec->file);

    return g_strdup_printf("%s:%u", file, position_map_get(spec->positions, path).line);
}

static char *
find_source(const Config *config, const ConfigOverride *override, const Spec *spec, guint row)
{
    const char *file = config->file ? config->file : "configuration";

    if (spec && is_said(&spec->policy, row))
        return metadata_place(spec, rows[row].name);
    if (override && is_said(&override->policy, row))
        return g_strdup_printf("%s, override %s", file, override->match);
    if (is_said(&config->policy, row))
        return g_strdup_printf("%s, policy", file);
    return g_strdup("default");
}

static void
line_free(gpointer data)
{
    PolicyLine *line = data;

    g_free(line->value);
    g_free(line->source);
    g_free(line);
}

GPtrArray *
policy_lines(const Config *config, const char *domain_name, const Spec *spec)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(line_free);
    const ConfigOverride *override = matching_override(config, domain_name);
    Policy policy = config_policy(config, domain_name, spec ? &spec->policy : NULL);

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        PolicyLine *line = g_new0(PolicyLine, 1);

        line->name = rows[i].name;
        line->value = rows[i].format(&policy);
        line->source = find_source(config, override, spec, i);
        g_ptr_array_add(lines, line);
    }
    return lines;
}

Json *
policy_lines_json(const GPtrArray *lines)
{
    Json *json = json_new_object();

    for (guint i = 0; i < lines->len; i++) {
        const PolicyLine *line = lines->pdata[i];
        Json *value = json_new_object();

        json_set_string(value, "value", line->value);
        json_set_string(value, "source", line->source);
        json_set(json, line->name, value);
    }
    return json;
}
