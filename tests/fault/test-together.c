/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Several controllers at once: two `watch` and a stream of `apply` over the same directory, state
 * and run directory. Whoever comes second sees what the first one did: each start, restart and
 * stop happens once, and each action's story has one teller.
 */
#include "tests/fault/plain.h"
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

#define MIB ((guint64) 1 << 20)
#define N_DOMAINS 4
#define N_WATCHES 2
#define RUNNING                                                                                    \
    "run-strategy='always' shutdown-timeout='100ms' restart-required='restart' memory-step='all'"
#define HALTED "run-strategy='halted' shutdown-timeout='100ms'"

static const char *const names[N_DOMAINS] = { "a", "b", "c", "d" };

static Scratch *scratch;
static Command *watches[N_WATCHES];

static void
write_all(const char *policy, unsigned requested_mib, unsigned vcpus)
{
    for (guint i = 0; i < N_DOMAINS; i++)
        plain_write(scratch, &(Plain){ .name = names[i],
                                       .policy = policy,
                                       .requested_mib = requested_mib,
                                       .vcpus = vcpus });
}

static int
begin(void **state)
{
    scratch = scratch_new();
    g_free(scratch_write(scratch, "virtkeep.yaml", "guards: { max-restarts: 4 }\n"));
    write_all(RUNNING, 0, 1);
    for (guint i = 0; i < N_WATCHES; i++)
        watches[i] = virtkeep_start(scratch, "watch");
    return 0;
}

static int
end(void **state)
{
    for (guint i = 0; i < N_WATCHES; i++)
        g_clear_pointer(&watches[i], command_free);
    g_clear_pointer(&scratch, scratch_free);
    return 0;
}

static gint64
n_actions(const char *name, const char *kind, const char *condition)
{
    return view_int(scratch,
                    "SELECT count(*) FROM actions WHERE domain = '%s' AND kind = '%s' AND %s", name,
                    kind, condition);
}

/* Nothing was done twice. What a controller was killed at may stand there a second time, and if it
 * had been done already only as interrupted. */
static void
assert_n_actions(const char *name, const char *kind, gint64 n)
{
    gint64 n_interrupted = n_actions(name, kind, "outcome = 'interrupted'");
    gint64 n_others = n_actions(name, kind, "outcome IS NOT 'interrupted'");

    assert_in_range(n_others, n - n_interrupted, n);
    assert_in_range(n_interrupted, 0, 1);
}

/* Besides the watches; each `apply` may find that there is nothing to do. */
static void
apply_a_few_times(void)
{
    for (guint i = 0; i < 5; i++)
        g_free(virtkeep_expect(scratch, 60, 0, "apply", "--timeout", "30s"));
}

static void
assert_all(const char *reason, unsigned n_qemus, gint64 n_starts, gint64 n_destroyed)
{
    for (guint i = 0; i < N_DOMAINS; i++) {
        view_wait_domain(scratch, 60, names[i], "Synced", reason);
        assert_int_equal(qemus_count(scratch, names[i]), n_qemus);
        assert_n_actions(names[i], "start", n_starts);
        assert_n_actions(names[i], "destroy", n_destroyed);
    }
    assert_within(10, view_n_open_actions(scratch) == 0);
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM actions WHERE outcome = 'failed'"), 0);
}

static void
test_start(void **state)
{
    apply_a_few_times();
    assert_all("Synced", 1, 1, 0);
}

static void
test_change(void **state)
{
    for (unsigned mib = 32; mib <= 128; mib += 32) {
        write_all(RUNNING, mib, 1);
        for (guint i = 0; i < N_DOMAINS; i++)
            assert_within(30, qemu_requested(scratch, names[i]) == mib * MIB);
    }
    write_all(RUNNING, 0, 1);
    apply_a_few_times();
    assert_all("Synced", 1, 1, 0);
}

static void
test_restart(void **state)
{
    write_all(RUNNING, 0, 2);
    apply_a_few_times();
    assert_all("Synced", 1, 2, 1);
}

/* One of the watches is killed at its work. */
static void
test_stop(void **state)
{
    write_all(HALTED, 0, 2);
    command_signal(watches[0], SIGKILL);
    apply_a_few_times();
    assert_all("Halted", 0, 2, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_change),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_stop),
    };

    return cmocka_run_group_tests_name("fault-together", tests, begin, end);
}
