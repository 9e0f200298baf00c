/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guards.max-restarts over real QEMUs: three domains whose files ask for a restart at the same
 * time, handled by a `watch` and by `apply`s of their own. At no time are two of them down, and
 * who waits says for whom.
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

#include <cmocka.h>

#define RESTART "restart-required='restart'"

static const char *const names[] = { "a", "b", "c" };

static Scratch *scratch;

static void
write_all(const char *policy, unsigned vcpus)
{
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        domain_file_write(scratch,
                          &(DomainFile){ .name = names[i], .vcpus = vcpus, .policy = policy });
}

/* Pairs of domains of which one was asked to power off before the other one was up again. */
static gint64
n_overlaps(void)
{
    return view_int(scratch, "WITH r AS (SELECT domain,"
                             "  min(started_at) FILTER (WHERE kind = 'shutdown') AS down,"
                             "  max(finished_at) FILTER (WHERE kind = 'start') AS up"
                             " FROM actions GROUP BY domain)"
                             " SELECT count(*) FROM r AS x JOIN r AS y ON x.domain < y.domain"
                             " WHERE x.down < y.up AND y.down < x.up");
}

static gint64
n_restarted(void)
{
    return view_int(scratch, "SELECT count(*) FROM (SELECT domain FROM actions"
                             " WHERE kind = 'start' AND outcome = 'done'"
                             " GROUP BY domain HAVING count(*) = 2)");
}

static void
test_one_after_the_other(void **state)
{
    Command *appliers[G_N_ELEMENTS(names)];
    g_autoptr(Command) watch = NULL;

    write_all(RESTART, 1);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    watch = virtkeep_start(scratch, "watch");
    write_all(RESTART, 2);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        appliers[i] = virtkeep_start(scratch, "apply", names[i], "--timeout", "60s");
    assert_within(30, view_int(scratch, "SELECT count(*) FROM domains"
                                        " WHERE reason = 'RestartWaiting'"
                                        " AND message LIKE 'is restarted after %% (since %%'") > 0);
    assert_true(view_int(scratch, "SELECT count(*) FROM restarts") <= 1);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(CommandResult) result = command_wait(appliers[i], 90);

        assert_int_equal(result->status, 0);
        command_free(appliers[i]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        view_wait_domain(scratch, 60, names[i], "Synced", "Synced");
    assert_int_equal(n_restarted(), 3);
    assert_int_equal(n_overlaps(), 0);
    assert_within(10, view_int(scratch, "SELECT count(*) FROM restarts") == 0);
}

/* A controller that is killed at it takes its place along, not for good. */
static void
test_killed(void **state)
{
    g_autoptr(Command) apply = NULL;

    write_all(RESTART, 1);
    apply = virtkeep_start(scratch, "apply", "a", "--timeout", "60s");
    assert_within(30, view_int(scratch, "SELECT count(*) FROM restarts") == 1);
    command_signal(apply, SIGKILL);
    g_free(virtkeep_expect(scratch, 90, 0, "apply", "--timeout", "60s"));
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM restarts"), 0);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        view_wait_domain(scratch, 10, names[i], "Synced", "Synced");
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
    write_all("run-strategy='halted'", 1);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    return scratch_end(g_steal_pointer(&scratch)) == 0 ? 0 : -1;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_after_the_other),
        cmocka_unit_test(test_killed),
    };

    return cmocka_run_group_tests_name("cli-restarts", tests, begin, end);
}
