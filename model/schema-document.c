/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reference page, out of the same rows that read the files, so that it can't say anything
 * else than what is done.
 *
 * One section a schema: a schema that hangs below many others (the address of every device) is
 * described once, and its section says where it stands. Refused rows and rows without effect
 * are listed with their reason: that a thing is known and refused is worth knowing, and stands in
 * no other place.
 */
#include "model/schema-value.h"

#include <string.h>

typedef struct Section {
    const Schema *schema;
    GPtrArray *paths; /* char*: where it stands, the first one is its title */
} Section;

static void
section_free(gpointer data)
{
    Section *section = data;

    g_ptr_array_unref(section->paths);
    g_free(section);
}

static Section *
find_section(const GPtrArray *sections, const Schema *schema)
{
    for (guint i = 0; i < sections->len; i++) {
        Section *section = sections->pdata[i];

        if (section->schema == schema)
            return section;
    }
    return NULL;
}

static char *
join(const char *base, const char *path)
{
    return g_strconcat(base, *base ? "/" : "", path, NULL);
}

static void
add_section(GPtrArray *sections, const Schema *schema, const char *path)
{
    Section *section = find_section(sections, schema);

    if (!section) {
        section = g_new0(Section, 1);
        section->schema = schema;
        section->paths = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(sections, section);
    }
    g_ptr_array_add(section->paths, g_strdup(path));
}

static bool
has_section(const Field *field)
{
    return field->schema && (field->type == TYPE_STRUCT || field->type == TYPE_LIST);
}

/* Breadth first: a page that goes from the whole to its parts. The list grows as it is walked. */
static GPtrArray *
collect_sections(const Schema *schema, const char *path)
{
    GPtrArray *sections = g_ptr_array_new_with_free_func(section_free);

    add_section(sections, schema, path);
    for (guint i = 0; i < sections->len; i++) {
        const Section *section = sections->pdata[i];
        const char *base = section->paths->pdata[0];

        for (const Field *field = section->schema->fields; field->path; field++) {
            g_autofree char *below = NULL;

            if (!has_section(field))
                continue;
            below = join(base, field->path);
            add_section(sections, field->schema, below);
        }
    }
    return sections;
}

static const char *
section_title(const Section *section)
{
    const char *path = section->paths->pdata[0];

    return *path ? path : section->schema->element;
}

/* The anchor that Markdown renderers make of a heading: small letters, no punctuation. */
static char *
section_anchor(const Section *section)
{
    GString *anchor = g_string_new(NULL);

    for (const char *p = section_title(section); *p; p++)
        if (g_ascii_isalnum(*p) || *p == '-' || *p == '_')
            g_string_append_c(anchor, g_ascii_tolower(*p));
    return g_string_free(anchor, FALSE);
}

/* ---- cells ---- */

/* A cell is one line, and Markdown takes '<name>' for a tag where it isn't code. */
static void
append_cell(GString *out, const char *text)
{
    bool is_code = false;

    g_string_append_c(out, ' ');
    for (; *text; text++) {
        if (*text == '`')
            is_code = !is_code;
        if (*text == '|')
            g_string_append(out, "\\|");
        else if (*text == '<' && !is_code)
            g_string_append(out, "&lt;");
        else
            g_string_append_c(out, *text == '\n' ? ' ' : *text);
    }
    g_string_append(out, " |");
}

static char *
names_cell(const Field *field, guint64 allowed)
{
    GString *out = g_string_new(NULL);

    for (int i = 1; field->names[i]; i++)
        if (allowed & WHEN_IS(MIN(i, 63)))
            g_string_append_printf(out, out->len ? ", `%s`" : "`%s`", field->names[i]);
    return g_string_free(out, FALSE);
}

static char *
value_cell(const GPtrArray *sections, const Field *field)
{
    if (field->refuse)
        return g_strdup("refused");
    if (field->is_output)
        return g_strdup("passed over");
    if (field->type == TYPE_NONE)
        return g_strdup(field->no_effect ? "no effect" : "element");
    if (field->type == TYPE_ENUM)
        return names_cell(field, G_MAXUINT64);
    if (has_section(field)) {
        const Section *section = find_section(sections, field->schema);
        g_autofree char *anchor = section_anchor(section);

        return g_strdup_printf("%s: [%s](#%s)", field->type == TYPE_LIST ? "any number" : "element",
                               section_title(section), anchor);
    }
    return g_strdup(field_kind(field)->name);
}

static char *
range_cell(const Field *field)
{
    GString *out = g_string_new(NULL);

    if (field->type == TYPE_SIZE) {
        guint64 unit = field->unit ? field->unit : 1024;

        if (unit == 1)
            g_string_append(out, "bytes");
        else if (unit == 1024)
            g_string_append(out, "KiB");
        else if (unit == 1024 * 1024)
            g_string_append(out, "MiB");
        else
            g_string_append_printf(out, "%" G_GUINT64_FORMAT " bytes", unit);
    }
    if (field->min || field->max) {
        g_autofree char *bounds = field_bounds_text(field);

        g_string_append_printf(out, "%s%s", out->len ? ", " : "", bounds);
    }
    return g_string_free(out, FALSE);
}

static const Field *
condition_row(const Schema *schema, const Field *field)
{
    for (const Field *row = schema->fields; row->path; row++)
        if (row->type == TYPE_ENUM && row->offset == field->when_offset)
            return row;
    return NULL;
}

static char *
meaning_cell(const Schema *schema, const Field *field)
{
    const Field *condition = field->when ? condition_row(schema, field) : NULL;
    const char *reason = field->refuse ? field->refuse : field->no_effect;
    GString *out = g_string_new(NULL);

    if (field->is_required)
        g_string_append(out, "**Required.** ");
    if (field->doc)
        g_string_append_printf(out, "%s ", field->doc);
    if (reason)
        g_string_append_printf(out, "%s: %s%s ", field->refuse ? "Refused" : "No effect", reason,
                               g_str_has_suffix(reason, ".") ? "" : ".");
    if (condition) {
        g_autofree char *names = names_cell(condition, field->when);

        g_string_append_printf(out, "Only where `%s` is %s%s%s.",
                               field->when_path ? field->when_path : condition->path, names,
                               *names && (field->when & WHEN_IS(0)) ? " or " : "",
                               field->when & WHEN_IS(0) ? "absent" : "");
    }
    return g_strchomp(g_string_free(out, FALSE));
}

static void
append_row(GString *out, const GPtrArray *sections, const Schema *schema, const Field *field)
{
    g_autofree char *path =
        field_is_own_text(field) ? g_strdup("(its text)") : g_strdup_printf("`%s`", field->path);
    g_autofree char *value = value_cell(sections, field);
    g_autofree char *range = range_cell(field);
    g_autofree char *meaning = meaning_cell(schema, field);
    bool is_read =
        field->type != TYPE_NONE && !field->refuse && !field->is_output && !field->no_effect;

    g_string_append_c(out, '|');
    append_cell(out, path);
    append_cell(out, value);
    append_cell(out, range);
    append_cell(out, is_read ? change_class_name(field->change) : "");
    append_cell(out, meaning);
    g_string_append_c(out, '\n');
}

static void
append_section(GString *out, const GPtrArray *sections, const Section *section)
{
    if (out->len)
        g_string_append_c(out, '\n');
    g_string_append_printf(out, "## %s\n\n", section_title(section));
    if (section->schema->doc)
        g_string_append_printf(out, "%s\n\n", section->schema->doc);
    for (guint i = 1; i < section->paths->len; i++)
        g_string_append_printf(out, "%s`%s`%s", i == 1 ? "Also at " : ", ",
                               (const char *) section->paths->pdata[i],
                               i + 1 == section->paths->len ? ".\n\n" : "");
    if (section->schema->namespace_)
        g_string_append_printf(out, "Namespace: `%s`.\n\n", section->schema->namespace_);
    g_string_append(out, "| path | value | unit, range | change | meaning |\n"
                         "| --- | --- | --- | --- | --- |\n");
    for (const Field *field = section->schema->fields; field->path; field++)
        append_row(out, sections, section->schema, field);
}

void
schema_document(const Schema *schema, const char *path, GString *out)
{
    g_autoptr(GPtrArray) sections = collect_sections(schema, path);

    for (guint i = 0; i < sections->len; i++)
        append_section(out, sections, sections->pdata[i]);
}
