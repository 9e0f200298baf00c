/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The promises of the test support itself: a scratch directory and the processes in it go
 * away with the test, also when the test is killed, and nobody else's processes do; commands
 * are run, timed and reported faithfully.
 */
#include "tests/support/command.h"
#include "tests/support/deadline.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <poll.h>
#include <unistd.h>

#include <cmocka.h>

static bool
is_gone(int pidfd)
{
    struct pollfd gone = { .fd = pidfd, .events = POLLIN };

    return poll(&gone, 1, 0) == 1;
}

static void
test_directory_goes(void **state)
{
    Scratch *scratch = scratch_new();
    g_autofree char *dir = g_strdup(scratch_dir(scratch));
    g_autofree char *written = scratch_write(scratch, "a/b/c.xml", "<domain/>");
    g_autofree char *read = scratch_read(scratch, "a/b/c.xml");

    assert_string_equal(read, "<domain/>");
    assert_null(scratch_read(scratch, "a/none"));
    assert_true(strlen(dir) < 40);
    assert_int_equal(scratch_end(scratch), 0);
    assert_false(g_file_test(dir, G_FILE_TEST_EXISTS));
}

/* The child plays a test that is killed: it leaves a process in a session of its own behind,
 * as virtkeep does with QEMU. The bystander is not the test's and must stay. */
static void
test_killed_test_leaves_nothing(void **state)
{
    g_autoptr(Scratch) outer = scratch_new();
    const char *const bystander_argv[] = { "sleep", "600", NULL };
    g_autoptr(Command) bystander = command_start(outer, bystander_argv);
    g_autofree char *report = scratch_path(outer, "report");
    g_autofree char *text = NULL;
    g_auto(GStrv) words = NULL;
    pid_t test = fork();
    int pidfd;

    if (test == 0) {
        Scratch *scratch = scratch_new();
        g_autofree char *script =
            g_strdup_printf("setsid sleep 600 & echo \"$! $VIRTKEEP_TEST_SCRATCH\" > %s.new; "
                            "mv %s.new %s",
                            report, report, report);
        const char *const argv[] = { "sh", "-c", script, NULL };

        g_free(command_run(scratch, 10, argv));
        pause();
        _exit(0);
    }
    assert_within(10, g_file_get_contents(report, &text, NULL, NULL));
    words = g_strsplit(g_strchomp(text), " ", 2);
    pidfd = syscall(SYS_pidfd_open, atoi(words[0]), 0);
    assert_true(pidfd >= 0);
    assert_true(g_file_test(words[1], G_FILE_TEST_IS_DIR));
    assert_false(is_gone(pidfd));

    kill(test, SIGKILL);
    waitpid(test, NULL, 0);
    assert_within(10, is_gone(pidfd));
    assert_within(10, !g_file_test(words[1], G_FILE_TEST_EXISTS));
    assert_true(command_is_running(bystander));
    close(pidfd);
}

static void
test_left_over_processes_are_counted(void **state)
{
    Scratch *scratch = scratch_new();
    g_autofree char *log = scratch_path(scratch, "log");
    /* One is found by its environment, one, whose environment was cleaned, by its log. */
    g_autofree char *script = g_strdup_printf("setsid sleep 600 > /dev/null 2>&1 & "
                                              "env -i setsid sleep 600 > /dev/null 2> %s &",
                                              log);
    const char *const argv[] = { "sh", "-c", script, NULL };
    g_autoptr(CommandResult) result = command_run(scratch, 10, argv);

    assert_int_equal(result->status, 0);
    assert_int_equal(scratch_end(scratch), 2);
}

static void
test_command_result(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    const char *const argv[] = { "sh", "-c", "echo out; echo err >&2; exit 3", NULL };
    const char *const killed_argv[] = { "sh", "-c", "kill -TERM $$", NULL };
    g_autoptr(CommandResult) result = command_run(scratch, 10, argv);
    g_autoptr(CommandResult) killed = command_run(scratch, 10, killed_argv);

    assert_int_equal(result->status, 3);
    assert_string_equal(result->out, "out\n");
    assert_string_equal(result->err, "err\n");
    assert_true(result->duration_us > 0);
    assert_int_equal(killed->status, 128 + SIGTERM);
}

static void
test_deadline(void **state)
{
    gint64 start = g_get_monotonic_time();

    assert_false(is_within(0.1, g_get_monotonic_time() < start));
    assert_true(g_get_monotonic_time() - start >= 100000);
    /* Ended by the condition, not by the deadline. */
    assert_true(is_within(600, g_get_monotonic_time() > start + 5000));
    assert_true(g_get_monotonic_time() - start < 600 * G_USEC_PER_SEC);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directory_goes),
        cmocka_unit_test(test_killed_test_leaves_nothing),
        cmocka_unit_test(test_left_over_processes_are_counted),
        cmocka_unit_test(test_command_result),
        cmocka_unit_test(test_deadline),
    };

    return cmocka_run_group_tests_name("support", tests, NULL, NULL);
}
