/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows of the state file as people and programs read them. The table says as much as fits a
 * terminal: a word for each question; the reason's sentence stands below it, and only where a
 * domain is not as its file says. The JSON says all of it, under the names that the views have.
 */
#include "controller/render-status.h"

#include <string.h>

#include "controller/causes.h"
#include "model/quantity.h"
#include "state/memory_devices.h"

/* ---- words and figures ---- */

Style
sync_style(SyncState sync)
{
    switch (sync) {
    case SYNC_SYNCED:
        return STYLE_GOOD;
    case SYNC_PROGRESSING:
    case SYNC_WAITING:
    case SYNC_GUARDED:
    case SYNC_OUT_OF_SYNC:
    case SYNC_RESTART_REQUIRED:
    case SYNC_ORPHANED:
        return STYLE_CAUTION;
    case SYNC_INVALID:
    case SYNC_FAILED:
    case SYNC_STALLED:
        return STYLE_BAD;
    case SYNC_UNKNOWN:
    case SYNC_SUSPENDED:
        return STYLE_DIM;
    }
    g_assert_not_reached();
}

static const char *
unit_of(const char *size)
{
    const char *space = strrchr(size, ' ');

    return space ? space + 1 : "";
}

static char *
without_unit(const char *size)
{
    return g_strndup(size, strcspn(size, " "));
}

char *
memory_figures_text(guint64 current, guint64 requested, guint64 target, bool is_off)
{
    g_autofree char *have = size_text(current), *asked = size_text(requested);
    g_autofree char *want = size_text(target);

    if (is_off)
        return g_strdup_printf("-/-/%s", want);
    if (current == requested && requested == target)
        return g_strdup(want);
    if (!strcmp(unit_of(have), unit_of(want)) && !strcmp(unit_of(asked), unit_of(want))) {
        g_autofree char *bare_have = without_unit(have), *bare_asked = without_unit(asked);

        return g_strdup_printf("%s/%s/%s", bare_have, bare_asked, want);
    }
    return g_strdup_printf("%s/%s/%s", have, asked, want);
}

char *
age_text(gint64 since, gint64 now)
{
    static const struct {
        gint64 seconds, parts;
        const char *unit, *part;
    } units[] = {
        { 86400, 24, "d", "h" },
        { 3600, 60, "h", "m" },
        { 60, 60, "m", "s" },
    };
    gint64 seconds = MAX(now - since, 0) / G_USEC_PER_SEC;

    if (!since)
        return g_strdup("-");
    for (guint i = 0; i < G_N_ELEMENTS(units); i++) {
        gint64 whole = seconds / units[i].seconds;
        gint64 rest = seconds % units[i].seconds * units[i].parts / units[i].seconds;

        if (whole >= 10 || (whole && !rest))
            return g_strdup_printf("%" G_GINT64_FORMAT "%s", whole, units[i].unit);
        if (whole)
            return g_strdup_printf("%" G_GINT64_FORMAT "%s %" G_GINT64_FORMAT "%s", whole,
                                   units[i].unit, rest, units[i].part);
    }
    return g_strdup_printf("%" G_GINT64_FORMAT "s", seconds);
}

/* ---- the table ---- */

static bool
is_off(const DomainRecord *row)
{
    return !row->run_state || !strcmp(row->run_state, "off");
}

static void
add_row(Table *table, const DomainRecord *row, gint64 now)
{
    g_autofree char *memory = memory_figures_text(row->memory_current, row->memory_requested,
                                                  row->memory_target, is_off(row));
    g_autofree char *age = age_text(row->since_us, now);

    table_add(table, STYLE_BOLD, row->name);
    table_add(table, is_off(row) ? STYLE_DIM : STYLE_PLAIN, row->run_state);
    table_add(table, STYLE_PLAIN, row->memory_target || row->memory_current ? memory : NULL);
    table_add(table, sync_style(row->sync), sync_state_name(row->sync));
    table_add(table, STYLE_PLAIN, row->reason);
    table_add(table, STYLE_PLAIN, age);
}

/* Why, in a sentence, where anything is to be said. */
static void
append_sentence(GString *out, const DomainRecord *row)
{
    g_autofree char *why = row->message ? causes_brief(row->message, row->desired.file) : NULL;
    g_autofree char *line = NULL, *printable = NULL;

    if (row->sync == SYNC_SYNCED || !why || !*why)
        return;
    line = g_strdup_printf("%s: %s", row->name, why);
    printable = text_printable(line);
    g_string_append_printf(out, "%s\n", printable);
}

char *
status_text(const GPtrArray *rows, gint64 now, bool is_colored)
{
    static const char *const headings[] = {
        "NAME", "RUN", "MEMORY", "SYNC", "REASON", "AGE", NULL
    };
    g_autoptr(Table) table = table_new(headings);
    g_autoptr(GString) sentences = g_string_new(NULL);
    g_autofree char *text = NULL;

    for (guint i = 0; i < rows->len; i++) {
        add_row(table, rows->pdata[i], now);
        append_sentence(sentences, rows->pdata[i]);
    }
    text = table_format(table, is_colored);
    return g_strconcat(text, sentences->len ? "\n" : "", sentences->str, NULL);
}

/* ---- JSON ---- */

void
json_set_text_or_null(Json *object, const char *name, const char *text)
{
    json_set(object, name, text ? json_new_string(text) : json_new_null());
}

void
json_set_time_or_null(Json *object, const char *name, gint64 us)
{
    g_autofree char *text = us ? time_text(us) : NULL;

    json_set_text_or_null(object, name, text);
}

void
json_set_count_or_null(Json *object, const char *name, gint64 value)
{
    json_set(object, name, value ? json_new_int(value) : json_new_null());
}

static Json *
device_json(const MemoryDeviceRecord *device)
{
    Json *json = json_new_object();

    json_set_string(json, "device", device->device);
    json_set_uint(json, "block_size", device->block_size);
    json_set_uint(json, "max_size", device->max_size);
    json_set_uint(json, "target", device->target);
    json_set_uint(json, "requested", device->requested);
    json_set_uint(json, "current", device->current);
    json_set_text_or_null(json, "state", device->state);
    json_set_time_or_null(json, "since", device->since_us);
    json_set_text_or_null(json, "reason", device->reason);
    json_set_text_or_null(json, "message", device->message);
    return json;
}

Json *
status_json(const DomainRecord *row, const GPtrArray *devices)
{
    Json *json = json_new_object(), *memories = json_new_array();

    json_set_string(json, "name", row->name);
    json_set_text_or_null(json, "uuid", row->desired.uuid);
    json_set_text_or_null(json, "file", row->desired.file);
    json_set_count_or_null(json, "line", row->desired.line);
    json_set_text_or_null(json, "commit", row->desired.commit);
    json_set_text_or_null(json, "run_state", row->run_state);
    json_set_count_or_null(json, "pid", row->process.pid);
    json_set_text_or_null(json, "sync", sync_state_name(row->sync));
    json_set_text_or_null(json, "reason", row->reason);
    json_set_text_or_null(json, "message", row->message);
    json_set_time_or_null(json, "since", row->since_us);
    json_set_bool(json, "is_suspended", row->is_suspended);
    json_set_text_or_null(json, "suspend_reason", row->suspend_reason);
    json_set_text_or_null(json, "last_error", row->last_error);
    json_set_uint(json, "memory_boot", row->memory_boot);
    json_set_uint(json, "memory_current", row->memory_current);
    json_set_uint(json, "memory_requested", row->memory_requested);
    json_set_uint(json, "memory_target", row->memory_target);
    json_set_uint(json, "memory_max", row->memory_max);
    for (guint i = 0; i < devices->len; i++) {
        const MemoryDeviceRecord *device = devices->pdata[i];

        if (!strcmp(device->domain, row->name))
            json_append(memories, device_json(device));
    }
    json_set(json, "memory_devices", memories);
    return json;
}
