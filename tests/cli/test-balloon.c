/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A balloon that nobody moves: the firmware has no driver, and a paused guest runs none. What is
 * asked for then is under way, waits, or stalls, in one row of the journal however many passes and
 * controllers look at it; never done before QEMU says so. (A guest that follows:
 * tests/guest/test-live.c.)
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

#define NAME "b"
#define SHORT "memory-stall-timeout='1s'"
#define LONG "memory-stall-timeout='1h'"
#define CURRENT(mib) "<currentMemory unit='MiB'>" #mib "</currentMemory>"

static Scratch *scratch;
static char *identity;

static void
edit(const char *policy, const char *head)
{
    domain_file_write(scratch, &(DomainFile){ .name = NAME, .policy = policy, .head = head });
}

static gint64
n_moves(void)
{
    return view_int(scratch, "SELECT count(*) FROM actions WHERE kind = 'set-balloon'");
}

static void
assert_plan_has(int status, const char *text)
{
    g_autofree char *plan = virtkeep_expect(scratch, 10, status, "plan", "--exit-code");

    if (!strstr(plan, text))
        fail_msg("no '%s' in:\n%s", text, plan);
}

static void
assert_settled(void)
{
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    g_free(virtkeep_expect(scratch, 10, 0, "plan", "--exit-code"));
    assert_int_equal(view_n_open_actions(scratch), 0);
}

static bool
is_said(const char *message)
{
    return view_is(scratch, message, "SELECT message FROM domains WHERE name = '" NAME "'");
}

static void
test_start(void **state)
{
    edit(LONG, NULL);
    assert_settled();
    identity = qemu_identity(scratch, NAME);
    assert_int_equal(n_moves(), 0);
}

static void
test_progressing(void **state)
{
    edit(LONG, CURRENT(48));
    assert_plan_has(2, "currentMemory  64 MiB -> 48 MiB  (live)");
    assert_plan_has(2, "set-balloon balloon0  64 MiB -> 48 MiB");
    g_free(virtkeep_expect(scratch, 60, 3, "apply", "--no-wait"));
    assert_true(view_domain_is(scratch, NAME, "Progressing", "NoDriver"));
    assert_true(is_said("balloon at 64 MiB of 48 MiB: no balloon driver is bound in the guest"));
    assert_int_equal(view_n_open_actions(scratch), 1);
    assert_int_equal(n_moves(), 1);
    /* Not in the document of what is applied: the change is still there. */
    assert_plan_has(2, "currentMemory  64 MiB -> 48 MiB  (live)");
}

static void
test_stalled(void **state)
{
    edit(SHORT, CURRENT(48));
    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    assert_true(view_domain_is(scratch, NAME, "Stalled", "NoDriver"));
    assert_true(
        is_said("balloon stalled at 64 MiB of 48 MiB: no balloon driver is bound in the guest"));
    /* The row of the controller before, and no other one. */
    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    assert_int_equal(view_n_open_actions(scratch), 1);
    assert_int_equal(n_moves(), 1);
    assert_true(view_is(scratch, "b|balloon0",
                        "SELECT domain || '|' || (detail ->> '$.device') FROM actions"
                        " WHERE kind = 'set-balloon' AND outcome IS NULL"));
}

/* A paused guest can't answer, and no time of it counts. */
static void
test_paused(void **state)
{
    json_free(qemu_ask(scratch, NAME, "stop", NULL));
    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    assert_true(view_domain_is(scratch, NAME, "Waiting", "GuestPaused"));
    assert_true(is_said("balloon held at 64 MiB of 48 MiB: the guest is paused"));
    json_free(qemu_ask(scratch, NAME, "cont", NULL));
    edit(LONG, CURRENT(48));
    g_free(virtkeep_expect(scratch, 60, 3, "apply", "--no-wait"));
    assert_true(view_domain_is(scratch, NAME, "Progressing", "NoDriver"));
    assert_int_equal(n_moves(), 1);
}

static void
test_another_size(void **state)
{
    edit(SHORT, CURRENT(32));
    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    assert_true(
        is_said("balloon stalled at 64 MiB of 32 MiB: no balloon driver is bound in the guest"));
    assert_int_equal(n_moves(), 2);
    assert_int_equal(view_n_open_actions(scratch), 1);
    edit(SHORT, NULL);
    assert_settled();
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM actions WHERE outcome = 'superseded'"),
                     2);
    assert_true(qemu_is(scratch, NAME, identity));
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM events WHERE kind = 'drift'"), 0);
}

/* At a start the balloon is asked before the guest runs, and is waited for like later. */
static void
test_at_start(void **state)
{
    gint64 before = n_moves();

    edit(SHORT, CURRENT(48));
    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    qemu_signal(scratch, NAME, SIGKILL);
    assert_within(10, qemus_count(scratch, NAME) == 0);
    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    assert_true(view_domain_is(scratch, NAME, "Stalled", "NoDriver"));
    assert_int_equal(n_moves(), before + 2);
    assert_int_equal(view_n_open_actions(scratch), 1);
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM events WHERE kind = 'drift'"), 0);
}

/* Boot memory takes a restart; what is left of it until then does not fall below what was. */
static void
test_boot_memory(void **state)
{
    edit(SHORT, NULL);
    assert_settled();
    g_clear_pointer(&identity, g_free);
    identity = qemu_identity(scratch, NAME);
    edit(SHORT, "<currentMemory unit='MiB'>64</currentMemory>");
    {
        g_autofree char *xml = scratch_read(scratch, "domains/" NAME ".xml");
        g_auto(GStrv) parts = g_strsplit(xml, "memory='64' unit='MiB'", 2);
        g_autofree char *larger = g_strconcat(parts[0], "memory='128' unit='MiB'", parts[1], NULL);

        g_free(scratch_write(scratch, "domains/" NAME ".xml", larger));
    }
    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    assert_true(view_domain_is(scratch, NAME, "RestartRequired", "RestartRequired"));
    assert_int_equal(view_n_open_actions(scratch), 0);
    edit(SHORT, NULL);
    assert_settled();
    assert_true(qemu_is(scratch, NAME, identity));
}

static void
test_no_balloon(void **state)
{
    g_autofree char *path = g_build_filename(scratch_dir(scratch), "domains/none.xml", NULL);
    g_autoptr(CommandResult) said = NULL;

    domain_file_write(scratch, &(DomainFile){ .name = "none",
                                              .head = "  " CURRENT(48) "\n",
                                              .devices = "<memballoon model='none'/>" });
    said = virtkeep_run(scratch, 10, "validate", path);
    if (!strstr(said->err, "none.xml:8:3: warning: currentMemory: there is no balloon (<memballoon "
                           "model='none'/>) to take the rest: the guest has all of its memory"))
        fail_msg("%s", said->err);
    assert_settled();
    domain_file_write(scratch, &(DomainFile){ .name = "none",
                                              .head = "  " CURRENT(32) "\n",
                                              .devices = "<memballoon model='none'/>" });
    g_free(virtkeep_expect(scratch, 10, 0, "plan", "--exit-code"));
}

static int
begin(void **state)
{
    scratch = scratch_new();
    return 0;
}

static int
end(void **state)
{
    g_clear_pointer(&scratch, scratch_free);
    g_clear_pointer(&identity, g_free);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),        cmocka_unit_test(test_progressing),
        cmocka_unit_test(test_stalled),      cmocka_unit_test(test_paused),
        cmocka_unit_test(test_another_size), cmocka_unit_test(test_at_start),
        cmocka_unit_test(test_boot_memory),  cmocka_unit_test(test_no_balloon),
    };

    return cmocka_run_group_tests_name("balloon", tests, begin, end);
}
