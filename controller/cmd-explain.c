/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `virtkeep explain NAME`: everything that bears on one domain, looked up now: the file, the QEMU,
 * what passes have noted, the policy in force, and what the next pass would do. It changes nothing
 * and takes no lock; a QEMU whose monitor is busy is waited for a moment only.
 */
#include <string.h>

#include "controller/commands.h"
#include "controller/memory-outlook.h"
#include "controller/message.h"
#include "controller/render-explain.h"
#include "controller/render-policy.h"
#include "controller/site.h"

#define LOOK_TIMEOUT_US (3 * G_USEC_PER_SEC)
#define N_SHOWN 5

/* Whose metadata holds: the file's, or that of what the file last said. */
static GPtrArray *
collect_policy(const Config *config, const Subject *subject)
{
    const char *kept = subject->row ? subject->row->resolved_xml : NULL;
    g_autoptr(Spec) last = NULL;

    if (subject->spec)
        return policy_lines(config, subject->name, subject->spec);
    if (kept)
        last = spec_parse("(the file when it was last read)", kept, strlen(kept));
    return policy_lines(config, subject->name, last);
}

/* A start that the host has no memory for is not what would happen next. */
static bool
find_held(Explanation *explanation, GError **error)
{
    g_autoptr(MemoryOutlook) outlook = memory_outlook_new(explanation->site, error);
    PlanInput input = explanation->subject->input;
    g_autofree char *held = NULL;
    bool is_never;

    if (!outlook)
        return false;
    held = memory_outlook_held(outlook, explanation->subject, explanation->plan, &is_never);
    if (!held)
        return true;
    input.memory_held = held;
    input.is_memory_refused = is_never || input.policy.memory_admission == ADMISSION_REFUSE;
    domain_plan_free(explanation->plan);
    explanation->plan = plan_domain(&input);
    return true;
}

static bool
collect(Explanation *explanation, GError **error)
{
    const Subject *subject = explanation->subject;
    Store *store = explanation->site->store;
    HistoryFilter filter = { .domain = subject->name, .limit = N_SHOWN };

    explanation->plan = plan_domain(&subject->input);
    if (!find_held(explanation, error))
        return false;
    explanation->policy = collect_policy(explanation->site->config, subject);
    explanation->devices = store_memory_device_list(store, subject->name, error);
    if (!explanation->devices)
        return false;
    explanation->history.changes = store_change_list(store, &filter, error);
    if (!explanation->history.changes)
        return false;
    explanation->history.actions = store_action_list(store, &filter, error);
    return explanation->history.actions != NULL;
}

static bool
print(const Explanation *explanation, const Invocation *invocation)
{
    g_autofree char *text = NULL;

    if (invocation->global.output == OUTPUT_JSON) {
        g_autoptr(Json) json = explanation_json(explanation);

        return message_print_json(json);
    }
    text = explanation_text(explanation, g_get_real_time(),
                            terminal_has_color(1, invocation->global.color));
    return message_print(text);
}

static int
run_explain(const Invocation *invocation)
{
    const char *name = invocation->args[0];
    g_autoptr(SiteSetup) setup = site_open(invocation, SITE_LOOK);
    g_autoptr(Subject) subject = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(Explanation) explanation = { 0 };

    if (!setup || !site_check_names(&setup->site, invocation->args))
        return EXIT_FAILED;
    subject = subject_gather(&setup->site, name, LOOK_TIMEOUT_US, &error);
    explanation.site = &setup->site;
    explanation.subject = subject;
    if (!subject || !collect(&explanation, &error)) {
        message_error("%s: %s", name, error->message);
        return EXIT_FAILED;
    }
    return print(&explanation, invocation) ? 0 : EXIT_FAILED;
}

const Command explain_command = {
    .name = "explain",
    .arguments = "NAME",
    .summary = "Say why a domain is as it is",
    .doc = "Conditions, memory device by device, the policy in force and where each value comes\n"
           "from, the last changes of the file and the last actions with their causes, and what\n"
           "would happen next. Looks at the file and at QEMU now, and changes nothing.",
    .examples = "  virtkeep explain web-1\n"
                "  virtkeep explain web-1 --output json | jq '.conditions[] | select(.status|not)'",
    .min_args = 1,
    .max_args = 1,
    .run = run_explain,
};
