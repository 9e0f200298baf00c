/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMUs that are not as they should be: one hangs, one can't be executed, one dies as soon as it
 * runs, one's sockets would not fit. Each is its own domain's trouble: said in its own words, with
 * no effect on the neighbour, nothing left behind, and over as soon as its cause is.
 */
#include "tests/fault/plain.h"
#include "tests/support/deadline.h"
#include "tests/support/qemus.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <glib/gstdio.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((guint64) 1 << 20)
#define ALL_STEPS "memory-step='all' shutdown-timeout='100ms'"

static Scratch *scratch;

static int
begin(void **state)
{
    scratch = scratch_new();
    g_free(scratch_mkdir(scratch, "domains"));
    return 0;
}

static int
end(void **state)
{
    g_clear_pointer(&scratch, scratch_free);
    return 0;
}

/* Fails unless `apply` ends with 1 and both @words are in what it says. */
static void
assert_refused(const char *words, const char *more_words)
{
    g_autoptr(CommandResult) result = virtkeep_run(scratch, 60, "apply", "--timeout", "30s");

    if (result->status != 1 || !strstr(result->err, words) || !strstr(result->err, more_words))
        fail_msg("status %d, not \"%s\" and \"%s\":\n%s", result->status, words, more_words,
                 result->err);
    assert_int_equal(view_n_open_actions(scratch), 0);
}

static bool
is_unreachable(const char *name)
{
    return view_domain_is(scratch, name, "Failed", "MonitorUnreachable");
}

/* Stopped, a QEMU accepts connections and says nothing. */
static void
test_hung(void **state)
{
    g_autoptr(Command) watch = NULL;
    g_autofree char *hung = NULL, *fine = NULL, *message = NULL, *status = NULL;

    plain_write(scratch, &(Plain){ .name = "hung", .policy = ALL_STEPS });
    plain_write(scratch, &(Plain){ .name = "fine", .policy = ALL_STEPS });
    watch = virtkeep_start(scratch, "watch");
    view_wait_domain(scratch, 60, "hung", "Synced", "Synced");
    view_wait_domain(scratch, 60, "fine", "Synced", "Synced");
    hung = qemu_identity(scratch, "hung");
    fine = qemu_identity(scratch, "fine");

    qemu_signal(scratch, "hung", SIGSTOP);
    plain_write(scratch, &(Plain){ .name = "hung", .policy = ALL_STEPS, .requested_mib = 64 });
    plain_write(scratch, &(Plain){ .name = "fine", .policy = ALL_STEPS, .requested_mib = 64 });
    assert_within(20, qemu_requested(scratch, "fine") == 64 * MIB);
    assert_within(60, is_unreachable("hung"));
    message = view_text(scratch, "SELECT message FROM domains WHERE name = 'hung'");
    assert_non_null(strstr(message, "does not answer"));
    plain_write(scratch, &(Plain){ .name = "fine", .policy = ALL_STEPS, .requested_mib = 32 });
    assert_within(20, qemu_requested(scratch, "fine") == 32 * MIB);
    status = virtkeep_expect(scratch, 30, 0, "status");
    assert_non_null(strstr(status, "MonitorUnreachable"));

    qemu_signal(scratch, "hung", SIGCONT);
    assert_within(120, qemu_requested(scratch, "hung") == 64 * MIB);
    assert_within(30, !is_unreachable("hung"));
    assert_true(qemu_is(scratch, "hung", hung));
    assert_true(qemu_is(scratch, "fine", fine));
    command_signal(watch, SIGTERM);
    g_clear_pointer(&watch, command_free);
}

static char *
write_program(const char *name, const char *text)
{
    char *path = scratch_write(scratch, name, text);

    assert_int_equal(g_chmod(path, 0755), 0);
    return path;
}

/* Only what the configuration names may be executed. */
static void
allow_emulator(const char *path)
{
    g_autofree char *text = g_strdup_printf("emulators: [ %s ]\n", path);

    g_free(scratch_write(scratch, "virtkeep.yaml", text));
}

static void
assert_no_trace(const char *name)
{
    g_autofree char *directory = g_strdup_printf("run/%s", name);
    g_autofree char *path = scratch_path(scratch, directory);

    assert_int_equal(qemus_count(scratch, name), 0);
    assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    assert_true(view_is(scratch, "off", "SELECT run_state FROM domains WHERE name = '%s'", name));
}

static void
test_missing(void **state)
{
    g_autofree char *path = scratch_path(scratch, "bin/no-qemu");

    allow_emulator(path);
    plain_write(scratch, &(Plain){ .name = "p", .emulator = path });
    assert_refused(path, "No such file");
    assert_no_trace("p");
    /* It comes, and nothing else is needed. */
    g_free(scratch_mkdir(scratch, "bin"));
    assert_int_equal(symlink(PLAIN_EMULATOR, path), 0);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_int_equal(qemus_count(scratch, "p"), 1);
}

/* Answers when it is asked what it can do, as QEMU does with arguments it dislikes: dies with a
 * word when it is to run. */
static const char moribund[] = "#!/bin/sh\n"
                               "case \"$*\" in\n"
                               "*'-machine none'*) exec " PLAIN_EMULATOR " \"$@\" ;;\n"
                               "esac\n"
                               "echo 'qemu: the flux capacitor is missing' >&2\n"
                               "exit 1\n";

static void
test_dies_at_start(void **state)
{
    g_autofree char *path = write_program("bin/qemu", moribund);

    allow_emulator(path);
    plain_write(scratch, &(Plain){ .name = "p", .emulator = path });
    assert_refused("p: ", "the flux capacitor is missing");
    assert_no_trace("p");
    assert_true(view_is(scratch, "start failed", "SELECT kind || ' ' || outcome FROM actions"));
    {
        g_autofree char *message = view_text(scratch, "SELECT message FROM domains");

        assert_non_null(strstr(message, "the flux capacitor is missing"));
    }
}

static void
test_not_allowed(void **state)
{
    plain_write(scratch, &(Plain){ .name = "p", .emulator = "/bin/true" });
    assert_refused("/bin/true", "emulators");
    assert_no_trace("p");
}

static void
test_socket_path_too_long(void **state)
{
    g_autofree char *name = g_strnfill(100, 'r');
    g_autofree char *run = scratch_mkdir(scratch, name);
    g_autoptr(CommandResult) result = NULL;

    plain_write(scratch, &(Plain){ .name = "p" });
    result = virtkeep_run(scratch, 30, "--run", run, "apply");
    assert_int_equal(result->status, 1);
    assert_non_null(strstr(result->err, "control.sock"));
    assert_non_null(strstr(result->err, "107"));
    assert_int_equal(qemus_count(scratch, NULL), 0);
    assert_int_equal(view_n_open_actions(scratch), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hung, begin, end),
        cmocka_unit_test_setup_teardown(test_missing, begin, end),
        cmocka_unit_test_setup_teardown(test_dies_at_start, begin, end),
        cmocka_unit_test_setup_teardown(test_not_allowed, begin, end),
        cmocka_unit_test_setup_teardown(test_socket_path_too_long, begin, end),
    };

    return cmocka_run_group_tests_name("fault-qemu", tests, NULL, NULL);
}
