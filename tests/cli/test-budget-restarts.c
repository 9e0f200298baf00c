/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Restarts under the host's memory budget: a guest that shall come back with as much as it has
 * needs nobody's memory, whoever waits; one that is refused more stands in nobody's way. Real
 * QEMUs without a guest, 64 MiB each and 16 for QEMU itself.
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

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_restart_keeps_its_memory),
        TEST(test_restart_with_other_cells),
        TEST(test_restart_under_lowered_budget),
        TEST(test_refused_restart_stands_in_no_line),
    };

    return cmocka_run_group_tests_name("cli-budget-restarts", tests, NULL, NULL);
}
