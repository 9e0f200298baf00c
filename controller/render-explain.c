/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why a domain is as it is, on one screen:
 *
 *     name, run state, sync and the reason's sentence
 *     where it comes from and where it runs
 *     conditions | memory, device by device | policy with sources | last changes | last actions
 *     what would happen next
 *
 * A section with nothing to say is left out. The JSON has the same parts under stable names.
 */
#include "controller/render-explain.h"

#include <string.h>

#include "controller/causes.h"
#include "controller/conditions.h"
#include "controller/render-plan.h"
#include "controller/render-policy.h"
#include "controller/render-status.h"
#include "model/quantity.h"

void
explanation_clear(Explanation *explanation)
{
    g_clear_pointer(&explanation->plan, domain_plan_free);
    g_clear_pointer(&explanation->devices, g_ptr_array_unref);
    g_clear_pointer(&explanation->policy, g_ptr_array_unref);
    history_clear(&explanation->history);
}

/* One text being written. */
typedef struct Page {
    const Explanation *explanation;
    GString *out;
    gint64 now;
    bool is_colored;
} Page;

static void
append(Page *page, Style style, const char *text)
{
    g_autofree char *printable = text_printable(text ? text : "-");

    g_string_append_printf(page->out, "%s%s%s", style_begin(style, page->is_colored), printable,
                           style_end(style, page->is_colored));
}

static void
append_heading(Page *page, const char *text)
{
    g_string_append_c(page->out, '\n');
    append(page, STYLE_BOLD, text);
    g_string_append_c(page->out, '\n');
}

/* A table without its headings' line, indented. */
static void
append_rows(Page *page, const Table *table, bool has_headings)
{
    g_autofree char *text = table_format(table, page->is_colored);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (guint i = has_headings ? 0 : 1; lines[i]; i++)
        if (*lines[i])
            g_string_append_printf(page->out, "  %s\n", g_strchomp(lines[i]));
}

static const char *const two_columns[] = { "", "", NULL };
static const char *const three_columns[] = { "", "", "", NULL };

/* ---- sections ---- */

static void
append_causes(Page *page, const char *message)
{
    g_auto(GStrv) causes = causes_split(message, page->explanation->subject->input.file);

    for (guint i = 0; causes[i]; i++) {
        g_autofree char *line = text_one_line(causes[i]);

        g_string_append(page->out, "  ");
        append(page, STYLE_PLAIN, line);
        g_string_append_c(page->out, '\n');
    }
}

static void
append_head(Page *page)
{
    const Subject *subject = page->explanation->subject;
    const char *reason, *message;
    SyncState sync = sync_now(subject, page->explanation->plan, &reason, &message);

    append(page, STYLE_BOLD, subject->name);
    g_string_append(page->out, "  ");
    append(page, STYLE_PLAIN, run_state_name(subject->observed->run_state));
    g_string_append(page->out, "  ");
    append(page, sync_style(sync), sync_state_name(sync));
    if (reason && strcmp(reason, sync_state_name(sync)))
        g_string_append_printf(page->out, " (%s)", reason);
    g_string_append_c(page->out, '\n');
    if (message && *message)
        append_causes(page, message);
}

static void
add_pair(Table *table, const char *name, char *value_taken)
{
    g_autofree char *value = value_taken;

    if (!value)
        return;
    table_add(table, STYLE_DIM, name);
    table_add(table, STYLE_PLAIN, value);
}

static char *
file_text(const Subject *subject)
{
    const DomainRecord *row = subject->row;
    const char *commit = row ? row->desired.commit : NULL;

    if (!subject->entry)
        return row && row->desired.file ? g_strdup_printf("%s (gone)", row->desired.file) : NULL;
    return g_strdup_printf("%s%s%s", subject->entry->file, commit ? ", commit " : "",
                           commit ? commit : "");
}

static char *
process_text(const Page *page, const Observed *observed)
{
    g_autofree char *age = NULL;

    if (!observed->pid)
        return NULL;
    if (!observed->started_at)
        return g_strdup_printf("pid %" G_GINT64_FORMAT, observed->pid);
    age = age_text(observed->started_at, page->now);
    return g_strdup_printf("pid %" G_GINT64_FORMAT ", for %s", observed->pid, age);
}

static void
append_places(Page *page)
{
    const Subject *subject = page->explanation->subject;
    const Config *config = page->explanation->site->config;
    const Domain *domain = subject->applied ? subject->applied : subject->desired;
    g_autoptr(Table) table = table_new(two_columns);

    add_pair(table, "file", file_text(subject));
    add_pair(table, "uuid", domain ? g_strdup(domain->uuid) : NULL);
    add_pair(table, "process", process_text(page, subject->observed));
    add_pair(table, "log", g_strdup_printf("%s/%s.log", config->log, subject->name));
    add_pair(table, "debug monitor",
             subject->observed->pid ? g_strdup_printf("%s/debug.sock", subject->run_directory)
                                    : NULL);
    g_string_append_c(page->out, '\n');
    append_rows(page, table, false);
}

static void
append_conditions(Page *page)
{
    g_autoptr(GPtrArray) conditions =
        conditions_of(page->explanation->subject, page->explanation->plan);
    g_autoptr(Table) table = table_new(three_columns);

    append_heading(page, "Conditions");
    for (guint i = 0; i < conditions->len; i++) {
        const Condition *condition = conditions->pdata[i];
        g_autofree char *age = age_text(condition->since, page->now);
        const char *separator = condition->reason && condition->message ? ": " : "";
        g_autofree char *message =
            condition->message
                ? causes_brief(condition->message, page->explanation->subject->input.file)
                : g_strdup("");
        g_autofree char *text =
            g_strdup_printf("%s%s%s%s%s%s", condition->reason ? condition->reason : "", separator,
                            message, condition->since ? " (for " : "", condition->since ? age : "",
                            condition->since ? ")" : "");

        table_add(table, STYLE_PLAIN, condition->type);
        table_add(table, condition->is_good ? STYLE_GOOD : STYLE_CAUTION,
                  condition->is_true ? "yes" : "no");
        table_add(table, STYLE_DIM, text);
    }
    append_rows(page, table, false);
}

static const MemoryDeviceRecord *
find_record(const Explanation *explanation, const char *device)
{
    for (guint i = 0; i < explanation->devices->len; i++) {
        const MemoryDeviceRecord *record = explanation->devices->pdata[i];

        if (!strcmp(record->device, device))
            return record;
    }
    return NULL;
}

static void
add_size(Table *table, guint64 bytes)
{
    g_autofree char *text = size_text(bytes);

    table_add(table, STYLE_PLAIN, text);
}

/* What the guest has now, beside what the last pass concluded. */
static void
append_memory(Page *page)
{
    static const char *const headings[] = { "DEVICE", "CURRENT", "REQUESTED", "TARGET",
                                            "MAX",    "BLOCK",   "STATE",     NULL };
    const Explanation *explanation = page->explanation;
    const GPtrArray *memories = explanation->subject->observed->memories;
    g_autoptr(Table) table = table_new(headings);

    if (!memories->len)
        return;
    append_heading(page, "Memory");
    for (guint i = 0; i < memories->len; i++) {
        const ObservedMemory *memory = memories->pdata[i];
        const MemoryDeviceRecord *record = find_record(explanation, memory->id);
        g_autofree char *target = record ? size_text(record->target) : NULL;
        g_autofree char *state =
            record ? g_strdup_printf("%s: %s", record->state, record->message) : NULL;

        table_add(table, STYLE_PLAIN, memory->id);
        add_size(table, memory->current);
        add_size(table, memory->requested);
        table_add(table, STYLE_PLAIN, target);
        add_size(table, memory->max);
        add_size(table, memory->block);
        table_add(table, STYLE_DIM, state);
    }
    append_rows(page, table, true);
}

static void
append_policy(Page *page)
{
    g_autoptr(Table) table = table_new(three_columns);

    append_heading(page, "Policy");
    for (guint i = 0; i < page->explanation->policy->len; i++) {
        const PolicyLine *line = page->explanation->policy->pdata[i];

        table_add(table, STYLE_PLAIN, line->name);
        table_add(table, STYLE_PLAIN, line->value);
        table_add(table, STYLE_DIM, line->source);
    }
    append_rows(page, table, false);
}

static void
append_history(Page *page)
{
    const History *history = &page->explanation->history;
    History changes = { .changes = history->changes }, actions = { .actions = history->actions };
    const History *parts[] = { &changes, &actions };
    const char *const titles[] = { "Last changes", "Last actions" };

    for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *text = history_text(parts[i], page->is_colored);
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        if (!*text)
            continue;
        append_heading(page, titles[i]);
        for (guint j = 0; lines[j]; j++)
            if (*lines[j])
                g_string_append_printf(page->out, "  %s\n", lines[j]);
    }
}

/* What of the operator's, where there is nothing that could be done. */
static const char *
waits_for(SyncState sync)
{
    if (sync == SYNC_ORPHANED)
        return "its file is back, or policy prune=shutdown or prune=destroy lets it go";
    return sync == SYNC_SUSPENDED ? "it is resumed: 'virtkeep resume NAME'" : NULL;
}

static void
append_next(Page *page)
{
    PlanStyle style = { .root = page->explanation->site->scan->root,
                        .is_colored = page->is_colored };
    const DomainPlan *plan = page->explanation->plan;
    g_autofree char *text = domain_plan_text(plan, &style);

    append_heading(page, "Next");
    if (plan->verdict == PLAN_NONE && waits_for(plan->sync))
        g_string_append_printf(page->out, "  nothing, until %s\n", waits_for(plan->sync));
    else if (plan->verdict == PLAN_NONE && !plan->changes->len)
        g_string_append(page->out, "  nothing to do\n");
    else
        g_string_append(page->out, text);
    if (plan->sync == SYNC_RESTART_REQUIRED)
        g_string_append(page->out,
                        "    to have it sooner: power the guest off and apply, or set policy "
                        "restart-required=restart\n");
}

char *
explanation_text(const Explanation *explanation, gint64 now, bool is_colored)
{
    g_autoptr(GString) out = g_string_new(NULL);
    Page page = { .explanation = explanation, .out = out, .now = now, .is_colored = is_colored };

    append_head(&page);
    append_places(&page);
    append_conditions(&page);
    append_memory(&page);
    append_policy(&page);
    append_history(&page);
    append_next(&page);
    return g_strdup(out->str);
}

/* ---- JSON ---- */

static Json *
memories_json(const Explanation *explanation)
{
    const GPtrArray *memories = explanation->subject->observed->memories;
    Json *array = json_new_array();

    for (guint i = 0; i < memories->len; i++) {
        const ObservedMemory *memory = memories->pdata[i];
        const MemoryDeviceRecord *record = find_record(explanation, memory->id);
        Json *json = json_new_object();

        json_set_string(json, "device", memory->id);
        json_set_uint(json, "block_size", memory->block);
        json_set_uint(json, "max_size", memory->max);
        json_set(json, "target", record ? json_new_uint(record->target) : json_new_null());
        json_set_uint(json, "requested", memory->requested);
        json_set_uint(json, "current", memory->current);
        json_set_text_or_null(json, "state", record ? record->state : NULL);
        json_set_text_or_null(json, "reason", record ? record->reason : NULL);
        json_set_text_or_null(json, "message", record ? record->message : NULL);
        json_append(array, json);
    }
    return array;
}

static Json *
plan_of_one_json(const Explanation *explanation)
{
    g_autoptr(Json) whole = NULL;
    g_autoptr(Plan) plan = plan_new(explanation->subject->input.now, PLAN_KEEP_NOTHING);
    const Json *domain;

    /* plan_to_json() is the one place that spells a plan; the domain is lent to it. */
    g_ptr_array_set_free_func(plan->domains, NULL);
    g_ptr_array_add(plan->domains, explanation->plan);
    whole = plan_to_json(plan);
    domain = json_at(json_get(whole, "domains"), 0);
    return json_copy(domain);
}

Json *
explanation_json(const Explanation *explanation)
{
    const Subject *subject = explanation->subject;
    Json *json = json_new_object(), *array = json_new_array();
    g_autoptr(GPtrArray) conditions = conditions_of(subject, explanation->plan);
    const char *reason, *message;
    SyncState sync = sync_now(subject, explanation->plan, &reason, &message);

    json_set_int(json, "format_version", 1);
    json_set_string(json, "name", subject->name);
    json_set_text_or_null(json, "file", subject->input.file);
    json_set_text_or_null(json, "commit", subject->row ? subject->row->desired.commit : NULL);
    json_set_string(json, "run_state", run_state_name(subject->observed->run_state));
    json_set_count_or_null(json, "pid", subject->observed->pid);
    json_set_time_or_null(json, "started_at", subject->observed->started_at);
    json_set_text_or_null(json, "sync", sync_state_name(sync));
    json_set_text_or_null(json, "reason", reason);
    json_set_text_or_null(json, "message", message);
    for (guint i = 0; i < conditions->len; i++)
        json_append(array, condition_json(conditions->pdata[i]));
    json_set(json, "conditions", array);
    json_set(json, "memory_devices", memories_json(explanation));
    json_set(json, "policy", policy_lines_json(explanation->policy));
    history_fill_json(&explanation->history, json);
    json_set(json, "next", plan_of_one_json(explanation));
    return json;
}
