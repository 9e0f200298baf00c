/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lock.h between threads and between processes: one holder, a time-out that names it, and a lock
 * that is free as soon as its holder is dead.
 */
#include "controller/lock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/deadline.h"
#include "tests/support/scratch.h"

#define N_THREADS 4
#define N_ROUNDS 50

static void
test_makes_directories(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *run = scratch_path(scratch, "a/run");
    g_autofree char *file = scratch_path(scratch, "a/run/.web-1.lock");
    g_autoptr(GError) error = NULL;
    g_autoptr(Lock) lock = lock_acquire(run, "web-1", 0, NULL, &error);
    struct stat status;

    assert_non_null(lock);
    assert_int_equal(stat(run, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void
test_excludes_and_names_the_holder(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    const char *run = scratch_dir(scratch);
    g_autofree char *pid = g_strdup_printf("pid %d", (int) getpid());
    g_autoptr(GError) error = NULL;
    g_autoptr(Lock) first = lock_acquire(run, "a", 0, NULL, NULL);
    g_autoptr(Lock) other = lock_acquire(run, "b", 0, NULL, NULL);
    g_autoptr(Lock) second = lock_acquire(run, "a", 20000, NULL, &error);

    assert_non_null(first);
    assert_non_null(other);
    assert_null(second);
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT));
    assert_non_null(strstr(error->message, pid));
    lock_release(g_steal_pointer(&first));
    second = lock_acquire(run, "a", 0, NULL, NULL);
    assert_non_null(second);
}

static void
test_cancelled(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(Lock) first = lock_acquire(scratch_dir(scratch), "a", 0, NULL, NULL);
    g_autoptr(Lock) second = NULL;

    g_cancellable_cancel(cancellable);
    second = lock_acquire(scratch_dir(scratch), "a", LOCK_FOREVER, cancellable, &error);
    assert_null(second);
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
}

static void
test_bad_directory(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *file = scratch_write(scratch, "file", "");
    g_autofree char *link = scratch_path(scratch, ".a.lock");
    g_autoptr(GError) error = NULL;

    assert_null(lock_acquire(file, "a", 0, NULL, &error));
    assert_non_null(strstr(error->message, file));
    g_clear_error(&error);
    /* Something of somebody else's under the lock's name is not opened through a link. */
    assert_int_equal(symlink(file, link), 0);
    assert_null(lock_acquire(scratch_dir(scratch), "a", 0, NULL, &error));
    assert_non_null(error);
}

/* A domain may be called "a.lock": its run directory is not the lock of "a". */
static void
test_name_of_another(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *directory = scratch_mkdir(scratch, "a.lock");
    g_autoptr(Lock) lock = lock_acquire(scratch_dir(scratch), "a", 0, NULL, NULL);
    g_autoptr(Lock) other = lock_acquire(scratch_dir(scratch), "a.lock", 0, NULL, NULL);

    assert_non_null(directory);
    assert_non_null(lock);
    assert_non_null(other);
}

static gpointer
wait_for_lock(gpointer data)
{
    return lock_acquire(data, "a", 60 * G_USEC_PER_SEC, NULL, NULL);
}

/* How many descriptors of this process are open on @file. */
static guint
n_open(const char *file)
{
    g_autoptr(GDir) directory = g_dir_open("/proc/self/fd", 0, NULL);
    const char *name;
    guint n = 0;

    while ((name = g_dir_read_name(directory))) {
        g_autofree char *link = g_build_filename("/proc/self/fd", name, NULL);
        g_autofree char *target = g_file_read_link(link, NULL);

        n += !g_strcmp0(target, file);
    }
    return n;
}

/* The file is removed while one holds its lock and another waits for it: whoever gets it then must
 * hold what a third one finds. */
static void
test_removed_while_waited_for(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *run = scratch_mkdir(scratch, "run");
    g_autofree char *file = scratch_path(scratch, "run/.a.lock");
    g_autoptr(Lock) first = lock_acquire(run, "a", 0, NULL, NULL);
    GThread *waiting = g_thread_new("waiting", wait_for_lock, run);
    g_autoptr(Lock) second = NULL, third = NULL;

    assert_within(10, n_open(file) == 2); /* the holder's and the one who waits */
    assert_int_equal(unlink(file), 0);
    lock_release(g_steal_pointer(&first));
    second = g_thread_join(waiting);
    assert_non_null(second);
    third = lock_acquire(run, "a", 0, NULL, NULL);
    assert_null(third);
}

/* ---- threads ---- */

typedef struct Shared {
    const char *run;
    int n_inside, n_most, n_total; /* guarded by the lock under test, but for n_inside */
} Shared;

static gpointer
enter_often(gpointer data)
{
    Shared *shared = data;

    for (int i = 0; i < N_ROUNDS; i++) {
        g_autoptr(Lock) lock = lock_acquire(shared->run, "x", LOCK_FOREVER, NULL, NULL);
        int inside = g_atomic_int_add(&shared->n_inside, 1) + 1;

        assert_non_null(lock);
        shared->n_most = MAX(shared->n_most, inside);
        shared->n_total++;
        g_thread_yield();
        g_atomic_int_add(&shared->n_inside, -1);
    }
    return NULL;
}

static void
test_threads_exclude_each_other(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    Shared shared = { .run = scratch_dir(scratch) };
    GThread *threads[N_THREADS];

    for (int i = 0; i < N_THREADS; i++)
        threads[i] = g_thread_new("enter", enter_often, &shared);
    for (int i = 0; i < N_THREADS; i++)
        g_thread_join(threads[i]);
    assert_int_equal(shared.n_most, 1);
    assert_int_equal(shared.n_total, N_THREADS * N_ROUNDS);
}

/* ---- processes ---- */

static void
test_a_dead_holder_frees_it(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(Lock) lock = NULL;
    int ready[2];
    char byte;
    pid_t pid;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        Lock *held = lock_acquire(scratch_dir(scratch), "x", 0, NULL, NULL);

        if (!held || write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    lock = lock_acquire(scratch_dir(scratch), "x", 0, NULL, &error);
    assert_null(lock);
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT));
    assert_int_equal(kill(pid, SIGKILL), 0);
    lock = lock_acquire(scratch_dir(scratch), "x", 60 * G_USEC_PER_SEC, NULL, NULL);
    assert_non_null(lock);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(ready[0]);
    close(ready[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_makes_directories),
        cmocka_unit_test(test_excludes_and_names_the_holder),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_bad_directory),
        cmocka_unit_test(test_name_of_another),
        cmocka_unit_test(test_removed_while_waited_for),
        cmocka_unit_test(test_threads_exclude_each_other),
        cmocka_unit_test(test_a_dead_holder_frees_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
