/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON values.
 *
 * A Json is a small tagged tree of our own. json-glib is used for one thing, parsing text, and
 * what it parsed is copied at once: so values can be built, compared and handed between threads
 * without reference counts, members keep their order (plans and command lines are read by
 * people and compared byte by byte), and unsigned 64-bit numbers can be written. json-glib reads
 * a number beyond 2^63-1 as the negative one with the same bits; json_get_uint() gives the
 * original back (QEMU says 2^64-1 for "no value" in balloon statistics).
 *
 * json-glib's parser trusts its input: it recurses without bound and takes comments and single
 * quotes. Replies come from QEMU processes whose guests may have taken them over, so the text
 * is looked over first (check_text): valid UTF-8, bounded depth and number of values, and outside
 * of strings only characters that JSON has. What is left after that is safe to recurse into.
 *
 * An object is two parallel arrays, names and values. Beyond a few members a hash index of the
 * names is kept beside them; it is only ever changed by setters, never by getters, so that a
 * const value can be read by several threads.
 */
#include "model/json.h"

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_DEPTH 128
#define MAX_VALUES 500000 /* a few hundred bytes each, here and in json-glib */
#define INDEX_FROM 16     /* members from which on an object has an index */

struct Json {
    JsonType type;
    bool is_unsigned; /* JSON_INT beyond G_MAXINT64, in .integer as its bits */
    union {
        bool boolean;
        gint64 integer;
        double real;
        char *string;
    };
    GPtrArray *items;  /* arrays: Json; objects: Json, parallel to names */
    GPtrArray *names;  /* objects: char * */
    GHashTable *index; /* large objects: name (borrowed from names) -> position + 1 */
};

static Json *
json_new(JsonType type)
{
    Json *json = g_new0(Json, 1);

    json->type = type;
    return json;
}

Json *
json_new_object(void)
{
    Json *json = json_new(JSON_OBJECT);

    json->items = g_ptr_array_new_with_free_func((GDestroyNotify) json_free);
    json->names = g_ptr_array_new_with_free_func(g_free);
    return json;
}

Json *
json_new_array(void)
{
    Json *json = json_new(JSON_ARRAY);

    json->items = g_ptr_array_new_with_free_func((GDestroyNotify) json_free);
    return json;
}

Json *
json_new_string(const char *value)
{
    Json *json = json_new(JSON_STRING);

    json->string = g_utf8_make_valid(value, -1);
    return json;
}

Json *
json_new_int(gint64 value)
{
    Json *json = json_new(JSON_INT);

    json->integer = value;
    return json;
}

Json *
json_new_uint(guint64 value)
{
    Json *json = json_new_int((gint64) value);

    json->is_unsigned = value > G_MAXINT64;
    return json;
}

Json *
json_new_double(double value)
{
    Json *json = json_new(JSON_DOUBLE);

    json->real = value;
    return json;
}

Json *
json_new_bool(bool value)
{
    Json *json = json_new(JSON_BOOL);

    json->boolean = value;
    return json;
}

Json *
json_new_null(void)
{
    return json_new(JSON_NULL);
}

Json *
json_copy(const Json *json)
{
    Json *copy;

    if (json->type == JSON_OBJECT) {
        copy = json_new_object();
        for (guint i = 0; i < json->items->len; i++)
            json_set(copy, json->names->pdata[i], json_copy(json->items->pdata[i]));
        return copy;
    }
    if (json->type == JSON_ARRAY) {
        copy = json_new_array();
        for (guint i = 0; i < json->items->len; i++)
            json_append(copy, json_copy(json->items->pdata[i]));
        return copy;
    }
    copy = g_memdup2(json, sizeof *json);
    if (json->type == JSON_STRING)
        copy->string = g_strdup(json->string);
    return copy;
}

void
json_free(Json *json)
{
    if (!json)
        return;
    if (json->type == JSON_STRING)
        g_free(json->string);
    g_clear_pointer(&json->index, g_hash_table_unref);
    g_clear_pointer(&json->items, g_ptr_array_unref);
    g_clear_pointer(&json->names, g_ptr_array_unref);
    g_free(json);
}

/* Objects. */

static int
member_position(const Json *object, const char *name)
{
    if (object->index)
        return GPOINTER_TO_INT(g_hash_table_lookup(object->index, name)) - 1;
    for (guint i = 0; i < object->names->len; i++)
        if (strcmp(object->names->pdata[i], name) == 0)
            return (int) i;
    return -1;
}

static void
index_members(Json *object)
{
    g_clear_pointer(&object->index, g_hash_table_unref);
    if (object->names->len < INDEX_FROM)
        return;
    object->index = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < object->names->len; i++)
        g_hash_table_insert(object->index, object->names->pdata[i], GINT_TO_POINTER(i + 1));
}

void
json_set(Json *object, const char *name, Json *value)
{
    int position;

    g_assert(object->type == JSON_OBJECT && value && value != object);
    position = member_position(object, name);
    if (position >= 0) {
        json_free(object->items->pdata[position]);
        object->items->pdata[position] = value;
        return;
    }
    g_ptr_array_add(object->names, g_utf8_make_valid(name, -1));
    g_ptr_array_add(object->items, value);
    if (object->index)
        g_hash_table_insert(object->index, object->names->pdata[object->names->len - 1],
                            GINT_TO_POINTER(object->names->len));
    else if (object->names->len >= INDEX_FROM)
        index_members(object);
}

void
json_set_string(Json *object, const char *name, const char *value)
{
    if (value)
        json_set(object, name, json_new_string(value));
    else
        json_remove(object, name);
}

void
json_set_int(Json *object, const char *name, gint64 value)
{
    json_set(object, name, json_new_int(value));
}

void
json_set_uint(Json *object, const char *name, guint64 value)
{
    json_set(object, name, json_new_uint(value));
}

void
json_set_bool(Json *object, const char *name, bool value)
{
    json_set(object, name, json_new_bool(value));
}

void
json_set_null(Json *object, const char *name)
{
    json_set(object, name, json_new_null());
}

void
json_remove(Json *object, const char *name)
{
    int position;

    g_assert(object->type == JSON_OBJECT);
    position = member_position(object, name);
    if (position < 0)
        return;
    g_clear_pointer(&object->index, g_hash_table_unref);
    g_ptr_array_remove_index(object->names, position);
    g_ptr_array_remove_index(object->items, position);
    index_members(object);
}

void
json_append(Json *array, Json *value)
{
    g_assert(array->type == JSON_ARRAY && value && value != array);
    g_ptr_array_add(array->items, value);
}

void
json_append_string(Json *array, const char *value)
{
    json_append(array, json_new_string(value));
}

/* Reading. */

JsonType
json_type(const Json *json)
{
    return json ? json->type : JSON_NULL;
}

const Json *
json_get(const Json *object, const char *name)
{
    int position;

    if (json_type(object) != JSON_OBJECT)
        return NULL;
    position = member_position(object, name);
    return position < 0 ? NULL : object->items->pdata[position];
}

const char *
json_get_string(const Json *object, const char *name)
{
    return json_string(json_get(object, name));
}

gint64
json_get_int(const Json *object, const char *name, gint64 fallback)
{
    return json_int(json_get(object, name), fallback);
}

guint64
json_get_uint(const Json *object, const char *name, guint64 fallback)
{
    return (guint64) json_int(json_get(object, name), (gint64) fallback);
}

bool
json_get_bool(const Json *object, const char *name, bool fallback)
{
    return json_bool(json_get(object, name), fallback);
}

guint
json_length(const Json *json)
{
    return json && json->items ? json->items->len : 0;
}

const Json *
json_at(const Json *json, guint index)
{
    return index < json_length(json) ? json->items->pdata[index] : NULL;
}

const char *
json_name_at(const Json *object, guint index)
{
    if (json_type(object) != JSON_OBJECT || index >= object->names->len)
        return NULL;
    return object->names->pdata[index];
}

const char *
json_string(const Json *json)
{
    return json_type(json) == JSON_STRING ? json->string : NULL;
}

gint64
json_int(const Json *json, gint64 fallback)
{
    return json_type(json) == JSON_INT ? json->integer : fallback;
}

bool
json_bool(const Json *json, bool fallback)
{
    return json_type(json) == JSON_BOOL ? json->boolean : fallback;
}

static bool
items_equal(const Json *a, const Json *b)
{
    if (a->items->len != b->items->len)
        return false;
    for (guint i = 0; i < a->items->len; i++) {
        const Json *other = a->names ? json_get(b, a->names->pdata[i]) : b->items->pdata[i];

        if (!other || !json_equal(a->items->pdata[i], other))
            return false;
    }
    return true;
}

bool
json_equal(const Json *a, const Json *b)
{
    if (!a || !b)
        return a == b;
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case JSON_NULL:
        return true;
    case JSON_BOOL:
        return a->boolean == b->boolean;
    case JSON_INT:
        return a->integer == b->integer && a->is_unsigned == b->is_unsigned;
    case JSON_DOUBLE:
        return a->real == b->real;
    case JSON_STRING:
        return strcmp(a->string, b->string) == 0;
    case JSON_ARRAY:
    case JSON_OBJECT:
        return items_equal(a, b);
    }
    g_assert_not_reached();
}

/* Parsing. */

static bool
refuse(const char *text, const char *at, const char *what, GError **error)
{
    guint line = 1;
    const char *start = text;

    for (const char *p = text; p < at; p++) {
        if (*p == '\n') {
            line++;
            start = p + 1;
        }
    }
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "line %u, column %u: %s", line,
                (guint) (g_utf8_strlen(start, at - start) + 1), what);
    return false;
}

/* The end of the string that begins at @p (a quote): behind its closing quote, or NULL. */
static const char *
skip_string(const char *p, const char *end)
{
    for (p++; p < end; p++) {
        if (*p == '\\')
            p++;
        else if (*p == '"')
            return p + 1;
    }
    return NULL;
}

/* Everything that json-glib would not survive or should not accept. */
static bool
check_text(const char *text, const char *end, GError **error)
{
    const char *invalid;
    const char *complete = NULL; /* where the one array or object closed */
    guint depth = 0, n_values = 0;

    if (!g_utf8_validate(text, end - text, &invalid))
        return refuse(text, invalid, "not valid UTF-8", error);
    for (const char *p = text; p < end;) {
        const char *next = p + 1;

        if (complete && !g_ascii_isspace(*p))
            return refuse(text, p, "something follows the value", error);
        if (strchr("[{,", *p) && ++n_values > MAX_VALUES)
            return refuse(text, p, "too many values", error);
        if (*p == '"') {
            next = skip_string(p, end);
            if (!next)
                return refuse(text, p, "a string that doesn't end", error);
        } else if (*p == '[' || *p == '{') {
            if (++depth > MAX_DEPTH)
                return refuse(text, p, "nested too deeply", error);
        } else if (*p == ']' || *p == '}') {
            if (depth-- == 0)
                return refuse(text, p, "a bracket that closes nothing", error);
            if (depth == 0)
                complete = p;
        } else if (!g_ascii_isalnum(*p) && !strchr(" \t\r\n,:+-.", *p)) {
            return refuse(text, p, "a character that JSON doesn't have here", error);
        }
        p = next;
    }
    return depth == 0 ? true : refuse(text, end, "the text ends too early", error);
}

static Json *from_node(JsonNode *node);

static Json *
from_object(JsonObject *source)
{
    Json *object = json_new_object();
    JsonObjectIter iter;
    const char *name;
    JsonNode *member;

    json_object_iter_init_ordered(&iter, source);
    while (json_object_iter_next_ordered(&iter, &name, &member))
        json_set(object, name, from_node(member));
    return object;
}

static Json *
from_array(JsonArray *source)
{
    Json *array = json_new_array();

    for (guint i = 0; i < json_array_get_length(source); i++)
        json_append(array, from_node(json_array_get_element(source, i)));
    return array;
}

static Json *
from_node(JsonNode *node)
{
    if (JSON_NODE_HOLDS_OBJECT(node))
        return from_object(json_node_get_object(node));
    if (JSON_NODE_HOLDS_ARRAY(node))
        return from_array(json_node_get_array(node));
    if (JSON_NODE_HOLDS_NULL(node))
        return json_new_null();
    if (json_node_get_value_type(node) == G_TYPE_STRING)
        return json_new_string(json_node_get_string(node));
    if (json_node_get_value_type(node) == G_TYPE_BOOLEAN)
        return json_new_bool(json_node_get_boolean(node));
    if (json_node_get_value_type(node) == G_TYPE_DOUBLE)
        return json_new_double(json_node_get_double(node));
    return json_new_int(json_node_get_int(node));
}

/* json-glib says "<data>:LINE:COLUMN: Parse error: …". */
static void
refuse_parsed(const char *message, GError **error)
{
    guint line, column;
    int length = 0;

    if (sscanf(message, "<data>:%u:%u: %n", &line, &column, &length) < 2 || length == 0)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s", message);
    else
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "line %u, column %u: %s", line,
                    column, message + length);
}

Json *
json_parse(const char *text, gssize length, GError **error)
{
    g_autoptr(JsonParser) parser = NULL;
    g_autoptr(GError) problem = NULL;
    gsize size = length < 0 ? strlen(text) : (gsize) length;

    if (!check_text(text, text + size, error))
        return NULL;
    parser = json_parser_new_immutable();
    if (!json_parser_load_from_data(parser, text, size, &problem)) {
        refuse_parsed(problem->message, error);
        return NULL;
    }
    if (!json_parser_get_root(parser)) {
        refuse(text, text + size, "no value", error);
        return NULL;
    }
    return from_node(json_parser_get_root(parser));
}

/* Formatting. */

static void
format_string(const char *string, GString *out)
{
    static const char escapes[] = "\"\"\\\\\bb\ff\nn\rr\tt";

    g_string_append_c(out, '"');
    for (const char *p = string; *p; p++) {
        const char *escape = NULL;

        for (const char *e = escapes; *e; e += 2)
            if (*e == *p)
                escape = e + 1;
        if (escape)
            g_string_append_printf(out, "\\%c", *escape);
        else if ((guchar) *p < 0x20 || *p == 0x7f)
            g_string_append_printf(out, "\\u%04x", *p);
        else
            g_string_append_c(out, *p);
    }
    g_string_append_c(out, '"');
}

/* The shortest text that reads back as the same number. */
static void
format_double(double value, GString *out)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    if (!isfinite(value)) {
        g_string_append(out, "null");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        char format[8];

        g_snprintf(format, sizeof format, "%%.%dg", digits);
        g_ascii_formatd(text, sizeof text, format, value);
        if (g_ascii_strtod(text, NULL) == value)
            break;
    }
    g_string_append(out, text);
    if (!strpbrk(text, ".e"))
        g_string_append(out, ".0");
}

static void
new_line(GString *out, int depth)
{
    g_string_append_c(out, '\n');
    for (int i = 0; i < depth; i++)
        g_string_append(out, "  ");
}

static void format_value(const Json *json, int depth, bool is_pretty, GString *out);

static void
format_items(const Json *json, int depth, bool is_pretty, GString *out)
{
    g_string_append_c(out, json->names ? '{' : '[');
    for (guint i = 0; i < json->items->len; i++) {
        if (i)
            g_string_append_c(out, ',');
        if (is_pretty)
            new_line(out, depth + 1);
        if (json->names) {
            format_string(json->names->pdata[i], out);
            g_string_append(out, is_pretty ? ": " : ":");
        }
        format_value(json->items->pdata[i], depth + 1, is_pretty, out);
    }
    if (is_pretty && json->items->len)
        new_line(out, depth);
    g_string_append_c(out, json->names ? '}' : ']');
}

static void
format_value(const Json *json, int depth, bool is_pretty, GString *out)
{
    switch (json->type) {
    case JSON_NULL:
        g_string_append(out, "null");
        return;
    case JSON_BOOL:
        g_string_append(out, json->boolean ? "true" : "false");
        return;
    case JSON_INT:
        if (json->is_unsigned)
            g_string_append_printf(out, "%" G_GUINT64_FORMAT, (guint64) json->integer);
        else
            g_string_append_printf(out, "%" G_GINT64_FORMAT, json->integer);
        return;
    case JSON_DOUBLE:
        format_double(json->real, out);
        return;
    case JSON_STRING:
        format_string(json->string, out);
        return;
    case JSON_ARRAY:
    case JSON_OBJECT:
        format_items(json, depth, is_pretty, out);
        return;
    }
}

char *
json_format(const Json *json, bool is_pretty)
{
    GString *out = g_string_new(NULL);

    format_value(json, 0, is_pretty, out);
    return g_string_free(out, FALSE);
}
