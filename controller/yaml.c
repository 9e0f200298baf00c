/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * YAML, as little of it as a configuration file needs: mappings, lists and single values.
 *
 * libyaml's event interface does the lexing; this file turns events into a tree and copies at the
 * border, so that nobody else sees libyaml. What makes YAML surprising or expensive is refused
 * rather than understood: anchors and aliases (a few lines of them expand to gigabytes), tags,
 * several documents, keys that aren't plain values, and the same key twice, of which most readers
 * silently keep the last. Values stay text: whether "no" is a boolean or a country is for the row
 * of the key to say, not for the parser.
 *
 * libyaml counts columns in characters and diagnostics count bytes, as compilers do; a cursor that
 * follows the marks through the text translates, so that this stays linear in the file's size.
 *
 * Reading goes on after a mistake that leaves the structure whole (a duplicate key, say), and
 * stops at the first syntax error.
 */
#include "controller/yaml.h"

#include <string.h>
#include <yaml.h>

typedef struct Reader {
    yaml_parser_t parser;
    Diagnostics *diagnostics;
    const char *end;
    /* Cursor: where the character number @index stands, and the line it is on. */
    const char *at;
    size_t index;
    const char *line_start;
    size_t line;
    guint n_nodes;
} Reader;

void
yaml_node_free(YamlNode *node)
{
    if (!node)
        return;
    g_free(node->key);
    g_free(node->text);
    g_clear_pointer(&node->children, g_ptr_array_unref);
    g_free(node);
}

const char *
yaml_type_name(YamlType type)
{
    switch (type) {
    case YAML_SCALAR:
        return "a single value";
    case YAML_SEQUENCE:
        return "a list";
    case YAML_MAPPING:
        return "a mapping";
    }
    g_assert_not_reached();
}

/* Moves the cursor to character @index, which is near where it is. */
static void
reader_seek(Reader *reader, size_t index)
{
    for (; reader->index < index && reader->at < reader->end; reader->index++)
        reader->at = g_utf8_next_char(reader->at);
    for (; reader->index > index; reader->index--)
        reader->at = g_utf8_prev_char(reader->at);
}

static Position
reader_position(Reader *reader, yaml_mark_t mark)
{
    reader_seek(reader, mark.index);
    if (mark.line != reader->line || !reader->line_start || mark.column == 0) {
        const char *start = reader->at;

        for (size_t i = 0; i < mark.column; i++)
            start = g_utf8_prev_char(start);
        reader->line_start = start;
        reader->line = mark.line;
    }
    return (Position){ .line = mark.line + 1, .column = reader->at - reader->line_start + 1 };
}

#define reader_error(reader, mark, code, ...)                                                      \
    diagnostics_add((reader)->diagnostics, SEVERITY_ERROR, reader_position(reader, mark), code,    \
                    __VA_ARGS__)

static bool
reader_next(Reader *reader, yaml_event_t *event)
{
    yaml_parser_t *parser = &reader->parser;

    if (yaml_parser_parse(parser, event))
        return true;
    if (parser->error == YAML_MEMORY_ERROR)
        g_error("out of memory");
    if (parser->context)
        reader_error(reader, parser->problem_mark, "yaml-syntax", "%s, %s", parser->context,
                     parser->problem);
    else
        reader_error(reader, parser->problem_mark, "yaml-syntax", "%s",
                     parser->problem ? parser->problem : "not readable as YAML");
    return false;
}

/* Anchors and tags: an error, but not the end of reading. */
static void
refuse_properties(Reader *reader, const yaml_event_t *event, const yaml_char_t *anchor,
                  const yaml_char_t *tag)
{
    if (anchor)
        reader_error(reader, event->start_mark, "yaml-alias",
                     "anchors and aliases are not supported: write the value out");
    if (tag)
        reader_error(reader, event->start_mark, "yaml-syntax", "tags are not supported");
}

static YamlNode *read_node(Reader *reader, yaml_event_t *event, guint depth);

static YamlNode *
read_scalar(Reader *reader, const yaml_event_t *event, YamlNode *node)
{
    const char *text = (const char *) event->data.scalar.value;
    bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

    refuse_properties(reader, event, event->data.scalar.anchor, event->data.scalar.tag);
    if (strlen(text) != event->data.scalar.length) {
        reader_error(reader, event->start_mark, "yaml-syntax", "a value holds a zero byte");
        text = "";
    }
    node->type = YAML_SCALAR;
    node->is_null = is_plain && (!*text || !strcmp(text, "~") || !strcmp(text, "null"));
    node->text = g_strdup(node->is_null ? "" : text);
    return node;
}

/* Takes the key's event; false when it can't be a key. */
static bool
read_key(Reader *reader, yaml_event_t *event, char **ret_key, Position *ret_at)
{
    g_autoptr(YamlNode) key = g_new0(YamlNode, 1);

    *ret_at = reader_position(reader, event->start_mark);
    if (event->type != YAML_SCALAR_EVENT) {
        reader_error(reader, event->start_mark, "yaml-key", "a key must be a single value");
        yaml_event_delete(event);
        return false;
    }
    read_scalar(reader, event, key);
    yaml_event_delete(event);
    if (key->is_null || !*key->text) {
        diagnostics_add(reader->diagnostics, SEVERITY_ERROR, *ret_at, "yaml-key", "a key is empty");
        return false;
    }
    *ret_key = g_steal_pointer(&key->text);
    return true;
}

static YamlNode *
read_mapping(Reader *reader, YamlNode *mapping, guint depth)
{
    g_autoptr(YamlNode) node = mapping;
    g_autoptr(GHashTable) keys = g_hash_table_new(g_str_hash, g_str_equal);

    for (;;) {
        g_autofree char *key = NULL;
        const YamlNode *first;
        yaml_event_t event;
        YamlNode *child;
        Position at;

        if (!reader_next(reader, &event))
            return NULL;
        if (event.type == YAML_MAPPING_END_EVENT)
            break;
        if (!read_key(reader, &event, &key, &at) || !reader_next(reader, &event))
            return NULL;
        child = read_node(reader, &event, depth);
        if (!child)
            return NULL;
        child->key = g_steal_pointer(&key);
        child->key_at = at;
        g_ptr_array_add(node->children, child);
        first = g_hash_table_lookup(keys, child->key);
        if (first)
            diagnostics_add(reader->diagnostics, SEVERITY_ERROR, at, "yaml-duplicate",
                            "key '%s' stands here a second time; the first is on line %u",
                            child->key, first->key_at.line);
        else
            g_hash_table_insert(keys, child->key, child);
    }
    return g_steal_pointer(&node);
}

static YamlNode *
read_sequence(Reader *reader, YamlNode *sequence, guint depth)
{
    g_autoptr(YamlNode) node = sequence;

    for (;;) {
        yaml_event_t event;
        YamlNode *child;

        if (!reader_next(reader, &event))
            return NULL;
        if (event.type == YAML_SEQUENCE_END_EVENT)
            break;
        child = read_node(reader, &event, depth);
        if (!child)
            return NULL;
        g_ptr_array_add(node->children, child);
    }
    return g_steal_pointer(&node);
}

/* The node that @event begins; takes the event. NULL after an error that ends reading. */
static YamlNode *
read_node(Reader *reader, yaml_event_t *event, guint depth)
{
    g_autoptr(YamlNode) node = g_new0(YamlNode, 1);
    yaml_event_type_t type = event->type;

    node->at = reader_position(reader, event->start_mark);
    if (++reader->n_nodes > YAML_MAX_NODES)
        reader_error(reader, event->start_mark, "yaml-too-many", "more than %u values",
                     YAML_MAX_NODES);
    else if (depth >= YAML_MAX_DEPTH)
        reader_error(reader, event->start_mark, "yaml-too-deep", "nested deeper than %u levels",
                     YAML_MAX_DEPTH);
    else if (type == YAML_ALIAS_EVENT)
        refuse_properties(reader, event, event->data.alias.anchor, NULL);
    else if (type == YAML_SCALAR_EVENT)
        read_scalar(reader, event, node);
    else if (type == YAML_MAPPING_START_EVENT)
        refuse_properties(reader, event, event->data.mapping_start.anchor,
                          event->data.mapping_start.tag);
    else
        refuse_properties(reader, event, event->data.sequence_start.anchor,
                          event->data.sequence_start.tag);
    yaml_event_delete(event);

    if (reader->n_nodes > YAML_MAX_NODES || depth >= YAML_MAX_DEPTH || type == YAML_ALIAS_EVENT)
        return NULL;
    if (type == YAML_SCALAR_EVENT)
        return g_steal_pointer(&node);
    node->type = type == YAML_MAPPING_START_EVENT ? YAML_MAPPING : YAML_SEQUENCE;
    node->children = g_ptr_array_new_with_free_func((GDestroyNotify) yaml_node_free);
    return node->type == YAML_MAPPING ? read_mapping(reader, g_steal_pointer(&node), depth + 1)
                                      : read_sequence(reader, g_steal_pointer(&node), depth + 1);
}

static YamlNode *
empty_mapping(void)
{
    YamlNode *node = g_new0(YamlNode, 1);

    node->type = YAML_MAPPING;
    node->at = (Position){ .line = 1, .column = 1 };
    node->children = g_ptr_array_new_with_free_func((GDestroyNotify) yaml_node_free);
    return node;
}

/* stream-start, [document-start, node, document-end], stream-end. */
static YamlNode *
read_stream(Reader *reader)
{
    g_autoptr(YamlNode) root = NULL;
    yaml_event_t event;

    while (reader_next(reader, &event)) {
        switch (event.type) {
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_END_EVENT:
            break;
        case YAML_DOCUMENT_START_EVENT:
            if (root) {
                reader_error(reader, event.start_mark, "yaml-syntax",
                             "a second document begins here: only one is read");
                yaml_event_delete(&event);
                return NULL;
            }
            break;
        case YAML_STREAM_END_EVENT:
            yaml_event_delete(&event);
            if (!root || (root->type == YAML_SCALAR && root->is_null)) {
                yaml_node_free(root);
                root = empty_mapping();
            }
            return g_steal_pointer(&root);
        case YAML_NO_EVENT:
        case YAML_ALIAS_EVENT:
        case YAML_SCALAR_EVENT:
        case YAML_SEQUENCE_START_EVENT:
        case YAML_SEQUENCE_END_EVENT:
        case YAML_MAPPING_START_EVENT:
        case YAML_MAPPING_END_EVENT:
            root = read_node(reader, &event, 0);
            if (!root)
                return NULL;
            continue; /* read_node() took the event */
        }
        yaml_event_delete(&event);
    }
    return NULL;
}

YamlNode *
yaml_parse(const char *text, gsize length, Diagnostics *diagnostics)
{
    g_autoptr(YamlNode) root = NULL;
    Reader reader = { .diagnostics = diagnostics };
    guint n_errors = diagnostics->n_errors;
    const char *bad;

    if (length > YAML_MAX_BYTES) {
        diagnostics_add(diagnostics, SEVERITY_ERROR, (Position){ 0 }, "yaml-too-large",
                        "larger than %u bytes", YAML_MAX_BYTES);
        return NULL;
    }
    if (length >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3)) {
        text += 3;
        length -= 3;
    }
    if (!g_utf8_validate(text, length, &bad)) {
        guint line = 1;

        for (const char *p = text; p < bad; p++)
            line += *p == '\n';
        diagnostics_add(diagnostics, SEVERITY_ERROR, (Position){ .line = line }, "yaml-syntax",
                        "not UTF-8");
        return NULL;
    }
    if (!yaml_parser_initialize(&reader.parser))
        g_error("out of memory");
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *) text, length);
    reader.at = reader.line_start = text;
    reader.end = text + length;
    root = read_stream(&reader);
    yaml_parser_delete(&reader.parser);
    return diagnostics->n_errors > n_errors ? NULL : g_steal_pointer(&root);
}
