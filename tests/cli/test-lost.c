/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What virtkeep keeps of a running QEMU is lost, piece by piece: its run directory, its record, the
 * state, both. A second QEMU on the same disks destroys them, so whatever is left of either side,
 * or the process alone, must be enough to know that the first one runs.
 */
#include "tests/cli/domain-file.h"
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
#include <glib/gstdio.h>

static Scratch *scratch;
static char *identity;

static int
begin(void **state)
{
    scratch = scratch_new();
    domain_file_write(scratch, &(DomainFile){ .name = "lost" });
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    identity = qemu_identity(scratch, "lost");
    return identity ? 0 : -1;
}

static int
end(void **state)
{
    g_clear_pointer(&identity, g_free);
    g_clear_pointer(&scratch, scratch_free);
    return 0;
}

static void
expect_blocked(const char *words)
{
    g_autoptr(CommandResult) result = virtkeep_run(scratch, 60, "apply");

    assert_int_equal(result->status, 1);
    if (!strstr(result->err, words))
        fail_msg("'%s' is not in:\n%s", words, result->err);
}

static void
test_run_directory(void **state)
{
    g_autofree char *directory = scratch_path(scratch, "run/lost");
    g_autofree char *elsewhere = scratch_path(scratch, "elsewhere");
    g_autofree char *plan = NULL;

    assert_int_equal(g_rename(directory, elsewhere), 0);
    plan = virtkeep_expect(scratch, 60, 0, "plan");
    assert_non_null(strstr(plan, "blocked"));
    expect_blocked("its run directory was lost while it runs");
    assert_true(qemu_is(scratch, "lost", identity));

    assert_int_equal(g_rename(elsewhere, directory), 0);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_true(qemu_is(scratch, "lost", identity));
}

/* The record leads elsewhere, and the monitor knows better: it is written anew. */
static void
test_record(void **state)
{
    static const char *const forged[] = {
        "",
        "{}",
        /* No such process; and one that is none of ours. */
        "{\"format_version\":1,\"pid\":2147483647,\"start_time\":1,\"boot_id\":\"%s\","
        "\"token\":\"00000000000000000000000000000000\"}",
        "{\"format_version\":1,\"pid\":2,\"start_time\":1,\"boot_id\":\"another\","
        "\"token\":\"00000000000000000000000000000000\"}",
    };
    g_autofree char *path = scratch_path(scratch, "run/lost/process.json");
    g_autofree char *good = scratch_read(scratch, "run/lost/process.json");

    for (guint i = 0; i < G_N_ELEMENTS(forged); i++) {
        g_autofree char *now = NULL;

        assert_true(g_file_set_contents(path, forged[i], -1, NULL));
        g_free(virtkeep_expect(scratch, 60, 0, "apply"));
        assert_true(qemu_is(scratch, "lost", identity));
        now = scratch_read(scratch, "run/lost/process.json");
        assert_true(strlen(now) > strlen(good) / 2 && !strstr(now, "\"another\""));
    }
}

static void
remove_state(void)
{
    static const char *const files[] = { "state.db", "state.db-wal", "state.db-shm" };

    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = scratch_path(scratch, files[i]);

        g_unlink(path);
    }
}

static void
test_state(void **state)
{
    remove_state();
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_true(qemu_is(scratch, "lost", identity));
    test_run_directory(state); /* the new state knows it too */
}

static void
test_both(void **state)
{
    g_autofree char *directory = scratch_path(scratch, "run/lost");
    g_autofree char *elsewhere = scratch_path(scratch, "elsewhere");
    g_autofree char *record = scratch_path(scratch, "run/lost/process.json");
    g_autofree char *pid = g_strndup(identity, strcspn(identity, " "));
    g_autofree char *words = g_strdup_printf("its QEMU (pid %s) does not answer", pid);
    g_autofree char *plan = NULL;

    remove_state();
    assert_int_equal(g_rename(directory, elsewhere), 0);
    plan = virtkeep_expect(scratch, 60, 0, "plan");
    assert_non_null(strstr(plan, "blocked"));
    expect_blocked(words);
    expect_blocked(words); /* by the state that was made meanwhile, too */
    assert_true(qemu_is(scratch, "lost", identity));

    /* Its sockets are there again, and nothing else: found by the process, it is adopted. */
    remove_state();
    assert_int_equal(g_rename(elsewhere, directory), 0);
    assert_int_equal(g_unlink(record), 0);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_true(g_file_test(record, G_FILE_TEST_EXISTS));
    assert_true(qemu_is(scratch, "lost", identity));
}

/* The QEMU of a second virtkeep with directories of its own is that one's, whatever its uuid, and
 * however much of it is lost. */
static void
test_neighbour(void **state)
{
    g_autofree char *directory = scratch_path(scratch, "run/lost");
    g_autofree char *elsewhere = scratch_path(scratch, "elsewhere");
    g_autoptr(Scratch) other = scratch_new();

    assert_int_equal(g_rename(directory, elsewhere), 0);
    domain_file_write(other, &(DomainFile){ .name = "lost" });
    g_free(virtkeep_expect(other, 60, 0, "apply"));
    assert_int_equal(qemus_count(other, "lost"), 1);
    assert_int_equal(g_rename(elsewhere, directory), 0);
    assert_true(qemu_is(scratch, "lost", identity));
}

/* Another file that says its uuid, be it that the domain was renamed, is no way to it, and starts
 * nothing on what may be its disks. */
static void
test_same_uuid(void **state)
{
    g_autofree char *uuid = view_text(scratch, "SELECT uuid FROM domains WHERE name = 'lost'");
    g_autofree char *head = g_strdup_printf("<uuid>%s</uuid>", uuid);
    g_autofree char *pid = g_strndup(identity, strcspn(identity, " "));
    g_autofree char *words = g_strdup_printf("the QEMU of lost (pid %s) has its uuid", pid);
    g_autofree char *file = scratch_path(scratch, "domains/twin.xml");

    domain_file_write(scratch, &(DomainFile){ .name = "twin", .head = head });
    for (guint twice = 0; twice < 2; twice++)
        expect_blocked(words);
    assert_int_equal(qemus_count(scratch, "twin"), 0);
    assert_int_equal(view_int(scratch, "SELECT pid FROM domains WHERE name = 'twin'"), -1);
    assert_true(qemu_is(scratch, "lost", identity));
    assert_int_equal(g_unlink(file), 0);
}

/* Only now that it has really ended is it started again. */
static void
test_ended(void **state)
{
    g_autofree char *directory = scratch_path(scratch, "run/lost");
    g_autofree char *elsewhere = scratch_path(scratch, "elsewhere");

    assert_int_equal(g_rename(directory, elsewhere), 0);
    qemu_signal(scratch, "lost", SIGKILL);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_int_equal(qemus_count(scratch, "lost"), 1);
    assert_false(qemu_is(scratch, "lost", identity));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run_directory), cmocka_unit_test(test_record),
        cmocka_unit_test(test_state),         cmocka_unit_test(test_both),
        cmocka_unit_test(test_neighbour),     cmocka_unit_test(test_same_uuid),
        cmocka_unit_test(test_ended),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
