/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `virtkeep argv FILE`: what QEMU would be given for one file, as words a shell takes back. For
 * people who want to know, for comparison with another tool's, and for trying a machine by hand.
 * Nothing is started and nothing written. A password never stands in a command line.
 */
#include "controller/argv.h"
#include "controller/commands.h"
#include "controller/message.h"

static bool
print_argv(char *const *argv, OutputFormat format)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(Json) array = json_new_array();

    for (; *argv; argv++) {
        g_autofree char *word = argv_shell_word(*argv);

        g_string_append_printf(text, "%s\n", word);
        json_append_string(array, *argv);
    }
    return format == OUTPUT_JSON ? message_print_json(array) : message_print(text->str);
}

/* What the state knows of emulators, if it can be read; this command has no other use for it. */
static Store *
open_cache(const Config *config)
{
    Store *store = store_open(config->state, STORE_READ_ONLY, NULL);

    return store ? store : store_open("(none)", STORE_MEMORY, NULL);
}

static char **
make_argv(const Invocation *invocation, const Config *config, const Spec *spec)
{
    g_autoptr(Host) host = host_new();
    g_autoptr(Store) store = open_cache(config);
    g_autoptr(Diagnostics) diagnostics = diagnostics_new(spec->file);
    Site site = { .config = config, .host = host, .store = store };
    char **argv = argv_of_spec(&site, spec, diagnostics);

    message_diagnostics(diagnostics, terminal_has_color(2, invocation->global.color));
    return argv;
}

static int
run_argv(const Invocation *invocation)
{
    g_autoptr(Config) config = invocation_config(invocation);
    g_autoptr(GError) error = NULL;
    g_autoptr(Spec) spec = NULL;
    g_auto(GStrv) argv = NULL;

    if (!config)
        return EXIT_FAILED;
    spec = spec_load(invocation->args[0], &error);
    if (!spec) {
        message_error("%s", error->message);
        return EXIT_FAILED;
    }
    message_diagnostics(spec->diagnostics, terminal_has_color(2, invocation->global.color));
    if (!spec_is_valid(spec))
        return EXIT_FAILED;
    argv = make_argv(invocation, config, spec);
    return argv && print_argv(argv, invocation->global.output) ? 0 : EXIT_FAILED;
}

const Command argv_command = {
    .name = "argv",
    .arguments = "FILE",
    .summary = "Print the QEMU command line of a file",
    .doc = "One shell-quoted argument a line, or with --output json an array of strings. No disk,\n"
           "bridge, huge page or KVM that the file names need exist here. Where this host's QEMU\n"
           "lacks something the command line is the newest QEMU's, and warnings say what is\n"
           "missing. Addresses and ids are those of a first start; what virtkeep has assigned to\n"
           "a domain before is not looked up. What a QEMU can do is asked once and kept in the\n"
           "state file, or without one in $XDG_CACHE_HOME/virtkeep.",
    .examples = "  virtkeep argv web-1.xml\n"
                "  virtkeep argv web-1.xml --output json | jq -r '.[]'\n"
                "  diff <(virtkeep argv old.xml) <(virtkeep argv new.xml)",
    .min_args = 1,
    .max_args = 1,
    .run = run_argv,
};
