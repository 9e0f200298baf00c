/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <string.h>

#include "model/schema.h"

/* Whether @text begins with the @length bytes of @prefix. Rows are told apart by this, thousands of
 * times a document, and nearly always by the first byte. */
static inline bool
path_begins_with(const char *text, const char *prefix, gsize length)
{
    return !length || (*text == *prefix && !strncmp(text, prefix, length));
}

/*
 * Shared by the schema-*.c files only: what each FieldType does with its member, one row a type,
 * and how paths of rows are taken apart. @member is always the address of the member.
 */
typedef enum {
    VALUE_GOOD,
    VALUE_BAD,
    VALUE_OUT_OF_RANGE,
} ValueResult;

typedef struct FieldKind {
    const char *name; /* for the reference page */
    gsize size;       /* of the member */
    /* NULL for types that are not written as text: flag, struct, list, raw, none. @unit is the
     * number of bytes a size counts in. Writes @member only when VALUE_GOOD. */
    ValueResult (*parse)(const Field *field, const char *text, guint64 unit, gpointer member);
    /* What a good text looks like: "a whole number from 1 to 16". Caller frees. NULL: see parse. */
    char *(*expected)(const Field *field);
    bool (*is_set)(gconstpointer member);
    /* The text in XML for types that have one; @member is set. Caller frees. */
    char *(*text)(const Field *field, gconstpointer member);
    /* @member holds a shallow copy and becomes a deep one. NULL: a shallow copy is enough. */
    void (*copy)(const Field *field, gpointer member);
    void (*clear)(const Field *field, gpointer member);
    bool (*equal)(const Field *field, gconstpointer a, gconstpointer b);
} FieldKind;

const FieldKind *field_kind(const Field *field);

static inline gpointer
field_member(const Field *field, gpointer item)
{
    return (char *) item + field->offset;
}

static inline gconstpointer
field_member_const(const Field *field, gconstpointer item)
{
    return (const char *) item + field->offset;
}

/* "from 1 to 16", "at least 1", "at most 16"; NULL when there are no bounds. For numbers. */
char *field_bounds_text(const Field *field);

bool field_is_set(const Field *field, gconstpointer item);
/* False when @field's condition (WHEN) does not hold in @item. */
bool field_condition_holds(const Field *field, gconstpointer item);
/* True unless the condition fails and another row of the same path or member is there to speak for
 * it: two rows may share both, say a bus number that is hexadecimal in a PCI address only, or a
 * member alone that stands elsewhere by the condition ("@managed" and "target/@managed"). */
bool field_applies(const Schema *schema, const Field *field, gconstpointer item);

/* "target/block/@unit" is in element "target/block"; "target/block" is in "target"; "@type" and
 * "name" are in "". The length of that part of the path. */
gsize field_parent_length(const char *path);
/* The last part of a path without a namespace's prefix: "policy" of "metadata/vk:policy", "dev" of
 * "target/@dev". */
const char *field_local_name(const char *path);
bool field_is_attribute(const Field *field);
/* Whether @field stands for the text of its struct's own element (path "."). */
bool field_is_own_text(const Field *field);
