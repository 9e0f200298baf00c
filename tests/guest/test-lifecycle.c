/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How guests end, and what run-strategy makes of it, under one `watch`: a QEMU that is killed, a
 * guest that powers off, one that is asked to and does, one that is asked to and does not hear.
 * Three guests, each with a life of its own, so that none waits for another's boot.
 */
#include "tests/support/deadline.h"
#include "tests/support/guest.h"
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

#define BOOT_SECONDS 120

static Scratch *scratch;
static Command *watch;

static void
write_domain(const char *name, const char *policy, const char *cmdline)
{
    guest_write_domain(scratch, &(Guest){ .name = name,
                                          .has_no_memory_device = true,
                                          .policy = policy,
                                          .cmdline = cmdline });
}

static int
begin(void **state)
{
    scratch = scratch_new();
    write_domain("failing", NULL, NULL);
    write_domain("always", "run-strategy='always'", NULL);
    write_domain("deaf", "shutdown-timeout='6s'", "virtkeep.nopowerbutton");
    watch = virtkeep_start(scratch, "watch");
    return 0;
}

static int
end(void **state)
{
    g_clear_pointer(&watch, command_free);
    g_clear_pointer(&scratch, scratch_free);
    return 0;
}

static gint64
n_starts(const char *name)
{
    return view_int(scratch,
                    "SELECT count(*) FROM actions WHERE domain = '%s'"
                    " AND kind = 'start' AND outcome = 'done'",
                    name);
}

/* Waits until the domain runs in another QEMU than this one, and until its guest is up. What the
 * console holds before the start is done may still be the former guest's. */
static void
wait_restarted(const char *name, const char *old)
{
    assert_within(30, n_starts(name) == 2);
    assert_int_equal(qemus_count(scratch, name), 1);
    assert_false(qemu_is(scratch, name, old));
    assert_within(BOOT_SECONDS, guest_is_ready(scratch, name));
    view_wait_domain(scratch, 30, name, "Synced", "Synced");
    assert_true(
        view_is(scratch, "running", "SELECT run_state FROM domains WHERE name = '%s'", name));
}

static void
wait_off(const char *name, double seconds, const char *reason)
{
    view_wait_domain(scratch, seconds, name, "Synced", reason);
    assert_int_equal(qemus_count(scratch, name), 0);
    assert_true(view_is(scratch, "off", "SELECT run_state FROM domains WHERE name = '%s'", name));
}

static bool
is_last_action(const char *name, const char *kind, const char *outcome)
{
    g_autofree char *wanted = g_strdup_printf("%s %s", kind, outcome);

    return view_is(scratch, wanted,
                   "SELECT kind || ' ' || outcome FROM actions WHERE domain = '%s'"
                   " AND kind = '%s' ORDER BY started_at DESC LIMIT 1",
                   name, kind);
}

static void
test_boot(void **state)
{
    assert_within(BOOT_SECONDS, guest_is_ready(scratch, "failing") &&
                                    guest_is_ready(scratch, "always") &&
                                    guest_is_ready(scratch, "deaf"));
}

static void
test_killed_qemu_is_restarted(void **state)
{
    g_autofree char *old = qemu_identity(scratch, "failing");

    qemu_signal(scratch, "failing", SIGKILL);
    wait_restarted("failing", old);
}

static void
test_power_off_is_left(void **state)
{
    g_free(guest_command(scratch, "failing", 10, "poweroff"));
    wait_off("failing", 30, "GuestShutDown");
}

static void
test_always_is_restarted(void **state)
{
    g_autofree char *old = qemu_identity(scratch, "always");

    g_free(guest_command(scratch, "always", 10, "poweroff"));
    wait_restarted("always", old);
}

/* By the ACPI power button, not by force. */
static void
test_halted_shuts_down(void **state)
{
    write_domain("always", "run-strategy='halted'", NULL);
    wait_off("always", 60, "Halted");
    assert_true(is_last_action("always", "shutdown", "done"));
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM actions WHERE domain = 'always'"
                                       " AND kind = 'destroy'"),
                     0);
    {
        g_autofree char *console = guest_console(scratch, "always");

        assert_non_null(strstr(console, "POWERBUTTON"));
    }
}

static void
test_deaf_guest_is_destroyed(void **state)
{
    write_domain("deaf", "run-strategy='halted' shutdown-timeout='6s'", "virtkeep.nopowerbutton");
    wait_off("deaf", 60, "Halted");
    {
        g_autofree char *console = guest_console(scratch, "deaf");

        assert_non_null(strstr(console, "POWERBUTTON"));
    }
    assert_true(is_last_action("deaf", "shutdown", "timeout"));
    assert_true(is_last_action("deaf", "destroy", "done"));
    assert_within(10, view_n_open_actions(scratch) == 0);
}

/* None of them is started again behind our back, and one that should be, is by its file. */
static void
test_halted_is_taken_back(void **state)
{
    assert_int_equal(qemus_count(scratch, NULL), 0);
    write_domain("deaf", "run-strategy='always'", "virtkeep.nopowerbutton");
    assert_within(30, qemus_count(scratch, "deaf") == 1);
    view_wait_domain(scratch, 30, "deaf", "Synced", "Synced");
    assert_int_equal(qemus_count(scratch, NULL), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boot),
        cmocka_unit_test(test_killed_qemu_is_restarted),
        cmocka_unit_test(test_power_off_is_left),
        cmocka_unit_test(test_always_is_restarted),
        cmocka_unit_test(test_halted_shuts_down),
        cmocka_unit_test(test_deaf_guest_is_destroyed),
        cmocka_unit_test(test_halted_is_taken_back),
    };

    guest_require_image();
    return cmocka_run_group_tests_name("guest-lifecycle", tests, begin, end);
}
