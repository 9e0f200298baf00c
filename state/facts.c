/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small facts worth keeping.
 *
 * A fact is something virtkeep once saw of its host and compares with later: which directory the
 * files came from (an unmounted one looks empty, and emptiness must not prune), which version
 * wrote last. The capability cache saves asking an emulator binary what it can do (a second of
 * start and QMP) as long as path, size and mtime say that it's the same binary; when
 * they don't, the entry isn't found, and the next put replaces it.
 */
#include "state/facts.h"
#include "state/store_private.h"

static void
read_text(SqliteRow *row, gpointer user_data)
{
    *(char **) user_data = g_strdup(sqlite_row_text(row, 0));
}

gboolean
store_fact_get(Store *store, const char *key, char **ret_value, GError **error)
{
    SqliteValue value = SQLITE_VALUE_OF_TEXT(key);
    g_autofree char *text = NULL;
    if (!sqlite_read(store_sqlite(store), "SELECT value FROM t_fact WHERE key = ?", &value, 1,
                     read_text, &text, error))
        return FALSE;
    *ret_value = g_steal_pointer(&text);
    return TRUE;
}

gboolean
store_fact_put(Store *store, const char *key, const char *value, GError **error)
{
    SqliteValue values[] = { SQLITE_VALUE_OF_TEXT(key), SQLITE_VALUE_OF_TEXT(value) };
    if (!value)
        return sqlite_write(store_sqlite(store), SQLITE_RELAXED, "DELETE FROM t_fact WHERE key = ?",
                            values, 1, error);
    return sqlite_write(store_sqlite(store), SQLITE_RELAXED,
                        "INSERT INTO t_fact(key, value) VALUES(?, ?) ON CONFLICT DO UPDATE"
                        " SET value = excluded.value WHERE value IS NOT excluded.value",
                        values, G_N_ELEMENTS(values), error);
}

gboolean
store_capabilities_get(Store *store, const char *path, guint64 size, gint64 mtime_ns,
                       char **ret_json, GError **error)
{
    SqliteValue values[] = {
        SQLITE_VALUE_OF_TEXT(path),
        SQLITE_VALUE_OF_INT(size),
        SQLITE_VALUE_OF_INT(mtime_ns),
    };
    g_autofree char *json = NULL;
    if (!sqlite_read(store_sqlite(store),
                     "SELECT json FROM t_capabilities WHERE path = ? AND size = ?"
                     " AND mtime_ns = ?",
                     values, G_N_ELEMENTS(values), read_text, &json, error))
        return FALSE;
    *ret_json = g_steal_pointer(&json);
    return TRUE;
}

gboolean
store_capabilities_put(Store *store, const char *path, guint64 size, gint64 mtime_ns,
                       const char *json, GError **error)
{
    SqliteValue values[] = {
        SQLITE_VALUE_OF_TEXT(path),
        SQLITE_VALUE_OF_INT(size),
        SQLITE_VALUE_OF_INT(mtime_ns),
        SQLITE_VALUE_OF_TEXT(json),
    };
    return sqlite_write(store_sqlite(store), SQLITE_RELAXED,
                        "INSERT OR REPLACE INTO t_capabilities(path, size, mtime_ns, json)"
                        " VALUES(?, ?, ?, ?)",
                        values, G_N_ELEMENTS(values), error);
}
