/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * State files that are not as they should be, while a QEMU runs: newer than this program, damaged,
 * on a full disk, gone. In each case: a clear word, the file as it was, the QEMU as it was; and
 * once the cause is gone all goes on with the same QEMU, which is known by its run directory too.
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

#include <cmocka.h>
#include <sqlite3.h>

#define MIB ((guint64) 1 << 20)
#define ALL_STEPS "memory-step='all'"

static Scratch *scratch;
static char *identity;

static void
request(unsigned mib)
{
    plain_write(scratch, &(Plain){ .name = "p", .policy = ALL_STEPS, .requested_mib = mib });
}

static int
begin(void **state)
{
    scratch = scratch_new();
    request(0);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    identity = qemu_identity(scratch, "p");
    assert_non_null(identity);
    return 0;
}

static int
end(void **state)
{
    g_clear_pointer(&identity, g_free);
    g_clear_pointer(&scratch, scratch_free);
    return 0;
}

static void
remove_state(void)
{
    static const char *const names[] = { "state.db", "state.db-wal", "state.db-shm" };

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = scratch_path(scratch, names[i]);

        g_unlink(path);
    }
}

/* Each command that opens the state ends with 1 and these words, and changes not a byte of it. */
static void
assert_refused(const char *words)
{
    static const char *const commands[] = { "apply", "plan", "status", "history", "watch" };
    g_autofree char *path = scratch_path(scratch, "state.db");
    g_autofree char *before = NULL, *after = NULL;
    gsize size_before, size_after;

    assert_true(g_file_get_contents(path, &before, &size_before, NULL));
    request(64);
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autoptr(CommandResult) result = virtkeep_run(scratch, 30, commands[i]);

        if (result->status != 1 || !strstr(result->err, words) || !strstr(result->err, path))
            fail_msg("%s: status %d:\n%s", commands[i], result->status, result->err);
    }
    assert_true(g_file_get_contents(path, &after, &size_after, NULL));
    assert_int_equal(size_before, size_after);
    assert_memory_equal(before, after, size_before);
    assert_true(qemu_is(scratch, "p", identity));
    assert_int_equal(qemu_requested(scratch, "p"), 0);
}

/* With another state file the same QEMU is found, and the edit that waited is carried out. */
static void
assert_goes_on_without(void)
{
    remove_state();
    g_free(virtkeep_expect(scratch, 30, 3, "apply", "--no-wait"));
    assert_true(qemu_is(scratch, "p", identity));
    assert_int_equal(qemu_requested(scratch, "p"), 64 * MIB);
    assert_true(view_is(scratch, "running", "SELECT run_state FROM domains WHERE name = 'p'"));
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM actions WHERE kind = 'start'"), 0);
}

static void
test_newer(void **state)
{
    g_autofree char *path = scratch_path(scratch, "state.db");
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 4711", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_refused("newer");
    assert_goes_on_without();
}

/* Neither a database any more, nor one that could be taken for a new one. */
static void
test_damaged(void **state)
{
    g_autofree char *path = scratch_path(scratch, "state.db");
    g_autofree char *text = g_strnfill(16384, 'x');

    remove_state();
    assert_true(g_file_set_contents(path, text, -1, NULL));
    assert_refused("move it away");
    assert_goes_on_without();
}

static void
test_cut_short(void **state)
{
    g_autofree char *path = scratch_path(scratch, "state.db");
    g_autofree char *text = NULL;
    gsize size;

    assert_true(g_file_get_contents(path, &text, &size, NULL));
    remove_state();
    assert_true(g_file_set_contents(path, text, (gssize) size / 3, NULL));
    assert_refused("move it away");
    assert_goes_on_without();
}

static bool
has_said(Command *command, const char *words)
{
    g_autofree char *errors = command_errors(command);

    return strstr(errors, words) != NULL;
}

/* Under the feet of a `watch`, too. */
static void
test_removed(void **state)
{
    g_autoptr(Command) watch = virtkeep_start(scratch, "watch");

    assert_within(30, has_said(watch, "p: Synced"));
    remove_state();
    request(64);
    assert_within(30, qemu_requested(scratch, "p") == 64 * MIB);
    command_signal(watch, SIGTERM);
    assert_within(30, !command_is_running(watch));
    g_clear_pointer(&watch, command_free);
    watch = virtkeep_start(scratch, "watch");
    request(0);
    assert_within(30, qemu_requested(scratch, "p") == 0);
    view_wait_domain(scratch, 30, "p", "Synced", "Synced");
    assert_true(qemu_is(scratch, "p", identity));
}

/* As though all that is in the state had been written before the clock was set by @seconds. */
static void
set_clock(gint64 seconds)
{
    g_autofree char *path = scratch_path(scratch, "state.db");
    g_autofree char *sql = g_strdup_printf(
        "UPDATE t_domain SET shutdown_requested_at = shutdown_requested_at - %" G_GINT64_FORMAT
        " * 1000000, shutdown_deadline = shutdown_deadline - %" G_GINT64_FORMAT " * 1000000;"
        "UPDATE t_fact SET value = substr(value, 1, 37) || (substr(value, 38) - %" G_GINT64_FORMAT
        " * 1000000) WHERE key = 'clock'",
        seconds, seconds, seconds);
    char *problem = NULL;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &problem) != SQLITE_OK)
        fail_msg("%s", problem);
    sqlite3_close(db);
}

/* A guest that was asked to power off has its hour, whatever becomes of the host's. */
static void
test_clock(void **state)
{
    static const gint64 steps[] = { 365 * 86400, -3600, 7200 };
    const gint64 hour = (gint64) 3600 * G_USEC_PER_SEC;
    gint64 asked_at = g_get_monotonic_time();

    plain_write(scratch, &(Plain){ .name = "p",
                                   .policy = "run-strategy='halted'"
                                             " shutdown-timeout='1h'" });
    g_free(virtkeep_expect(scratch, 30, 3, "apply", "--no-wait"));
    for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
        gint64 left;

        set_clock(steps[i]);
        g_free(virtkeep_expect(scratch, 30, 3, "apply", "--no-wait"));
        assert_true(qemu_is(scratch, "p", identity));
        left = view_int(scratch, "SELECT shutdown_deadline FROM t_domain") - g_get_real_time();
        assert_true(left <= hour);
        assert_true(left >= hour - G_USEC_PER_SEC - (g_get_monotonic_time() - asked_at));
    }
}

/* In a mount namespace of its own: a file system of 512 KiB, made full after a first `apply`.
 * The lines that it prints are "STEP STATUS", and what virtkeep said. */
static const char full_disk[] =
    "mount -t tmpfs -o size=512k,mode=0700 tmpfs \"$1\" || { echo skip; exit 0; }\n"
    "disk=$1; shift\n"
    "\"$@\" --no-wait 2>&1; echo before $?\n"
    "dd if=/dev/zero of=\"$disk/ballast\" bs=4k 2> /dev/null\n"
    "mv \"$disk/../edited.xml\" \"$disk/../domains/p.xml\"\n"
    "\"$@\" --no-wait 2>&1; echo full $?\n"
    "\"$@\" --no-wait 2>&1; echo still-full $?\n"
    "rm \"$disk/ballast\"\n"
    "\"$@\" --no-wait 2>&1; echo after $?\n";

static void
test_full_disk(void **state)
{
    g_autofree char *disk = scratch_mkdir(scratch, "disk");
    g_autofree char *file = g_build_filename(disk, "state.db", NULL);
    g_autofree char *edited =
        plain_xml(&(Plain){ .name = "p", .policy = ALL_STEPS, .requested_mib = 64 });
    const char *const arguments[] = { "--state", file, "apply", NULL };
    g_auto(GStrv) program = virtkeep_argv(scratch, arguments), argv = NULL;
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_autoptr(CommandResult) result = NULL;

    g_free(scratch_write(scratch, "edited.xml", edited));
    g_strv_builder_add_many(builder, "unshare", "--mount", "sh", "-c", full_disk, "sh", disk, NULL);
    g_strv_builder_addv(builder, (const char **) program);
    argv = g_strv_builder_end(builder);
    result = command_run(scratch, 120, (const char *const *) argv);
    if (strstr(result->out, "skip") || strstr(result->err, "unshare"))
        skip(); /* not root, and no namespaces for others */
    print_message("%s", result->out);
    assert_non_null(strstr(result->out, "before 0\n"));
    assert_non_null(strstr(result->out, "make room; what was recorded before is intact"));
    assert_non_null(strstr(result->out, "\nfull 1\n"));
    assert_non_null(strstr(result->out, "\nstill-full 1\n"));
    assert_non_null(strstr(result->out, "\nafter 3\n"));
    assert_true(qemu_is(scratch, "p", identity));
    assert_int_equal(qemu_requested(scratch, "p"), 64 * MIB);
}

/* In a mount namespace of its own: the directory of the state, its log emptied, is made
 * read-only. */
static const char read_only[] = "disk=$1; shift\n"
                                "mount --bind \"$disk\" \"$disk\" && mount -o remount,bind,ro "
                                "\"$disk\" || { echo skip; exit; }\n"
                                "for command in status plan explain\\ p history apply; do\n"
                                "    \"$@\" $command 2>&1; echo $command $?\n"
                                "done\n";

/* Whoever only looks needs to write nothing, and who would write says that it can't. */
static void
test_read_only(void **state)
{
    g_autofree char *disk = scratch_mkdir(scratch, "disk #1?");
    g_autofree char *file = g_build_filename(disk, "state.db", NULL);
    const char *const arguments[] = { "--state", file, NULL };
    const char *const first[] = { "--state", file, "apply", NULL };
    g_auto(GStrv) program = virtkeep_argv(scratch, arguments), argv = NULL;
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_autoptr(CommandResult) result = NULL;

    g_free(virtkeep_expect_argv(scratch, 60, 0, first));
    g_strv_builder_add_many(builder, "unshare", "--mount", "sh", "-c", read_only, "sh", disk, NULL);
    g_strv_builder_addv(builder, (const char **) program);
    argv = g_strv_builder_end(builder);
    result = command_run(scratch, 120, (const char *const *) argv);
    if (strstr(result->out, "skip") || strstr(result->err, "unshare"))
        skip();
    print_message("%s", result->out);
    assert_non_null(strstr(result->out, "p     running"));
    assert_non_null(strstr(result->out, "status 0\n"));
    assert_non_null(strstr(result->out, "plan 0\n"));
    assert_non_null(strstr(result->out, "explain p 0\n"));
    assert_non_null(strstr(result->out, "history 0\n"));
    assert_non_null(strstr(result->out, "state.db: is not writable\napply 1\n"));
    assert_true(qemu_is(scratch, "p", identity));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_newer, begin, end),
        cmocka_unit_test_setup_teardown(test_damaged, begin, end),
        cmocka_unit_test_setup_teardown(test_cut_short, begin, end),
        cmocka_unit_test_setup_teardown(test_removed, begin, end),
        cmocka_unit_test_setup_teardown(test_clock, begin, end),
        cmocka_unit_test_setup_teardown(test_full_disk, begin, end),
        cmocka_unit_test_setup_teardown(test_read_only, begin, end),
    };

    return cmocka_run_group_tests_name("fault-state", tests, NULL, NULL);
}
