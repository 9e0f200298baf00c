/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Restarts under the host's memory budget: a guest that shall come back with as much as it has
 * needs nobody's memory, whoever waits; one that is refused more stands in nobody's way; what one
 * was granted is its own until it is back, also while nobody is there. Real QEMUs without a guest,
 * 64 MiB each and 16 for QEMU itself.
 */
#include "tests/cli/domain-file.h"
#include "tests/support/deadline.h"
#include "tests/support/qemus.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ONE_MIB (64 + 16) /* what one domain takes */
#define RESTART "restart-required='restart'"

static Scratch *scratch;
static Command *watch;

static void
set_budget(unsigned mib)
{
    g_autofree char *text =
        g_strdup_printf("host: { memory-budget: %uMiB, qemu-overhead: 16MiB }\n", mib);

    g_free(scratch_write(scratch, "virtkeep.yaml", text));
}

static void
write_domain(const char *name, const char *policy, unsigned vcpus)
{
    domain_file_write(scratch, &(DomainFile){ .name = name, .policy = policy, .vcpus = vcpus });
}

/* The same with @mib of boot memory instead of 64. */
static void
write_larger(const char *name, const char *policy, unsigned mib)
{
    g_autofree char *xml = domain_file_xml(&(DomainFile){ .name = name, .policy = policy });
    g_autofree char *path = g_strdup_printf("domains/%s.xml", name);
    g_autofree char *memory = g_strdup_printf("<memory unit='MiB'>%u</memory>", mib);
    g_autofree char *cell = g_strdup_printf("memory='%u'", mib);
    g_autoptr(GString) text = g_string_new(xml);

    assert_int_equal(g_string_replace(text, "<memory unit='MiB'>64</memory>", memory, 0), 1);
    assert_int_equal(g_string_replace(text, "memory='64'", cell, 0), 1);
    g_free(scratch_write(scratch, path, text->str));
}

static int
set_up(void **state)
{
    scratch = scratch_new();
    g_free(scratch_mkdir(scratch, "domains"));
    return 0;
}

static int
tear_down(void **state)
{
    g_clear_pointer(&watch, command_free);
    g_clear_pointer(&scratch, scratch_free);
    return 0;
}

static bool
is_waiting(const char *name)
{
    return view_is(scratch, "Waiting", "SELECT sync FROM domains WHERE name = '%s'", name);
}

/* Nobody can have the memory of one that keeps it: it restarts although somebody waits longer. */
static void
test_restart_keeps_its_memory(void **state)
{
    g_autofree char *before = NULL;

    set_budget(ONE_MIB + 10);
    write_domain("db-1", RESTART, 1);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    before = qemu_identity(scratch, "db-1");
    watch = virtkeep_start(scratch, "watch");
    write_domain("web-1", NULL, 1);
    assert_within(30, is_waiting("web-1"));
    write_domain("db-1", RESTART, 2);
    assert_within(30, qemus_count(scratch, "db-1") == 1 && !qemu_is(scratch, "db-1", before));
    view_wait_domain(scratch, 30, "db-1", "Synced", "Synced");
    assert_true(is_waiting("web-1"));
    assert_int_equal(qemus_count(scratch, NULL), 1);
}

/* The same memory in two cells instead of one. */
static void
test_restart_with_other_cells(void **state)
{
    static const char cells[] = "<cell id='0' cpus='0' memory='32' unit='MiB'/>"
                                "<cell id='1' cpus='1' memory='32' unit='MiB'/>";
    DomainFile file = { .name = "db-1", .policy = RESTART, .vcpus = 2 };
    g_autofree char *before = NULL, *xml = domain_file_xml(&file);
    g_autoptr(GString) text = g_string_new(xml);

    set_budget(ONE_MIB + 10);
    domain_file_write(scratch, &file);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    before = qemu_identity(scratch, "db-1");
    watch = virtkeep_start(scratch, "watch");
    write_domain("web-1", NULL, 1);
    assert_within(30, is_waiting("web-1"));
    assert_int_equal(
        g_string_replace(text, "<cell id='0' cpus='0-1' memory='64' unit='MiB'/>", cells, 0), 1);
    g_free(scratch_write(scratch, "domains/db-1.xml", text->str));
    assert_within(30, qemus_count(scratch, "db-1") == 1 && !qemu_is(scratch, "db-1", before));
    view_wait_domain(scratch, 30, "db-1", "Synced", "Synced");
    assert_true(is_waiting("web-1"));
    assert_int_equal(qemus_count(scratch, NULL), 1);
}

/* A budget that was lowered below what guests hold takes nothing from one that restarts. */
static void
test_restart_under_lowered_budget(void **state)
{
    g_autofree char *before = NULL;

    set_budget(2 * ONE_MIB);
    write_domain("db-1", RESTART, 1);
    write_domain("db-2", NULL, 1);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    before = qemu_identity(scratch, "db-1");
    set_budget(ONE_MIB + 10);
    write_domain("db-1", RESTART, 2);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_int_equal(qemus_count(scratch, "db-1"), 1);
    assert_false(qemu_is(scratch, "db-1", before));
}

/* What is refused is in nobody's way: its memory goes to who comes after it. */
static void
test_refused_restart_stands_in_no_line(void **state)
{
    set_budget(3 * ONE_MIB + 30);
    write_domain("db-1", NULL, 1);
    write_domain("db-2", RESTART " memory-admission='refuse' memory-priority='10'", 1);
    write_domain("db-3", NULL, 1);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    watch = virtkeep_start(scratch, "watch");
    write_larger("db-2", RESTART " memory-admission='refuse' memory-priority='10'", 64 + 60);
    view_wait_domain(scratch, 30, "db-2", "OutOfSync", "OverBudget");
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM memory_grants WHERE wanted > granted"),
                     0);
    assert_int_equal(
        view_int(scratch, "SELECT sum(granted) FROM memory_grants WHERE domain = 'db-2'"),
        (gint64) ONE_MIB << 20);
    assert_int_equal(qemus_count(scratch, NULL), 3);
}

/* ---- what a restart takes beyond what its QEMU has ---- */

#define SECOND_MIB 64

/* A second cell of 64 MiB, and a guest that has @timeout to power off, which it never does. */
static void
write_two_cells(const char *name, const char *policy, const char *timeout)
{
    static const char cells[] = "<cell id='0' cpus='0' memory='64' unit='MiB'/>"
                                "<cell id='1' cpus='1' memory='64' unit='MiB'/>";
    DomainFile file = { .name = name, .policy = policy, .vcpus = 2 };
    g_autofree char *xml = domain_file_xml(&file), *path = g_strdup_printf("domains/%s.xml", name);
    g_autofree char *shutdown = g_strdup_printf("shutdown-timeout='%s'", timeout);
    g_autoptr(GString) text = g_string_new(xml);

    assert_int_equal(
        g_string_replace(text, "<cell id='0' cpus='0-1' memory='64' unit='MiB'/>", cells, 0), 1);
    assert_int_equal(g_string_replace(text, "<memory unit='MiB'>64</memory>",
                                      "<memory unit='MiB'>128</memory>", 0),
                     1);
    assert_int_equal(g_string_replace(text, "shutdown-timeout='1s'", shutdown, 0), 1);
    g_free(scratch_write(scratch, path, text->str));
}

static guint64
granted(void)
{
    return view_int(scratch, "SELECT granted FROM memory_budget WHERE pool = 'memory'");
}

/* db-1 is on its way down, to come back with two cells. */
static void
begin_restart(const char *timeout)
{
    set_budget(2 * ONE_MIB + SECOND_MIB - 10);
    write_domain("db-1", RESTART, 2);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    watch = virtkeep_start(scratch, "watch");
    view_wait_domain(scratch, 30, "db-1", "Synced", "Synced");
    write_two_cells("db-1", RESTART, timeout);
    view_wait_domain(scratch, 30, "db-1", "Progressing", "ShuttingDown");
    assert_int_equal(granted(), (guint64) (ONE_MIB + SECOND_MIB) << 20);
}

static void
test_restart_is_reserved(void **state)
{
    g_autofree char *before = NULL;

    begin_restart("20s");
    before = qemu_identity(scratch, "db-1");
    write_domain("web-1", NULL, 1);
    assert_within(10, is_waiting("web-1"));
    assert_true(qemu_is(scratch, "db-1", before));
    view_wait_domain(scratch, 60, "db-1", "Synced", "Synced");
    assert_false(qemu_is(scratch, "db-1", before));
    assert_int_equal(qemus_count(scratch, NULL), 1);
    assert_true(is_waiting("web-1"));
    assert_int_equal(granted(), (guint64) (ONE_MIB + SECOND_MIB) << 20);
}

static void
kill_watch(void)
{
    command_signal(watch, SIGKILL);
    g_clear_pointer(&watch, command_free);
}

/* By a controller that looks at others only. */
static void
assert_nobody_gets_it(void)
{
    g_free(virtkeep_expect(scratch, 60, 3, "apply", "--no-wait", "web-1"));
    assert_int_equal(qemus_count(scratch, "web-1"), 0);
    assert_int_equal(granted(), (guint64) (ONE_MIB + SECOND_MIB) << 20);
}

/* Neither the controller nor the QEMU is left. */
static void
test_reserved_while_nobody_is_there(void **state)
{
    begin_restart("60s");
    kill_watch();
    qemu_signal(scratch, "db-1", SIGKILL);
    assert_within(10, qemus_count(scratch, NULL) == 0);
    write_domain("web-1", NULL, 1);
    assert_nobody_gets_it();
    g_free(virtkeep_expect(scratch, 60, 0, "apply", "db-1"));
    assert_int_equal(qemus_count(scratch, "db-1"), 1);
    assert_int_equal(granted(), (guint64) (ONE_MIB + SECOND_MIB) << 20);
}

/* A controller was killed between its two marks, so QEMUs are read back while the guest goes. */
static void
test_reserved_when_read_back(void **state)
{
    begin_restart("60s");
    kill_watch();
    g_free(scratch_write(scratch, "run/.ledger", "another"));
    write_domain("web-1", NULL, 1);
    assert_nobody_gets_it();
    qemu_signal(scratch, "db-1", SIGKILL);
    assert_within(10, qemus_count(scratch, NULL) == 0);
    assert_nobody_gets_it();
    g_free(virtkeep_expect(scratch, 60, 0, "apply", "db-1"));
    assert_int_equal(qemus_count(scratch, "db-1"), 1);
    assert_int_equal(granted(), (guint64) (ONE_MIB + SECOND_MIB) << 20);
}

/* The file is as it was again before the guest went. */
static void
test_restart_called_off(void **state)
{
    g_autofree char *before = NULL;

    begin_restart("15s");
    before = qemu_identity(scratch, "db-1");
    write_domain("db-1", RESTART, 2);
    view_wait_domain(scratch, 60, "db-1", "Synced", "Synced");
    assert_true(qemu_is(scratch, "db-1", before));
    write_domain("web-1", NULL, 1);
    view_wait_domain(scratch, 30, "web-1", "Synced", "Synced");
    assert_int_equal(granted(), (guint64) 2 * ONE_MIB << 20);
}

/* Plan, explanation and pass say the same of a restart that there is no memory for. */
static void
test_plan_says_what_apply_says(void **state)
{
    static const char *const policies[] = { RESTART, RESTART " memory-admission='refuse'" };
    g_autofree char *plan = NULL, *json = NULL, *wait = NULL;
    const char *said = "db-1 waits for 64 MiB to restart: the budget of 170 MiB has 10 MiB free";

    set_budget(2 * ONE_MIB + 10);
    write_domain("db-1", RESTART, 2);
    write_domain("db-2", NULL, 1);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    for (guint i = 0; i < G_N_ELEMENTS(policies); i++) {
        g_autofree char *explained = NULL;

        write_two_cells("db-1", policies[i], "1s");
        plan = virtkeep_expect(scratch, 10, 0, "plan");
        json = virtkeep_expect(scratch, 10, 0, "--output", "json", "plan", "db-1");
        assert_non_null(strstr(plan, said));
        assert_non_null(strstr(json, said));
        explained = virtkeep_expect(scratch, 10, 0, "explain", "db-1");
        assert_non_null(strstr(explained, said + strlen("db-1 ")));
        g_clear_pointer(&plan, g_free);
        g_clear_pointer(&json, g_free);
        g_free(virtkeep_expect(scratch, 60, 3, "apply", "--no-wait", "db-1"));
        view_wait_domain(scratch, 1, "db-1", i ? "OutOfSync" : "Waiting",
                         i ? "OverBudget" : "HostBudget");
        wait = view_text(scratch, "SELECT message FROM domains WHERE name = 'db-1'");
        assert_non_null(strstr(wait, said + strlen("db-1 ")));
        g_clear_pointer(&wait, g_free);
    }
    set_budget(2 * ONE_MIB - 20);
    plan = virtkeep_expect(scratch, 10, 0, "plan");
    assert_non_null(strstr(plan, "! db-1 needs 144 MiB of memory; the budget is 140 MiB: it can "
                                 "never start"));
    assert_int_equal(qemus_count(scratch, NULL), 2);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_restart_keeps_its_memory),     TEST(test_restart_with_other_cells),
        TEST(test_restart_under_lowered_budget), TEST(test_refused_restart_stands_in_no_line),
        TEST(test_restart_is_reserved),          TEST(test_reserved_while_nobody_is_there),
        TEST(test_reserved_when_read_back),      TEST(test_restart_called_off),
        TEST(test_plan_says_what_apply_says),
    };

    return cmocka_run_group_tests_name("cli-budget-restarts", tests, NULL, NULL);
}
