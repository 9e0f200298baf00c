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

/* Which process it is can't be told, and it may live: twice, since it is no controller's. */
static void
test_state_and_process(void **state)
{
    lose_state();
    g_free(scratch_write(scratch, "run/db-1/process.json", "{"));
    assert_held_back();
    assert_held_back();
}

static void
try_apply(const char *name)
{
    g_autoptr(CommandResult) result = virtkeep_run(scratch, 60, "apply", "--timeout", "3s", name);

    assert_true(result->status == 0 || result->status == 3);
    assert_true(qemus_count(scratch, NULL) <= 2);
}

/* A copy from before db-2 was started. */
static void
test_state_of_before(void **state)
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
    lose_state();
    assert_int_equal(g_rename(copy, path), 0);
    assert_held_back();
}

/* Another controller makes a new one, and both would give out the same memory. */
static void
test_state_in_use(void **state)
{
    watch = virtkeep_start(scratch, "watch");
    view_wait_domain(scratch, 30, "web-1", "Waiting", "HostBudget");
    lose_state();
    write_domain("db-2", "run-strategy='halted'");
    assert_within(30, qemus_count(scratch, "db-2") == 0);
    write_domain("web-2", NULL);
    try_apply("web-1");
    try_apply("web-2");
    g_clear_pointer(&watch, command_free);
    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    assert_int_equal(qemus_count(scratch, NULL), 2);
    assert_int_equal(view_int(scratch, "SELECT granted FROM memory_budget WHERE pool = 'memory'"),
                     (gint64) TWO_MIB << 20);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_state_and_run_directories),
        TEST(test_state_and_record),
        TEST(test_state_and_process),
        TEST(test_state_of_before),
        TEST(test_state_in_use),
    };

    return cmocka_run_group_tests_name("cli-budget-lost", tests, NULL, NULL);
}
