/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads an element into a struct, by the rows of its schema.
 *
 * The walk goes along the document, not along the table: every attribute, element and text is
 * looked up and either put into its member, knowingly passed over (is_output, no_effect), or
 * reported where it stands. What must be there and is not, and what may not be there beside
 * something else (WHEN), can only be said once the whole element is read, and is said then.
 *
 *     <disk type='file'>            struct, path "devices/disk[0]"
 *       <target dev='vda'/>         "target" is on the way to row "target/@dev"
 *     </disk>
 *
 * A struct or list row begins a walk of its own with its own schema; all else stays in one walk
 * whose `rel` says how far below the struct's element it is. A mistake never ends the walk: the
 * reader is to see all of them at once. Only a full Diagnostics does, which keeps a file of
 * garbage cheap.
 *
 * Attributes are taken twice, enums first, so that rows which share a path and differ by a
 * condition ("@bus" in a PCI and in a drive address) are told apart whatever order they come in.
 */
#include "model/schema-walk.h"

#include <string.h>

#include "model/quantity.h"
#include "model/text.h"

/* Characters of a stray text that a diagnostic repeats. */
#define TEXT_SHOWN 30

static gpointer parse_struct(const Schema *schema, const XmlNode *node, const char *path,
                             PositionMap *positions, Diagnostics *diagnostics);
static void take_content(Walk *walk, const XmlNode *node, const Field *row);

static guint
n_attributes(const XmlNode *node)
{
    return node->attributes ? node->attributes->len : 0;
}

static guint
n_children(const XmlNode *node)
{
    return node->children ? node->children->len : 0;
}

/* The path of @rest ("target", "@dev", "" for the element that rel stands at). */
static char *
full_path(const Walk *walk, const char *rest)
{
    char *path = g_strconcat(walk->base, *walk->base ? "/" : "", walk->rel->str, rest, NULL);
    gsize length = strlen(path);

    if (!*rest && length && path[length - 1] == '/')
        path[length - 1] = '\0';
    return path;
}

static void
set_position(Walk *walk, const char *rest, Position at)
{
    g_autofree char *path = NULL;

    if (!walk->positions)
        return;
    path = full_path(walk, rest);
    position_map_set(walk->positions, path, at);
}

/* ---- values ---- */

/* Whether nothing is kept of what @row names, nor anything below it looked at. */
static bool
is_passed_over(const Field *row)
{
    return row->is_output || row->refuse || (row->no_effect && row->type == TYPE_NONE);
}

/* Says of what @row names, at @rest below rel, that it is refused or has no effect. */
static void
report_row(Walk *walk, const Field *row, const char *rest, Position at, bool is_first)
{
    g_autofree char *path = NULL;

    if (!row->refuse && !(row->no_effect && is_first))
        return;
    path = full_path(walk, rest);
    if (row->refuse)
        diagnostics_add(walk->diagnostics, SEVERITY_ERROR, at, "not-supported", "%s: %s", path,
                        row->refuse);
    else
        diagnostics_add(walk->diagnostics, SEVERITY_NOTE, at, "no-effect", "%s has no effect: %s",
                        path, row->no_effect);
}

/* Notes that @row is used. False when the row says to pass over what it names. */
static bool
use_row(Walk *walk, const Field *row, const char *rest, Position at)
{
    RowUse *use = walk_use(walk, row);
    bool is_first = !use->is_used;

    if (row->is_output)
        return false;
    use->is_used = true;
    use->is_taken |= !field_kind(row)->parse;
    if (is_first)
        use->at = at;
    report_row(walk, row, rest, at, is_first);
    return !is_passed_over(row);
}

/* The unit of a size on @node in bytes; 0 after a diagnostic. */
static guint64
unit_of(Walk *walk, const XmlNode *node, const Field *row)
{
    const XmlAttribute *attribute = xml_node_attribute(node, "unit");
    guint64 unit = row->unit ? row->unit : 1024;

    if (!attribute)
        return unit;
    unit = size_unit_bytes(attribute->value);
    if (!unit) {
        g_autofree char *shown = text_excerpt(attribute->value, TEXT_EXCERPT);

        diagnostics_add(walk->diagnostics, SEVERITY_ERROR, attribute->at, "bad-value",
                        "<%s unit='%s'>: expected one of b, KB, KiB, MB, MiB, GB, GiB, TB, TiB, "
                        "PB, PiB, EB, EiB",
                        node->name, shown);
    }
    return unit;
}

/* Puts @text, an attribute (@name) or the content (@name NULL) of @node, into its member. */
static void
take_value(Walk *walk, const XmlNode *node, const Field *row, const char *name, const char *text,
           Position at)
{
    const FieldKind *kind = field_kind(row);
    guint64 unit = row->type == TYPE_SIZE ? unit_of(walk, node, row) : 1;
    g_autofree char *expected = NULL, *shown = NULL;
    ValueResult result;

    walk_use(walk, row)->is_taken = true;
    if (!unit)
        return;
    result = kind->parse(row, text, unit, field_member(row, walk->item));
    if (result == VALUE_GOOD)
        return;
    expected = kind->expected(row);
    shown = text_excerpt(text, TEXT_EXCERPT);
    if (name)
        diagnostics_add(walk->diagnostics, SEVERITY_ERROR, at,
                        result == VALUE_BAD ? "bad-value" : "out-of-range",
                        "<%s %s='%s'>: expected %s", node->name, name, shown, expected);
    else
        diagnostics_add(walk->diagnostics, SEVERITY_ERROR, at,
                        result == VALUE_BAD ? "bad-value" : "out-of-range",
                        "<%s>%s</%s>: expected %s", node->name, shown, node->name, expected);
}

static void
refuse_attribute(const Walk *walk, const XmlNode *node, const XmlAttribute *attribute)
{
    g_autofree char *meant = walk_nearest_name(walk, attribute->name, true);

    diagnostics_add(walk->diagnostics, SEVERITY_ERROR, attribute->at, "unknown-attribute",
                    "<%s> has no attribute '%s'%s%s%s", node->name, attribute->name,
                    meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
}

static void
take_attribute(Walk *walk, const XmlNode *node, const XmlAttribute *attribute, const Field *row)
{
    g_autofree char *rest = g_strconcat("@", attribute->name, NULL);

    set_position(walk, rest, attribute->at);
    if (!row) {
        if (!walk_is_size_unit(walk, attribute->name))
            refuse_attribute(walk, node, attribute);
        return;
    }
    if (use_row(walk, row, rest, attribute->at) && field_kind(row)->parse)
        take_value(walk, node, row, attribute->name, attribute->value, attribute->at);
}

static void
take_attributes(Walk *walk, const XmlNode *node, bool is_enum_round)
{
    for (guint i = 0; i < n_attributes(node); i++) {
        const XmlAttribute *attribute = node->attributes->pdata[i];
        const Field *row;

        if (g_str_has_prefix(attribute->name, "xmlns:"))
            continue;
        row = walk_attribute_row(walk, attribute->name);
        if ((row && row->type == TYPE_ENUM) == is_enum_round)
            take_attribute(walk, node, attribute, row);
    }
}

/* @row is the text's row, or NULL. */
static void
take_text(Walk *walk, const XmlNode *node, const Field *row)
{
    bool is_read = row && field_kind(row)->parse;

    if (row && is_passed_over(row))
        return;
    if (node->text && is_read) {
        take_value(walk, node, row, NULL,
                   row->is_verbatim && node->verbatim ? node->verbatim : node->text, node->at);
    } else if (node->text) {
        g_autofree char *start = g_utf8_strlen(node->text, -1) > TEXT_SHOWN
                                     ? g_utf8_substring(node->text, 0, TEXT_SHOWN)
                                     : g_strdup(node->text);

        start[strcspn(start, "\r\n")] = '\0';
        diagnostics_add(walk->diagnostics, SEVERITY_ERROR, node->at, "unexpected-text",
                        "<%s> takes no text, and has '%s%s'", node->name, start,
                        strlen(start) < strlen(node->text) ? "…" : "");
    } else if (is_read && row->type != TYPE_STRING && row->type != TYPE_PATH &&
               !walk_has_rows_below(walk)) {
        /* Where there are attributes beside it, a text left out is just absent. */
        g_autofree char *expected = field_kind(row)->expected(row);

        walk_use(walk, row)->is_taken = true;
        diagnostics_add(walk->diagnostics, SEVERITY_ERROR, node->at, "bad-value",
                        "<%s> is empty: expected %s", node->name, expected);
    }
}

/* ---- elements ---- */

static const XmlNode *
first_of_name(const XmlNode *parent, const XmlNode *child)
{
    for (guint i = 0; i < parent->children->len; i++) {
        const XmlNode *other = parent->children->pdata[i];

        if (g_str_equal(other->name, child->name) &&
            !g_strcmp0(other->namespace_, child->namespace_))
            return other;
    }
    return child;
}

static gpointer
parse_nested(Walk *walk, const Field *row, const XmlNode *child, const char *path)
{
    return parse_struct(row->schema, child, path, walk->positions, walk->diagnostics);
}

static void
take_list_item(Walk *walk, const Field *row, const XmlNode *child)
{
    GPtrArray **list = field_member(row, walk->item);
    g_autofree char *list_path = full_path(walk, "");
    g_autofree char *path = NULL;

    if (!*list)
        *list = g_ptr_array_new();
    path = g_strdup_printf("%s[%u]", list_path, (*list)->len);
    g_ptr_array_add(*list, parse_nested(walk, row, child, path));
}

static void take_child(Walk *walk, const XmlNode *node, const XmlNode *child, const Match *match);

/* The element as text, less those children that rows of their own read. */
static void
take_raw(Walk *walk, const Field *row, const XmlNode *node)
{
    g_autoptr(XmlNode) rest = xml_node_copy(node);
    char **member = field_member(row, walk->item);
    bool is_divided = false;

    for (guint i = 0, left = 0; i < n_children(node); i++) {
        const XmlNode *child = node->children->pdata[i];
        Match match;

        if (!walk_match_child(walk, child, node->namespace_, &match)) {
            left++;
            continue;
        }
        is_divided = true;
        g_ptr_array_remove_index(rest->children, left);
        take_child(walk, node, child, &match);
    }
    if (rest->children && !rest->children->len)
        g_clear_pointer(&rest->children, g_ptr_array_unref);
    if (is_divided && !rest->children && !n_attributes(rest) && !rest->text)
        return;
    g_free(*member);
    *member = xml_format(rest, NULL);
}

/* rel already stands at @child. */
static void
take_row_element(Walk *walk, const XmlNode *child, const Field *row)
{
    g_autofree char *path = NULL;

    if (!use_row(walk, row, "", child->at)) {
        set_position(walk, "", child->at);
        return;
    }
    if (row->type == TYPE_LIST) {
        take_list_item(walk, row, child);
        return;
    }
    if (row->type == TYPE_STRUCT) {
        path = full_path(walk, "");
        *(gpointer *) field_member(row, walk->item) = parse_nested(walk, row, child, path);
        return;
    }
    set_position(walk, "", child->at);
    if (row->type == TYPE_RAW) {
        take_raw(walk, row, child);
        return;
    }
    if (row->type == TYPE_FLAG)
        *(bool *) field_member(row, walk->item) = true;
    take_content(walk, child, row);
}

static bool
row_may_repeat(const Field *row)
{
    return row && (row->type == TYPE_LIST || is_passed_over(row));
}

static void
take_child(Walk *walk, const XmlNode *node, const XmlNode *child, const Match *match)
{
    gsize length = walk->rel->len;

    if (!row_may_repeat(match->exact)) {
        const XmlNode *first = first_of_name(node, child);

        if (first != child) {
            diagnostics_add(walk->diagnostics, SEVERITY_ERROR, child->at, "duplicate-element",
                            "<%s> may stand only once in <%s>, and stands on line %u already",
                            child->name, node->name, first->at.line);
            return;
        }
    }
    g_string_append(walk->rel, match->segment);
    g_string_append_c(walk->rel, '/');
    if (match->exact) {
        take_row_element(walk, child, match->exact);
    } else {
        set_position(walk, "", child->at);
        take_content(walk, child, NULL);
    }
    g_string_truncate(walk->rel, length);
}

static void
refuse_child(const Walk *walk, const XmlNode *node, const XmlNode *child)
{
    g_autofree char *meant = child->namespace_ ? NULL : walk_nearest_name(walk, child->name, false);

    diagnostics_add(walk->diagnostics, SEVERITY_ERROR, child->at, "unknown-element",
                    "<%s> has no element <%s>%s%s%s%s%s", node->name, child->name,
                    child->namespace_ ? " of namespace " : "",
                    child->namespace_ ? child->namespace_ : "", meant ? "; did you mean <" : "",
                    meant ? meant : "", meant ? ">?" : "");
}

static void
take_children(Walk *walk, const XmlNode *node)
{
    for (guint i = 0; i < n_children(node) && !walk->diagnostics->is_full; i++) {
        const XmlNode *child = node->children->pdata[i];
        Match match;

        if (walk_match_child(walk, child, node->namespace_, &match))
            take_child(walk, node, child, &match);
        else
            refuse_child(walk, node, child);
    }
}

/* All that is in @node, where rel stands; @row is that of its text, NULL when it takes none. */
static void
take_content(Walk *walk, const XmlNode *node, const Field *row)
{
    take_attributes(walk, node, true);
    take_attributes(walk, node, false);
    take_text(walk, node, row);
    take_children(walk, node);
}

static const Field *
own_text_row(const Schema *schema)
{
    for (const Field *row = schema->fields; row->path; row++)
        if (field_is_own_text(row))
            return row;
    return NULL;
}

static guint
n_rows(const Schema *schema)
{
    guint n = 0;

    while (schema->fields[n].path)
        n++;
    return n;
}

static gpointer
parse_struct(const Schema *schema, const XmlNode *node, const char *path, PositionMap *positions,
             Diagnostics *diagnostics)
{
    g_autoptr(GString) rel = g_string_new(NULL);
    g_autofree RowUse *uses = g_new0(RowUse, n_rows(schema) + 1);
    const Field *text_row = own_text_row(schema);
    Walk walk = {
        .schema = schema,
        .node = node,
        .item = g_malloc0(schema->size),
        .base = path,
        .rel = rel,
        .uses = uses,
        .positions = positions,
        .diagnostics = diagnostics,
    };

    set_position(&walk, "", node->at);
    if (text_row && node->text)
        use_row(&walk, text_row, "", node->at);
    take_content(&walk, node, text_row);
    walk_check_rows(&walk);
    return walk.item;
}

gpointer
schema_parse(const Schema *schema, const XmlNode *node, const char *path, PositionMap *positions,
             Diagnostics *diagnostics)
{
    if (!g_str_equal(node->name, schema->element) ||
        g_strcmp0(node->namespace_, schema->namespace_)) {
        diagnostics_add(diagnostics, SEVERITY_ERROR, node->at, "unknown-element",
                        "expected <%s>, not <%s>%s%s", schema->element, node->name,
                        node->namespace_ ? " of namespace " : "",
                        node->namespace_ ? node->namespace_ : "");
        return g_malloc0(schema->size);
    }
    return parse_struct(schema, node, path, positions, diagnostics);
}
