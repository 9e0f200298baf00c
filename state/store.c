/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opening the state file.
 *
 * Two promises are kept here. A file that isn't certainly ours and of a version we know is left
 * byte for byte as it was: until it is identified nothing is written, not even the checkpoint
 * that SQLite would do on close. And the reading commands (`plan`, `status`) work with whatever
 * there is and change nothing: no file reads as an empty one, an older file is copied into memory
 * and migrated there.
 *
 *     READ_WRITE  create (0600) -> open -> identify -> WAL -> migrate
 *     READ_ONLY   missing: memory -> migrate ...................... query-only
 *                 older:   open -> identify -> copy to memory -> migrate .. query-only
 *                 current: open -> identify ....................... query-only
 *                 on a read-only mount likewise, by the file alone
 *
 * A file that is moved away while it is in use (`mv`, or another one put in its place) leaves us
 * with one that nobody else sees. store_follow() opens the name anew. SQLite would take the log
 * beside the name for the new file's, so it must not be the former's: that is told by its inode.
 *
 * The file is created by mknod, which opens nothing. With open it would have to be closed, and
 * closing any descriptor of a file drops all POSIX locks which this process holds on it: SQLite's,
 * if another thread has opened it in the meantime. And made under another name first, that name
 * would stay if we were killed.
 */
#include "state/store.h"
#include "state/migrations.h"
#include "state/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_PATIENCE_US (2 * G_USEC_PER_SEC)
#define LOG_POLL_US (20 * 1000)

static const char *const log_suffixes[] = { "-wal", "-shm" };

/* Which file of a name it was. */
typedef struct {
    dev_t device;
    ino_t number;
} Inode;

struct Store {
    Sqlite *db;
    char *path;
    Inode logs[G_N_ELEMENTS(log_suffixes)]; /* as they were when it was opened */
};

static gboolean
fail_system(const char *path, const char *what, int number, GError **error)
{
    gboolean is_space = number == ENOSPC || number == EDQUOT;
    g_set_error(error, STATE_ERROR, is_space ? STATE_ERROR_FULL : STATE_ERROR_IO,
                "state file %s: can't %s: %s", path, what, g_strerror(number));
    return FALSE;
}

/* What the file is in; made where it is not there. NULL with @error. */
static char *
directory_of(const char *path, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(path);

    if (g_mkdir_with_parents(directory, 0700) == 0)
        return g_steal_pointer(&directory);
    fail_system(path, "make its directory", errno, error);
    return NULL;
}

static gboolean
create_file(const char *path, GError **error)
{
    g_autofree char *directory = directory_of(path, error);
    if (!directory)
        return FALSE;
    int number = mknod(path, S_IFREG | 0600, 0) < 0 ? errno : 0;
    return !number || number == EEXIST || fail_system(path, "create it", number, error);
}

/* What SQLite would wait for (a FIFO) or make a riddle of, and damage that it takes for a new file:
 * a single byte (it allows for a quirk of a file system), and no or an empty database beside a log
 * that has something in it, which it would delete. A database never is empty while it has a log: it
 * gets its first page before the first log. */
static gboolean
check_file(const char *path, GError **error)
{
    g_autofree char *log_path = g_strconcat(path, "-wal", NULL);
    struct stat database, log;
    gboolean is_there = stat(path, &database) == 0;
    off_t size = is_there ? database.st_size : 0;
    gboolean is_log_filled = stat(log_path, &log) == 0 && log.st_size > 0;
    if (is_there && !S_ISREG(database.st_mode)) {
        g_set_error(error, STATE_ERROR, STATE_ERROR_IO, "state file %s: not a regular file", path);
        return FALSE;
    }
    if (size > 1 || (size == 0 && !is_log_filled))
        return TRUE;
    g_set_error(error, STATE_ERROR, STATE_ERROR_DAMAGED,
                "state file %s: is cut off; " STATE_DAMAGED_ADVICE, path);
    return FALSE;
}

static Sqlite *
open_read_write(const char *path, GError **error)
{
    if (!check_file(path, error))
        return NULL;
    if (!g_file_test(path, G_FILE_TEST_EXISTS) && !create_file(path, error))
        return NULL;
    g_autoptr(Sqlite) db = sqlite_open(path, FALSE, error);
    if (!db)
        return NULL;
    guint version;
    sqlite_set_checkpoint_on_close(db, FALSE);
    if (!state_migrations_identify(db, n_state_migrations, &version, error))
        return NULL;
    if (!sqlite_set_wal(db, error) ||
        !state_migrations_apply(db, state_migrations, n_state_migrations, error))
        return NULL;
    sqlite_set_checkpoint_on_close(db, TRUE);
    return g_steal_pointer(&db);
}

static Sqlite *
open_in_memory(Sqlite *older, GError **error)
{
    g_autoptr(Sqlite) db = sqlite_open(NULL, FALSE, error);
    if (!db || (older && !sqlite_copy(older, db, error)) ||
        !state_migrations_apply(db, state_migrations, n_state_migrations, error))
        return NULL;
    return g_steal_pointer(&db);
}

/* On a read-only mount SQLite can't make the index that it reads a log by. Without a log there is
 * nothing to read by it. */
static gboolean
is_unchanging(const char *path)
{
    g_autofree char *log_path = g_strconcat(path, "-wal", NULL);
    struct stat log;
    return access(path, W_OK) < 0 && errno == EROFS &&
           (stat(log_path, &log) < 0 || log.st_size == 0);
}

static Sqlite *
open_read_only(const char *path, GError **error)
{
    if (access(path, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR))
        return open_in_memory(NULL, error);
    if (!check_file(path, error))
        return NULL;
    g_autoptr(Sqlite) db =
        is_unchanging(path) ? sqlite_open_unchanging(path, error) : sqlite_open(path, TRUE, error);
    if (!db)
        return NULL;
    guint version;
    sqlite_set_checkpoint_on_close(db, FALSE);
    if (!state_migrations_identify(db, n_state_migrations, &version, error))
        return NULL;
    if (version < n_state_migrations)
        return open_in_memory(db, error);
    return g_steal_pointer(&db);
}

/* 0, 0: there is none. */
static Inode
log_inode(const char *path, guint i)
{
    g_autofree char *name = g_strconcat(path, log_suffixes[i], NULL);
    struct stat status;

    return stat(name, &status) < 0 ? (Inode){ 0 } : (Inode){ status.st_dev, status.st_ino };
}

static void
remember_logs(Store *store)
{
    for (guint i = 0; i < G_N_ELEMENTS(log_suffixes); i++)
        store->logs[i] = log_inode(store->path, i);
}

Store *
store_open(const char *path, StoreMode mode, GError **error)
{
    /* Absolute: neither chdir nor SQLite's special names (":memory:") change its meaning. */
    g_autofree char *absolute = g_canonicalize_filename(path, NULL);
    g_autoptr(Sqlite) db = mode == STORE_READ_WRITE  ? open_read_write(absolute, error)
                           : mode == STORE_READ_ONLY ? open_read_only(absolute, error)
                                                     : open_in_memory(NULL, error);
    if (!db || !sqlite_limit_cache(db, error) ||
        (mode == STORE_READ_ONLY && !sqlite_set_query_only(db, error)))
        return NULL;
    Store *store = g_new0(Store, 1);
    store->db = g_steal_pointer(&db);
    store->path = g_steal_pointer(&absolute);
    remember_logs(store);
    return store;
}

void
store_close(Store *store)
{
    if (!store)
        return;
    sqlite_rollback(store->db);
    sqlite_close(store->db);
    g_free(store->path);
    g_free(store);
}

const char *
store_path(const Store *store)
{
    return store->path;
}

gboolean
store_has_moved(const Store *store)
{
    return sqlite_has_moved(store->db);
}

static gboolean
is_own_log(const Store *store, guint i)
{
    Inode now = log_inode(store->path, i), then = store->logs[i];

    return now.number && now.number == then.number && now.device == then.device;
}

/* What is left of the log at the name, which is not the new file's, goes: at once where there is a
 * new file, before anybody takes it for its log; else once it is clear that nobody is about to take
 * it away, who would take the new one's a moment later. */
static void
leave_log(Store *store)
{
    gint64 end = g_get_monotonic_time() + LOG_PATIENCE_US;

    while (!g_file_test(store->path, G_FILE_TEST_EXISTS) &&
           (is_own_log(store, 0) || is_own_log(store, 1)) && g_get_monotonic_time() < end)
        g_usleep(LOG_POLL_US);
    sqlite_checkpoint(store->db); /* the former file, whatever its name, is whole without it */
    for (guint i = 0; i < G_N_ELEMENTS(log_suffixes); i++) {
        g_autofree char *name = g_strconcat(store->path, log_suffixes[i], NULL);

        if (is_own_log(store, i))
            (void) g_unlink(name);
    }
}

/* Until the descriptor is closed: of all threads and processes that follow, one at a time looks
 * whose log it is and takes it away. -1 with @error. */
static int
lock_directory(const char *path, GError **error)
{
    g_autofree char *directory = directory_of(path, error);
    int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (!directory)
        return -1;
    if (fd < 0) {
        fail_system(path, "open its directory", errno, error);
        return -1;
    }
    while (flock(fd, LOCK_EX) < 0) {
        if (errno == EINTR)
            continue;
        fail_system(path, "lock its directory", errno, error);
        close(fd);
        return -1;
    }
    return fd;
}

gboolean
store_follow(Store *store, GError **error)
{
    g_autoptr(Sqlite) db = NULL;
    int lock;

    if (!store_has_moved(store))
        return TRUE;
    lock = lock_directory(store->path, error);
    if (lock < 0)
        return FALSE;
    leave_log(store);
    db = open_read_write(store->path, error);
    close(lock);
    if (!db || !sqlite_limit_cache(db, error))
        return FALSE;
    sqlite_close(store->db);
    store->db = g_steal_pointer(&db);
    remember_logs(store);
    return TRUE;
}

Sqlite *
store_sqlite(Store *store)
{
    return store->db;
}

gboolean
store_begin(Store *store, GError **error)
{
    return sqlite_begin(store->db, SQLITE_DURABLE, error);
}

gboolean
store_begin_relaxed(Store *store, GError **error)
{
    return sqlite_begin(store->db, SQLITE_RELAXED, error);
}

gboolean
store_commit(Store *store, GError **error)
{
    return sqlite_commit(store->db, error);
}

void
store_rollback(Store *store)
{
    sqlite_rollback(store->db);
}

static void
collect_finding(SqliteRow *row, gpointer user_data)
{
    GString *findings = user_data;
    g_string_append_printf(findings, "%s%s", findings->len ? "; " : "", sqlite_row_text(row, 0));
}

gboolean
store_check(Store *store, GError **error)
{
    g_autoptr(GString) findings = g_string_new(NULL);
    if (!sqlite_read(store->db, "PRAGMA quick_check(3)", NULL, 0, collect_finding, findings, error))
        return FALSE;
    if (g_str_equal(findings->str, "ok"))
        return TRUE;
    g_set_error(error, STATE_ERROR, STATE_ERROR_DAMAGED,
                "state file %s: damaged: %s; " STATE_DAMAGED_ADVICE, store->path, findings->str);
    return FALSE;
}
