/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copies, frees and compares whole structs, row by row.
 *
 * A copy starts as the bytes of the struct, and each row then makes its member a deep one; so
 * members that no row names (a number that a later stage worked out) are carried along, as long
 * as they are plain data. Two rows may share a member: the second finds it copied, or cleared,
 * already.
 */
#include "model/schema-value.h"

#include <string.h>

gpointer
schema_copy(const Schema *schema, gconstpointer item)
{
    gpointer copy;

    if (!item)
        return NULL;
    copy = g_memdup2(item, schema->size);
    for (const Field *field = schema->fields; field->path; field++) {
        gpointer *member = field_member(field, copy);
        const gpointer *original = field_member_const(field, item);

        if (field->type == TYPE_NONE || !field_kind(field)->copy)
            continue;
        if (*member && *member == *original)
            field_kind(field)->copy(field, member);
    }
    return copy;
}

void
schema_clear(const Schema *schema, gpointer item)
{
    for (const Field *field = schema->fields; field->path; field++)
        if (field->type != TYPE_NONE)
            field_kind(field)->clear(field, field_member(field, item));
    memset(item, 0, schema->size);
}

void
schema_free(const Schema *schema, gpointer item)
{
    if (!item)
        return;
    schema_clear(schema, item);
    g_free(item);
}

bool
schema_equal(const Schema *schema, gconstpointer a, gconstpointer b)
{
    if (!a || !b)
        return a == b;
    for (const Field *field = schema->fields; field->path; field++)
        if (field->type != TYPE_NONE &&
            !field_kind(field)->equal(field, field_member_const(field, a),
                                      field_member_const(field, b)))
            return false;
    return true;
}

void
field_assign(const Field *field, gpointer to, gconstpointer from)
{
    const FieldKind *kind = field_kind(field);
    gpointer member = field_member(field, to);

    if (field->type == TYPE_NONE)
        return;
    kind->clear(field, member);
    memcpy(member, field_member_const(field, from), kind->size);
    if (kind->copy && kind->is_set(member))
        kind->copy(field, member);
}
