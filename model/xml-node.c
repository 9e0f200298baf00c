/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tree of a document, and its text.
 *
 * Plain nodes that are built, copied, compared and written without libxml2, so that what is
 * written depends on nothing but the tree: two spaces a level, single quotes, attributes in the
 * order in which they were set.
 *
 * Names are local names beside a namespace's URI. On the way out a namespace becomes a default
 * declaration wherever it differs from the one in force, or a prefix where the caller listed
 * one. Declarations of prefixes that a document made are among a node's attributes (xml.c), since
 * its attributes may use them; a listed prefix that such a declaration has taken for something
 * else is not used on that node.
 */
#include "model/xml.h"

#include <string.h>

static void
xml_attribute_free(gpointer data)
{
    XmlAttribute *attribute = data;

    g_free(attribute->name);
    g_free(attribute->value);
    g_free(attribute);
}

XmlNode *
xml_node_new(const char *name, const char *namespace_)
{
    XmlNode *node = g_new0(XmlNode, 1);

    node->name = g_strdup(name);
    node->namespace_ = g_strdup(namespace_);
    return node;
}

void
xml_node_free(XmlNode *node)
{
    if (!node)
        return;
    g_free(node->name);
    g_free(node->namespace_);
    g_free(node->text);
    g_free(node->verbatim);
    g_clear_pointer(&node->attributes, g_ptr_array_unref);
    g_clear_pointer(&node->children, g_ptr_array_unref);
    g_free(node);
}

static void
free_node(gpointer data)
{
    xml_node_free(data);
}

XmlNode *
xml_node_append(XmlNode *node, XmlNode *child)
{
    if (!node->children)
        node->children = g_ptr_array_new_with_free_func(free_node);
    g_ptr_array_add(node->children, child);
    return child;
}

XmlAttribute *
xml_node_set(XmlNode *node, const char *name, const char *value)
{
    XmlAttribute *attribute = g_new0(XmlAttribute, 1);

    attribute->name = g_strdup(name);
    attribute->value = g_strdup(value);
    if (!node->attributes)
        node->attributes = g_ptr_array_new_with_free_func(xml_attribute_free);
    g_ptr_array_add(node->attributes, attribute);
    return attribute;
}

void
xml_node_set_text(XmlNode *node, const char *text)
{
    g_free(node->text);
    node->text = g_strdup(text);
}

XmlNode *
xml_node_copy(const XmlNode *node)
{
    XmlNode *copy = xml_node_new(node->name, node->namespace_);

    copy->text = g_strdup(node->text);
    copy->verbatim = g_strdup(node->verbatim);
    copy->at = node->at;
    for (guint i = 0; node->attributes && i < node->attributes->len; i++) {
        const XmlAttribute *attribute = node->attributes->pdata[i];

        xml_node_set(copy, attribute->name, attribute->value)->at = attribute->at;
    }
    for (guint i = 0; node->children && i < node->children->len; i++)
        xml_node_append(copy, xml_node_copy(node->children->pdata[i]));
    return copy;
}

const XmlAttribute *
xml_node_attribute(const XmlNode *node, const char *name)
{
    for (guint i = 0; node->attributes && i < node->attributes->len; i++) {
        const XmlAttribute *attribute = node->attributes->pdata[i];

        if (g_str_equal(attribute->name, name))
            return attribute;
    }
    return NULL;
}

const XmlNode *
xml_node_child(const XmlNode *node, const char *name)
{
    for (guint i = 0; node->children && i < node->children->len; i++) {
        const XmlNode *child = node->children->pdata[i];

        if (g_str_equal(child->name, name))
            return child;
    }
    return NULL;
}

bool
xml_node_equal(const XmlNode *a, const XmlNode *b)
{
    guint n_attributes = a->attributes ? a->attributes->len : 0;
    guint n_children = a->children ? a->children->len : 0;

    if (g_strcmp0(a->name, b->name) || g_strcmp0(a->namespace_, b->namespace_) ||
        g_strcmp0(a->text, b->text))
        return false;
    if (n_attributes != (b->attributes ? b->attributes->len : 0) ||
        n_children != (b->children ? b->children->len : 0))
        return false;
    for (guint i = 0; i < n_attributes; i++) {
        const XmlAttribute *left = a->attributes->pdata[i];
        const XmlAttribute *right = xml_node_attribute(b, left->name);

        if (!right || g_strcmp0(left->value, right->value))
            return false;
    }
    for (guint i = 0; i < n_children; i++)
        if (!xml_node_equal(a->children->pdata[i], b->children->pdata[i]))
            return false;
    return true;
}

/* ---- formatting ---- */

static const char *
prefix_of(const char *const *prefixes, const char *uri)
{
    for (; prefixes && uri && *prefixes; prefixes += 2)
        if (g_str_equal(prefixes[0], uri))
            return prefixes[1];
    return NULL;
}

static void
append_escaped(GString *out, const char *text, bool is_attribute)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            g_string_append(out, "&amp;");
            break;
        case '<':
            g_string_append(out, "&lt;");
            break;
        case '>':
            g_string_append(out, "&gt;");
            break;
        case '\'':
            g_string_append(out, is_attribute ? "&apos;" : "'");
            break;
        case '\n':
        case '\r':
        case '\t':
            if (is_attribute || *text == '\r')
                g_string_append_printf(out, "&#%d;", *text);
            else
                g_string_append_c(out, *text);
            break;
        default:
            g_string_append_c(out, *text);
        }
    }
}

/* Whether @node's own attributes bind @prefix, and not to @node's namespace. */
static bool
is_taken(const XmlNode *node, const char *prefix)
{
    g_autofree char *name = g_strconcat("xmlns:", prefix, NULL);
    const XmlAttribute *attribute = xml_node_attribute(node, name);

    return attribute && !g_str_equal(attribute->value, node->namespace_);
}

/* What is in force around a node. */
typedef struct Scope {
    const char *const *prefixes;
    const char *default_namespace;
    const char *prefix; /* the parent's own, NULL when it has none */
    guint depth;
} Scope;

static void
append_attributes(GString *out, const XmlNode *node, const char *declared_prefix)
{
    for (guint i = 0; node->attributes && i < node->attributes->len; i++) {
        const XmlAttribute *attribute = node->attributes->pdata[i];

        if (declared_prefix && g_str_has_prefix(attribute->name, "xmlns:") &&
            g_str_equal(attribute->name + strlen("xmlns:"), declared_prefix))
            continue;
        g_string_append_printf(out, " %s='", attribute->name);
        append_escaped(out, attribute->value, true);
        g_string_append_c(out, '\'');
    }
}

/* The start tag without its end; what is in force within the element. */
static Scope
append_tag(GString *out, const XmlNode *node, const char *tag, const char *prefix,
           const Scope *around)
{
    Scope within = *around;
    bool is_new_prefix = prefix && g_strcmp0(prefix, around->prefix);
    bool is_new_default = !prefix && g_strcmp0(node->namespace_, around->default_namespace);

    g_string_append_printf(out, "%*s<%s", (int) around->depth * 2, "", tag);
    if (is_new_prefix || is_new_default) {
        g_string_append(out, is_new_prefix ? " xmlns:" : " xmlns");
        g_string_append_printf(out, "%s='", is_new_prefix ? prefix : "");
        append_escaped(out, node->namespace_ ? node->namespace_ : "", true);
        g_string_append_c(out, '\'');
    }
    append_attributes(out, node, is_new_prefix ? prefix : NULL);
    if (!prefix)
        within.default_namespace = node->namespace_;
    within.prefix = prefix;
    within.depth++;
    return within;
}

static void
append_node(GString *out, const XmlNode *node, const Scope *around)
{
    const char *listed = prefix_of(around->prefixes, node->namespace_);
    const char *prefix = listed && !is_taken(node, listed) ? listed : NULL;
    g_autofree char *tag =
        prefix ? g_strdup_printf("%s:%s", prefix, node->name) : g_strdup(node->name);
    Scope within = append_tag(out, node, tag, prefix, around);

    if (!node->text && !node->children) {
        g_string_append(out, "/>\n");
        return;
    }
    g_string_append_c(out, '>');
    if (node->text)
        append_escaped(out, node->text, false);
    if (node->children) {
        g_string_append_c(out, '\n');
        for (guint i = 0; i < node->children->len; i++)
            append_node(out, node->children->pdata[i], &within);
        g_string_append_printf(out, "%*s", (int) around->depth * 2, "");
    }
    g_string_append_printf(out, "</%s>\n", tag);
}

char *
xml_format(const XmlNode *root, const char *const *prefixes)
{
    GString *out = g_string_new(NULL);
    Scope scope = { .prefixes = prefixes };

    append_node(out, root, &scope);
    return g_string_free(out, FALSE);
}
