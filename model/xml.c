/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The border to libxml2.
 *
 * libxml2's tree keeps a line per element, no column, and a line of at most 65535 in older
 * files, while every diagnostic of ours has FILE:LINE:COL, of attributes too. So the SAX
 * interface is used and a tree of our own is built, from which everything above works.
 *
 * Columns: when libxml2 reports an element, its input cursor stands at the end of that start
 * tag. '<' is forbidden inside a tag (also in attribute values), so the nearest '<' backwards in
 * the document is where the element begins; attribute names are then found by walking the tag
 * forwards. This needs libxml2's offsets to be offsets into our buffer, hence UTF-8 only: the
 * XML declaration may name no other encoding. The cursor is xmlByteConsumed().
 *
 * Hostile input: the document type declaration is refused as soon as it begins, so there are no
 * entities to expand and nothing to load (no-network is set besides). Size, depth and element
 * count are bounded before anything is built.
 */
#include "model/xml.h"

#include <string.h>

#include <libxml/parser.h>
#include <libxml/parserInternals.h>

typedef struct Builder {
    xmlParserCtxt *parser;
    const char *text;
    gsize length;
    gsize *line_starts;
    gsize n_lines;
    Diagnostics *diagnostics;
    XmlNode *root;
    GPtrArray *open; /* XmlNode*, borrowed, innermost last */
    GPtrArray *texts; /* GString*, one per open node */
    guint n_nodes;
    bool is_stopped;
} Builder;

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

static XmlAttribute *
add_attribute(XmlNode *node, const char *name, char *value)
{
    XmlAttribute *attribute = g_new0(XmlAttribute, 1);

    attribute->name = g_strdup(name);
    attribute->value = value;
    if (!node->attributes)
        node->attributes = g_ptr_array_new_with_free_func(xml_attribute_free);
    g_ptr_array_add(node->attributes, attribute);
    return attribute;
}

void
xml_node_set(XmlNode *node, const char *attribute, const char *value)
{
    add_attribute(node, attribute, g_strdup(value));
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
    copy->at = node->at;
    for (guint i = 0; node->attributes && i < node->attributes->len; i++) {
        const XmlAttribute *attribute = node->attributes->pdata[i];

        add_attribute(copy, attribute->name, g_strdup(attribute->value))->at = attribute->at;
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

/* ---- parsing ---- */

static Position
position_of(const Builder *builder, gsize offset)
{
    gsize low = 0, high = builder->n_lines;

    while (high - low > 1) {
        gsize middle = (low + high) / 2;

        if (builder->line_starts[middle] <= offset)
            low = middle;
        else
            high = middle;
    }
    return (Position){ low + 1, offset - builder->line_starts[low] + 1 };
}

static void
index_lines(Builder *builder)
{
    GArray *starts = g_array_new(FALSE, FALSE, sizeof(gsize));
    gsize zero = 0;

    g_array_append_val(starts, zero);
    for (gsize i = 0; i < builder->length; i++) {
        gsize next = i + 1;

        if (builder->text[i] == '\n')
            g_array_append_val(starts, next);
    }
    builder->line_starts = g_array_steal(starts, &builder->n_lines);
    g_array_unref(starts);
}

static gsize
cursor(const Builder *builder)
{
    long consumed = xmlByteConsumed(builder->parser);

    return consumed < 0 ? 0 : MIN((gsize) consumed, builder->length);
}

static void
stop(Builder *builder, gsize offset, const char *code, const char *text)
{
    if (builder->is_stopped)
        return;
    builder->is_stopped = true;
    diagnostics_add(builder->diagnostics, SEVERITY_ERROR, position_of(builder, offset), code, "%s",
                    text);
    xmlStopParser(builder->parser);
}

static gsize
tag_start(const Builder *builder)
{
    gsize at = cursor(builder);

    if (at >= builder->length && builder->length > 0)
        at = builder->length - 1;
    /* The cursor may stand on the '<' of what follows an already consumed tag: step off it. */
    if (at > 0 && builder->text[at] == '<')
        at--;
    while (at > 0 && builder->text[at] != '<')
        at--;
    return at;
}

/* The offset of attribute @name's name within the tag that begins at @start. */
static gsize
attribute_start(const Builder *builder, gsize start, const char *name)
{
    gsize length = strlen(name);
    gsize i = start + 1;
    char quote = 0;

    for (; i < builder->length && (quote || builder->text[i] != '>'); i++) {
        char c = builder->text[i];

        if (quote) {
            if (c == quote)
                quote = 0;
            continue;
        }
        if (c == '"' || c == '\'') {
            quote = c;
            continue;
        }
        if (i + length < builder->length && g_ascii_isspace(builder->text[i - 1]) &&
            !strncmp(builder->text + i, name, length) &&
            (builder->text[i + length] == '=' || g_ascii_isspace(builder->text[i + length])))
            return i;
    }
    return start;
}

static void
take_attribute(Builder *builder, XmlNode *node, gsize start, const xmlChar **slot)
{
    const char *local = (const char *) slot[0], *prefix = (const char *) slot[1];
    const char *value = (const char *) slot[3], *end = (const char *) slot[4];
    g_autofree char *name = prefix ? g_strdup_printf("%s:%s", prefix, local) : g_strdup(local);
    XmlAttribute *attribute = add_attribute(node, name, g_strndup(value, end - value));

    attribute->at = position_of(builder, attribute_start(builder, start, name));
}

/* Foreign elements (metadata) may use a prefix in their attributes, so declarations of prefixes
 * are kept, as attributes. The schema walkers pass over them. */
static void
keep_declaration(XmlNode *node, const char *prefix, const char *uri)
{
    g_autofree char *name = prefix ? g_strdup_printf("xmlns:%s", prefix) : NULL;

    if (name && uri)
        add_attribute(node, name, g_strdup(uri))->at = node->at;
}

static void
start_element(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
              int n_namespaces, const xmlChar **namespaces, int n_attributes, int n_defaulted,
              const xmlChar **attributes)
{
    Builder *builder = data;
    XmlNode *node, *parent;
    gsize start;

    if (builder->is_stopped)
        return;
    start = tag_start(builder);
    if (builder->open->len >= XML_MAX_DEPTH)
        return stop(builder, start, "xml-too-deep", "elements are nested more than 64 deep");
    if (++builder->n_nodes > XML_MAX_NODES)
        return stop(builder, start, "xml-too-many", "the document has more than 100000 elements");

    node = xml_node_new((const char *) name, (const char *) uri);
    node->at = position_of(builder, start);
    for (int i = 0; i < n_attributes; i++)
        take_attribute(builder, node, start, attributes + 5 * i);
    for (int i = 0; i < n_namespaces; i++)
        keep_declaration(node, (const char *) namespaces[2 * i],
                         (const char *) namespaces[2 * i + 1]);
    parent = builder->open->len ? builder->open->pdata[builder->open->len - 1] : NULL;
    if (parent)
        xml_node_append(parent, node);
    else
        builder->root = node;
    g_ptr_array_add(builder->open, node);
    g_ptr_array_add(builder->texts, g_string_new(NULL));
}

static void
end_element(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    Builder *builder = data;
    XmlNode *node;
    GString *text;

    if (builder->is_stopped || !builder->open->len)
        return;
    node = g_ptr_array_steal_index(builder->open, builder->open->len - 1);
    text = g_ptr_array_steal_index(builder->texts, builder->texts->len - 1);
    node->text = g_string_free(text, FALSE);
    g_strstrip(node->text);
    if (!*node->text)
        g_clear_pointer(&node->text, g_free);
}

static void
characters(void *data, const xmlChar *text, int length)
{
    Builder *builder = data;

    if (!builder->is_stopped && builder->texts->len)
        g_string_append_len(builder->texts->pdata[builder->texts->len - 1], (const char *) text,
                            length);
}

static void
internal_subset(void *data, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
    Builder *builder = data;

    stop(builder, tag_start(builder), "xml-dtd",
         "document type declarations (and the entities they define) are not read");
}

static xmlEntity *
get_entity(void *data, const xmlChar *name)
{
    Builder *builder = data;
    xmlEntity *predefined = xmlGetPredefinedEntity(name);

    if (!predefined)
        stop(builder, cursor(builder), "xml-entity", "only XML's five predefined entities are read");
    return predefined;
}

static void
structured_error(void *data, xmlError *error)
{
    Builder *builder = data;
    g_autofree char *message = NULL;
    gsize offset;

    if (builder->is_stopped || error->level < XML_ERR_ERROR)
        return;
    message = g_strstrip(g_strdup(error->message ? error->message : "not well-formed"));
    offset = cursor(builder);
    stop(builder, offset, "xml-syntax", message);
}

/* libxml2 would convert other encodings, and its offsets would no longer be the file's. */
static bool
is_utf8(const char *text, gsize length, Diagnostics *diagnostics)
{
    g_autofree char *head = g_strndup(text, MIN(length, 200));
    const char *end = g_str_has_prefix(head, "<?xml") ? strstr(head, "?>") : NULL;
    const char *declared = end ? g_strstr_len(head, end - head, "encoding") : NULL;
    const char *bad;

    if (declared) {
        const char *value = declared + strlen("encoding");
        const char *const known[] = { "utf-8", "utf8", "us-ascii", "ascii" };

        value += strspn(value, " \t\r\n=");
        for (guint i = 0; i < G_N_ELEMENTS(known); i++)
            if ((*value == '"' || *value == '\'') &&
                !g_ascii_strncasecmp(value + 1, known[i], strlen(known[i])))
                declared = NULL;
    }
    if (declared) {
        diagnostics_add(diagnostics, SEVERITY_ERROR, (Position){ 1, declared - head + 1 },
                        "xml-encoding", "only UTF-8 documents are read");
        return false;
    }
    if (!g_utf8_validate_len(text, length, &bad)) {
        guint line = 1, column = 1;

        for (const char *p = text; p < bad; p++)
            if (*p == '\n')
                line++, column = 1;
            else
                column++;
        diagnostics_add(diagnostics, SEVERITY_ERROR, (Position){ line, column }, "xml-encoding",
                        "not UTF-8 text");
        return false;
    }
    return true;
}

static void
free_text(gpointer data)
{
    g_string_free(data, TRUE);
}

static void
run_parser(Builder *builder)
{
    xmlSAXHandler handler = {
        .initialized = XML_SAX2_MAGIC,
        .startElementNs = start_element,
        .endElementNs = end_element,
        .characters = characters,
        .ignorableWhitespace = characters,
        .cdataBlock = characters,
        .internalSubset = internal_subset,
        .getEntity = get_entity,
        .serror = structured_error,
    };

    builder->parser = xmlCreatePushParserCtxt(&handler, builder, NULL, 0, NULL);
    g_assert(builder->parser);
    xmlCtxtUseOptions(builder->parser, XML_PARSE_NONET | XML_PARSE_NOENT);
    /* NOENT: without it libxml2 hands '&amp;' in attributes on as '&#38;'. There is no other
     * entity to substitute, since a document type declaration stops the parser.
     * One chunk: the cursor then counts from the start of our buffer. */
    if (xmlParseChunk(builder->parser, builder->text, builder->length, 1) &&
        !builder->is_stopped)
        stop(builder, cursor(builder), "xml-syntax", "not well-formed");
    xmlFreeParserCtxt(builder->parser);
}

XmlNode *
xml_parse(const char *text, gsize length, Diagnostics *diagnostics)
{
    Builder builder = { .text = text, .length = length, .diagnostics = diagnostics };

    if (length > XML_MAX_BYTES) {
        diagnostics_add(diagnostics, SEVERITY_ERROR, (Position){ 1, 1 }, "xml-too-large",
                        "the file has %" G_GSIZE_FORMAT " bytes, more than the %u that are read",
                        length, XML_MAX_BYTES);
        return NULL;
    }
    if (!is_utf8(text, length, diagnostics))
        return NULL;
    if (!length) {
        diagnostics_add(diagnostics, SEVERITY_ERROR, (Position){ 1, 1 }, "xml-syntax",
                        "the file is empty");
        return NULL;
    }
    index_lines(&builder);
    builder.open = g_ptr_array_new();
    builder.texts = g_ptr_array_new_with_free_func(free_text);
    run_parser(&builder);
    g_ptr_array_unref(builder.open);
    g_ptr_array_unref(builder.texts);
    g_free(builder.line_starts);
    if (builder.is_stopped)
        g_clear_pointer(&builder.root, xml_node_free);
    return builder.root;
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

static void
append_node(GString *out, const XmlNode *node, const char *parent_uri,
            const char *const *prefixes, guint depth)
{
    const char *prefix = prefix_of(prefixes, node->namespace_);
    g_autofree char *tag = prefix ? g_strdup_printf("%s:%s", prefix, node->name)
                                  : g_strdup(node->name);
    bool is_declared = !g_strcmp0(node->namespace_, parent_uri);

    g_string_append_printf(out, "%*s<%s", (int) depth * 2, "", tag);
    if (!is_declared && prefix)
        g_string_append_printf(out, " xmlns:%s='%s'", prefix, node->namespace_);
    else if (!is_declared)
        g_string_append_printf(out, " xmlns='%s'", node->namespace_ ? node->namespace_ : "");
    for (guint i = 0; node->attributes && i < node->attributes->len; i++) {
        const XmlAttribute *attribute = node->attributes->pdata[i];

        if (g_str_has_prefix(attribute->name, "xmlns:") &&
            prefix_of(prefixes, attribute->value))
            continue;
        g_string_append_printf(out, " %s='", attribute->name);
        append_escaped(out, attribute->value, true);
        g_string_append_c(out, '\'');
    }
    if (!node->text && !node->children) {
        g_string_append(out, "/>\n");
        return;
    }
    g_string_append_c(out, '>');
    if (node->text)
        append_escaped(out, node->text, false);
    if (node->children) {
        g_string_append_c(out, '\n');
        /* A prefixed declaration does not become the children's default namespace. */
        for (guint i = 0; i < node->children->len; i++)
            append_node(out, node->children->pdata[i], prefix ? NULL : node->namespace_, prefixes,
                        depth + 1);
        g_string_append_printf(out, "%*s", (int) depth * 2, "");
    }
    g_string_append_printf(out, "</%s>\n", tag);
}

char *
xml_format(const XmlNode *root, const char *const *prefixes)
{
    GString *out = g_string_new(NULL);

    append_node(out, root, NULL, prefixes, 0);
    return g_string_free(out, FALSE);
}
