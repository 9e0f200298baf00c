/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a plan's actions carry beyond their kind, which the golden cases (tests/cases) don't show:
 * whoever carries them out decides nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reconcile/plan.h"
#include "tests/reconcile/resolve-document.h"

#define MIB ((guint64) 1 << 20)

static void
expect_purpose(const PlanInput *input, const char *purpose)
{
    g_autoptr(DomainPlan) plan = plan_domain(input);
    const PlanAction *action;

    assert_true(plan->actions->len > 0);
    action = plan->actions->pdata[0];
    assert_int_equal(action->kind, PLAN_ACTION_SHUTDOWN);
    assert_string_equal(action->purpose, purpose);
}

static void
test_shutdown(void **state)
{
    g_autoptr(Spec) before = document_parse("q35", NULL, "");
    g_autoptr(Spec) after = document_parse("q35", "<clock offset='localtime'/>", "");
    g_autoptr(Domain) applied = document_resolve(before, NULL);
    g_autoptr(Domain) desired = document_resolve(after, applied);
    g_autoptr(Observed) observed = observed_new();
    PlanInput input = { .name = "web",
                        .file = "web.xml",
                        .applied = applied,
                        .desired = desired,
                        .observed = observed,
                        .policy = policy_default() };

    observed->run_state = RUN_STATE_RUNNING;
    input.policy.restart_required = RESTART_RESTART;
    expect_purpose(&input, "restart");
    input.policy.run_strategy = RUN_HALTED;
    expect_purpose(&input, "stop");
    input.policy.prune = PRUNE_SHUTDOWN;
    input.desired = NULL;
    input.file = NULL;
    input.is_orphaned = true;
    expect_purpose(&input, "stop");
}

static void
test_memory_target(void **state)
{
    const struct {
        guint64 requested, max, block, target;
    } rows[] = {
        { 512 * MIB, 1024 * MIB, 2 * MIB, 512 * MIB },
        { 512 * MIB, 256 * MIB, 2 * MIB, 256 * MIB },
        { 513 * MIB, 1024 * MIB, 2 * MIB, 512 * MIB },
        { 100 * MIB, 1024 * MIB, 128 * MIB, 0 },
        { 0, 1024 * MIB, 2 * MIB, 0 },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        MemoryDevice desired = { .requested = { .value = rows[i].requested, .is_set = true } };
        ObservedMemory observed = { .max = rows[i].max, .block = rows[i].block };

        assert_int_equal(plan_memory_target(&desired, &observed), rows[i].target);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shutdown),
        cmocka_unit_test(test_memory_target),
    };

    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
