/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `watch` and what it is robust against: killed five times while a guest's memory moves, each
 * time at another point of the move, with edits before, between and after. What must hold is
 * always the same: the QEMU of the beginning, the memory of the last edit, no action without an
 * outcome. The points are drawn at random and printed, since a fixed one proves little.
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

#include <cmocka.h>

#define MIB ((guint64) 1 << 20)
#define MOVE_SECONDS 90
#define N_KILLS 5

static Scratch *scratch;
static Command *watch;
static char *identity;
static guint64 base_total; /* MemTotal without any of the device's memory */

static void
request(unsigned mib)
{
    guest_write_domain(scratch, &(Guest){ .name = "g", .requested_mib = mib });
}

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
    g_clear_pointer(&watch, command_free);
    g_clear_pointer(&scratch, scratch_free);
    g_clear_pointer(&identity, g_free);
    return 0;
}

static void
start_watch(void)
{
    watch = virtkeep_start(scratch, "watch");
}

static void
wait_for_memory(unsigned mib)
{
    if (!is_within(MOVE_SECONDS, guest_has_total(scratch, "g", base_total + mib * MIB))) {
        g_autofree char *rows = view_rows(scratch, "SELECT * FROM memory_devices");
        g_autofree char *actions = view_rows(scratch, "SELECT * FROM actions");
        g_autofree char *errors = command_errors(watch);

        fail_msg("not at %u MiB: MemTotal %" G_GINT64_FORMAT
                 " KiB off, requested %u MiB, current %u MiB\n%s\n%s\n%s",
                 mib, (gint64) (guest_mem_total(scratch, "g") - base_total - mib * MIB) / 1024,
                 (unsigned) (qemu_requested(scratch, "g") / MIB),
                 (unsigned) (qemu_current(scratch, "g") / MIB), rows, actions, errors);
    }
    assert_within(30, view_int(scratch, "SELECT current FROM memory_devices") == mib * MIB);
    view_wait_domain(scratch, 30, "g", "Synced", "Synced");
    assert_int_equal(qemu_requested(scratch, "g"), mib * MIB);
    assert_within(10, view_n_open_actions(scratch) == 0);
    assert_true(qemu_is(scratch, "g", identity));
}

static void
test_new_file_is_started(void **state)
{
    start_watch();
    request(128);
    assert_within(60, guest_is_ready(scratch, "g"));
    identity = qemu_identity(scratch, "g");
    assert_non_null(identity);
    view_wait_domain(scratch, 60, "g", "Synced", "Synced");
    base_total = guest_base_total(scratch, "g");
    wait_for_memory(128);
}

static void
test_edits_are_followed(void **state)
{
    static const unsigned edits[] = { 512, 64 };

    for (guint i = 0; i < G_N_ELEMENTS(edits); i++) {
        request(edits[i]);
        wait_for_memory(edits[i]);
    }
}

/* Absolute difference of what the guest has and what it had. */
static guint64
moved_since(guint64 from)
{
    guint64 current = qemu_current(scratch, "g");

    return current > from ? current - from : from - current;
}

static void
test_killed_while_memory_moves(void **state)
{
    static const unsigned targets[N_KILLS] = { 960, 32, 800, 128, 640 };
    const unsigned last = 256;

    for (guint i = 0; i < N_KILLS; i++) {
        guint64 from = qemu_current(scratch, "g");
        guint64 distance = ABS((gint64) (targets[i] * MIB) - (gint64) from);
        guint64 point = (guint64) (g_random_double() * distance);

        request(targets[i]);
        print_message("kill %u: at %u of the %u MiB from %u to %u\n", i, (unsigned) (point / MIB),
                      (unsigned) (distance / MIB), (unsigned) (from / MIB), targets[i]);
        assert_within(MOVE_SECONDS, moved_since(from) >= point);
        command_signal(watch, SIGKILL);
        assert_within(10, !command_is_running(watch));
        assert_true(qemu_is(scratch, "g", identity));
        if (i + 1 == N_KILLS)
            request(last); /* also edits that nobody saw count */
        g_clear_pointer(&watch, command_free);
        start_watch();
    }
    wait_for_memory(last);
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM actions WHERE kind = 'start'"), 1);
}

static void
test_reboot_is_no_drift(void **state)
{
    gint64 actions = view_int(scratch, "SELECT count(*) FROM actions");

    g_free(guest_command(scratch, "g", 10, "reboot"));
    assert_within(60, guest_n_boots(scratch, "g") == 2);
    wait_for_memory(256);
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM actions"), actions);
}

/* In the middle of a move, which the next watch ends. */
static void
test_sigterm(void **state)
{
    g_autoptr(CommandResult) result = NULL;
    guint64 from = qemu_current(scratch, "g");

    request(960);
    assert_within(MOVE_SECONDS, moved_since(from) > 0);
    command_signal(watch, SIGTERM);
    result = command_wait(watch, 20);
    assert_int_equal(result->status, 0);
    assert_true(qemu_is(scratch, "g", identity));
    g_clear_pointer(&watch, command_free);
    request(128);
    start_watch();
    wait_for_memory(128);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_file_is_started),
        cmocka_unit_test(test_edits_are_followed),
        cmocka_unit_test(test_killed_while_memory_moves),
        cmocka_unit_test(test_reboot_is_no_drift),
        cmocka_unit_test(test_sigterm),
    };

    guest_require_image();
    return cmocka_run_group_tests_name("guest-watch", tests, begin, end);
}
