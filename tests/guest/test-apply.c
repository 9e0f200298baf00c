/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The main job, from outside: a file is edited, `apply` is run, and the guest's own MemTotal
 * follows. One guest lives through the whole program, in the order of the tests, since what it
 * shows best is that it lives: the QEMU of the beginning is the QEMU of the end.
 */
#include "tests/support/deadline.h"
#include "tests/support/guest.h"
#include "tests/support/qemus.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB ((guint64) 1 << 20)
#define APPLY_SECONDS 120
#define FIRST_REQUESTED 128

static Scratch *scratch;
static char *identity;
static guint64 base_total; /* MemTotal without any of the device's memory */

static void
request(unsigned mib)
{
    guest_write_domain(scratch, &(Guest){ .name = "g", .requested_mib = mib });
}

static gint64
n_actions(void)
{
    return view_int(scratch, "SELECT count(*) FROM actions");
}

static void
apply(int status)
{
    g_free(virtkeep_expect(scratch, APPLY_SECONDS, status, "apply"));
}

static void
assert_nothing_to_do(void)
{
    gint64 before = n_actions();

    apply(0);
    assert_int_equal(n_actions(), before);
    g_free(virtkeep_expect(scratch, 30, 0, "plan", "--exit-code"));
}

static void
assert_guest_has(unsigned mib)
{
    assert_within(20, guest_has_total(scratch, "g", base_total + mib * MIB));
    assert_int_equal(qemu_current(scratch, "g"), mib * MIB);
    assert_true(view_is(scratch, "Synced", "SELECT sync FROM domains WHERE name = 'g'"));
    assert_int_equal(view_int(scratch, "SELECT current FROM memory_devices"), mib * MIB);
    assert_true(qemu_is(scratch, "g", identity));
    assert_int_equal(view_n_open_actions(scratch), 0);
}

static int
boot(void **state)
{
    scratch = scratch_new();
    request(FIRST_REQUESTED);
    return 0;
}

static int
end(void **state)
{
    g_clear_pointer(&scratch, scratch_free);
    g_clear_pointer(&identity, g_free);
    return 0;
}

static void
test_start(void **state)
{
    gint64 pid;

    g_free(virtkeep_expect(scratch, 30, 2, "plan", "--exit-code"));
    assert_int_equal(qemus_count(scratch, NULL), 0);
    apply(0);
    assert_within(60, guest_is_ready(scratch, "g"));
    base_total = guest_base_total(scratch, "g");
    identity = qemu_identity(scratch, "g");
    assert_non_null(identity);
    pid = view_int(scratch, "SELECT pid FROM domains WHERE name = 'g'");
    assert_int_equal(pid, strtol(identity, NULL, 10));
    assert_guest_has(FIRST_REQUESTED);
    assert_nothing_to_do();
}

static void
test_memory_follows_edits(void **state)
{
    static const unsigned edits[] = { 768, 64, 320 };

    for (guint i = 0; i < G_N_ELEMENTS(edits); i++) {
        gint64 before = n_actions();

        request(edits[i]);
        g_free(virtkeep_expect(scratch, 30, 2, "plan", "--exit-code"));
        apply(0);
        assert_guest_has(edits[i]);
        assert_int_equal(n_actions(), before + 1); /* a move is one action, however many steps */
        assert_true(view_is(scratch, "set-memory done",
                            "SELECT kind || ' ' || outcome FROM actions"
                            " ORDER BY started_at DESC LIMIT 1"));
        assert_nothing_to_do();
    }
}

/* What the sqlite3 shell, of which virtkeep knows nothing, says of it. */
static void
test_state_is_readable(void **state)
{
    g_autofree char *path = scratch_path(scratch, "state.db");
    const char *const argv[] = { "sqlite3", path, "select * from domains", NULL };
    g_autofree char *program = g_find_program_in_path("sqlite3");
    g_autoptr(CommandResult) result = NULL;

    if (!program)
        skip();
    result = command_run(scratch, 10, argv);
    assert_int_equal(result->status, 0);
    assert_non_null(strstr(result->out, "|Synced|"));
    assert_string_equal(result->err, "");
}

/* The line of the file on which <requested> stands, from 1. */
static unsigned
requested_line(void)
{
    g_autofree char *xml = scratch_read(scratch, "domains/g.xml");
    const char *at = strstr(xml, "<requested");
    unsigned line = 1;

    for (const char *c = xml; c < at; c++)
        line += *c == '\n';
    return line;
}

static void
test_odd_request_is_refused(void **state)
{
    g_autofree char *place = NULL, *message = NULL;
    g_autoptr(CommandResult) result = NULL;
    gint64 actions = n_actions();

    request(321);
    place = g_strdup_printf("domains/g.xml:%u:", requested_line());
    result = virtkeep_run(scratch, 30, "apply");
    assert_int_equal(result->status, 1);
    assert_non_null(strstr(result->err, place));
    assert_true(view_domain_is(scratch, "g", "Invalid", "Invalid"));
    message = view_text(scratch, "SELECT message FROM domains WHERE name = 'g'");
    assert_non_null(strstr(message, place));
    assert_int_equal(n_actions(), actions);
    assert_int_equal(qemu_requested(scratch, "g"), 320 * MIB);
    assert_true(guest_has_total(scratch, "g", base_total + 320 * MIB));
    assert_true(qemu_is(scratch, "g", identity));

    request(192);
    apply(0);
    assert_guest_has(192);
}

static void
test_reboot_is_no_drift(void **state)
{
    gint64 actions = n_actions();
    guint64 requested;

    g_free(guest_command(scratch, "g", 10, "reboot"));
    assert_within(60, guest_n_boots(scratch, "g") == 2);
    apply(0);
    assert_guest_has(192);
    requested = qemu_requested(scratch, "g");
    assert_int_equal(requested, 192 * MIB);
    assert_int_equal(n_actions(), actions);
    assert_nothing_to_do();
}

static void
test_power_off(void **state)
{
    g_free(guest_command(scratch, "g", 10, "poweroff"));
    assert_within(20, ({
                      g_autoptr(Json) reply = qemu_ask(scratch, "g", "query-status", NULL);

                      g_strcmp0(json_get_string(reply, "status"), "shutdown") == 0;
                  }));
    assert_true(qemu_is(scratch, "g", identity));
    apply(0);
    assert_int_equal(qemus_count(scratch, NULL), 0);
    assert_true(view_domain_is(scratch, "g", "Synced", "GuestShutDown"));
    assert_true(view_is(scratch, "off", "SELECT run_state FROM domains"));
    assert_nothing_to_do();
    assert_int_equal(qemus_count(scratch, NULL), 0);

    g_free(virtkeep_expect(scratch, APPLY_SECONDS, 3, "apply", "--no-wait", "g"));
    assert_int_equal(qemus_count(scratch, "g"), 1);
    assert_false(qemu_is(scratch, "g", identity));
    assert_int_equal(view_n_open_actions(scratch), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_memory_follows_edits),
        cmocka_unit_test(test_state_is_readable),
        cmocka_unit_test(test_odd_request_is_refused),
        cmocka_unit_test(test_reboot_is_no_drift),
        cmocka_unit_test(test_power_off),
    };

    guest_require_image();
    return cmocka_run_group_tests_name("guest-apply", tests, boot, end);
}
