/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Several processes and threads write one file at once while others read it: nothing is lost,
 * nobody is told BUSY, readers see whole transactions and never wait for a writer.
 */
#include "state/domains.h"
#include "state/history.h"
#include "state/memory_devices.h"
#include "state/sqlite.h"
#include "tests/state/state-file.h"

#include <sys/wait.h>
#include <unistd.h>

#define N_WRITERS 4
#define N_ROUNDS 60

/* What a controller does, over and over: an intent, figures, a sample, an outcome. */
static gboolean
write_rounds(Store *store, guint index, GError **error)
{
    g_autofree char *name = g_strdup_printf("domain-%u", index);
    ActionOwner owner = { getpid(), index, "boot" };
    for (guint i = 1; i <= N_ROUNDS; i++) {
        MemoryDeviceRecord device = { .domain = name,
                                      .device = (char *) "vm0",
                                      .requested = i,
                                      .current = i,
                                      .state = (char *) "progressing" };
        SampleRecord sample = { name, (char *) "vm0", i, i, N_ROUNDS, NOON + i };
        gint64 id;
        if (!journal_begin(store, name, "set-memory", NULL, NULL, &owner, NOON + i, &id, error) ||
            !store_memory_device_put(store, &device, NOON + i, error) ||
            !store_sample_add(store, &sample, error) ||
            !store_domain_put_sync(store, name, SYNC_PROGRESSING, NULL, "moving", NOON, error) ||
            !journal_end(store, id, ACTION_DONE, NULL, NOON + i, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
open_and_write(const StateFile *file, guint index)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = store_open(file->path, STORE_READ_WRITE, &error);
    if (store && write_rounds(store, index, &error))
        return TRUE;
    g_printerr("writer %u: %s\n", index, error->message);
    return FALSE;
}

static gpointer
write_in_thread(gpointer user_data)
{
    static gint n_threads;
    return GINT_TO_POINTER(open_and_write(user_data, 100 + g_atomic_int_add(&n_threads, 1)));
}

static void
assert_nothing_lost(const StateFile *file, guint n_writers)
{
    g_autofree char *expected = g_strdup_printf("%u %u %u %u 0", n_writers, n_writers * N_ROUNDS,
                                                n_writers * N_ROUNDS, n_writers * N_ROUNDS);
    g_autofree char *told = state_file_query(
        file->path, "SELECT (SELECT count(*) FROM domains) || ' ' ||"
                    " (SELECT count(*) FROM actions WHERE outcome = 'done') || ' ' ||"
                    " (SELECT count(*) FROM samples) || ' ' ||"
                    " (SELECT sum(current) FROM memory_devices WHERE state = 'progressing')"
                    " || ' ' || (SELECT count(*) FROM actions WHERE outcome IS NULL)");
    assert_string_equal(told, expected);
}

static void
processes_and_threads_write_at_once(void **state)
{
    StateFile *file = *state;
    pid_t pids[N_WRITERS];
    GThread *threads[N_WRITERS];
    for (guint i = 0; i < N_WRITERS; i++)
        pids[i] = state_file_fork(file, open_and_write, i);
    for (guint i = 0; i < N_WRITERS; i++)
        threads[i] = g_thread_new("writer", write_in_thread, file);
    guint n_failed = 0;
    for (guint i = 0; i < N_WRITERS; i++)
        n_failed += !GPOINTER_TO_INT(g_thread_join(threads[i]));
    for (guint i = 0; i < N_WRITERS; i++)
        n_failed += state_file_wait(pids[i]) != 0;
    assert_int_equal(n_failed, 0);
    assert_nothing_lost(file, 2 * N_WRITERS);
}

/* The sqlite3 tool as a user runs it; what it prints, without the last newline. */
static char *
run_sqlite3(const char *path, const char *sql)
{
    g_autoptr(GError) error = NULL;
    const char *argv[] = { "sqlite3", "-readonly", path, sql, NULL };
    char *out = NULL;
    g_autofree char *err = NULL;
    int status;
    assert_ok(g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err,
                           &status, &error));
    if (!g_spawn_check_wait_status(status, &error))
        fail_msg("sqlite3: %s%s", err, error->message);
    return g_strchomp(out);
}

/* How often it was read while a child was writing. As beside `watch`, the file is held open. (Where
 * nobody does, the tool may meet the first one who opens or the last one who closes it, and needs a
 * timeout.) */
static guint
read_beside_writer(const StateFile *file, guint index)
{
    pid_t pid = state_file_fork(file, open_and_write, index);
    g_autoptr(Store) store = state_file_open(file, STORE_READ_WRITE);
    guint n_reads = 0;
    int status = 0;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        /* A device is never seen without its domain's row, nor a sample ahead of its device. */
        g_autofree char *orphans = run_sqlite3(
            file->path, "SELECT (SELECT count(*) FROM memory_devices WHERE domain NOT IN"
                        " (SELECT name FROM domains)) + (SELECT count(*) FROM samples s JOIN"
                        " memory_devices m USING(domain, device) WHERE s.current > m.current)");
        assert_string_equal(orphans, "0");
        n_reads++;
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return n_reads;
}

static void
sqlite3_reads_while_others_write(void **state)
{
    StateFile *file = *state;
    g_autofree char *tool = g_find_program_in_path("sqlite3");
    if (!tool)
        skip();
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(file, STORE_READ_WRITE);
    assert_ok(store_domain_put_run_state(store, "held", "before", &error));

    /* In the middle of a transaction: the last committed state is read, at once. */
    assert_ok(store_begin(store, &error));
    assert_ok(store_domain_put_run_state(store, "held", "after", &error));
    gint64 start = g_get_monotonic_time();
    g_autofree char *before = run_sqlite3(file->path, "SELECT run_state FROM domains");
    assert_true(g_get_monotonic_time() - start < 20 * SECOND); /* less than any busy timeout */
    assert_string_equal(before, "before");
    assert_ok(store_commit(store, &error));
    g_autofree char *after = run_sqlite3(file->path, "SELECT run_state FROM domains");
    assert_string_equal(after, "after");
    g_clear_pointer(&store, store_close); /* not across fork */

    guint n_reads = 0;
    for (guint i = 0; n_reads == 0; i++) /* a writer may be done before it is looked for */
        n_reads = read_beside_writer(file, i);
}

/* A reader that holds a snapshot open doesn't hold up a writer, and keeps seeing its moment. */
static void
a_held_snapshot_holds_nobody_up(void **state)
{
    StateFile *file = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(file, STORE_READ_WRITE);
    g_autoptr(Sqlite) reader = sqlite_open(file->path, TRUE, &error);
    gint64 n = -1;
    assert_ok(sqlite_exec(reader, "BEGIN", &error));
    assert_ok(sqlite_query_int(reader, "SELECT count(*) FROM samples", &n, &error));
    assert_ok(write_rounds(store, 0, &error));
    assert_ok(sqlite_query_int(reader, "SELECT count(*) FROM samples", &n, &error));
    assert_int_equal(n, 0);
    assert_ok(sqlite_exec(reader, "COMMIT", &error));
    assert_ok(sqlite_query_int(reader, "SELECT count(*) FROM samples", &n, &error));
    assert_int_equal(n, N_ROUNDS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        state_test(processes_and_threads_write_at_once),
        state_test(sqlite3_reads_while_others_write),
        state_test(a_held_snapshot_holds_nobody_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
