/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `virtkeep plan`: what `apply` would do, without doing it: no lock, no write. It looks with the
 * eyes of a pass and plans with the same function; only what a guest does meanwhile can differ.
 *
 * A plan is for people on a terminal, for a review as a saved file (`--out`, carried out by `apply
 * --plan` if nothing has moved), and for scripts by its exit status. With `--observed` it needs
 * nothing of this host but the files.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/commands.h"
#include "controller/memory-outlook.h"
#include "controller/message.h"
#include "controller/render-forecast.h"
#include "controller/render-plan.h"
#include "controller/site.h"

typedef struct PlanOptions {
    char *out, *observed;
    bool has_exit_code;
} PlanOptions;

static const Option plan_options[] = {
    { .name = "out",
      .type = OPTION_STRING,
      .offset = offsetof(PlanOptions, out),
      .argument = "FILE",
      .doc = "write the plan as JSON, for `apply --plan FILE`" },
    { .name = "observed",
      .type = OPTION_STRING,
      .offset = offsetof(PlanOptions, observed),
      .argument = "FILE",
      .doc = "plan offline: QEMUs and state are what this recording says" },
    { .name = "exit-code",
      .type = OPTION_FLAG,
      .offset = offsetof(PlanOptions, has_exit_code),
      .doc = "exit with 2 where there is anything to do" },
    OPTION_END,
};

static Json *
plan_json(const Plan *plan, const MemoryForecast *forecast, const Site *site)
{
    Json *json = plan_to_json(plan), *complaints = site_complaints_json(site);

    json_set(json, "complaints", complaints);
    if (forecast->peaks->len)
        json_set(json, "memory", forecast_json(forecast));
    return json;
}

static PlanKeep
what_to_keep(const Invocation *invocation)
{
    const PlanOptions *options = invocation->options;

    if (options->out)
        return PLAN_KEEP_BASES;
    return invocation->global.output == OUTPUT_JSON ? PLAN_KEEP_DIGESTS : PLAN_KEEP_NOTHING;
}

/* Replacing a device or a FIFO by a file is never what is meant. */
static bool
check_target(const char *file, GError **error)
{
    struct stat status;

    if (stat(file, &status) < 0 || S_ISREG(status.st_mode))
        return true;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE, "%s: not a regular file", file);
    return false;
}

static bool
save(const Plan *plan, const MemoryForecast *forecast, const Site *site, const char *file)
{
    g_autoptr(Json) json = plan_json(plan, forecast, site);
    g_autofree char *text = NULL, *line = NULL;
    g_autoptr(GError) error = NULL;

    json_set(json, "basis", plan_bases(plan));
    text = json_format(json, true);
    line = g_strconcat(text, g_str_has_suffix(text, "\n") ? "" : "\n", NULL);
    if (check_target(file, &error) &&
        g_file_set_contents_full(file, line, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error))
        return true;
    message_error("%s", error->message);
    return false;
}

static bool
print(const Plan *plan, const MemoryForecast *forecast, const Invocation *invocation,
      const Site *site)
{
    PlanStyle style = {
        .root = site->scan->root,
        .is_colored = terminal_has_color(1, invocation->global.color),
        .is_complete = invocation->n_args > 0 || invocation->global.verbose,
    };
    g_autofree char *text = NULL, *memory = NULL, *both = NULL;

    if (invocation->global.output == OUTPUT_JSON) {
        g_autoptr(Json) json = plan_json(plan, forecast, site);

        return message_print_json(json);
    }
    text = plan_text(plan, &style);
    memory = forecast_text(forecast, &style);
    both = g_strconcat(text, *memory ? "\n" : "", memory, NULL);
    return message_print(both);
}

static bool
is_asked_for(const DirectoryEntry *entry, const Invocation *invocation)
{
    return !invocation->n_args ||
           (entry->name && g_strv_contains((const char *const *) invocation->args, entry->name));
}

/* What the files declare that has no effect, or is doubtful. What is wrong with one is in its plan.
 */
static void
print_remarks(const Invocation *invocation, const DirectoryScan *scan)
{
    bool is_colored = terminal_has_color(STDERR_FILENO, invocation->global.color);

    for (guint i = 0; i < scan->entries->len && !invocation->global.quiet; i++) {
        const DirectoryEntry *entry = scan->entries->pdata[i];
        g_autoptr(Spec) spec = is_asked_for(entry, invocation) ? directory_entry_spec(entry) : NULL;
        g_autoptr(Diagnostics) remarks = spec ? diagnostics_remarks(spec->diagnostics) : NULL;

        if (remarks)
            message_diagnostics(remarks, is_colored);
    }
}

static bool
is_anything_to_do(const Plan *plan, const Site *site)
{
    g_autoptr(Json) complaints = site_complaints_json(site);

    return plan_has_changes(plan) || json_length(complaints) > 0;
}

static int
run_plan(const Invocation *invocation)
{
    const PlanOptions *options = invocation->options;
    g_autoptr(SiteSetup) setup = NULL;
    g_autoptr(MemoryOutlook) outlook = NULL;
    g_autoptr(MemoryForecast) forecast = NULL;
    g_autoptr(Plan) plan = NULL;
    g_autoptr(GError) error = NULL;

    setup = options->observed ? site_open_recorded(invocation, options->observed)
                              : site_open(invocation, SITE_LOOK);
    if (!setup || !site_check_names(&setup->site, invocation->args))
        return EXIT_FAILED;
    outlook = memory_outlook_new(&setup->site, &error);
    plan = outlook ? site_plan(&setup->site, invocation->args, what_to_keep(invocation), outlook,
                               &error)
                   : NULL;
    if (!plan) {
        message_error("%s", error->message);
        return EXIT_FAILED;
    }
    site_print_complaints(&setup->site);
    print_remarks(invocation, setup->scan);
    forecast = memory_outlook_forecast(outlook);
    if (!print(plan, forecast, invocation, &setup->site) ||
        (options->out && !save(plan, forecast, &setup->site, options->out)))
        return EXIT_FAILED;
    return options->has_exit_code && is_anything_to_do(plan, &setup->site) ? EXIT_CHANGES : 0;
}

const Command plan_command = {
    .name = "plan",
    .arguments = "[NAME...]",
    .summary = "Show what apply would do, and change nothing",
    .doc = "Compares the files with what runs and prints, for each domain, the fields that differ\n"
           "with file and line, and what would be done about them. Symbols: + start, - stop,\n"
           "-/+ restart, ~ update, ! blocked. Without NAME all domains are looked at. Warnings and "
           "notes\n"
           "of the files go to stderr, as `virtkeep validate` prints them; not with -q.\n\n"
           "Exit status: 0; with --exit-code 2 where there is anything to do; 1 on failure.",
    .examples = "  virtkeep plan\n"
                "  virtkeep plan web-1 --output json\n"
                "  virtkeep plan --out today.plan && virtkeep apply --plan today.plan\n"
                "  virtkeep --domains . plan --observed recorded.json --exit-code",
    .options = plan_options,
    .options_size = sizeof(PlanOptions),
    .max_args = G_MAXUINT,
    .run = run_plan,
};
