/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What guests hold is counted whatever files were lost: the state and the run directories, the
 * record of what a QEMU was started with, the state under a controller that goes on using it. Real
 * QEMUs without a guest, 64 MiB each and 16 for QEMU itself, on a budget for two.
 */
#include "tests/cli/domain-file.h"
#include "tests/support/deadline.h"
#include "tests/support/qemus.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>
#include <sqlite3.h>

#define TWO_MIB (2 * (64 + 16))
#define CONFIG "host: { memory-budget: 170MiB, qemu-overhead: 16MiB }\n"

static Scratch *scratch;
static Command *watch;

static void
write_domain(const char *name, const char *policy)
{
    domain_file_write(scratch, &(DomainFile){ .name = name, .policy = policy });
}

/* Two that run, and a third one that there is no memory for. */
static int
set_up(void **state)
{
    scratch = scratch_new();
    g_free(scratch_write(scratch, "virtkeep.yaml", CONFIG));
    g_free(scratch_mkdir(scratch, "domains"));
    write_domain("db-1", NULL);
    write_domain("db-2", NULL);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    write_domain("web-1", NULL);
    return 0;
}

static int
tear_down(void **state)
{
    g_clear_pointer(&watch, command_free);
    g_clear_pointer(&scratch, scratch_free);
    return 0;
}

static void
lose_state(void)
{
    static const char *const files[] = { "state.db", "state.db-wal", "state.db-shm" };

    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = scratch_path(scratch, files[i]);

        g_unlink(path);
    }
}

static void
assert_held_back(void)
{
    g_free(virtkeep_expect(scratch, 60, 3, "apply", "web-1"));
    view_wait_domain(scratch, 1, "web-1", "Waiting", "HostBudget");
    assert_int_equal(qemus_count(scratch, "web-1"), 0);
    assert_int_equal(view_int(scratch, "SELECT granted FROM memory_budget WHERE pool = 'memory'"),
                     (gint64) TWO_MIB << 20);
}

static void
test_state_and_run_directories(void **state)
{
    g_autofree char *run = scratch_path(scratch, "run");
    g_autofree char *elsewhere = scratch_path(scratch, "elsewhere");

    lose_state();
    assert_int_equal(g_rename(run, elsewhere), 0);
    assert_held_back();
}

static void
test_state_and_record(void **state)
{
    lose_state();
    g_free(scratch_write(scratch, "run/db-1/applied.xml", "<domain"));
    assert_held_back();
}

/* Not even a file is left that would say what was started: QEMU says what it has. */
static void
test_state_and_record_and_file(void **state)
{
    g_autofree char *path = scratch_path(scratch, "domains/db-1.xml");

    lose_state();
    g_free(scratch_write(scratch, "run/db-1/applied.xml", "<domain"));
    g_unlink(path);
    assert_held_back();
}

/* The file asks for less by now than QEMU has. */
static void
test_state_and_record_of_larger(void **state)
{
    DomainFile file = { .name = "db-1",
                        .has_memory_device = true,
                        .requested_mib = 60,
                        .policy = "memory-step='all'" };

    write_domain("db-2", "run-strategy='halted'");
    write_domain("db-1", "run-strategy='halted'");
    g_free(virtkeep_expect(scratch, 60, 0, "apply", "db-1", "db-2"));
    domain_file_write(scratch, &file);
    g_autoptr(CommandResult) result = virtkeep_run(scratch, 60, "apply", "--timeout", "3s", "db-1");
    assert_int_equal(qemu_requested(scratch, "db-1"), (guint64) 60 << 20);
    lose_state();
    g_free(scratch_write(scratch, "run/db-1/applied.xml", "<domain"));
    write_domain("db-1", "run-strategy='manual'");
    g_free(virtkeep_expect(scratch, 60, 3, "apply", "--timeout", "2s", "web-1"));
    view_wait_domain(scratch, 1, "web-1", "Waiting", "HostBudget");
    assert_int_equal(qemus_count(scratch, "web-1"), 0);
    assert_int_equal(view_int(scratch, "SELECT granted FROM memory_budget WHERE pool = 'memory'"),
                     (gint64) (TWO_MIB / 2 + 60) << 20);
}

/* Which process it is can't be told, and it may live: twice, since it is no controller's. */
static void
test_state_and_process(void **state)
{
    lose_state();
    g_free(scratch_write(scratch, "run/db-1/process.json", "{"));
    assert_held_back();
    assert_held_back();
}

/* Its QEMU is db-1's, and is counted once. */
static void
test_state_and_name(void **state)
{
    g_autofree char *path = scratch_path(scratch, "domains/db-1.xml");
    g_autofree char *uuid = view_text(scratch, "SELECT uuid FROM domains WHERE name = 'db-1'");
    g_autofree char *head = g_strdup_printf("  <uuid>%s</uuid>\n", uuid);

    lose_state();
    g_unlink(path);
    domain_file_write(scratch, &(DomainFile){ .name = "db-3", .head = head });
    assert_held_back();
}

static void
try_apply(const char *name)
{
    g_autoptr(CommandResult) result = virtkeep_run(scratch, 60, "apply", "--timeout", "3s", name);

    assert_true(result->status == 0 || result->status == 3);
    assert_true(qemus_count(scratch, NULL) <= 2);
}

/* A copy of the state from before db-2 was started, which runs now. */
static char *
copy_of_before(void)
{
    g_autofree char *path = scratch_path(scratch, "state.db");
    g_autofree char *copy = scratch_path(scratch, "copy.db");
    g_autofree char *into = g_strdup_printf("VACUUM INTO '%s'", copy);
    sqlite3 *db;

    write_domain("db-2", "run-strategy='halted'");
    g_free(virtkeep_expect(scratch, 60, 0, "apply", "db-2"));
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, into, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    write_domain("db-2", NULL);
    g_free(virtkeep_expect(scratch, 60, 0, "apply", "db-2"));
    return g_steal_pointer(&copy);
}

static void
test_state_of_before(void **state)
{
    g_autofree char *path = scratch_path(scratch, "state.db"), *copy = copy_of_before();

    lose_state();
    assert_int_equal(g_rename(copy, path), 0);
    assert_held_back();
}

/* `cp copy.db state.db` */
static void
test_state_written_over(void **state)
{
    g_autofree char *path = scratch_path(scratch, "state.db"), *copy = copy_of_before();
    g_autofree char *contents = NULL;
    GStatBuf before, after;
    gsize size;

    assert_int_equal(g_stat(path, &before), 0);
    assert_true(g_file_get_contents(copy, &contents, &size, NULL));
    assert_true(
        g_file_set_contents_full(path, contents, size, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
    assert_int_equal(g_stat(path, &after), 0);
    assert_true(before.st_ino == after.st_ino);
    assert_held_back();
}

/* ---- under a controller that goes on using it ---- */

/* It says once what happened, has looked at both that run, and still has no memory for the third.
 */
#define FOLLOWED " was removed or replaced while it was in use: going on"

static bool
says(const char *part)
{
    g_autofree char *errors = command_errors(watch);

    return strstr(errors, part) != NULL;
}

static void
assert_followed(void)
{
    g_autofree char *path = scratch_path(scratch, "state.db"), *errors = NULL, *check = NULL;
    g_auto(GStrv) parts = NULL;

    assert_within(30, says(FOLLOWED));
    assert_within(60, view_int(scratch, "SELECT count(*) FROM domains WHERE pid IS NOT NULL"
                                        " AND sync = 'Synced'") == 2);
    view_wait_domain(scratch, 30, "web-1", "Waiting", "HostBudget");
    assert_int_equal(view_int(scratch, "SELECT granted FROM memory_budget WHERE pool = 'memory'"),
                     (gint64) TWO_MIB << 20);
    assert_int_equal(qemus_count(scratch, NULL), 2);
    check = view_text(scratch, "PRAGMA integrity_check");
    assert_string_equal(check, "ok");
    errors = command_errors(watch);
    parts = g_strsplit(errors, FOLLOWED, -1);
    assert_int_equal(g_strv_length(parts), 2);
    assert_true(g_str_has_suffix(parts[0], path));
}

/* Memory that comes free is given out by the same one; another controller counts the same. */
static void
assert_goes_on(void)
{
    write_domain("db-2", "run-strategy='halted'");
    view_wait_domain(scratch, 60, "web-1", "Synced", "Synced");
    assert_int_equal(qemus_count(scratch, "db-2"), 0);
    write_domain("web-2", NULL);
    try_apply("web-2");
    assert_int_equal(qemus_count(scratch, "web-2"), 0);
    assert_int_equal(qemus_count(scratch, NULL), 2);
}

static void
start_watch(void)
{
    watch = virtkeep_start(scratch, "watch");
    view_wait_domain(scratch, 30, "web-1", "Waiting", "HostBudget");
}

static void
test_state_removed_in_use(void **state)
{
    start_watch();
    lose_state();
    assert_followed();
    assert_goes_on();
}

/* Only the database, as `rm state.db` leaves it. */
static void
test_state_removed_without_log(void **state)
{
    g_autofree char *path = scratch_path(scratch, "state.db");

    start_watch();
    g_unlink(path);
    assert_followed();
    assert_goes_on();
}

/* A copy from before db-2 was started, beside the log of the former one. */
static void
test_state_replaced_in_use(void **state)
{
    g_autofree char *path = scratch_path(scratch, "state.db"), *copy = copy_of_before();

    start_watch();
    assert_int_equal(g_rename(copy, path), 0);
    assert_followed();
    assert_goes_on();
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_state_and_run_directories), TEST(test_state_and_record),
        TEST(test_state_and_record_and_file), TEST(test_state_and_record_of_larger),
        TEST(test_state_and_process),         TEST(test_state_and_name),
        TEST(test_state_of_before),           TEST(test_state_written_over),
        TEST(test_state_removed_in_use),      TEST(test_state_removed_without_log),
        TEST(test_state_replaced_in_use),
    };

    return cmocka_run_group_tests_name("cli-budget-lost", tests, NULL, NULL);
}
