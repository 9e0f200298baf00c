/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What only the whole element shows: a row that is used where its condition (WHEN) does not hold,
 * and a row that is required and not there.
 *
 * Something missing is reported at the nearest element that is there and could hold it: an
 * attribute at its element; an element, or the attribute of an element that is missing itself, at
 * the element around that. If even this one is missing, nothing is: `driver/iotune/@x` may be
 * required of an iotune without every disk having to have a driver. What is needed, not required,
 * is missing only where its element is there: <boot> says nothing without `order`. A row with a
 * condition is required only where the condition holds.
 *
 * One mistake is one diagnostic: what follows from an enum that was not understood, or that is
 * missing itself, is not said again for each row that depends on it.
 */
#include "model/schema-walk.h"

#include <string.h>

/* "<source file=…>", "<backingStore>": how a reader would write what @path names. */
static char *
tag_text(const Walk *walk, const char *path, const char *value)
{
    gsize parent = field_parent_length(path);
    g_autofree char *element = g_strndup(path, parent);
    const char *last = parent ? path + parent + 1 : path;

    if (*last != '@')
        return g_strdup_printf("<%s>", g_str_equal(last, ".") ? walk->node->name : last);
    return g_strdup_printf("<%s %s=%s>", parent ? field_local_name(element) : walk->node->name,
                           last + 1, value);
}

/* "type='file' or 'block'": what the condition of @row asks for. */
static char *
condition_text(const Walk *walk, const Field *row, const Field *enum_row)
{
    g_autoptr(GString) out = g_string_new(NULL);
    guint64 allowed = 0;
    guint n = 0;

    for (const Field *twin = walk->schema->fields; twin->path; twin++)
        if (g_str_equal(twin->path, row->path) && twin->when_offset == row->when_offset)
            allowed |= twin->when;
    for (int i = 1; enum_row && i < 64 && enum_row->names[i]; i++)
        if (allowed & WHEN_IS(i))
            g_string_append_printf(out, n++ ? " or '%s'" : "'%s'", enum_row->names[i]);
    if (allowed & WHEN_IS(0))
        g_string_append(out, n ? " or none" : "none");
    return g_strdup(out->str);
}

static const Field *
enum_row_at(const Walk *walk, gsize offset)
{
    for (const Field *row = walk->schema->fields; row->path; row++)
        if (row->type == TYPE_ENUM && row->offset == offset)
            return row;
    return NULL;
}

static void
check_condition(const Walk *walk, const Field *row)
{
    const Field *enum_row = enum_row_at(walk, row->when_offset);
    const char *when_path = row->when_path ? row->when_path : enum_row ? enum_row->path : "@type";
    g_autofree char *allowed = condition_text(walk, row, enum_row);
    g_autofree char *tag = tag_text(walk, row->path, "…");
    g_autofree char *wanted = NULL;

    /* Its value is missing or was not understood, and that is said elsewhere. */
    if (enum_row && !field_is_set(enum_row, walk->item) &&
        (walk_use(walk, enum_row)->is_used || enum_row->is_required))
        return;
    if (*when_path == '@')
        wanted = g_strdup_printf("%s=%s", when_path + 1, allowed);
    else
        wanted = tag_text(walk, when_path, allowed);
    diagnostics_add(walk->diagnostics, SEVERITY_ERROR, walk_use(walk, row)->at, "not-here",
                    "%s needs %s", tag, wanted);
}

/* The element at @length bytes of @path below the struct's own, NULL when it is not there. */
static const XmlNode *
node_at(const Walk *walk, const char *path, gsize length)
{
    const XmlNode *node = walk->node;
    g_autofree char *way = g_strndup(path, length);
    g_auto(GStrv) segments = g_strsplit(way, "/", -1);

    for (guint i = 0; node && segments[i]; i++)
        node = xml_node_child(node, field_local_name(segments[i]));
    return node;
}

/* Says that @row is missing, unless even the element that would hold its element is. */
static void
check_required(const Walk *walk, const Field *row)
{
    gsize parent = field_parent_length(row->path);
    g_autofree char *tag = tag_text(walk, row->path, "…");
    const XmlNode *node = node_at(walk, row->path, parent);
    bool is_attribute = field_is_attribute(row);

    if (walk_use(walk, row)->is_used || field_is_own_text(row)) {
        Position at = walk_use(walk, row)->is_used ? walk_use(walk, row)->at : walk->node->at;

        diagnostics_add(walk->diagnostics, SEVERITY_ERROR, at, "missing-element", "%s is empty",
                        tag);
        return;
    }
    if (node && is_attribute) {
        diagnostics_add(walk->diagnostics, SEVERITY_ERROR, node->at, "missing-attribute",
                        "<%s> needs the attribute '%s'", node->name, field_local_name(row->path));
        return;
    }
    if (!node && is_attribute && row->is_required) {
        g_autofree char *element = g_strndup(row->path, parent);

        node = node_at(walk, element, field_parent_length(element));
    }
    if (node)
        diagnostics_add(walk->diagnostics, SEVERITY_ERROR, node->at, "missing-element",
                        "<%s> needs %s", node->name, tag);
}

void
walk_check_rows(const Walk *walk)
{
    for (const Field *row = walk->schema->fields; row->path; row++) {
        const RowUse *use = walk_use(walk, row);
        bool holds = field_condition_holds(row, walk->item);

        if (row->absent && !use->is_used)
            *(int *) field_member(row, walk->item) = row->absent;
        if (use->is_used && !holds && !row->refuse)
            check_condition(walk, row);
        if ((row->is_required || row->is_needed) && holds && !use->is_taken)
            check_required(walk, row);
    }
}
