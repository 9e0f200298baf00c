/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SQLite behind a small border.
 *
 * The rest of state/ thinks in nouns and rows; what is SQLite's alone stays here: result codes,
 * locks, the write-ahead log, prepared statements.
 *
 * Several processes and threads write one file. In WAL mode readers never wait, and writers wait
 * for one another in SQLite's busy handler, 30 s at most. That handler is not asked in two cases,
 * which are kept from arising: a read transaction that turns into a writing one (every
 * transaction here begins IMMEDIATE, every lone write is one statement), and the switch to WAL
 * mode (retried here).
 *
 * Durability is a property of a connection in SQLite (PRAGMA synchronous) and can't change inside a
 * transaction. It is switched before a write when the last one was of the other kind; the pragma
 * costs microseconds and no I/O.
 *
 * A full disk shows as SQLITE_FULL from the write-ahead log, or as an I/O error whose errno says
 * ENOSPC, EDQUOT or EFBIG; SQLite rolls back, so that what was committed before is intact and a
 * later write succeeds once there is room. A transaction of several writes that lost one of them
 * so is marked failed: later writes inside must not slip out as transactions of their own.
 *
 * Statements are cached by their text for the life of the connection; the texts are constants or
 * generated from constant tables, so the cache is bounded by the program.
 */
#include "state/sqlite.h"

#include <errno.h>
#include <sqlite3.h>

#define BUSY_TIMEOUT_MS 30000
/* Pages a connection keeps. Each worker of watch has one, SQLite's default is 2 MiB, and what a
 * pass reads is one row, which the kernel has cached as well. */
#define CACHE_KIB "128"
#define WAL_CHECKPOINT_PAGES 1000
#define WAL_SIZE_LIMIT_BYTES (8 * 1024 * 1024)

struct Sqlite {
    sqlite3 *handle;
    char *path;             /* for messages */
    GHashTable *statements; /* SQL text -> sqlite3_stmt */
    SqliteDurability durability;
    gboolean is_durability_known;
    gboolean is_in_transaction;
    gboolean is_failed; /* the open transaction has lost a write */
};

G_DEFINE_QUARK(virtkeep - state - error, state_error)

#define FULL_ADVICE "make room; what was recorded before is intact"

/* By primary result code: what a caller may branch on, and what the user can do. */
static const struct {
    int code;
    StateError error;
    const char *advice;
} refusals[] = {
    { SQLITE_CORRUPT, STATE_ERROR_DAMAGED, STATE_DAMAGED_ADVICE },
    { SQLITE_NOTADB, STATE_ERROR_DAMAGED, STATE_DAMAGED_ADVICE },
    { SQLITE_FULL, STATE_ERROR_FULL, FULL_ADVICE },
    { SQLITE_BUSY, STATE_ERROR_BUSY, "another process kept it locked for 30 seconds" },
    { SQLITE_LOCKED, STATE_ERROR_BUSY, NULL },
    { SQLITE_IOERR, STATE_ERROR_IO, NULL },
    { SQLITE_CANTOPEN, STATE_ERROR_IO, NULL },
    { SQLITE_PERM, STATE_ERROR_IO, NULL },
    { SQLITE_AUTH, STATE_ERROR_IO, NULL },
    { SQLITE_READONLY, STATE_ERROR_READONLY, NULL },
};

static void
set_error(Sqlite *db, int code, GError **error)
{
    StateError kind = STATE_ERROR_FAILED;
    const char *advice = NULL;
    /* SQLite notes errno where a statement fails, but not where its commit does (3.40). */
    int os_errno = errno ? errno : sqlite3_system_errno(db->handle);
    for (guint i = 0; i < G_N_ELEMENTS(refusals); i++)
        if (refusals[i].code == (code & 0xff)) {
            kind = refusals[i].error;
            advice = refusals[i].advice;
        }
    /* Making the log's index larger, SQLite keeps no errno at all; it fails for want of room. */
    gboolean is_space = os_errno == ENOSPC || os_errno == EDQUOT || os_errno == EFBIG ||
                        code == SQLITE_IOERR_SHMSIZE;
    if (kind == STATE_ERROR_IO && is_space) {
        kind = STATE_ERROR_FULL;
        advice = "no space left; " FULL_ADVICE;
    }
    const char *os_text = kind == STATE_ERROR_IO && os_errno ? g_strerror(os_errno) : NULL;
    g_set_error(error, STATE_ERROR, kind, "state file %s: %s%s%s%s%s", db->path,
                sqlite3_errmsg(db->handle), os_text ? ": " : "", os_text ? os_text : "",
                advice ? "; " : "", advice ? advice : "");
}

/* A statement that failed inside a transaction takes the transaction with it. */
static gboolean
fail(Sqlite *db, int code, GError **error)
{
    set_error(db, code, error);
    db->is_failed = db->is_in_transaction;
    return FALSE;
}

/* @name: the file as SQLite is told; @path: as messages name it. */
static Sqlite *
open_database(const char *name, const char *path, int flags, GError **error)
{
    g_autoptr(Sqlite) db = g_new0(Sqlite, 1);
    db->path = g_strdup(path);
    db->statements = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                           (GDestroyNotify) (void (*)(void)) sqlite3_finalize);
    errno = 0;
    int code = sqlite3_open_v2(name, &db->handle,
                               flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);
    if (code != SQLITE_OK) {
        set_error(db, code, error);
        return NULL;
    }
    /* SQLite opens a write-protected file for reading without a word. */
    if ((flags & SQLITE_OPEN_READWRITE) && sqlite3_db_readonly(db->handle, "main") == 1) {
        g_set_error(error, STATE_ERROR, STATE_ERROR_READONLY, "state file %s: is not writable",
                    db->path);
        return NULL;
    }
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_wal_autocheckpoint(db->handle, WAL_CHECKPOINT_PAGES);
    return g_steal_pointer(&db);
}

Sqlite *
sqlite_open(const char *path, gboolean is_read_only, GError **error)
{
    return open_database(path ? path : ":memory:", path ? path : "(in memory)",
                         is_read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE, error);
}

Sqlite *
sqlite_open_unchanging(const char *path, GError **error)
{
    g_autofree char *uri = g_filename_to_uri(path, NULL, error);
    g_autofree char *name = uri ? g_strconcat(uri, "?immutable=1", NULL) : NULL;
    return name ? open_database(name, path, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, error) : NULL;
}

void
sqlite_close(Sqlite *db)
{
    if (!db)
        return;
    g_hash_table_destroy(db->statements);
    sqlite3_close(db->handle);
    g_free(db->path);
    g_free(db);
}

const char *
sqlite_path(const Sqlite *db)
{
    return db->path;
}

gboolean
sqlite_has_moved(Sqlite *db)
{
    int has_moved = 0;

    return sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_HAS_MOVED, &has_moved) ==
               SQLITE_OK &&
           has_moved;
}

void
sqlite_checkpoint(Sqlite *db)
{
    (void) sqlite3_wal_checkpoint_v2(db->handle, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

void
sqlite_set_checkpoint_on_close(Sqlite *db, gboolean is_enabled)
{
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !is_enabled, NULL);
}

gboolean
sqlite_limit_cache(Sqlite *db, GError **error)
{
    return sqlite_exec(db, "PRAGMA cache_size = -" CACHE_KIB, error);
}

gboolean
sqlite_set_query_only(Sqlite *db, GError **error)
{
    return sqlite_exec(db, "PRAGMA query_only = 1", error);
}

static void
read_text(SqliteRow *row, gpointer user_data)
{
    char **ret_text = user_data;
    g_free(*ret_text);
    *ret_text = g_strdup(sqlite_row_text(row, 0));
}

gboolean
sqlite_set_wal(Sqlite *db, GError **error)
{
    /* SQLite answers BUSY here at once, without its busy handler, when another connection is
     * switching or has a transaction open on a file that is not yet in WAL mode. */
    gint64 deadline = g_get_monotonic_time() + BUSY_TIMEOUT_MS * G_TIME_SPAN_MILLISECOND;
    for (;;) {
        g_autofree char *mode = NULL;
        g_autoptr(GError) refusal = NULL;
        if (sqlite_read(db, "PRAGMA journal_mode = WAL", NULL, 0, read_text, &mode, &refusal)) {
            if (g_strcmp0(mode, "wal") == 0)
                break;
            g_set_error(error, STATE_ERROR, STATE_ERROR_IO,
                        "state file %s: its file system can't do write-ahead logging (mode %s)",
                        db->path, mode);
            return FALSE;
        }
        if (!g_error_matches(refusal, STATE_ERROR, STATE_ERROR_BUSY) ||
            g_get_monotonic_time() > deadline) {
            g_propagate_error(error, g_steal_pointer(&refusal));
            return FALSE;
        }
        g_usleep(5 * G_TIME_SPAN_MILLISECOND);
    }
    g_autofree char *sql = g_strdup_printf("PRAGMA journal_size_limit = %d", WAL_SIZE_LIMIT_BYTES);
    return sqlite_exec(db, sql, error);
}

gboolean
sqlite_copy(Sqlite *from, Sqlite *to, GError **error)
{
    sqlite3_backup *backup = sqlite3_backup_init(to->handle, "main", from->handle, "main");
    if (!backup)
        return fail(to, sqlite3_errcode(to->handle), error);
    errno = 0;
    sqlite3_backup_step(backup, -1);
    int code = sqlite3_backup_finish(backup);
    return code == SQLITE_OK || fail(to, code, error);
}

gboolean
sqlite_exec(Sqlite *db, const char *sql, GError **error)
{
    errno = 0;
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK || fail(db, code, error);
}

static sqlite3_stmt *
lookup_statement(Sqlite *db, const char *sql, GError **error)
{
    sqlite3_stmt *statement = g_hash_table_lookup(db->statements, sql);
    if (statement) {
        /* One thread at a time, and no reading inside reading. */
        g_assert(!sqlite3_stmt_busy(statement));
        return statement;
    }
    errno = 0;
    int code = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    if (code != SQLITE_OK) {
        fail(db, code, error);
        return NULL;
    }
    g_hash_table_insert(db->statements, g_strdup(sql), statement);
    return statement;
}

static void
bind(sqlite3_stmt *statement, const SqliteValue *values, guint n_values)
{
    g_assert(sqlite3_bind_parameter_count(statement) == (int) n_values);
    for (guint i = 0; i < n_values; i++) {
        if (values[i].type == SQLITE_VALUE_INT)
            sqlite3_bind_int64(statement, i + 1, values[i].integer);
        else if (values[i].type == SQLITE_VALUE_TEXT && values[i].text)
            sqlite3_bind_text(statement, i + 1, values[i].text, -1, SQLITE_STATIC);
        else
            sqlite3_bind_null(statement, i + 1);
    }
}

gboolean
sqlite_read(Sqlite *db, const char *sql, const SqliteValue *values, guint n_values,
            SqliteEachRow each, gpointer user_data, GError **error)
{
    sqlite3_stmt *statement = lookup_statement(db, sql, error);
    if (!statement)
        return FALSE;
    bind(statement, values, n_values);
    errno = 0;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        if (each)
            each((SqliteRow *) statement, user_data);
    gboolean is_done = code == SQLITE_DONE || fail(db, code, error);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return is_done;
}

const char *
sqlite_row_text(SqliteRow *row, guint column)
{
    return (const char *) sqlite3_column_text((sqlite3_stmt *) row, column);
}

gint64
sqlite_row_int(SqliteRow *row, guint column)
{
    return sqlite3_column_int64((sqlite3_stmt *) row, column);
}

static void
read_int(SqliteRow *row, gpointer user_data)
{
    *(gint64 *) user_data = sqlite_row_int(row, 0);
}

gboolean
sqlite_query_int(Sqlite *db, const char *sql, gint64 *ret_value, GError **error)
{
    gint64 value = 0;
    if (!sqlite_read(db, sql, NULL, 0, read_int, &value, error))
        return FALSE;
    *ret_value = value;
    return TRUE;
}

static gboolean
set_durability(Sqlite *db, SqliteDurability durability, GError **error)
{
    if (db->is_durability_known && db->durability == durability)
        return TRUE;
    const char *sql =
        durability == SQLITE_DURABLE ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL";
    if (!sqlite_exec(db, sql, error))
        return FALSE;
    db->durability = durability;
    db->is_durability_known = TRUE;
    return TRUE;
}

static gboolean
check_transaction(Sqlite *db, GError **error)
{
    if (!db->is_failed)
        return TRUE;
    g_set_error(error, STATE_ERROR, STATE_ERROR_FAILED,
                "state file %s: an earlier write of this transaction failed", db->path);
    return FALSE;
}

gboolean
sqlite_write(Sqlite *db, SqliteDurability durability, const char *sql, const SqliteValue *values,
             guint n_values, GError **error)
{
    if (!check_transaction(db, error))
        return FALSE;
    if (!db->is_in_transaction && !set_durability(db, durability, error))
        return FALSE;
    return sqlite_read(db, sql, values, n_values, NULL, NULL, error);
}

gint64
sqlite_last_id(Sqlite *db)
{
    return sqlite3_last_insert_rowid(db->handle);
}

gint64
sqlite_n_changed(Sqlite *db)
{
    return sqlite3_changes64(db->handle);
}

gboolean
sqlite_begin(Sqlite *db, SqliteDurability durability, GError **error)
{
    g_assert(!db->is_in_transaction);
    if (!set_durability(db, durability, error) || !sqlite_exec(db, "BEGIN IMMEDIATE", error))
        return FALSE;
    db->is_in_transaction = TRUE;
    db->is_failed = FALSE;
    return TRUE;
}

gboolean
sqlite_commit(Sqlite *db, GError **error)
{
    g_assert(db->is_in_transaction);
    if (check_transaction(db, error) && sqlite_exec(db, "COMMIT", error)) {
        db->is_in_transaction = FALSE;
        return TRUE;
    }
    sqlite_rollback(db);
    return FALSE;
}

void
sqlite_rollback(Sqlite *db)
{
    if (!db->is_in_transaction)
        return;
    /* SQLite may have rolled back by itself (a full disk): then there is nothing to undo. */
    if (!sqlite3_get_autocommit(db->handle))
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    db->is_in_transaction = FALSE;
    db->is_failed = FALSE;
}

gboolean
sqlite_transact(Sqlite *db, SqliteDurability durability, SqliteWork work, gpointer user_data,
                GError **error)
{
    if (db->is_in_transaction)
        return work(db, user_data, error);
    if (!sqlite_begin(db, durability, error))
        return FALSE;
    if (work(db, user_data, error))
        return sqlite_commit(db, error);
    sqlite_rollback(db);
    return FALSE;
}
