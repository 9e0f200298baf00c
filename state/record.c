/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Structs as rows.
 *
 * A record's table of columns is the one source of its SQL: the select list, the insert, the
 * upsert and what to free are read off it, so that a member can't be written and not read back,
 * or leak. A column belongs to the groups (bits) of the puts that write it; a put shares one
 * struct type with the reader and touches only its own group's columns.
 *
 *     INSERT INTO t(key, a, b) VALUES(?, ?, ?) ON CONFLICT(key) DO UPDATE
 *     SET a = excluded.a, b = excluded.b WHERE a IS NOT excluded.a OR b IS NOT excluded.b
 *
 * The WHERE makes an unchanged put write no page at all, which is what lets every pass put what
 * it sees without wearing the disk. A column with `set` computes its new value from the old one
 * (pinned uuid, `since`); old values are the bare names, new ones are excluded.NAME.
 */
#include "state/record.h"

static gpointer
member(gconstpointer record, const Column *column)
{
    return G_STRUCT_MEMBER_P(record, column->offset);
}

void
record_free(const RecordType *type, gpointer record)
{
    if (!record)
        return;
    for (guint i = 0; i < type->n_columns; i++)
        if (type->columns[i].type == COLUMN_TEXT)
            g_free(*(char **) member(record, &type->columns[i]));
    g_free(record);
}

static void
read_member(SqliteRow *row, guint index, const Column *column, gpointer record)
{
    gpointer at = member(record, column);
    switch (column->type) {
    case COLUMN_TEXT:
        *(char **) at = g_strdup(sqlite_row_text(row, index));
        return;
    case COLUMN_UINT64:
    case COLUMN_INT64:
        *(gint64 *) at = sqlite_row_int(row, index);
        return;
    case COLUMN_GBOOLEAN:
        *(gboolean *) at = sqlite_row_int(row, index) != 0;
        return;
    case COLUMN_BOOL:
        *(bool *) at = sqlite_row_int(row, index) != 0;
        return;
    case COLUMN_UINT:
        *(guint *) at = column->parse ? column->parse(sqlite_row_text(row, index))
                                      : (guint) sqlite_row_int(row, index);
        return;
    }
    g_assert_not_reached();
}

static SqliteValue
value_of_int(const Column *column, gint64 integer)
{
    return column->null_if_zero && !integer ? (SqliteValue){ 0 } : SQLITE_VALUE_OF_INT(integer);
}

static SqliteValue
value_of_member(const Column *column, gconstpointer record)
{
    gconstpointer at = member(record, column);
    switch (column->type) {
    case COLUMN_TEXT:
        return SQLITE_VALUE_OF_TEXT(*(char *const *) at);
    case COLUMN_UINT64:
    case COLUMN_INT64:
        return value_of_int(column, *(const gint64 *) at);
    case COLUMN_GBOOLEAN:
        return value_of_int(column, *(const gboolean *) at != 0);
    case COLUMN_BOOL:
        return value_of_int(column, *(const bool *) at);
    case COLUMN_UINT:
        if (column->format)
            return SQLITE_VALUE_OF_TEXT(column->format(*(const guint *) at));
        return value_of_int(column, *(const guint *) at);
    }
    g_assert_not_reached();
}

typedef struct {
    const RecordType *type;
    GPtrArray *records;
} Selection;

static void
read_record(SqliteRow *row, gpointer user_data)
{
    Selection *selection = user_data;
    gpointer record = g_malloc0(selection->type->size);
    for (guint i = 0; i < selection->type->n_columns; i++)
        read_member(row, i, &selection->type->columns[i], record);
    g_ptr_array_add(selection->records, record);
}

GPtrArray *
record_select(Sqlite *db, const RecordType *type, const char *rest, const SqliteValue *values,
              guint n_values, GError **error)
{
    g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func(type->free_record);
    g_autoptr(GString) sql = g_string_new("SELECT ");
    for (guint i = 0; i < type->n_columns; i++)
        g_string_append_printf(sql, "%s%s", i ? ", " : "", type->columns[i].name);
    g_string_append_printf(sql, " FROM %s %s", type->from, rest);
    Selection selection = { type, records };
    if (!sqlite_read(db, sql->str, values, n_values, read_record, &selection, error))
        return NULL;
    return g_steal_pointer(&records);
}

gboolean
record_select_one(Sqlite *db, const RecordType *type, const char *rest, const SqliteValue *values,
                  guint n_values, gpointer *ret_record, GError **error)
{
    g_autoptr(GPtrArray) records = record_select(db, type, rest, values, n_values, error);
    if (!records)
        return FALSE;
    *ret_record = records->len ? g_ptr_array_steal_index(records, 0) : NULL;
    return TRUE;
}

static gboolean
is_written(const Column *column, guint group)
{
    return column->is_key || (column->groups & group);
}

/* INSERT INTO table(...) VALUES(...), and the values to bind. */
static GArray *
append_insert(GString *sql, const RecordType *type, gconstpointer record, guint group)
{
    GArray *values = g_array_new(FALSE, FALSE, sizeof(SqliteValue));
    g_autoptr(GString) marks = g_string_new(NULL);
    g_string_append_printf(sql, "INSERT INTO %s(", type->table);
    for (guint i = 0; i < type->n_columns; i++) {
        const Column *column = &type->columns[i];
        if (!is_written(column, group))
            continue;
        SqliteValue value = value_of_member(column, record);
        g_string_append_printf(sql, "%s%s", values->len ? ", " : "", column->name);
        g_string_append_printf(marks, "%s?", values->len ? ", " : "");
        g_array_append_val(values, value);
    }
    g_string_append_printf(sql, ") VALUES(%s)", marks->str);
    return values;
}

static void
append_new_value(GString *sql, const Column *column)
{
    if (column->set)
        g_string_append_printf(sql, "(%s)", column->set);
    else
        g_string_append_printf(sql, "excluded.%s", column->name);
}

static void
append_update(GString *sql, const RecordType *type, guint group)
{
    g_autoptr(GString) keys = g_string_new(NULL);
    g_autoptr(GString) sets = g_string_new(NULL);
    g_autoptr(GString) differences = g_string_new(NULL);
    for (guint i = 0; i < type->n_columns; i++) {
        const Column *column = &type->columns[i];
        if (column->is_key) {
            g_string_append_printf(keys, "%s%s", keys->len ? ", " : "", column->name);
        } else if (column->groups & group) {
            g_string_append_printf(sets, "%s%s = ", sets->len ? ", " : "", column->name);
            append_new_value(sets, column);
            g_string_append_printf(differences, "%s%s IS NOT ", differences->len ? " OR " : "",
                                   column->name);
            append_new_value(differences, column);
        }
    }
    g_string_append_printf(sql, " ON CONFLICT(%s) DO UPDATE SET %s WHERE %s", keys->str, sets->str,
                           differences->str);
}

gboolean
record_insert(Sqlite *db, const RecordType *type, gconstpointer record, guint group,
              SqliteDurability durability, GError **error)
{
    g_autoptr(GString) sql = g_string_new(NULL);
    g_autoptr(GArray) values = append_insert(sql, type, record, group);
    return sqlite_write(db, durability, sql->str, (SqliteValue *) values->data, values->len, error);
}

gboolean
record_upsert(Sqlite *db, const RecordType *type, gconstpointer record, guint group,
              SqliteDurability durability, GError **error)
{
    g_autoptr(GString) sql = g_string_new(NULL);
    g_autoptr(GArray) values = append_insert(sql, type, record, group);
    append_update(sql, type, group);
    return sqlite_write(db, durability, sql->str, (SqliteValue *) values->data, values->len, error);
}
