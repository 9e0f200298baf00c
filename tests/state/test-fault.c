/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Trouble from outside: kill -9 between intent and outcome, in the middle of writing, and a disk
 * that is full. What was committed stays, what was under way is found, and writing goes on.
 *
 * The full disk is a tmpfs of a few hundred KiB in a mount namespace of the child's own, so that
 * nothing is left mounted whatever happens; where that isn't allowed, a limit on the file size.
 */
#include "state/domains.h"
#include "state/history.h"
#include "tests/state/state-file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            g_printerr("%d: not so: %s: %s\n", __LINE__, #condition, error ? error->message : ""); \
            return FALSE;                                                                          \
        }                                                                                          \
    } while (0)

static gboolean
is_alive(const ActionOwner *owner, gpointer user_data)
{
    return kill(owner->pid, 0) == 0;
}

static gboolean
begin_and_die(const StateFile *file, guint index)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = store_open(file->path, STORE_READ_WRITE, &error);
    ActionOwner owner = { getpid(), 1, NULL };
    gint64 id;
    CHECK(store);
    CHECK(journal_begin(store, "a", "start", NULL, NULL, &owner, NOON, &id, &error));
    raise(SIGKILL);
    return FALSE;
}

static void
a_killed_controllers_intent_is_found(void **state)
{
    StateFile *file = *state;
    g_autoptr(GError) error = NULL;
    pid_t pid = state_file_fork(file, begin_and_die, 0);
    assert_int_equal(state_file_wait(pid), -1);
    g_autoptr(Store) store = state_file_open(file, STORE_READ_WRITE);
    g_autoptr(GPtrArray) open = journal_open_rows(store, "a", &error);
    assert_ok(open);
    assert_int_equal(open->len, 1);
    assert_int_equal(((ActionRecord *) open->pdata[0])->owner_pid, pid);
    guint n_closed = 0;
    const ActionOwner heir = { getpid(), 1, NULL };
    assert_ok(journal_close_interrupted(store, "a", &heir, is_alive, NULL, NOON + 1, &n_closed, &error));
    assert_int_equal(n_closed, 1);
    g_autoptr(GPtrArray) actions = store_action_list(store, NULL, &error);
    assert_int_equal(actions->len, 1);
    assert_int_equal(((ActionRecord *) actions->pdata[0])->outcome, ACTION_INTERRUPTED);
    assert_int_equal(((ActionRecord *) actions->pdata[0])->finished_at_us, NOON + 1);
}

/* Writes without end; each row's number goes to the pipe once its commit returned. */
static int commit_pipe[2];

static gboolean
write_until_killed(const StateFile *file, guint index)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = store_open(file->path, STORE_READ_WRITE, &error);
    CHECK(store);
    for (;; index++) {
        g_autofree char *path = g_strdup_printf("%u", index);
        ChangeRecord change = { .domain = (char *) "a", .path = path, .at_us = NOON + index };
        CHECK(store_change_add(store, &change, &error));
        CHECK(write(commit_pipe[1], &index, sizeof index) == sizeof index);
    }
}

static void
killed_while_writing_loses_nothing_committed(void **state)
{
    StateFile *file = *state;
    g_autoptr(GError) error = NULL;
    guint n_committed = 0;
    for (guint round = 0; round < 10; round++) {
        assert_int_equal(pipe(commit_pipe), 0);
        pid_t pid = state_file_fork(file, write_until_killed, n_committed);
        close(commit_pipe[1]);
        guint index, wanted = n_committed + 3 + round * 7;
        while (n_committed < wanted && read(commit_pipe[0], &index, sizeof index) == sizeof index)
            n_committed = index + 1;
        assert_int_equal(n_committed, wanted);
        kill(pid, SIGKILL);
        while (read(commit_pipe[0], &index, sizeof index) == sizeof index)
            n_committed = index + 1;
        close(commit_pipe[0]);
        assert_int_equal(state_file_wait(pid), -1);

        g_autoptr(Store) store = state_file_open(file, STORE_READ_WRITE);
        assert_ok(store_check(store, &error));
        g_autoptr(GPtrArray) changes = store_change_list(store, NULL, &error);
        assert_ok(changes);
        /* The last commit may have happened without its word getting through. */
        assert_in_range(changes->len, n_committed, n_committed + 1);
        n_committed = changes->len;
    }
}

/* Adds actions until refused; the number committed, or -1 if it was another refusal than FULL. */
static int
fill(Store *store, int limit)
{
    g_autofree char *ballast = g_strnfill(20000, 'x');
    g_autofree char *detail = g_strdup_printf("\"%s\"", ballast);
    ActionOwner owner = { getpid(), 1, NULL };
    for (int n = 0; n < limit; n++) {
        g_autoptr(GError) error = NULL;
        gint64 id;
        if (journal_begin(store, "a", "start", detail, NULL, &owner, NOON + n, &id, &error))
            continue;
        if (!g_error_matches(error, STATE_ERROR, STATE_ERROR_FULL)) {
            g_printerr("not full, but: %s\n", error->message);
            return -1;
        }
        return n;
    }
    return -1;
}

/* What both ways of a full disk have in common. `make_room` undoes the shortage. */
static gboolean
check_full(const char *path, gboolean (*make_room)(const char *path))
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = store_open(path, STORE_READ_WRITE, &error);
    CHECK(store);
    CHECK(store_domain_put_run_state(store, "web-1", "running", &error));
    int n = fill(store, 10000);
    CHECK(n > 0);
    /* What was committed is there, for this connection and for a new one, and all of it whole. */
    CHECK(store_check(store, &error));
    g_autoptr(GPtrArray) actions = store_action_list(store, NULL, &error);
    CHECK(actions && actions->len == (guint) n);
    g_autoptr(Store) other = store_open(path, STORE_READ_ONLY, &error);
    CHECK(other);
    g_autoptr(GPtrArray) domains = store_domain_list(other, &error);
    CHECK(domains && domains->len == 1);
    g_clear_pointer(&other, store_close);
    /* Room again: the same connection goes on. */
    CHECK(make_room(path));
    CHECK(journal_end(store, 1, ACTION_DONE, NULL, NOON, &error));
    ActionOwner owner = { getpid(), 1, NULL };
    gint64 id;
    CHECK(journal_begin(store, "a", "start", NULL, NULL, &owner, NOON, &id, &error));
    CHECK(store_check(store, &error));
    return TRUE;
}

static gboolean
remove_ballast(const char *path)
{
    g_autofree char *ballast = g_strconcat(path, ".ballast", NULL);
    return g_unlink(ballast) == 0;
}

/* A tmpfs of 1 MiB at the state file's directory, `n_taken` bytes of it used up. Ends the child
 * with status 77 where mounting isn't allowed. */
static gboolean
mount_tmpfs(const StateFile *file, gsize n_taken)
{
    g_autofree char *parent = g_path_get_dirname(file->path);
    g_autofree char *ballast = g_strconcat(file->path, ".ballast", NULL);
    g_mkdir_with_parents(parent, 0700);
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("state-test", parent, "tmpfs", 0, "size=1m,mode=0700") < 0)
        _exit(77);
    int fd = open(ballast, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    gboolean is_taken = fd >= 0 && (!n_taken || posix_fallocate(fd, 0, n_taken) == 0);
    close(fd);
    return is_taken;
}

static gboolean
full_tmpfs(const StateFile *file, guint index)
{
    return mount_tmpfs(file, 512 * 1024) && check_full(file->path, remove_ballast);
}

static void
assert_child_succeeds(const StateFile *file, ChildWork work)
{
    int status = state_file_wait(state_file_fork(file, work, 0));
    if (status == 77)
        skip();
    assert_int_equal(status, 0);
}

static void
a_full_disk_loses_nothing(void **state)
{
    assert_child_succeeds(*state, full_tmpfs);
}

static gboolean
lift_limit(const char *path)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_FSIZE, &limit) == 0;
}

static gboolean
limited_file_size(const StateFile *file, guint index)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = 600 * 1024;
    signal(SIGXFSZ, SIG_IGN);
    return setrlimit(RLIMIT_FSIZE, &limit) == 0 && check_full(file->path, lift_limit);
}

static void
a_file_size_limit_loses_nothing(void **state)
{
    assert_child_succeeds(*state, limited_file_size);
}

/* No room from the start: no file can be made, and one is made once there is room. */
static gboolean
full_from_the_start(const StateFile *file, guint index)
{
    g_autoptr(GError) error = NULL;
    CHECK(mount_tmpfs(file, 1024 * 1024));
    CHECK(!store_open(file->path, STORE_READ_WRITE, &error));
    CHECK(g_error_matches(error, STATE_ERROR, STATE_ERROR_FULL));
    g_clear_error(&error);
    g_autoptr(Store) reader = store_open(file->path, STORE_READ_ONLY, &error);
    CHECK(reader);
    CHECK(remove_ballast(file->path));
    g_autoptr(Store) store = store_open(file->path, STORE_READ_WRITE, &error);
    CHECK(store);
    CHECK(store_domain_put_run_state(store, "web-1", "running", &error));
    return TRUE;
}

static void
a_disk_full_from_the_start_heals(void **state)
{
    assert_child_succeeds(*state, full_from_the_start);
}

/* A file system that can't be written to is said so when opening, not at the first write. */
static gboolean
write_protected(const StateFile *file, guint index)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *parent = g_path_get_dirname(file->path);
    CHECK(mount_tmpfs(file, 0));
    g_autoptr(Store) store = store_open(file->path, STORE_READ_WRITE, &error);
    CHECK(store);
    g_clear_pointer(&store, store_close);
    CHECK(mount(NULL, parent, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
    CHECK(!store_open(file->path, STORE_READ_WRITE, &error));
    CHECK(g_error_matches(error, STATE_ERROR, STATE_ERROR_READONLY));
    return TRUE;
}

static void
a_write_protected_file_is_refused(void **state)
{
    assert_child_succeeds(*state, write_protected);
}

/* Past 5 seconds a caller is told BUSY, and may try again. */
static void
a_lock_held_too_long_is_busy(void **state)
{
    StateFile *file = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) holder = state_file_open(file, STORE_READ_WRITE);
    g_autoptr(Store) other = state_file_open(file, STORE_READ_WRITE);
    assert_ok(store_begin(holder, &error));
    gint64 start = g_get_monotonic_time();
    assert_false(store_domain_put_run_state(other, "a", "running", &error));
    assert_state_error(error, STATE_ERROR_BUSY);
    assert_true(g_get_monotonic_time() - start > 4 * SECOND);
    store_rollback(holder);
    assert_ok(store_domain_put_run_state(other, "a", "running", &error));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        state_test(a_killed_controllers_intent_is_found),
        state_test(killed_while_writing_loses_nothing_committed),
        state_test(a_full_disk_loses_nothing),
        state_test(a_file_size_limit_loses_nothing),
        state_test(a_disk_full_from_the_start_heals),
        state_test(a_write_protected_file_is_refused),
        state_test(a_lock_held_too_long_is_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
