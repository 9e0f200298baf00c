/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SQLite behind a small border: the only place that includes sqlite3.h is state/sqlite.c.
 * Internal to state/ and its tests. Used by one thread at a time.
 */
#pragma once

#include "state/error.h"

#include <glib.h>

/* What every message about a damaged file ends with. */
#define STATE_DAMAGED_ADVICE                                                                       \
    "it is left untouched; move it away together with its -wal and -shm files and run virtkeep "   \
    "again: running machines are found again by their run directories, only history is lost"

typedef struct Sqlite Sqlite;
typedef struct SqliteRow SqliteRow;

/* How much a commit survives. Both survive kill -9 of every process. */
typedef enum {
    SQLITE_RELAXED, /* synchronous=NORMAL: power loss may undo the last commits, each as a whole */
    SQLITE_DURABLE, /* synchronous=FULL: on disk when the call returns */
} SqliteDurability;

/* A value to bind. Text is borrowed for the call. */
typedef struct {
    enum { SQLITE_VALUE_NULL, SQLITE_VALUE_INT, SQLITE_VALUE_TEXT } type;
    gint64 integer;
    const char *text;
} SqliteValue;

#define SQLITE_VALUE_OF_TEXT(x) ((SqliteValue){ .type = SQLITE_VALUE_TEXT, .text = (x) })
#define SQLITE_VALUE_OF_INT(x) ((SqliteValue){ .type = SQLITE_VALUE_INT, .integer = (gint64) (x) })

/* Open an existing file, which is not created. `path` NULL: a fresh database in memory.
 * Nothing is read yet: a damaged file shows in the first statement. */
Sqlite *sqlite_open(const char *path, gboolean is_read_only, GError **error);
/* The same for reading, of a file that nobody can write to (a read-only mount) and that has no log
 * beside it: nothing is locked, and nothing made beside it. */
Sqlite *sqlite_open_unchanging(const char *path, GError **error);

/* NULL is allowed; an open transaction is rolled back. */
void sqlite_close(Sqlite *db);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sqlite, sqlite_close)

/* As opened, for messages; "(in memory)" without one. Owned by db. */
const char *sqlite_path(const Sqlite *db);

/* Whether its file was removed or replaced since it was opened. */
gboolean sqlite_has_moved(Sqlite *db);

/* Brings into the file what is in the log, as far as nobody is in the way. */
void sqlite_checkpoint(Sqlite *db);
/* While FALSE, closing never writes to the file (no checkpoint): for a file not yet known to be
 * good. */
void sqlite_set_checkpoint_on_close(Sqlite *db, gboolean is_enabled);

/* Keep few pages. Reads the schema, so only once the file was identified. */
gboolean sqlite_limit_cache(Sqlite *db, GError **error);

/* Refuse every further write with STATE_ERROR_READONLY. */
gboolean sqlite_set_query_only(Sqlite *db, GError **error);

/* Switch the file to write-ahead logging, waiting for others who do so at the same time. */
gboolean sqlite_set_wal(Sqlite *db, GError **error);

/* Copy everything of `from` into `to`, which is empty. */
gboolean sqlite_copy(Sqlite *from, Sqlite *to, GError **error);

/* Any number of statements, without values; rows are dropped. */
gboolean sqlite_exec(Sqlite *db, const char *sql, GError **error);

/* The first column of the first row as a number; 0 if there is no row. */
gboolean sqlite_query_int(Sqlite *db, const char *sql, gint64 *ret_value, GError **error);

/* One prepared (and cached) statement that writes. Outside a transaction it is its own,
 * with the durability given; inside, the transaction's holds. */
gboolean sqlite_write(Sqlite *db, SqliteDurability durability, const char *sql,
                      const SqliteValue *values, guint n_values, GError **error);

/* One prepared statement that reads: `each` is called per row and must not use `db`. */
typedef void (*SqliteEachRow)(SqliteRow *row, gpointer user_data);
gboolean sqlite_read(Sqlite *db, const char *sql, const SqliteValue *values, guint n_values,
                     SqliteEachRow each, gpointer user_data, GError **error);

/* Columns count from 0. Text is borrowed until the next row, NULL for NULL. */
const char *sqlite_row_text(SqliteRow *row, guint column);
gint64 sqlite_row_int(SqliteRow *row, guint column);

/* Row id of the last insert; rows changed by the last write. */
gint64 sqlite_last_id(Sqlite *db);
gint64 sqlite_n_changed(Sqlite *db);

/* A transaction that holds the write lock from its start. Not nested. After a failed write inside,
 * every further write and the commit fail; only rollback helps. */
gboolean sqlite_begin(Sqlite *db, SqliteDurability durability, GError **error);
gboolean sqlite_commit(Sqlite *db, GError **error);
void sqlite_rollback(Sqlite *db);

/* Several writes as one: `func` in a transaction of its own, or as part of the one that is open. */
typedef gboolean (*SqliteWork)(Sqlite *db, gpointer user_data, GError **error);
gboolean sqlite_transact(Sqlite *db, SqliteDurability durability, SqliteWork work,
                         gpointer user_data, GError **error);
