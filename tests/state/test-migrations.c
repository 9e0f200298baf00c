/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file of every released version comes up with its data; a file that is newer, damaged or
 * somebody else's is refused with its bytes untouched; a migration that fails or meets another one
 * leaves a whole file.
 *
 * fixtures/version-N.sql is a dump of a file as version N wrote it. It is never edited: a new
 * version adds a new one (`sqlite3 state.db .dump`, with the two pragmas in front).
 */
#include "state/domains.h"
#include "state/history.h"
#include "state/memory_devices.h"
#include "state/migrations.h"
#include "tests/state/state-file.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <unistd.h>

static void
make_parent(const StateFile *file)
{
    g_autofree char *parent = g_path_get_dirname(file->path);
    assert_int_equal(g_mkdir_with_parents(parent, 0700), 0);
}

static void
remove_file(const StateFile *file)
{
    static const char *const suffixes[] = { "", "-wal", "-shm" };
    for (guint i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        g_autofree char *path = g_strconcat(file->path, suffixes[i], NULL);
        g_unlink(path);
    }
}

/* Makes the state file by running `sql` in it. */
static void
make_file(const StateFile *file, const char *sql)
{
    g_autoptr(GError) error = NULL;
    make_parent(file);
    assert_ok(g_file_set_contents(file->path, "", 0, &error));
    g_autoptr(Sqlite) db = sqlite_open(file->path, FALSE, &error);
    assert_ok(db);
    assert_ok(sqlite_exec(db, sql, &error));
}

static char *
read_fixture(guint version)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_strdup_printf("%s/version-%u.sql", FIXTURES, version);
    char *sql = NULL;
    assert_ok(g_file_get_contents(path, &sql, NULL, &error));
    return sql;
}

static void
assert_fixture_data(Store *store)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DomainRecord) record = NULL;
    assert_ok(store_domain_get(store, "web-1", &record, &error));
    assert_non_null(record);
    assert_string_equal(record->desired.uuid, "6f1c2d3e-0000-5000-8000-00000000web1");
    assert_string_equal(record->resolved_xml, "<domain type='qemu'><name>web-1</name></domain>");
    assert_int_equal(record->process.pid, 4711);
    assert_int_equal(record->sync, SYNC_GUARDED);
    assert_int_equal(record->memory_current, 768 * MIB);
    g_autoptr(GPtrArray) devices = store_memory_device_list(store, "web-1", &error);
    assert_ok(devices);
    assert_int_equal(devices->len, 1);
    g_autoptr(GPtrArray) open = journal_open_rows(store, "web-1", &error);
    assert_ok(open);
    assert_int_equal(open->len, 1);
    g_autoptr(GPtrArray) actions = store_action_list(store, NULL, &error);
    g_autoptr(GPtrArray) changes = store_change_list(store, NULL, &error);
    g_autoptr(GPtrArray) events = store_event_list(store, NULL, &error);
    g_autoptr(GPtrArray) samples = store_sample_list(store, NULL, &error);
    assert_int_equal(actions->len, 2);
    assert_int_equal(changes->len, 1);
    assert_int_equal(events->len, 1);
    assert_int_equal(samples->len, 1);
}

static void
every_released_version_comes_up(void **state)
{
    StateFile *file = *state;
    for (guint version = 1; version <= n_state_migrations; version++) {
        g_autofree char *sql = read_fixture(version);
        make_file(file, sql);
        g_autofree char *stamp = state_file_query(file->path, "PRAGMA user_version");
        assert_int_equal(atoi(stamp), version);
        /* Reading alone changes nothing, whatever the version. */
        g_autoptr(GBytes) before = state_file_bytes(file->path);
        g_autoptr(Store) reader = state_file_open(file, STORE_READ_ONLY);
        assert_fixture_data(reader);
        g_clear_pointer(&reader, store_close);
        g_autoptr(GBytes) after = state_file_bytes(file->path);
        assert_true(g_bytes_equal(before, after));

        g_autoptr(Store) store = state_file_open(file, STORE_READ_WRITE);
        assert_fixture_data(store);
        g_autofree char *now = state_file_query(file->path, "PRAGMA user_version");
        assert_int_equal(atoi(now), n_state_migrations);
        g_clear_pointer(&store, store_close);
        remove_file(file);
    }
}

static void
reading_an_older_file_migrates_in_memory(void **state)
{
    StateFile *file = *state;
    g_autoptr(GError) error = NULL;
    make_parent(file);
    assert_ok(g_file_set_contents(file->path, "", 0, &error)); /* version 0 */
    g_autoptr(Store) reader = state_file_open(file, STORE_READ_ONLY);
    g_autoptr(GPtrArray) domains = store_domain_list(reader, &error);
    assert_ok(domains);
    assert_int_equal(domains->len, 0);
    g_autofree char *content = NULL;
    gsize size = 1;
    assert_ok(g_file_get_contents(file->path, &content, &size, &error));
    assert_int_equal(size, 0);
}

/* What a released migration makes must never change: its fixture was made by it. */
static void
released_migrations_are_not_edited(void **state)
{
    StateFile *file = *state;
    g_autoptr(GError) error = NULL;
    static const char schema[] = "SELECT type || ' ' || name || ' ' || sql FROM sqlite_schema"
                                 " WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
                                 " ORDER BY type, name";
    for (guint version = 1; version <= n_state_migrations; version++) {
        g_autofree char *sql = read_fixture(version);
        make_file(file, sql);
        g_autofree char *fixture = state_file_query(file->path, schema);
        remove_file(file);
        make_file(file, "");
        g_autoptr(Sqlite) db = sqlite_open(file->path, FALSE, &error);
        assert_ok(state_migrations_apply(db, state_migrations, version, &error));
        g_autofree char *made = state_file_query(file->path, schema);
        remove_file(file);
        assert_string_equal(fixture, made);
    }
}

/* Both modes refuse `file` with `code`; the message names the file; no byte changes. */
static void
assert_refused_untouched(const StateFile *file, StateError code, const char *words)
{
    g_autoptr(GBytes) before = state_file_bytes(file->path);
    for (StoreMode mode = STORE_READ_WRITE; mode <= STORE_READ_ONLY; mode++) {
        g_autoptr(GError) error = NULL;
        assert_null(store_open(file->path, mode, &error));
        assert_non_null(error);
        if (!strstr(error->message, file->path) || !strstr(error->message, words))
            fail_msg("not a clear message: %s", error->message);
        assert_state_error(error, code);
        g_autoptr(GBytes) after = state_file_bytes(file->path);
        assert_true(g_bytes_equal(before, after));
    }
}

static void
refuses_a_newer_version(void **state)
{
    StateFile *file = *state;
    g_autofree char *sql = read_fixture(1);
    g_autofree char *newer = g_strconcat(sql, "PRAGMA user_version = 999;", NULL);
    make_file(file, newer);
    assert_refused_untouched(file, STATE_ERROR_NEWER, "newer virtkeep");
}

/* Left by a newer virtkeep that was killed: its log isn't folded into the file either. */
static void
refuses_a_newer_version_with_its_log(void **state)
{
    StateFile *file = *state;
    g_autoptr(GError) error = NULL;
    g_autofree char *sql = read_fixture(1);
    g_autofree char *log_path = g_strconcat(file->path, "-wal", NULL);
    make_file(file, sql);
    g_autoptr(Sqlite) db = sqlite_open(file->path, FALSE, &error);
    assert_ok(db);
    sqlite_set_checkpoint_on_close(db, FALSE);
    assert_ok(sqlite_set_wal(db, &error));
    assert_ok(sqlite_exec(db, "PRAGMA user_version = 999", &error));
    g_clear_pointer(&db, sqlite_close);
    assert_true(g_file_test(log_path, G_FILE_TEST_EXISTS));
    assert_refused_untouched(file, STATE_ERROR_NEWER, "newer virtkeep");
    assert_true(g_file_test(log_path, G_FILE_TEST_EXISTS));
}

static void
refuses_what_is_not_sqlite(void **state)
{
    static const char *const contents[] = { "x",
                                            "This is not a state file, whatever its name says.\n",
                                            NULL /* random */ };
    StateFile *file = *state;
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    for (guint i = 0; i < G_N_ELEMENTS(contents); i++) {
        g_autoptr(GError) error = NULL;
        char noise[10000];
        for (guint j = 0; j < sizeof noise; j++)
            noise[j] = g_rand_int(random);
        make_parent(file);
        assert_ok(g_file_set_contents(
            file->path, contents[i] ? contents[i] : noise,
            contents[i] ? (gssize) strlen(contents[i]) : (gssize) sizeof noise, &error));
        assert_refused_untouched(file, STATE_ERROR_DAMAGED, "move it away");
    }
}

static void
refuses_a_cut_off_file(void **state)
{
    StateFile *file = *state;
    g_autofree char *sql = read_fixture(1);
    make_file(file, sql);
    for (off_t size = 3 * 4096; size > 50; size = size * 2 / 3) {
        assert_int_equal(truncate(file->path, size), 0);
        assert_refused_untouched(file, STATE_ERROR_DAMAGED, "move it away");
    }
    /* To nothing, with a log beside it that SQLite would delete. */
    g_autoptr(GError) error = NULL;
    g_autofree char *log_path = g_strconcat(file->path, "-wal", NULL);
    assert_int_equal(truncate(file->path, 0), 0);
    assert_ok(g_file_set_contents(log_path, "what was committed last", -1, &error));
    assert_refused_untouched(file, STATE_ERROR_DAMAGED, "move it away");
    /* Likewise where only the log is left: nothing is put in the database's place. */
    g_unlink(file->path);
    assert_null(store_open(file->path, STORE_READ_WRITE, &error));
    assert_state_error(error, STATE_ERROR_DAMAGED);
    assert_false(g_file_test(file->path, G_FILE_TEST_EXISTS));
}

static void
refuses_another_programs_file(void **state)
{
    StateFile *file = *state;
    make_file(file, "CREATE TABLE bookmarks(url TEXT)");
    assert_refused_untouched(file, STATE_ERROR_DAMAGED, "not virtkeep's");
    remove_file(file);
    make_file(file, "PRAGMA user_version = 1; CREATE TABLE bookmarks(url TEXT)");
    assert_refused_untouched(file, STATE_ERROR_DAMAGED, "not virtkeep's");
}

/* Damage inside a page that opening doesn't read is found by the check, and by who reads it. */
static void
check_finds_inner_damage(void **state)
{
    StateFile *file = *state;
    g_autoptr(GError) error = NULL;
    g_autofree char *sql = read_fixture(1);
    make_file(file, sql);
    g_autofree char *page =
        state_file_query(file->path, "SELECT rootpage FROM sqlite_schema WHERE name = 't_domain'");
    g_autofree char *content = NULL;
    gsize size;
    assert_ok(g_file_get_contents(file->path, &content, &size, &error));
    memset(content + (atoi(page) - 1) * 4096, 0x55, 4096);
    assert_ok(g_file_set_contents(file->path, content, size, &error));
    g_autoptr(GBytes) before = state_file_bytes(file->path);
    g_autoptr(Store) store = state_file_open(file, STORE_READ_ONLY);
    assert_false(store_check(store, &error));
    assert_state_error(error, STATE_ERROR_DAMAGED);
    assert_null(store_domain_list(store, &error));
    assert_state_error(error, STATE_ERROR_DAMAGED);
    g_autoptr(GBytes) after = state_file_bytes(file->path);
    assert_true(g_bytes_equal(before, after));
}

static void
a_directory_is_an_io_error(void **state)
{
    StateFile *file = *state;
    g_autoptr(GError) error = NULL;
    assert_int_equal(g_mkdir_with_parents(file->path, 0700), 0);
    assert_null(store_open(file->path, STORE_READ_WRITE, &error));
    assert_state_error(error, STATE_ERROR_IO);
    g_autofree char *below_file = g_strconcat(file->directory, "/plain/state.db", NULL);
    g_autofree char *plain = g_strconcat(file->directory, "/plain", NULL);
    assert_ok(g_file_set_contents(plain, "x", 1, &error));
    assert_null(store_open(below_file, STORE_READ_WRITE, &error));
    assert_state_error(error, STATE_ERROR_IO);
}

static void
a_failing_step_leaves_the_version_before(void **state)
{
    StateFile *file = *state;
    g_autoptr(GError) error = NULL;
    const char *broken[] = { state_migrations[0], "CREATE TABLE t_new(x) STRICT; SELECT nonsense" };
    const char *mended[] = { state_migrations[0], "CREATE TABLE t_new(x INTEGER) STRICT" };
    make_file(file, "");
    g_autoptr(Sqlite) db = sqlite_open(file->path, FALSE, &error);
    assert_false(state_migrations_apply(db, broken, 2, &error));
    g_clear_error(&error);
    static const char stand[] = "SELECT user_version || ' ' || (SELECT count(*) FROM sqlite_schema"
                                " WHERE name = 't_new') FROM pragma_user_version";
    g_autofree char *before = state_file_query(file->path, stand);
    assert_string_equal(before, "1 0");
    assert_ok(state_migrations_apply(db, mended, 2, &error));
    g_autofree char *after = state_file_query(file->path, stand);
    assert_string_equal(after, "2 1");
    guint version = 0;
    assert_false(state_migrations_identify(db, 1, &version, &error));
    assert_state_error(error, STATE_ERROR_NEWER);
}

static gboolean
open_and_write(const StateFile *file, guint index)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_strdup_printf("domain-%u", index);
    g_autoptr(Store) store = store_open(file->path, STORE_READ_WRITE, &error);
    if (store && store_domain_put_run_state(store, name, "running", &error))
        return TRUE;
    g_printerr("%u: %s\n", index, error->message);
    return FALSE;
}

/* Everybody finds no file at once: it is made once, migrated once, and nobody's write is lost. */
static void
many_create_at_once(void **state)
{
    StateFile *file = *state;
    for (guint round = 0; round < 10; round++) {
        pid_t pids[8];
        for (guint i = 0; i < G_N_ELEMENTS(pids); i++)
            pids[i] = state_file_fork(file, open_and_write, i);
        guint n_failed = 0;
        for (guint i = 0; i < G_N_ELEMENTS(pids); i++)
            n_failed += state_file_wait(pids[i]) != 0;
        assert_int_equal(n_failed, 0);
        g_autofree char *n = state_file_query(file->path, "SELECT count(*) FROM domains");
        assert_string_equal(n, "8");
        remove_file(file);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        state_test(every_released_version_comes_up),
        state_test(reading_an_older_file_migrates_in_memory),
        state_test(released_migrations_are_not_edited),
        state_test(refuses_a_newer_version),
        state_test(refuses_a_newer_version_with_its_log),
        state_test(refuses_what_is_not_sqlite),
        state_test(refuses_a_cut_off_file),
        state_test(refuses_another_programs_file),
        state_test(check_finds_inner_damage),
        state_test(a_directory_is_an_io_error),
        state_test(a_failing_step_leaves_the_version_before),
        state_test(many_create_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
