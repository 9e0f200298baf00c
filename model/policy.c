/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Policy values: one set of names for the configuration file and for a domain's metadata. An
 * override keeps the words as written, so that a diagnostic can point at them; a Policy is
 * complete and ready to use.
 */
#include "model/policy.h"

#include <stdlib.h>
#include <string.h>

#include "model/quantity.h"

const char *const run_strategy_names[] = {
    [RUN_ALWAYS] = "always", [RUN_RERUN_ON_FAILURE] = "rerun-on-failure",
    [RUN_ONCE] = "once",     [RUN_MANUAL] = "manual",
    [RUN_HALTED] = "halted", NULL,
};
const char *const restart_required_names[] = {
    [RESTART_REPORT] = "report",
    [RESTART_RESTART] = "restart",
    NULL,
};
const char *const prune_names[] = {
    [PRUNE_KEEP] = "keep",
    [PRUNE_SHUTDOWN] = "shutdown",
    [PRUNE_DESTROY] = "destroy",
    NULL,
};
const char *const shrink_unguarded_names[] = {
    [UNGUARDED_REFUSE] = "refuse",
    [UNGUARDED_SMALL_STEPS] = "small-steps",
    [UNGUARDED_ALLOW] = "allow",
    NULL,
};

static const Field policy_fields[] = {
    FIELD_ENUM(PolicyOverrides, run_strategy, run_strategy_names, .path = "@run-strategy",
               .change = CHANGE_LIVE, .doc = "When the domain runs."),
    FIELD_ENUM(PolicyOverrides, restart_required, restart_required_names,
               .path = "@restart-required", .change = CHANGE_LIVE,
               .doc = "What a change that needs a restart does."),
    FIELD_ENUM(PolicyOverrides, prune, prune_names, .path = "@prune", .change = CHANGE_LIVE,
               .doc = "What removing the file does."),
    FIELD_STRING(PolicyOverrides, shutdown_timeout, .path = "@shutdown-timeout",
                 .change = CHANGE_LIVE, .doc = "How long the guest has to power off: `60s`."),
    FIELD_STRING(PolicyOverrides, step, .path = "@memory-step", .change = CHANGE_LIVE,
                 .doc = "`auto`, `all`, or a number of blocks."),
    FIELD_STRING(PolicyOverrides, stall_timeout, .path = "@memory-stall-timeout",
                 .change = CHANGE_LIVE, .doc = "How long without progress is a stall."),
    FIELD_STRING(PolicyOverrides, guest_reserve, .path = "@memory-guest-reserve",
                 .change = CHANGE_LIVE, .doc = "What a shrink leaves available: `auto` or a size."),
    FIELD_ENUM(PolicyOverrides, shrink_unguarded, shrink_unguarded_names,
               .path = "@memory-shrink-unguarded", .change = CHANGE_LIVE,
               .doc = "Shrinking without the guest's statistics."),
    FIELD_END,
};

const Schema policy_schema = {
    .element = "policy",
    .namespace_ = POLICY_NAMESPACE,
    .size = sizeof(PolicyOverrides),
    .fields = policy_fields,
    .doc = "virtkeep's policy for this domain.",
};

Policy
policy_default(void)
{
    return (Policy){
        .run_strategy = RUN_RERUN_ON_FAILURE,
        .restart_required = RESTART_REPORT,
        .prune = PRUNE_KEEP,
        .shutdown_timeout = 60 * G_USEC_PER_SEC,
        .step = STEP_AUTO,
        .stall_timeout = 60 * G_USEC_PER_SEC,
        .guest_reserve = RESERVE_AUTO,
        .shrink_unguarded = UNGUARDED_SMALL_STEPS,
    };
}

static bool
parse_step(const char *value, gint64 *ret_step)
{
    char *end;
    gint64 blocks;

    if (g_str_equal(value, "auto"))
        *ret_step = STEP_AUTO;
    else if (g_str_equal(value, "all"))
        *ret_step = STEP_ALL;
    else {
        blocks = g_ascii_strtoll(value, &end, 10);
        if (*end || blocks < 1 || blocks > 1000000)
            return false;
        *ret_step = blocks;
    }
    return true;
}

static bool
parse_reserve(const char *value, guint64 *ret_reserve)
{
    if (!g_str_equal(value, "auto"))
        return size_parse(value, ret_reserve);
    *ret_reserve = RESERVE_AUTO;
    return true;
}

/* The textual members: each has a reader into Policy and words for what it expects. */
static bool
read_text(const char *name, const char *value, Policy *policy, const char **ret_expected)
{
    if (g_str_equal(name, "shutdown-timeout")) {
        *ret_expected = "a duration such as 60s";
        return duration_parse(value, &policy->shutdown_timeout);
    }
    if (g_str_equal(name, "memory-stall-timeout")) {
        *ret_expected = "a duration such as 60s, above zero";
        return duration_parse(value, &policy->stall_timeout) && policy->stall_timeout > 0;
    }
    if (g_str_equal(name, "memory-step")) {
        *ret_expected = "auto, all, or a number of blocks";
        return parse_step(value, &policy->step);
    }
    if (g_str_equal(name, "memory-guest-reserve")) {
        *ret_expected = "auto or a size such as 256MiB";
        return parse_reserve(value, &policy->guest_reserve);
    }
    g_assert_not_reached();
}

char *
policy_check(const char *name, const char *value)
{
    Policy scratch = policy_default();
    const char *expected;

    if (read_text(name, value, &scratch, &expected))
        return NULL;
    return g_strdup_printf("'%s' is not %s", value, expected);
}

void
policy_override(Policy *policy, const PolicyOverrides *overrides)
{
    const struct {
        const char *name, *value;
    } texts[] = {
        { "shutdown-timeout", overrides->shutdown_timeout },
        { "memory-step", overrides->step },
        { "memory-stall-timeout", overrides->stall_timeout },
        { "memory-guest-reserve", overrides->guest_reserve },
    };
    const char *expected;

    if (overrides->run_strategy)
        policy->run_strategy = overrides->run_strategy;
    if (overrides->restart_required)
        policy->restart_required = overrides->restart_required;
    if (overrides->prune)
        policy->prune = overrides->prune;
    if (overrides->shrink_unguarded)
        policy->shrink_unguarded = overrides->shrink_unguarded;
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        if (texts[i].value)
            (void) read_text(texts[i].name, texts[i].value, policy, &expected);
}
