/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * History as lines, by time: actions, changes of files and events are merged, so that one reads
 * "the file changed, memory was set, the guest was reset" in the order in which it happened. Times
 * are local for people, UTC for programs.
 */
#include "controller/render-history.h"

#include <string.h>

#include "controller/render-status.h"
#include "controller/terminal.h"
#include "model/quantity.h"

#define COMMIT_DIGITS 10

void
history_clear(History *history)
{
    g_clear_pointer(&history->actions, g_ptr_array_unref);
    g_clear_pointer(&history->changes, g_ptr_array_unref);
    g_clear_pointer(&history->events, g_ptr_array_unref);
}

/* ---- parts of a line ---- */

static void add_part(GString *text, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void
add_part(GString *text, const char *format, ...)
{
    va_list args;

    if (text->len)
        g_string_append(text, ", ");
    va_start(args, format);
    g_string_append_vprintf(text, format, args);
    va_end(args);
}

/* "web-1.xml:31, commit 1a2b3c4d5e, by file": the last part of the file's name, for it is the
 * domain's. */
static char *
cause_text(const char *file, guint line, const char *commit, const char *trigger)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *name = file ? g_path_get_basename(file) : NULL;

    if (name && line)
        add_part(text, "%s:%u", name, line);
    else if (name)
        add_part(text, "%s", name);
    if (commit)
        add_part(text, "commit %.*s", COMMIT_DIGITS, commit);
    if (trigger)
        add_part(text, "by %s", trigger);
    return g_strdup(text->str);
}

char *
action_cause_text(const ActionRecord *action)
{
    return cause_text(action->cause_file, action->cause_line, action->cause_commit,
                      action->cause_trigger);
}

char *
action_record_text(const ActionRecord *action)
{
    g_autoptr(Json) detail = action->detail ? json_parse(action->detail, -1, NULL) : NULL;
    const char *device = json_get_string(detail, "device");
    g_autofree char *from = NULL, *to = NULL;

    if (!device)
        return g_strdup(action->kind);
    if (!json_get(detail, "to"))
        return g_strdup_printf("%s %s", action->kind, device);
    from = size_text(json_get_uint(detail, "from", 0));
    to = size_text(json_get_uint(detail, "to", 0));
    return g_strdup_printf("%s %s %s -> %s", action->kind, device, from, to);
}

char *
action_outcome_text(const ActionRecord *action)
{
    g_autofree char *duration = NULL, *error = NULL;

    if (action->outcome == ACTION_OPEN)
        return g_strdup("under way");
    /* Milliseconds are what a person can use. */
    duration = duration_text((action->finished_at_us - action->started_at_us) / 1000 * 1000);
    if (action->outcome == ACTION_DONE)
        return g_strdup_printf("done in %s", duration);
    error = action->error ? text_one_line(action->error) : NULL;
    return g_strdup_printf("%s after %s%s%s", action_outcome_name(action->outcome), duration,
                           error ? ": " : "", error ? error : "");
}

static char *
values_text(const ChangeRecord *change)
{
    if (!change->from)
        return g_strdup_printf("%s  + %s", change->path, change->to ? change->to : "");
    if (!change->to)
        return g_strdup_printf("%s  - %s", change->path, change->from);
    return g_strdup_printf("%s  %s -> %s", change->path, change->from, change->to);
}

char *
change_record_text(const ChangeRecord *change)
{
    g_autofree char *values = values_text(change);
    g_autofree char *cause = cause_text(change->file, change->line, change->commit, NULL);

    return g_strdup_printf("%s  (%s%s%s)", values, change->change_class, *cause ? "; " : "", cause);
}

/* ---- the lines ---- */

typedef struct Line {
    gint64 at;
    const ActionRecord *action;
    const ChangeRecord *change;
    const EventRecord *event;
} Line;

static gint
compare_lines(gconstpointer a, gconstpointer b)
{
    const Line *first = a, *second = b;

    return first->at < second->at ? -1 : first->at > second->at;
}

/* The lists are newest first; sorting is stable, so they are put in the other way round. */
static GArray *
merge(const History *history)
{
    GArray *lines = g_array_new(FALSE, TRUE, sizeof(Line));

    for (guint i = history->changes ? history->changes->len : 0; i > 0; i--) {
        const ChangeRecord *change = history->changes->pdata[i - 1];
        Line line = { .at = change->at_us, .change = change };

        g_array_append_val(lines, line);
    }
    for (guint i = history->events ? history->events->len : 0; i > 0; i--) {
        const EventRecord *event = history->events->pdata[i - 1];
        Line line = { .at = event->at_us, .event = event };

        g_array_append_val(lines, line);
    }
    for (guint i = history->actions ? history->actions->len : 0; i > 0; i--) {
        const ActionRecord *action = history->actions->pdata[i - 1];
        Line line = { .at = action->started_at_us, .action = action };

        g_array_append_val(lines, line);
    }
    g_array_sort(lines, compare_lines);
    return lines;
}

static char *
local_time_text(gint64 us)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(us / G_USEC_PER_SEC);

    return time ? g_date_time_format(time, "%Y-%m-%d %H:%M:%S") : time_text(us);
}

static Style
outcome_style(ActionOutcome outcome)
{
    switch (outcome) {
    case ACTION_DONE:
        return STYLE_GOOD;
    case ACTION_OPEN:
    case ACTION_SUPERSEDED:
        return STYLE_CAUTION;
    case ACTION_FAILED:
    case ACTION_INTERRUPTED:
    case ACTION_TIMEOUT:
        return STYLE_BAD;
    }
    g_assert_not_reached();
}

static void
add_action(Table *table, const ActionRecord *action)
{
    g_autofree char *what = action_record_text(action);
    g_autofree char *outcome = action_outcome_text(action);
    g_autofree char *cause = action_cause_text(action);

    table_add(table, STYLE_BOLD, action->domain);
    table_add(table, STYLE_PLAIN, what);
    table_add(table, STYLE_DIM, *cause ? cause : NULL);
    table_add(table, outcome_style(action->outcome), outcome);
}

static void
add_change(Table *table, const ChangeRecord *change)
{
    g_autofree char *values = values_text(change);
    g_autofree char *cause = cause_text(change->file, change->line, change->commit, NULL);
    g_autofree char *class_ = g_strdup_printf("changed (%s)", change->change_class);

    table_add(table, STYLE_BOLD, change->domain);
    table_add(table, STYLE_PLAIN, values);
    table_add(table, STYLE_DIM, *cause ? cause : NULL);
    table_add(table, STYLE_CHANGE, class_);
}

static void
add_event(Table *table, const EventRecord *event)
{
    g_autofree char *what = event->detail ? g_strdup_printf("%s  %s", event->kind, event->detail)
                                          : g_strdup(event->kind);

    table_add(table, STYLE_BOLD, event->domain);
    table_add(table, STYLE_PLAIN, what);
    table_add(table, STYLE_DIM, NULL);
    table_add(table, STYLE_DIM, "event");
}

/* The outcome is last: what went wrong is as long as QEMU's words, and widens no column. */
char *
history_text(const History *history, gboolean is_colored)
{
    static const char *const headings[] = { "WHEN", "DOMAIN", "WHAT", "CAUSE", "OUTCOME", NULL };
    g_autoptr(Table) table = table_new(headings);
    g_autoptr(GArray) lines = merge(history);

    for (guint i = 0; i < lines->len; i++) {
        const Line *line = &g_array_index(lines, Line, i);
        g_autofree char *when = local_time_text(line->at);

        table_add(table, STYLE_DIM, when);
        if (line->action)
            add_action(table, line->action);
        else if (line->change)
            add_change(table, line->change);
        else
            add_event(table, line->event);
    }
    return lines->len ? table_format(table, is_colored) : g_strdup("");
}

/* ---- JSON ---- */

/* Text that may be JSON: as a value where it is. */
static Json *
detail_json(const char *detail)
{
    Json *json = detail ? json_parse(detail, -1, NULL) : json_new_null();

    return json ? json : json_new_string(detail);
}

static Json *
cause_json(const ActionRecord *action)
{
    Json *json = json_new_object();

    json_set_string(json, "file", action->cause_file);
    if (action->cause_line)
        json_set_uint(json, "line", action->cause_line);
    json_set_string(json, "commit", action->cause_commit);
    json_set_string(json, "trigger", action->cause_trigger);
    return json;
}

static Json *
action_json(gconstpointer record)
{
    const ActionRecord *action = record;
    Json *json = json_new_object();

    json_set_string(json, "domain", action->domain);
    json_set_string(json, "kind", action->kind);
    json_set(json, "detail", detail_json(action->detail));
    json_set(json, "cause", cause_json(action));
    json_set_time_or_null(json, "started_at", action->started_at_us);
    json_set_time_or_null(json, "finished_at", action->finished_at_us);
    json_set_text_or_null(json, "outcome", action_outcome_name(action->outcome));
    json_set_text_or_null(json, "error", action->error);
    return json;
}

static Json *
change_json(gconstpointer record)
{
    const ChangeRecord *change = record;
    Json *json = json_new_object();

    json_set_string(json, "domain", change->domain);
    json_set_text_or_null(json, "file", change->file);
    json_set_count_or_null(json, "line", change->line);
    json_set_text_or_null(json, "commit", change->commit);
    json_set_string(json, "path", change->path);
    json_set_text_or_null(json, "from", change->from);
    json_set_text_or_null(json, "to", change->to);
    json_set_string(json, "class", change->change_class);
    json_set_time_or_null(json, "at", change->at_us);
    return json;
}

static Json *
event_json(gconstpointer record)
{
    const EventRecord *event = record;
    Json *json = json_new_object();

    json_set_text_or_null(json, "domain", event->domain);
    json_set_string(json, "kind", event->kind);
    json_set(json, "detail", detail_json(event->detail));
    json_set_time_or_null(json, "at", event->at_us);
    return json;
}

static void
set_list(Json *json, const char *name, const GPtrArray *records, Json *(*convert)(gconstpointer))
{
    Json *array;

    if (!records)
        return;
    array = json_new_array();
    for (guint i = 0; i < records->len; i++)
        json_append(array, convert(records->pdata[i]));
    json_set(json, name, array);
}

void
history_fill_json(const History *history, Json *json)
{
    set_list(json, "actions", history->actions, action_json);
    set_list(json, "changes", history->changes, change_json);
    set_list(json, "events", history->events, event_json);
}
