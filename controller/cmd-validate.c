/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtkeep validate: what is wrong with files, before anybody acts on them.
 *
 * Each PATH is a domain file, a directory (scanned as `watch` scans it, so that two files with one
 * name are seen), a configuration file (*.yaml, *.yml), or "-" for a domain on standard input.
 * Nothing else is read: neither the configuration nor the state, so that it runs in a pre-commit
 * hook or on a machine without QEMU.
 *
 * All that is found goes into one list of Diagnostics, from which both outputs are made.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/xml.h"

#include "controller/commands.h"
#include "controller/directory.h"
#include "controller/message.h"
#include "controller/spec-check.h"

typedef struct ValidateOptions {
    bool is_strict;
} ValidateOptions;

static const Option validate_options[] = {
    { .name = "strict",
      .type = OPTION_FLAG,
      .offset = offsetof(ValidateOptions, is_strict),
      .doc = "fail on warnings too" },
    OPTION_END,
};

/* One file's verdict. */
typedef struct Verdict {
    char *file;
    char *name; /* NULL when it isn't a domain or doesn't say */
    bool is_valid;
} Verdict;

typedef struct ValidateRun {
    const Invocation *invocation;
    bool is_colored;
    GPtrArray *verdicts; /* Verdict* */
    Json *diagnostics;   /* array; NULL for text */
    guint n_errors, n_warnings;
} ValidateRun;

static void
verdict_free(gpointer data)
{
    Verdict *verdict = data;

    g_free(verdict->file);
    g_free(verdict->name);
    g_free(verdict);
}

static void
add_diagnostics(ValidateRun *run, const Diagnostics *diagnostics)
{
    for (guint i = 0; i < diagnostics->items->len; i++) {
        const Diagnostic *diagnostic = diagnostics->items->pdata[i];

        run->n_errors += diagnostic->severity == SEVERITY_ERROR;
        run->n_warnings += diagnostic->severity == SEVERITY_WARNING;
        if (run->diagnostics)
            json_append(run->diagnostics, diagnostic_json(diagnostics, diagnostic));
    }
    if (!run->diagnostics)
        message_diagnostics(diagnostics, run->is_colored);
}

static void
add_verdict(ValidateRun *run, const char *file, const char *name, bool is_valid)
{
    Verdict *verdict = g_new0(Verdict, 1);

    verdict->file = g_strdup(file);
    verdict->name = g_strdup(name);
    verdict->is_valid = is_valid;
    g_ptr_array_add(run->verdicts, verdict);
}

/* A path that can't be read at all, and the error that says so, which may name it again. */
static void
add_failure(ValidateRun *run, const char *path, const char *text)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new(path);
    g_autofree char *prefix = g_strconcat(path, ": ", NULL);

    if (g_str_has_prefix(text, prefix))
        text += strlen(prefix);
    diagnostics_add(diagnostics, SEVERITY_ERROR, (Position){ 0 }, "unreadable", "%s", text);
    add_diagnostics(run, diagnostics);
    add_verdict(run, path, NULL, false);
}

static void
validate_spec(ValidateRun *run, Spec *spec)
{
    spec_check_places(spec);
    add_diagnostics(run, spec->diagnostics);
    add_verdict(run, spec->file, spec->domain->name, spec_is_valid(spec));
}

static void
validate_input(ValidateRun *run)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(Spec) spec = NULL;
    guint8 buffer[65536];
    size_t n;

    while (bytes->len <= XML_MAX_BYTES && (n = fread(buffer, 1, sizeof(buffer), stdin)) > 0)
        g_byte_array_append(bytes, buffer, n);
    spec = spec_parse("<stdin>", (const char *) bytes->data, bytes->len);
    validate_spec(run, spec);
}

static void
validate_file(ValidateRun *run, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Spec) spec = spec_load(path, &error);

    if (spec)
        validate_spec(run, spec);
    else
        add_failure(run, path, error->message);
}

static void
validate_config(ValidateRun *run, const char *path)
{
    ConfigPaths paths = { .config = path };
    g_autoptr(Diagnostics) diagnostics = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = config_load(&paths, &diagnostics, &error);

    add_diagnostics(run, diagnostics);
    if (!config && !diagnostics_has_errors(diagnostics))
        add_failure(run, path, error->message);
    else
        add_verdict(run, path, NULL, config != NULL);
}

static void
validate_directory(ValidateRun *run, const char *path)
{
    g_autoptr(DirectoryScan) scan = directory_scan(path, false, NULL);

    if (scan->problem)
        add_failure(run, path, scan->problem);
    if (scan->is_empty)
        message_note("%s: holds no *.xml", path);
    for (guint i = 0; i < scan->entries->len; i++) {
        const DirectoryEntry *entry = scan->entries->pdata[i];
        g_autoptr(Spec) spec = directory_entry_spec(entry);

        if (spec) {
            spec_check_places(spec);
            add_diagnostics(run, spec->diagnostics);
        }
        if (entry->trouble)
            add_diagnostics(run, entry->trouble);
        add_verdict(run, entry->file, entry->name,
                    entry->state == ENTRY_VALID && (!spec || spec_is_valid(spec)));
    }
}

static void
validate_path(ValidateRun *run, const char *path)
{
    struct stat status;

    if (!strcmp(path, "-"))
        validate_input(run);
    else if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        validate_directory(run, path);
    else if (g_str_has_suffix(path, ".yaml") || g_str_has_suffix(path, ".yml"))
        validate_config(run, path);
    else
        validate_file(run, path);
}

static guint
count_valid(const ValidateRun *run)
{
    guint n_valid = 0;

    for (guint i = 0; i < run->verdicts->len; i++)
        n_valid += ((const Verdict *) run->verdicts->pdata[i])->is_valid;
    return n_valid;
}

static bool
print_summary(const ValidateRun *run)
{
    guint n_files = run->verdicts->len, n_valid = count_valid(run);
    g_autofree char *text = NULL;

    if (run->invocation->global.quiet)
        return true;
    text = g_strdup_printf("%u file%s: %u valid, %u not\n", n_files, n_files == 1 ? "" : "s",
                           n_valid, n_files - n_valid);
    return message_print(text);
}

static bool
print_json(ValidateRun *run)
{
    g_autoptr(Json) json = message_json_new();
    Json *files = json_new_array(), *summary = json_new_object();

    for (guint i = 0; i < run->verdicts->len; i++) {
        const Verdict *verdict = run->verdicts->pdata[i];
        Json *file = json_new_object();

        json_set_string(file, "file", verdict->file);
        json_set_string(file, "name", verdict->name);
        json_set_bool(file, "valid", verdict->is_valid);
        json_append(files, file);
    }
    json_set_uint(summary, "files", run->verdicts->len);
    json_set_uint(summary, "valid", count_valid(run));
    json_set_uint(summary, "errors", run->n_errors);
    json_set_uint(summary, "warnings", run->n_warnings);
    json_set(json, "files", files);
    json_set(json, "diagnostics", g_steal_pointer(&run->diagnostics));
    json_set(json, "summary", summary);
    return message_print_json(json);
}

static int
run_validate(const Invocation *invocation)
{
    const ValidateOptions *options = invocation->options;
    bool is_json = invocation->global.output == OUTPUT_JSON, is_printed;
    g_autoptr(GPtrArray) verdicts = g_ptr_array_new_with_free_func(verdict_free);
    ValidateRun run = {
        .invocation = invocation,
        .is_colored = terminal_has_color(STDERR_FILENO, invocation->global.color),
        .verdicts = verdicts,
        .diagnostics = is_json ? json_new_array() : NULL,
    };

    for (guint i = 0; i < invocation->n_args; i++)
        validate_path(&run, invocation->args[i]);
    is_printed = is_json ? print_json(&run) : print_summary(&run);
    if (!is_printed || run.n_errors || count_valid(&run) < verdicts->len)
        return EXIT_FAILED;
    return options->is_strict && run.n_warnings ? EXIT_FAILED : 0;
}

const Command validate_command = {
    .name = "validate",
    .arguments = "PATH...",
    .summary = "Check domain files without touching anything",
    .doc = "A PATH is a domain XML file, a directory of them, a configuration file (*.yaml), or\n"
           "- for standard input. What is wrong is printed on stderr, all of it, as\n"
           "FILE:LINE:COL: error|warning|note: text [code]. Exit status: 0 when all files are\n"
           "valid, 1 when one is not.",
    .examples = "  virtkeep validate web-1.xml\n"
                "  virtkeep validate --strict /etc/virtkeep/domains\n"
                "  virsh dumpxml web-1 | virtkeep --output json validate -",
    .options = validate_options,
    .options_size = sizeof(ValidateOptions),
    .min_args = 1,
    .max_args = G_MAXUINT,
    .run = run_validate,
};
