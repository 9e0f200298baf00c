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
#include "model/schema-value.h"

#include <string.h>

#include "model/quantity.h"

/* Characters of a stray text that a diagnostic repeats. */
#define TEXT_SHOWN 30

typedef struct RowUse {
    Position at;
    bool is_used;  /* what it names is in the document */
    bool is_taken; /* ... and its value was taken, or reported */
} RowUse;

typedef struct Walk {
    const Schema *schema;
    const XmlNode *node; /* the struct's own element */
    gpointer item;
    const char *base; /* its path */
    GString *rel;     /* how far below it: "" or "driver/iotune/" */
    RowUse *uses;     /* one per row */
    PositionMap *positions;
    Diagnostics *diagnostics;
} Walk;

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

static RowUse *
use_of(Walk *walk, const Field *row)
{
    return &walk->uses[row - walk->schema->fields];
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

/* ---- finding rows ---- */

/* What of a row's path is below rel, NULL when it is elsewhere. */
static const char *
below_rel(const Walk *walk, const Field *row)
{
    return strncmp(row->path, walk->rel->str, walk->rel->len) ? NULL : row->path + walk->rel->len;
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

static const Field *
attribute_row(const Walk *walk, const char *name)
{
    const Field *found = NULL;

    for (const Field *row = walk->schema->fields; row->path; row++) {
        const char *rest = below_rel(walk, row);

        if (rest && *rest == '@' && g_str_equal(rest + 1, name))
            found = better_row(walk, found, row);
    }
    return found;
}

typedef struct Match {
    const Field *exact; /* the row of this very element */
    bool is_way;        /* there are rows below it */
    char *segment;      /* as rows write it: "target", "vk:policy" */
} Match;

static bool
row_is_foreign(const Field *row, const char *parent_namespace)
{
    return row->schema && row->schema->namespace_ &&
           g_strcmp0(row->schema->namespace_, parent_namespace);
}

/* The rows of @child within an element of namespace @parent_namespace. */
static bool
match_child(const Walk *walk, const XmlNode *child, const char *parent_namespace, Match *ret_match)
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
        if (is_foreign || strncmp(rest, child->name, length))
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

/* An attribute 'unit' beside or around a size belongs to the size. */
static bool
is_size_unit(const Walk *walk, const char *name)
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

/* ---- values ---- */

/* Notes that @row is used. False when the row says to pass over what it names. */
static bool
use_row(Walk *walk, const Field *row, const char *path, Position at)
{
    RowUse *use = use_of(walk, row);
    bool is_first = !use->is_used;

    if (row->is_output)
        return false;
    use->is_used = true;
    use->is_taken |= !field_kind(row)->parse;
    if (is_first)
        use->at = at;
    if (row->refuse) {
        diagnostics_add(walk->diagnostics, SEVERITY_ERROR, at, "not-supported", "%s: %s", path,
                        row->refuse);
        return false;
    }
    if (row->no_effect && is_first)
        diagnostics_add(walk->diagnostics, SEVERITY_NOTE, at, "no-effect", "%s has no effect: %s",
                        path, row->no_effect);
    return !row->no_effect || row->type != TYPE_NONE;
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
    if (!unit)
        diagnostics_add(walk->diagnostics, SEVERITY_ERROR, attribute->at, "bad-value",
                        "<%s unit='%s'>: expected one of b, KB, KiB, MB, MiB, GB, GiB, TB, TiB, "
                        "PB, PiB, EB, EiB",
                        node->name, attribute->value);
    return unit;
}

/* Puts @text, an attribute (@name) or the content (@name NULL) of @node, into its member. */
static void
take_value(Walk *walk, const XmlNode *node, const Field *row, const char *name, const char *text,
           Position at)
{
    const FieldKind *kind = field_kind(row);
    guint64 unit = row->type == TYPE_SIZE ? unit_of(walk, node, row) : 1;
    g_autofree char *expected = NULL;
    ValueResult result;

    use_of(walk, row)->is_taken = true;
    if (!unit)
        return;
    result = kind->parse(row, text, unit, field_member(row, walk->item));
    if (result == VALUE_GOOD)
        return;
    expected = kind->expected(row);
    if (name)
        diagnostics_add(walk->diagnostics, SEVERITY_ERROR, at,
                        result == VALUE_BAD ? "bad-value" : "out-of-range",
                        "<%s %s='%s'>: expected %s", node->name, name, text, expected);
    else
        diagnostics_add(walk->diagnostics, SEVERITY_ERROR, at,
                        result == VALUE_BAD ? "bad-value" : "out-of-range",
                        "<%s>%s</%s>: expected %s", node->name, text, node->name, expected);
}

static void
take_attribute(Walk *walk, const XmlNode *node, const XmlAttribute *attribute, const Field *row)
{
    g_autofree char *rest = g_strconcat("@", attribute->name, NULL);
    g_autofree char *path = full_path(walk, rest);

    if (walk->positions)
        position_map_set(walk->positions, path, attribute->at);
    if (!row) {
        if (!is_size_unit(walk, attribute->name))
            diagnostics_add(walk->diagnostics, SEVERITY_ERROR, attribute->at, "unknown-attribute",
                            "<%s> has no attribute '%s'", node->name, attribute->name);
        return;
    }
    if (use_row(walk, row, path, attribute->at) && field_kind(row)->parse)
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
        row = attribute_row(walk, attribute->name);
        if ((row && row->type == TYPE_ENUM) == is_enum_round)
            take_attribute(walk, node, attribute, row);
    }
}

static bool
has_rows_below(const Walk *walk)
{
    for (const Field *row = walk->schema->fields; row->path; row++) {
        const char *rest = below_rel(walk, row);

        if (rest && !field_is_own_text(row))
            return true;
    }
    return false;
}

/* @row is the text's row, or NULL. */
static void
take_text(Walk *walk, const XmlNode *node, const Field *row)
{
    bool is_read = row && field_kind(row)->parse;

    if (node->text && is_read) {
        take_value(walk, node, row, NULL, node->text, node->at);
    } else if (node->text) {
        g_autofree char *start = g_utf8_strlen(node->text, -1) > TEXT_SHOWN
                                     ? g_utf8_substring(node->text, 0, TEXT_SHOWN)
                                     : g_strdup(node->text);

        start[strcspn(start, "\r\n")] = '\0';
        diagnostics_add(walk->diagnostics, SEVERITY_ERROR, node->at, "unexpected-text",
                        "<%s> takes no text, and has '%s%s'", node->name, start,
                        strlen(start) < strlen(node->text) ? "…" : "");
    } else if (is_read && row->type != TYPE_STRING && !has_rows_below(walk)) {
        /* Where there are attributes beside it, a text left out is just absent. */
        g_autofree char *expected = field_kind(row)->expected(row);

        use_of(walk, row)->is_taken = true;
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

        if (!match_child(walk, child, node->namespace_, &match)) {
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
    g_autofree char *path = full_path(walk, "");

    if (!use_row(walk, row, path, child->at)) {
        set_position(walk, "", child->at);
        return;
    }
    if (row->type == TYPE_LIST) {
        take_list_item(walk, row, child);
        return;
    }
    if (row->type == TYPE_STRUCT) {
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
    return row && (row->type == TYPE_LIST || row->is_output || row->refuse ||
                   (row->no_effect && row->type == TYPE_NONE));
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
    g_string_append_printf(walk->rel, "%s/", match->segment);
    if (match->exact) {
        take_row_element(walk, child, match->exact);
    } else {
        set_position(walk, "", child->at);
        take_content(walk, child, NULL);
    }
    g_string_truncate(walk->rel, length);
}

static void
take_children(Walk *walk, const XmlNode *node)
{
    for (guint i = 0; i < n_children(node) && !walk->diagnostics->is_full; i++) {
        const XmlNode *child = node->children->pdata[i];
        Match match;

        if (match_child(walk, child, node->namespace_, &match))
            take_child(walk, node, child, &match);
        else
            diagnostics_add(walk->diagnostics, SEVERITY_ERROR, child->at, "unknown-element",
                            "<%s> has no element <%s>%s%s", node->name, child->name,
                            child->namespace_ ? " of namespace " : "",
                            child->namespace_ ? child->namespace_ : "");
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

/* ---- what only the whole element shows ---- */

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
check_condition(Walk *walk, const Field *row)
{
    const Field *enum_row = enum_row_at(walk, row->when_offset);
    const char *when_path = row->when_path ? row->when_path : enum_row ? enum_row->path : "@type";
    g_autofree char *allowed = condition_text(walk, row, enum_row);
    g_autofree char *tag = tag_text(walk, row->path, "…");
    g_autofree char *wanted = NULL;

    /* Its value is missing or was not understood, and that is said elsewhere. */
    if (enum_row && !field_is_set(enum_row, walk->item) &&
        (use_of(walk, enum_row)->is_used || enum_row->is_required))
        return;
    if (*when_path == '@')
        wanted = g_strdup_printf("%s=%s", when_path + 1, allowed);
    else
        wanted = tag_text(walk, when_path, allowed);
    diagnostics_add(walk->diagnostics, SEVERITY_ERROR, use_of(walk, row)->at, "not-here",
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
check_required(Walk *walk, const Field *row)
{
    gsize parent = field_parent_length(row->path);
    g_autofree char *tag = tag_text(walk, row->path, "…");
    const XmlNode *node = node_at(walk, row->path, parent);
    bool is_attribute = field_is_attribute(row);

    if (use_of(walk, row)->is_used || field_is_own_text(row)) {
        Position at = use_of(walk, row)->is_used ? use_of(walk, row)->at : walk->node->at;

        diagnostics_add(walk->diagnostics, SEVERITY_ERROR, at, "missing-element", "%s is empty",
                        tag);
        return;
    }
    if (node && is_attribute) {
        diagnostics_add(walk->diagnostics, SEVERITY_ERROR, node->at, "missing-attribute",
                        "<%s> needs the attribute '%s'", node->name, field_local_name(row->path));
        return;
    }
    if (!node && is_attribute) {
        g_autofree char *element = g_strndup(row->path, parent);

        node = node_at(walk, element, field_parent_length(element));
    }
    if (node)
        diagnostics_add(walk->diagnostics, SEVERITY_ERROR, node->at, "missing-element",
                        "<%s> needs %s", node->name, tag);
}

static void
check_rows(Walk *walk)
{
    for (const Field *row = walk->schema->fields; row->path; row++) {
        const RowUse *use = use_of(walk, row);
        bool holds = field_condition_holds(row, walk->item);

        if (use->is_used && !holds && !row->refuse)
            check_condition(walk, row);
        if (row->is_required && holds && !use->is_taken)
            check_required(walk, row);
    }
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
    if (text_row && node->text && !use_row(&walk, text_row, path, node->at))
        text_row = NULL;
    take_content(&walk, node, text_row);
    check_rows(&walk);
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
