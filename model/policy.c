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
const char *const memory_admission_names[] = {
    [ADMISSION_WAIT] = "wait",
    [ADMISSION_REFUSE] = "refuse",
    NULL,
};
const char *const memory_balloon_names[] = {
    [BALLOON_WHOLE] = "whole",
    [BALLOON_CURRENT] = "current",
    NULL,
};

static const Field policy_fields[] = {
    FIELD_ENUM(PolicyOverrides, run_strategy, run_strategy_names, .path = "@run-strategy",
               .change = CHANGE_LIVE, .doc = "When the domain runs."),
    FIELD_ENUM(PolicyOverrides, restart_required, restart_required_names,
               .path = "@restart-required", .change = CHANGE_LIVE,
               .doc = "What a change that needs a restart does."),
    FIELD_ENUM(PolicyOverrides, prune, prune_names, .path = "@prune", .change = CHANGE_LIVE,
               .doc = "What removing the file does. `keep` leaves the guest as it is, and lists the "
                      "domain as Orphaned until its file is back. With the others it is forgotten "
                      "once it is off; its disks and NVRAM stay."),
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
    FIELD_STRING(PolicyOverrides, memory_priority, .path = "@memory-priority",
                 .change = CHANGE_LIVE,
                 .doc = "Who waits for memory of the host is served by this, the highest first: "
                        "-1000 to 1000."),
    FIELD_STRING(PolicyOverrides, memory_guarantee, .path = "@memory-guarantee",
                 .change = CHANGE_LIVE,
                 .doc = "Memory of the host that is kept free for the domain, whether it has it "
                        "or not: a size."),
    FIELD_ENUM(PolicyOverrides, memory_admission, memory_admission_names,
               .path = "@memory-admission", .change = CHANGE_LIVE,
               .doc = "What a start does that the host has no memory for."),
    FIELD_ENUM(PolicyOverrides, memory_balloon, memory_balloon_names, .path = "@memory-balloon",
               .change = CHANGE_LIVE,
               .doc = "What counts of a guest with a balloon: its memory, or what the balloon "
                      "leaves it."),
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
        .memory_admission = ADMISSION_WAIT,
        .memory_balloon = BALLOON_WHOLE,
    };
}

static bool
read_shutdown_timeout(const char *value, Policy *policy)
{
    return duration_parse(value, &policy->shutdown_timeout);
}

static bool
read_step(const char *value, Policy *policy)
{
    char *end;
    gint64 blocks;

    if (g_str_equal(value, "auto"))
        policy->step = STEP_AUTO;
    else if (g_str_equal(value, "all"))
        policy->step = STEP_ALL;
    else {
        blocks = g_ascii_strtoll(value, &end, 10);
        if (*end || blocks < 1 || blocks > 1000000)
            return false;
        policy->step = blocks;
    }
    return true;
}

static bool
read_stall_timeout(const char *value, Policy *policy)
{
    return duration_parse(value, &policy->stall_timeout) && policy->stall_timeout > 0;
}

static bool
read_reserve(const char *value, Policy *policy)
{
    if (!g_str_equal(value, "auto"))
        return size_parse(value, &policy->guest_reserve);
    policy->guest_reserve = RESERVE_AUTO;
    return true;
}

static bool
read_priority(const char *value, Policy *policy)
{
    return g_ascii_string_to_signed(value, 10, -MEMORY_PRIORITY_MAX, MEMORY_PRIORITY_MAX,
                                    &policy->memory_priority, NULL);
}

static bool
read_guarantee(const char *value, Policy *policy)
{
    return size_parse(value, &policy->memory_guarantee);
}

/* The textual members: each has a reader into Policy and words for what it expects. */
#define TEXT(member) .offset = SCHEMA_OFFSET(PolicyOverrides, member, char *)
static const struct {
    const char *name;
    size_t offset; /* in PolicyOverrides */
    bool (*read)(const char *value, Policy *policy);
    const char *expected;
} texts[] = {
    { "shutdown-timeout", TEXT(shutdown_timeout), read_shutdown_timeout, "a duration such as 60s" },
    { "memory-step", TEXT(step), read_step, "auto, all, or a number of blocks" },
    { "memory-stall-timeout", TEXT(stall_timeout), read_stall_timeout,
      "a duration such as 60s, above zero" },
    { "memory-guest-reserve", TEXT(guest_reserve), read_reserve, "auto or a size such as 256MiB" },
    { "memory-priority", TEXT(memory_priority), read_priority,
      "a whole number from -1000 to 1000" },
    { "memory-guarantee", TEXT(memory_guarantee), read_guarantee, "a size such as 1GiB" },
};

char *
policy_check(const char *name, const char *value)
{
    Policy scratch = policy_default();

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        if (g_str_equal(texts[i].name, name))
            return texts[i].read(value, &scratch)
                       ? NULL
                       : g_strdup_printf("'%s' is not %s", value, texts[i].expected);
    g_assert_not_reached();
}

void
policy_override(Policy *policy, const PolicyOverrides *overrides)
{
    if (overrides->run_strategy)
        policy->run_strategy = overrides->run_strategy;
    if (overrides->restart_required)
        policy->restart_required = overrides->restart_required;
    if (overrides->prune)
        policy->prune = overrides->prune;
    if (overrides->shrink_unguarded)
        policy->shrink_unguarded = overrides->shrink_unguarded;
    if (overrides->memory_admission)
        policy->memory_admission = overrides->memory_admission;
    if (overrides->memory_balloon)
        policy->memory_balloon = overrides->memory_balloon;
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        const char *value = G_STRUCT_MEMBER(char *, overrides, texts[i].offset);

        if (value)
            (void) texts[i].read(value, policy);
    }
}
