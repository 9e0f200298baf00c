/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtkeep doctor: what this host can do, and what to do where it can't.
 *
 * The checks are in doctor-*.c and only collect; here they are run in order and printed. A
 * configuration with mistakes is the first finding, and the rest is checked with the defaults: that
 * is when one most wants to know.
 */
#include <unistd.h>

#include "controller/commands.h"
#include "controller/doctor.h"
#include "controller/message.h"

static const char *const level_names[] = {
    [FINDING_OK] = "ok",
    [FINDING_WARN] = "warn",
    [FINDING_FAIL] = "fail",
};

static const Style level_styles[] = {
    [FINDING_OK] = STYLE_GOOD,
    [FINDING_WARN] = STYLE_CAUTION,
    [FINDING_FAIL] = STYLE_BAD,
};

static void
finding_free(gpointer data)
{
    Finding *finding = data;

    g_free(finding->text);
    g_free(finding->advice);
    g_free(finding);
}

Findings *
findings_new(void)
{
    Findings *findings = g_new0(Findings, 1);

    findings->items = g_ptr_array_new_with_free_func(finding_free);
    return findings;
}

void
findings_free(Findings *findings)
{
    if (!findings)
        return;
    g_ptr_array_unref(findings->items);
    g_free(findings);
}

void
findings_add(Findings *findings, FindingLevel level, const char *check, const char *advice,
             const char *format, ...)
{
    Finding *finding = g_new0(Finding, 1);
    va_list args;

    va_start(args, format);
    finding->text = g_strdup_vprintf(format, args);
    va_end(args);
    finding->level = level;
    finding->check = check;
    finding->advice = g_strdup(advice);
    g_ptr_array_add(findings->items, finding);
}

const char *
finding_level_name(FindingLevel level)
{
    return level_names[level];
}

static guint
count_level(const Findings *findings, FindingLevel level)
{
    guint n = 0;

    for (guint i = 0; i < findings->items->len; i++)
        n += ((const Finding *) findings->items->pdata[i])->level == level;
    return n;
}

static bool
print_text(const Findings *findings, const GlobalOptions *global)
{
    bool is_colored = terminal_has_color(STDOUT_FILENO, global->color);
    g_autoptr(GString) out = g_string_new(NULL);

    for (guint i = 0; i < findings->items->len; i++) {
        const Finding *finding = findings->items->pdata[i];
        Style style = level_styles[finding->level];
        g_autofree char *text = text_printable(finding->text);

        if (global->quiet && finding->level == FINDING_OK)
            continue;
        g_string_append_printf(out, "%s%-4s%s  %-10s  %s\n", style_begin(style, is_colored),
                               level_names[finding->level], style_end(style, is_colored),
                               finding->check, text);
        if (finding->advice)
            g_string_append_printf(out, "%18s%s\n", "", finding->advice);
    }
    if (!global->quiet)
        g_string_append_printf(
            out, "%u ok, %u to look at, %u failed\n", count_level(findings, FINDING_OK),
            count_level(findings, FINDING_WARN), count_level(findings, FINDING_FAIL));
    return message_print(out->str);
}

static bool
print_json(const Findings *findings)
{
    g_autoptr(Json) json = message_json_new();
    Json *list = json_new_array(), *summary = json_new_object();

    for (guint i = 0; i < findings->items->len; i++) {
        const Finding *finding = findings->items->pdata[i];
        Json *item = json_new_object();

        json_set_string(item, "level", level_names[finding->level]);
        json_set_string(item, "check", finding->check);
        json_set_string(item, "text", finding->text);
        json_set_string(item, "advice", finding->advice);
        json_append(list, item);
    }
    for (guint level = 0; level < G_N_ELEMENTS(level_names); level++)
        json_set_uint(summary, level_names[level], count_level(findings, level));
    json_set(json, "findings", list);
    json_set(json, "summary", summary);
    return message_print_json(json);
}

/* The configuration, or the defaults after a finding that says why. */
static Config *
load_config(const GlobalOptions *global, Findings *findings)
{
    ConfigPaths paths = { .config = global->config,
                          .domains = global->domains,
                          .state = global->state,
                          .run = global->run,
                          .log = global->log };
    g_autoptr(Diagnostics) diagnostics = NULL;
    g_autoptr(GError) error = NULL;
    Config *config = config_load(&paths, &diagnostics, &error);
    const Diagnostic *first = diagnostics_first_error(diagnostics);

    if (config) {
        findings_add(findings, FINDING_OK, "config", NULL, "%s",
                     config->file ? config->file : "none, all defaults");
        return config;
    }
    if (first) {
        g_autofree char *line = diagnostic_format(diagnostics, first);

        findings_add(findings, FINDING_FAIL, "config", "mend it; the rest is checked with defaults",
                     "%s", line);
    } else {
        findings_add(findings, FINDING_FAIL, "config", "the rest is checked with defaults", "%s",
                     error->message);
    }
    return config_default(geteuid());
}

static int
run_doctor(const Invocation *invocation)
{
    const GlobalOptions *global = &invocation->global;
    g_autoptr(Findings) findings = findings_new();
    g_autoptr(Config) config = load_config(global, findings);
    bool is_printed;

    doctor_check_qemu(config, findings);
    doctor_check_host(config, findings);
    doctor_check_cgroup(config, findings);
    doctor_check_paths(config, findings);
    is_printed =
        global->output == OUTPUT_JSON ? print_json(findings) : print_text(findings, global);
    return is_printed && !count_level(findings, FINDING_FAIL) ? 0 : EXIT_FAILED;
}

const Command doctor_command = {
    .name = "doctor",
    .arguments = "",
    .summary = "Say what this host can do",
    .doc = "Tries KVM by running code on it, asks each emulator, and looks at memory, huge pages,\n"
           "firmware, limits, and the directories of the configuration. Changes nothing.\n"
           "Exit status: 1 when something failed, else 0, also with warnings.",
    .examples = "  virtkeep doctor\n"
                "  virtkeep --quiet doctor       only what is wrong\n"
                "  virtkeep --output json doctor",
    .run = run_doctor,
};
