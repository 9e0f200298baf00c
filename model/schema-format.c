/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes a struct as an element, by the rows of its schema.
 *
 * The text is canonical: elements stand in the order in which rows first mention them, whatever
 * order they were read in and whichever of them are set, so that parse and format together are a
 * fixed point and a document's digest depends on what it says alone. An element on the way
 * ("target" of "target/@dev") is made when the first of its rows is set, and moved to its place.
 *
 * Sizes are bytes in memory and KiB in XML, as libvirt writes them, or bytes where KiB would
 * lose some. Sizes that share an element share its 'unit', and so are decided on together.
 */
#include "model/schema-value.h"

#include <string.h>

static XmlNode *format_item(const Schema *schema, const char *name, const char *namespace_,
                            gconstpointer item);

/* The index of the first row that mentions the element @name below @prefix; -1 when none does. */
static int
first_mention(const Schema *schema, const char *prefix, gsize prefix_length, const char *name)
{
    gsize length = strlen(name);

    for (int i = 0; schema->fields[i].path; i++) {
        const char *rest = schema->fields[i].path, *colon;

        if (!path_begins_with(rest, prefix, prefix_length))
            continue;
        rest += prefix_length;
        colon = strchr(rest, ':');
        if (colon && !memchr(rest, '/', colon - rest))
            rest = colon + 1;
        if (path_begins_with(rest, name, length) && (!rest[length] || rest[length] == '/'))
            return i;
    }
    return -1;
}

/* Adds @child to @parent, which stands at @prefix ("" or "target/"), where its rows say. */
static XmlNode *
insert_child(const Schema *schema, XmlNode *parent, XmlNode *child, const char *prefix,
             gsize prefix_length)
{
    int order = first_mention(schema, prefix, prefix_length, child->name);
    guint place;

    xml_node_append(parent, child);
    for (place = parent->children->len - 1; place > 0; place--) {
        const XmlNode *before = parent->children->pdata[place - 1];

        if (first_mention(schema, prefix, prefix_length, before->name) <= order)
            break;
    }
    if (place < parent->children->len - 1) {
        g_ptr_array_steal_index(parent->children, parent->children->len - 1);
        g_ptr_array_insert(parent->children, place, child);
    }
    return child;
}

static XmlNode *
child_of_name(const XmlNode *parent, const char *name)
{
    /* From the end: it is most often the one last made. */
    for (guint i = parent->children ? parent->children->len : 0; i > 0; i--) {
        XmlNode *child = parent->children->pdata[i - 1];

        if (g_str_equal(child->name, name))
            return child;
    }
    return NULL;
}

/* The element at the first @length bytes of @path below @root, made if need be. */
static XmlNode *
element_at(const Schema *schema, XmlNode *root, const char *path, gsize length)
{
    XmlNode *node = root;
    gsize start = 0;

    while (start < length) {
        const char *slash = memchr(path + start, '/', length - start);
        gsize end = slash ? (gsize) (slash - path) : length;
        g_autofree char *segment = g_strndup(path + start, end - start);
        const char *name = field_local_name(segment);
        XmlNode *child = child_of_name(node, name);

        if (!child)
            child = insert_child(schema, node, xml_node_new(name, root->namespace_), path, start);
        node = child;
        start = end + 1;
    }
    return node;
}

/* ---- sizes ---- */

/* The path of the element that the size @field takes its unit from, as a length. */
static gsize
unit_holder(const Field *field)
{
    if (field_is_own_text(field))
        return 0;
    return field_is_attribute(field) ? field_parent_length(field->path) : strlen(field->path);
}

/* The unit that all sizes of one element can be written in: 1 or 1024 bytes. is_bare: no unit
 * attribute is needed. */
static guint64
shared_unit(const Schema *schema, gconstpointer item, const Field *field, bool *ret_is_bare)
{
    gsize length = unit_holder(field);
    guint64 unit = 1024;
    bool is_bare = true;

    for (const Field *other = schema->fields; other->path; other++) {
        if (other->type != TYPE_SIZE || unit_holder(other) != length ||
            !path_begins_with(other->path, field->path, length) || !field_is_set(other, item))
            continue;
        if (other->unit != 1)
            is_bare = false;
        if (((const OptUint *) field_member_const(other, item))->value % 1024)
            unit = 1;
    }
    *ret_is_bare = is_bare;
    return is_bare ? 1 : unit;
}

static char *
size_in_xml(const Schema *schema, gconstpointer item, const Field *field, XmlNode *node)
{
    const OptUint *size = field_member_const(field, item);
    bool is_bare;
    guint64 unit = shared_unit(schema, item, field, &is_bare);

    if (!is_bare && !xml_node_attribute(node, "unit"))
        xml_node_set(node, "unit", unit == 1 ? "bytes" : "KiB");
    return g_strdup_printf("%" G_GUINT64_FORMAT, size->value / unit);
}

/* ---- rows ---- */

static char *
value_in_xml(const Schema *schema, gconstpointer item, const Field *field, XmlNode *node)
{
    if (field->type == TYPE_SIZE)
        return size_in_xml(schema, item, field, node);
    return field_value_text(field, item);
}

static void
format_text(const Schema *schema, gconstpointer item, const Field *field, XmlNode *root)
{
    gsize length = field_is_own_text(field) ? 0 : strlen(field->path);
    XmlNode *node = element_at(schema, root, field->path, length);
    g_autofree char *text = NULL;

    if (field->type == TYPE_FLAG)
        return;
    text = value_in_xml(schema, item, field, node);
    xml_node_set_text(node, *text ? text : NULL);
}

static void
format_attribute(const Schema *schema, gconstpointer item, const Field *field, XmlNode *root)
{
    XmlNode *node = element_at(schema, root, field->path, field_parent_length(field->path));
    const char *name = strrchr(field->path, '@') + 1;
    g_autofree char *text = value_in_xml(schema, item, field, node);

    if (!xml_node_attribute(node, name))
        xml_node_set(node, name, text);
}

static XmlNode *
raw_node(const char *text)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("raw");
    XmlNode *node = xml_parse(text, strlen(text), diagnostics);

    if (!node)
        g_critical("a member of TYPE_RAW does not hold XML");
    return node;
}

static void
format_elements(const Schema *schema, gconstpointer item, const Field *field, XmlNode *root)
{
    gsize length = field_parent_length(field->path);
    XmlNode *parent = element_at(schema, root, field->path, length);
    gsize prefix = length ? length + 1 : 0;
    gpointer value = *(const gpointer *) field_member_const(field, item);
    g_autoptr(GPtrArray) single = g_ptr_array_new();
    const GPtrArray *items = single;

    if (field->type == TYPE_LIST)
        items = value;
    else
        g_ptr_array_add(single, value);
    for (guint i = 0; i < items->len; i++) {
        XmlNode *child;

        if (field->type == TYPE_RAW)
            child = raw_node(items->pdata[i]);
        else
            child = format_item(field->schema, field_local_name(field->path),
                                field->schema->namespace_ ? field->schema->namespace_
                                                          : root->namespace_,
                                items->pdata[i]);
        if (child)
            insert_child(schema, parent, child, field->path, prefix);
    }
}

static void
format_field(const Schema *schema, gconstpointer item, const Field *field, XmlNode *root)
{
    if (field->type == TYPE_STRUCT || field->type == TYPE_LIST || field->type == TYPE_RAW)
        format_elements(schema, item, field, root);
    else if (field_is_attribute(field))
        format_attribute(schema, item, field, root);
    else
        format_text(schema, item, field, root);
}

static XmlNode *
format_item(const Schema *schema, const char *name, const char *namespace_, gconstpointer item)
{
    XmlNode *root = xml_node_new(name, namespace_);

    for (const Field *field = schema->fields; field->path; field++)
        if (!field->is_output && field_is_set(field, item) && field_applies(schema, field, item))
            format_field(schema, item, field, root);
    return root;
}

XmlNode *
schema_format(const Schema *schema, gconstpointer item)
{
    return format_item(schema, schema->element, schema->namespace_, item);
}
