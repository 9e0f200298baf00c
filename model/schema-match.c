/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds the rows of what a walk meets.
 *
 * Rows are looked for one after the other, by the part of their path below where the walk stands:
 * a table has some dozen rows and a document some hundred elements, and comparing the first
 * bytes of a path is all that most rows cost (a typical document takes a quarter of a
 * millisecond), so there is no index to keep in step with the tables.
 *
 * An element in the namespace of the element around it is meant by rows of its name. One in
 * another namespace is meant only by a row whose schema has that namespace; how such a row writes
 * its prefix ("vk:policy") is the table's affair and need not be the document's prefix.
 */
#include "model/schema-walk.h"

#include <string.h>

#include "model/text.h"

/* What of a row's path is below rel, NULL when it is elsewhere. */
static const char *
below_rel(const Walk *walk, const Field *row)
{
    return path_begins_with(row->path, walk->rel->str, walk->rel->len) ? row->path + walk->rel->len
                                                                       : NULL;
}

/* Of rows with one path, the one whose condition holds, else the first. */
static const Field *
better_row(const Walk *walk, const Field *found, const Field *row)
{
    if (!found)
        return row;
    return !field_condition_holds(found, walk->item) && field_condition_holds(row, walk->item)
               ? row
               : found;
}

const Field *
walk_attribute_row(const Walk *walk, const char *name)
{
    const Field *found = NULL;

    for (const Field *row = walk->schema->fields; row->path; row++) {
        const char *rest = below_rel(walk, row);

        if (rest && *rest == '@' && g_str_equal(rest + 1, name))
            found = better_row(walk, found, row);
    }
    return found;
}

static bool
row_is_foreign(const Field *row, const char *parent_namespace)
{
    return row->schema && row->schema->namespace_ &&
           g_strcmp0(row->schema->namespace_, parent_namespace);
}

bool
walk_match_child(const Walk *walk, const XmlNode *child, const char *parent_namespace,
                 Match *ret_match)
{
    bool is_foreign = g_strcmp0(child->namespace_, parent_namespace) != 0;
    gsize length = strlen(child->name);
    Match match = { 0 };

    for (const Field *row = walk->schema->fields; row->path; row++) {
        const char *rest = below_rel(walk, row);

        if (!rest)
            continue;
        if (row_is_foreign(row, parent_namespace)) {
            if (is_foreign && !strchr(rest, '/') &&
                !g_strcmp0(row->schema->namespace_, child->namespace_) &&
                g_str_equal(field_local_name(rest), child->name)) {
                match.exact = better_row(walk, match.exact, row);
                match.segment = (char *) rest;
            }
            continue;
        }
        if (is_foreign || !path_begins_with(rest, child->name, length))
            continue;
        if (!rest[length])
            match.exact = better_row(walk, match.exact, row);
        else if (rest[length] == '/')
            match.is_way = true;
    }
    if (!match.exact && !match.is_way)
        return false;
    if (!match.segment)
        match.segment = child->name;
    *ret_match = match;
    return true;
}

/* The name that a row below rel begins with, where that is an element's or, with @is_attribute, an
 * attribute's. NULL: neither. Caller frees. */
static char *
name_below(const char *rest, bool is_attribute)
{
    if (!rest || !*rest || is_attribute != (*rest == '@') || strchr(rest, ':'))
        return NULL;
    rest += is_attribute;
    return g_strndup(rest, strcspn(rest, "/"));
}

char *
walk_nearest_name(const Walk *walk, const char *name, bool is_attribute)
{
    for (const Field *row = walk->schema->fields; row->path; row++) {
        g_autofree char *known = name_below(below_rel(walk, row), is_attribute);

        if (known && text_is_near(name, known))
            return g_steal_pointer(&known);
    }
    return NULL;
}

bool
walk_is_size_unit(const Walk *walk, const char *name)
{
    if (!g_str_equal(name, "unit"))
        return false;
    for (const Field *row = walk->schema->fields; row->path; row++) {
        const char *rest = below_rel(walk, row);
        gsize own = walk->rel->len ? walk->rel->len - 1 : 0;

        if (row->type != TYPE_SIZE)
            continue;
        if (rest && *rest == '@')
            return true;
        if (own ? !strncmp(row->path, walk->rel->str, own) && !row->path[own]
                : field_is_own_text(row))
            return true;
    }
    return false;
}

bool
walk_has_rows_below(const Walk *walk)
{
    for (const Field *row = walk->schema->fields; row->path; row++) {
        const char *rest = below_rel(walk, row);

        if (rest && !field_is_own_text(row))
            return true;
    }
    return false;
}
