/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Json: one JSON value, owned by whoever holds the pointer. Members keep the order in which
 * they were set. json-glib is included by json.c alone; everything above this border builds
 * and reads values with these calls.
 */
typedef struct Json Json;

Json *json_new_object(void);
Json *json_new_array(void);
Json *json_new_string(const char *value);
Json *json_new_int(gint64 value);
Json *json_new_uint(guint64 value);
Json *json_new_double(double value);
Json *json_new_bool(bool value);
Json *json_new_null(void);
Json *json_copy(const Json *json);
void json_free(Json *json);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Json, json_free)

/* Setters: @object must be an object. `set` and `append` take ownership of @value. The typed
 * forms copy. json_set_string() with NULL leaves the member out. */
void json_set(Json *object, const char *name, Json *value);
void json_set_string(Json *object, const char *name, const char *value);
void json_set_int(Json *object, const char *name, gint64 value);
void json_set_uint(Json *object, const char *name, guint64 value);
void json_set_bool(Json *object, const char *name, bool value);
void json_set_null(Json *object, const char *name);
void json_remove(Json *object, const char *name);
void json_append(Json *array, Json *value);
void json_append_string(Json *array, const char *value);

typedef enum {
    JSON_NULL,
    JSON_BOOL,
    JSON_INT,
    JSON_DOUBLE,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
} JsonType;

JsonType json_type(const Json *json);

/* Getters never fail: absent or of another type gives the fallback. What they return is
 * borrowed from @json. @json may be NULL. */
const Json *json_get(const Json *object, const char *name);
const char *json_get_string(const Json *object, const char *name); /* NULL when absent */
gint64 json_get_int(const Json *object, const char *name, gint64 fallback);
guint64 json_get_uint(const Json *object, const char *name, guint64 fallback);
bool json_get_bool(const Json *object, const char *name, bool fallback);
guint json_length(const Json *array_or_object);
const Json *json_at(const Json *array, guint index);
const char *json_name_at(const Json *object, guint index); /* member names, in order */
const char *json_string(const Json *json);                 /* this value itself, or NULL */
gint64 json_int(const Json *json, gint64 fallback);
bool json_bool(const Json *json, bool fallback);
bool json_equal(const Json *a, const Json *b); /* member order does not count */

/* Parses UTF-8 text, @length -1 for NUL-terminated. Error: G_IO_ERROR_INVALID_DATA, its message
 * with line and column where the parser knows them. */
Json *json_parse(const char *text, gssize length, GError **error);
/* One line without spaces, or indented by two spaces when @is_pretty. Caller frees. */
char *json_format(const Json *json, bool is_pretty);
