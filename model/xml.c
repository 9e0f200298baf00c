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
    GPtrArray *open;  /* XmlNode*, borrowed, innermost last */
    GPtrArray *texts; /* GString*, one per open node; NULL while it has none */
    guint n_nodes;
    bool is_stopped;
} Builder;

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

/* The offset of attribute @name's name in a tag, looked for from @start on: the tag's '<' or the
 * attribute before, so that a tag is walked once however many attributes it has. */
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
take_attribute(Builder *builder, XmlNode *node, gsize *from, const xmlChar **slot)
{
    const char *local = (const char *) slot[0], *prefix = (const char *) slot[1];
    const char *value = (const char *) slot[3], *end = (const char *) slot[4];
    g_autofree char *prefixed = prefix ? g_strconcat(prefix, ":", local, NULL) : NULL;
    const char *name = prefixed ? prefixed : local;
    XmlAttribute *attribute = xml_node_set(node, name, NULL);

    *from = attribute_start(builder, *from, name);
    attribute->value = g_strndup(value, end - value);
    attribute->at = position_of(builder, *from);
    *from += strlen(name);
}

static void
keep_declaration(XmlNode *node, const char *prefix, const char *uri)
{
    g_autofree char *name = g_strdup_printf("xmlns:%s", prefix);

    if (!xml_node_attribute(node, name))
        xml_node_set(node, name, uri)->at = node->at;
}

/* Foreign elements (metadata) may use a prefix in their attributes, so declarations of prefixes
 * are kept, as attributes; and repeated on each element whose attributes use one, so that the
 * element means the same wherever it is put. The schema walkers pass over them. */
static void
keep_declarations(XmlNode *node, int n_namespaces, const xmlChar **namespaces, int n_attributes,
                  const xmlChar **attributes)
{
    for (int i = 0; i < n_namespaces; i++)
        if (namespaces[2 * i] && namespaces[2 * i + 1])
            keep_declaration(node, (const char *) namespaces[2 * i],
                             (const char *) namespaces[2 * i + 1]);
    for (int i = 0; i < n_attributes; i++) {
        const char *prefix = (const char *) attributes[5 * i + 1];
        const char *uri = (const char *) attributes[5 * i + 2];

        if (prefix && uri && !g_str_equal(prefix, "xml"))
            keep_declaration(node, prefix, uri);
    }
}

static void
start_element(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
              int n_namespaces, const xmlChar **namespaces, int n_attributes, int n_defaulted,
              const xmlChar **attributes)
{
    Builder *builder = data;
    XmlNode *node, *parent;
    gsize start, from;

    if (builder->is_stopped)
        return;
    start = from = tag_start(builder);
    if (builder->open->len >= XML_MAX_DEPTH) {
        stop(builder, start, "xml-too-deep", "elements are nested more than 64 deep");
        return;
    }
    if (++builder->n_nodes > XML_MAX_NODES) {
        stop(builder, start, "xml-too-many", "the document has more than 100000 elements");
        return;
    }
    node = xml_node_new((const char *) name, (const char *) uri);
    node->at = position_of(builder, start);
    for (int i = 0; i < n_attributes; i++)
        take_attribute(builder, node, &from, attributes + 5 * i);
    keep_declarations(node, n_namespaces, namespaces, n_attributes, attributes);
    parent = builder->open->len ? builder->open->pdata[builder->open->len - 1] : NULL;
    if (parent)
        xml_node_append(parent, node);
    else
        builder->root = node;
    g_ptr_array_add(builder->open, node);
    g_ptr_array_add(builder->texts, NULL);
}

static void
end_element(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    Builder *builder = data;
    g_autoptr(GString) text = NULL;
    XmlNode *node;

    if (builder->is_stopped || !builder->open->len)
        return;
    node = g_ptr_array_steal_index(builder->open, builder->open->len - 1);
    text = g_ptr_array_steal_index(builder->texts, builder->texts->len - 1);
    if (!text || !text->str[strspn(text->str, " \t\n\v\f\r")])
        return;
    node->text = g_strstrip(g_strdup(text->str));
    if (!g_str_equal(node->text, text->str))
        node->verbatim = g_strdup(text->str);
}

static void
characters(void *data, const xmlChar *text, int length)
{
    Builder *builder = data;

    GString **last;

    if (builder->is_stopped || !builder->texts->len)
        return;
    last = (GString **) &builder->texts->pdata[builder->texts->len - 1];
    if (!*last)
        *last = g_string_new(NULL);
    g_string_append_len(*last, (const char *) text, length);
}

static void
internal_subset(void *data, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
    Builder *builder = data;

    stop(builder, tag_start(builder), "xml-dtd",
         "document type declarations (and the entities they define) are not read");
}

static gsize
last_ampersand(const Builder *builder)
{
    gsize at = cursor(builder);

    for (gsize i = at; i > 0; i--)
        if (builder->text[i - 1] == '&')
            return i - 1;
    return at;
}

static xmlEntity *
get_entity(void *data, const xmlChar *name)
{
    Builder *builder = data;
    xmlEntity *predefined = xmlGetPredefinedEntity(name);

    if (!predefined)
        stop(builder, last_ampersand(builder), "xml-entity",
             "only XML's five predefined entities are read");
    return predefined;
}

/* libxml2 (2.9) says "Extra content at the end of the document" of a file cut short, too. */
static void
stop_at_end(Builder *builder)
{
    const XmlNode *inner = builder->open->len ? builder->open->pdata[builder->open->len - 1] : NULL;
    g_autofree char *message = NULL;

    if (inner)
        message = g_strdup_printf("the file ends before <%s> of line %u is closed", inner->name,
                                  inner->at.line);
    else if (!builder->root)
        message = g_strdup("the file ends before its first element is complete");
    if (message)
        stop(builder, builder->length, "xml-syntax", message);
    else
        stop(builder, cursor(builder), "xml-syntax", "there is more after the root element");
}

static void
structured_error(void *data, xmlError *error)
{
    Builder *builder = data;
    g_autofree char *message = NULL;

    if (builder->is_stopped || error->level < XML_ERR_ERROR)
        return;
    message = g_strstrip(g_strdup(error->message ? error->message : "not well-formed"));
    if (error->code == XML_ERR_DOCUMENT_END)
        stop_at_end(builder);
    else if (error->code == XML_ERR_ENTITYREF_SEMICOL_MISSING ||
             g_str_has_prefix(message, "xmlParseEntityRef"))
        stop(builder, last_ampersand(builder), "xml-syntax", "a bare '&' is written '&amp;'");
    else
        stop(builder, cursor(builder), "xml-syntax", message);
}

/* ---- limits ---- */

static void
refuse(Diagnostics *diagnostics, const char *text, const char *at, const char *code,
       const char *message)
{
    guint line = 1, column = 1;

    for (const char *p = text; p < at; p++) {
        column = *p == '\n' ? 1 : column + 1;
        line += *p == '\n';
    }
    diagnostics_add(diagnostics, SEVERITY_ERROR, (Position){ line, column }, code, "%s", message);
}

/* Where the XML declaration names another encoding than ours, else NULL. libxml2 would convert
 * the text, and its offsets would no longer be the file's. */
static const char *
foreign_encoding(const char *text, gsize length)
{
    static const char *const known[] = { "utf-8", "utf8", "us-ascii", "ascii" };
    const char *end = g_str_has_prefix(text, "<?xml") ? g_strstr_len(text, length, "?>") : NULL;
    const char *declared = end ? g_strstr_len(text, end - text, "encoding") : NULL;
    const char *value;

    if (!declared)
        return NULL;
    value = declared + strlen("encoding");
    value += strspn(value, " \t\r\n=");
    for (guint i = 0; i < G_N_ELEMENTS(known); i++)
        if ((*value == '"' || *value == '\'') &&
            !g_ascii_strncasecmp(value + 1, known[i], strlen(known[i])) &&
            value[1 + strlen(known[i])] == *value)
            return NULL;
    return declared;
}

/* The end of a comment, CDATA section, declaration or instruction at @p; NULL: of none. */
static const char *
skip_special(const char *p)
{
    static const char *const pairs[][2] = { { "<!--", "-->" },
                                            { "<![CDATA[", "]]>" },
                                            { "<?", "?>" } };

    for (guint i = 0; i < G_N_ELEMENTS(pairs); i++) {
        const char *end;

        if (strncmp(p, pairs[i][0], strlen(pairs[i][0])))
            continue;
        end = strstr(p + strlen(pairs[i][0]), pairs[i][1]);
        return end ? end : p + strlen(p);
    }
    return NULL;
}

/* A tag with more than XML_MAX_ATTRIBUTES attributes, else NULL. Looked for before libxml2 is,
 * since it takes the square of their number (2.9). */
static const char *
crowded_tag(const char *text)
{
    for (const char *p = strchr(text, '<'); p; p = strchr(p + 1, '<')) {
        const char *end = skip_special(p), *tag = p;
        guint n = 0;
        char quote = 0;

        if (end) {
            p = *end ? end : end - 1;
            continue;
        }
        for (; *p && (quote || *p != '>'); p++) {
            if (quote)
                quote = *p == quote ? 0 : quote;
            else if (*p == '"' || *p == '\'')
                quote = *p;
            else if (*p == '=' && ++n > XML_MAX_ATTRIBUTES)
                return tag;
        }
        if (!*p)
            return NULL;
    }
    return NULL;
}

static bool
is_within_limits(const char *text, gsize length, Diagnostics *diagnostics)
{
    const char *at;

    if (length > XML_MAX_BYTES) {
        diagnostics_add(diagnostics, SEVERITY_ERROR, (Position){ 1, 1 }, "xml-too-large",
                        "the file has %" G_GSIZE_FORMAT " bytes, more than the %u that are read",
                        length, XML_MAX_BYTES);
        return false;
    }
    if (strspn(text, " \t\r\n") == length) {
        refuse(diagnostics, text, text, "xml-syntax", "the file is empty");
        return false;
    }
    if (!g_utf8_validate_len(text, length, &at)) {
        refuse(diagnostics, text, at, "xml-encoding", "not UTF-8 text");
        return false;
    }
    at = foreign_encoding(text, length);
    if (at) {
        refuse(diagnostics, text, at, "xml-encoding", "only UTF-8 documents are read");
        return false;
    }
    at = crowded_tag(text);
    if (at)
        refuse(diagnostics, text, at, "xml-too-many", "the element has more than 256 attributes");
    return !at;
}

static void
free_text(gpointer data)
{
    if (data)
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
    /* NOENT: without it libxml2 hands '&amp;' in attributes on as '&#38;'. There is no other
     * entity to substitute, since a document type declaration stops the parser.
     * IGNORE_ENC: the text is UTF-8, whatever else ("US-ASCII") its declaration calls it.
     * One chunk: the cursor then counts from the start of our buffer. */
    xmlCtxtUseOptions(builder->parser, XML_PARSE_NONET | XML_PARSE_NOENT | XML_PARSE_IGNORE_ENC);
    if (xmlParseChunk(builder->parser, builder->text, builder->length, 1) && !builder->is_stopped)
        stop(builder, cursor(builder), "xml-syntax", "not well-formed");
    xmlFreeParserCtxt(builder->parser);
}

XmlNode *
xml_parse(const char *text, gsize length, Diagnostics *diagnostics)
{
    static gsize is_initialized;
    g_autofree char *document = NULL;
    gsize bom = length >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
    Builder builder = { .diagnostics = diagnostics, .length = length - bom };

    if (g_once_init_enter(&is_initialized)) {
        xmlInitParser();
        g_once_init_leave(&is_initialized, 1);
    }
    /* Ended by a zero byte, which the searches need and a mapped file hasn't. */
    builder.text = document = g_strndup(text + bom, MIN(length - bom, XML_MAX_BYTES + 1));
    if (!is_within_limits(builder.text, builder.length, diagnostics))
        return NULL;
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
