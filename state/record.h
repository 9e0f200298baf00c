/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Structs as rows: one Column describes a member once, and yields select, insert, upsert and
 * free. Internal to state/.
 */
#pragma once

#include "state/sqlite.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum {
    COLUMN_TEXT,
    COLUMN_UINT64,
    COLUMN_INT64,
    COLUMN_UINT,
    COLUMN_GBOOLEAN,
    COLUMN_BOOL,
} ColumnType;

typedef struct {
    const char *name; /* of the column, or an expression where it is only read */
    ColumnType type;
    size_t offset;
    guint groups;          /* bits: the puts that write it; 0: only read */
    gboolean null_if_zero; /* 0 in C is NULL in SQL */
    gboolean is_key;       /* identifies the row in every group */
    const char *set;       /* SQL for an existing row's new value; NULL: excluded.NAME */
    /* An enum that travels as text (type COLUMN_UINT). */
    const char *(*format)(guint value);
    guint (*parse)(const char *text);
} Column;

#define COLUMN_TYPE_OF(Struct, member)                                                             \
    _Generic(((Struct *)NULL)->member,     \
             char *: COLUMN_TEXT,          \
             guint64: COLUMN_UINT64,       \
             gint64: COLUMN_INT64,         \
             guint: COLUMN_UINT,           \
             gboolean: COLUMN_GBOOLEAN,    \
             bool: COLUMN_BOOL)

/* clang-format off */
#define COLUMN(Struct, member, column, ...)                                                   \
    {.name = (column), .type = COLUMN_TYPE_OF(Struct, member),                                \
     .offset = offsetof(Struct, member), __VA_ARGS__}
/* clang-format on */

typedef struct {
    gsize size;
    const char *table; /* written; NULL: only read */
    const char *from;  /* read: what follows FROM */
    const Column *columns;
    guint n_columns;
    GDestroyNotify free_record;
} RecordType;

/* Free the text members and the struct; NULL is allowed. */
void record_free(const RecordType *type, gpointer record);

/* SELECT of all columns; `rest` is what follows FROM's tables: WHERE, ORDER BY, LIMIT. */
GPtrArray *record_select(Sqlite *db, const RecordType *type, const char *rest,
                         const SqliteValue *values, guint n_values, GError **error);

/* The same for at most one row; *ret_record NULL if there is none. */
gboolean record_select_one(Sqlite *db, const RecordType *type, const char *rest,
                           const SqliteValue *values, guint n_values, gpointer *ret_record,
                           GError **error);

/* INSERT of the key columns and those of `group`. */
gboolean record_insert(Sqlite *db, const RecordType *type, gconstpointer record, guint group,
                       SqliteDurability durability, GError **error);

/* INSERT, or UPDATE of the columns of `group` where the row is there and one of them differs. */
gboolean record_upsert(Sqlite *db, const RecordType *type, gconstpointer record, guint group,
                       SqliteDurability durability, GError **error);
