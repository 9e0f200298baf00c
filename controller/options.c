/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line, parsed by table: each option is one row that says its type, where its value
 * goes and what it means, and yields parsing, `--help` and (through a test) the man page.
 *
 * Global options may stand before or after the command, and options and arguments may be mixed,
 * so a first look finds the command: the first argument that is not an option or an option's
 * value. "--" ends the options. Names are never abbreviated: scripts rely on this contract, and an
 * abbreviation that is unique today is ambiguous tomorrow.
 *
 * options_parse() only computes: what to run or what to print, and the exit status.
 */
#include "controller/options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "model/quantity.h"
#include "model/text.h"

#include "controller/message.h"

#define HELP_COLUMN_MAX 26

static const char *const output_names[] = { NULL, "text", "json", NULL };
static const char *const color_names[] = { NULL, "auto", "always", "never", NULL };

#define GLOBAL(member) offsetof(GlobalOptions, member)
const Option global_options[] = {
    { .name = "config",
      .type = OPTION_STRING,
      .offset = GLOBAL(config),
      .argument = "FILE",
      .doc = "the configuration file" },
    { .name = "domains",
      .type = OPTION_STRING,
      .offset = GLOBAL(domains),
      .argument = "DIR",
      .doc = "the directory of domain XML files" },
    { .name = "state",
      .type = OPTION_STRING,
      .offset = GLOBAL(state),
      .argument = "FILE",
      .doc = "the SQLite file" },
    { .name = "run",
      .type = OPTION_STRING,
      .offset = GLOBAL(run),
      .argument = "DIR",
      .doc = "sockets and locks" },
    { .name = "log",
      .type = OPTION_STRING,
      .offset = GLOBAL(log),
      .argument = "DIR",
      .doc = "what each QEMU says on stderr" },
    { .name = "output",
      .type = OPTION_ENUM,
      .offset = GLOBAL(output),
      .argument = "text|json",
      .names = output_names,
      .doc = "for people or for programs" },
    { .name = "color",
      .type = OPTION_ENUM,
      .offset = GLOBAL(color),
      .argument = "auto|always|never",
      .names = color_names,
      .doc = "colour; auto: on a terminal, unless NO_COLOR is set" },
    { .name = "verbose",
      .letter = 'v',
      .type = OPTION_FLAG,
      .offset = GLOBAL(verbose),
      .doc = "say more on stderr" },
    { .name = "quiet",
      .letter = 'q',
      .type = OPTION_FLAG,
      .offset = GLOBAL(quiet),
      .doc = "say only what went wrong" },
    OPTION_END,
};

/* The state of one parse; @problem ends it. */
typedef struct Parse {
    const Command *const *commands;
    Invocation *invocation;
    GPtrArray *args;
    bool wants_help, wants_version;
    char *problem;
} Parse;

#define member(base, offset, Type) (*(Type *) ((char *) (base) + (offset)))

static void
clear_values(const Option *options, gpointer base)
{
    for (const Option *option = options; option && option->name; option++) {
        switch (option->type) {
        case OPTION_STRING:
            g_clear_pointer(&member(base, option->offset, char *), g_free);
            break;
        case OPTION_STRINGS:
            g_clear_pointer(&member(base, option->offset, GPtrArray *), g_ptr_array_unref);
            break;
        case OPTION_FLAG:
        case OPTION_DURATION:
        case OPTION_UINT:
        case OPTION_ENUM:
            break;
        }
    }
}

void
invocation_free(Invocation *invocation)
{
    if (!invocation)
        return;
    clear_values(global_options, &invocation->global);
    if (invocation->options)
        clear_values(invocation->command->options, invocation->options);
    g_free(invocation->options);
    g_strfreev((char **) invocation->args);
    g_free(invocation);
}

static const Command *
find_command(const Command *const *commands, const char *name)
{
    for (; *commands; commands++)
        if (!strcmp((*commands)->name, name))
            return *commands;
    return NULL;
}

/* The row for "--name" (its first @length characters) or, with @length 0, the letter @name[0]. */
static const Option *
find_row(const Option *options, const char *name, size_t length)
{
    for (const Option *option = options; option && option->name; option++) {
        if (length ? strlen(option->name) == length && !strncmp(option->name, name, length)
                   : option->letter == *name)
            return option;
    }
    return NULL;
}

static const Option *
find_option(const Invocation *invocation, const char *name, size_t length, gpointer *ret_base)
{
    const Option *option = find_row(global_options, name, length);

    if (option) {
        *ret_base = (gpointer) &invocation->global;
        return option;
    }
    *ret_base = invocation->options;
    return invocation->command ? find_row(invocation->command->options, name, length) : NULL;
}

/* NULL when good, else what is wrong with @value; caller frees. */
static char *
set_value(const Option *option, gpointer base, const char *value)
{
    switch (option->type) {
    case OPTION_FLAG:
        member(base, option->offset, bool) = true;
        return NULL;
    case OPTION_STRING:
        if (!*value)
            return g_strdup_printf("--%s must not be empty", option->name);
        g_free(member(base, option->offset, char *));
        member(base, option->offset, char *) = g_strdup(value);
        return NULL;
    case OPTION_STRINGS:
        if (!member(base, option->offset, GPtrArray *))
            member(base, option->offset, GPtrArray *) = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(member(base, option->offset, GPtrArray *), g_strdup(value));
        return NULL;
    case OPTION_DURATION:
        if (duration_parse(value, &member(base, option->offset, gint64)))
            return NULL;
        return g_strdup_printf("--%s: '%s' is not a duration, such as 90s or 5m", option->name,
                               value);
    case OPTION_UINT: {
        OptUint *number = &member(base, option->offset, OptUint);

        number->is_set =
            g_ascii_string_to_unsigned(value, 10, 0, G_MAXUINT64, &number->value, NULL);
        return number->is_set
                   ? NULL
                   : g_strdup_printf("--%s: '%s' is not a whole number", option->name, value);
    }
    case OPTION_ENUM: {
        int chosen = enum_value(option->names, value);

        if (!chosen)
            return g_strdup_printf("--%s: '%s' is none of %s", option->name, value,
                                   option->argument);
        member(base, option->offset, int) = chosen;
        return NULL;
    }
    }
    g_assert_not_reached();
}

/* What to call the option in a message, with the command where the option is the command's. */
static char *
unknown_option(const Parse *parse, const char *argument)
{
    const Command *command = parse->invocation->command;
    int length = (int) strcspn(argument, "=");

    return command
               ? g_strdup_printf("unknown option '%.*s' for '%s'", length, argument, command->name)
               : g_strdup_printf("unknown option '%.*s'", length, argument);
}

/* "--name", "--name=value", "--name value"; returns how many arguments were taken. */
static int
take_long(Parse *parse, char *const *argv)
{
    const char *name = argv[0] + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t) (equals - name) : strlen(name);
    const Option *option;
    gpointer base;

    if (!strcmp(name, "help")) {
        parse->wants_help = true;
        return 1;
    }
    if (!strcmp(name, "version")) {
        parse->wants_version = true;
        return 1;
    }
    option = length ? find_option(parse->invocation, name, length, &base) : NULL;
    if (!option)
        parse->problem = unknown_option(parse, argv[0]);
    else if (option->type == OPTION_FLAG && equals)
        parse->problem = g_strdup_printf("--%s takes no value", option->name);
    else if (option->type != OPTION_FLAG && !equals && !argv[1])
        parse->problem = g_strdup_printf("--%s needs a value: %s", option->name, option->argument);
    else
        parse->problem = set_value(option, base, equals ? equals + 1 : argv[1]);
    return option && option->type != OPTION_FLAG && !equals ? 2 : 1;
}

/* "-v", "-vq", "-n value"; returns how many arguments were taken. */
static int
take_letters(Parse *parse, char *const *argv)
{
    for (const char *letter = argv[0] + 1; *letter && !parse->problem; letter++) {
        gpointer base;
        const Option *option = find_option(parse->invocation, letter, 0, &base);

        if (*letter == 'h' && !option) {
            parse->wants_help = true;
        } else if (!option) {
            parse->problem = unknown_option(parse, argv[0]);
        } else if (option->type == OPTION_FLAG) {
            parse->problem = set_value(option, base, "");
        } else if (letter[1] || !argv[1]) {
            parse->problem = g_strdup_printf("-%c needs a value: %s", *letter, option->argument);
        } else {
            parse->problem = set_value(option, base, argv[1]);
            return 2;
        }
    }
    return 1;
}

static const char *
nearest_command(const Command *const *commands, const char *name)
{
    for (; *commands; commands++)
        if (text_is_near(name, (*commands)->name))
            return (*commands)->name;
    return NULL;
}

/* The command named by @name, chosen before its options can be understood. */
static void
choose_command(Parse *parse, const char *name)
{
    Invocation *invocation = parse->invocation;

    invocation->command = find_command(parse->commands, name);
    if (!invocation->command) {
        const char *meant = nearest_command(parse->commands, name);

        parse->problem =
            meant ? g_strdup_printf("unknown command '%s'; did you mean '%s'?", name, meant)
                  : g_strdup_printf("unknown command '%s'", name);
        return;
    }
    if (invocation->command->options_size) {
        invocation->options = g_malloc0(invocation->command->options_size);
        if (invocation->command->set_defaults)
            invocation->command->set_defaults(invocation->options);
    }
}

/* Options before the command can only be global ones, so one walk from left to right does. */
static void
take_all(Parse *parse, int argc, char **argv)
{
    bool is_options_ended = false;

    for (int i = 1; i < argc && !parse->problem;) {
        if (!is_options_ended && !strcmp(argv[i], "--")) {
            is_options_ended = true;
            i++;
        } else if (!is_options_ended && g_str_has_prefix(argv[i], "--")) {
            i += take_long(parse, argv + i);
        } else if (!is_options_ended && argv[i][0] == '-' && argv[i][1]) {
            i += take_letters(parse, argv + i);
        } else if (!parse->invocation->command) {
            choose_command(parse, argv[i++]);
        } else {
            g_ptr_array_add(parse->args, g_strdup(argv[i++]));
        }
    }
}

static char *
check_arguments(const Parse *parse)
{
    const Command *command = parse->invocation->command;

    if (!command)
        return g_strdup("no command given");
    if (parse->args->len < command->min_args)
        return g_strdup_printf("'%s' needs %s", command->name, command->arguments);
    if (parse->args->len > command->max_args)
        return g_strdup_printf("'%s' takes no argument '%s'", command->name,
                               (const char *) parse->args->pdata[command->max_args]);
    if (parse->invocation->global.verbose && parse->invocation->global.quiet)
        return g_strdup("--verbose and --quiet exclude each other");
    return NULL;
}

static char *
usage_problem(const Parse *parse)
{
    const Command *command = parse->invocation->command;

    return g_strdup_printf("virtkeep: %s\nTry 'virtkeep %s%s--help'.\n", parse->problem,
                           command ? command->name : "", command ? " " : "");
}

Invocation *
options_parse(const Command *const *all, int argc, char **argv, int *ret_status, char **ret_text)
{
    g_autoptr(Invocation) invocation = g_new0(Invocation, 1);
    g_autoptr(GPtrArray) args = g_ptr_array_new_with_free_func(g_free);
    Parse parse = { .commands = all, .invocation = invocation, .args = args };
    g_autofree char *problem = NULL;

    invocation->global.output = OUTPUT_TEXT;
    invocation->global.color = COLOR_AUTO;
    take_all(&parse, argc, argv);
    if (!parse.problem && (parse.wants_help || parse.wants_version)) {
        *ret_status = 0;
        *ret_text = parse.wants_help ? options_help(all, invocation->command)
                                     : g_strdup("virtkeep " VIRTKEEP_VERSION "\n");
        return NULL;
    }
    if (!parse.problem)
        parse.problem = check_arguments(&parse);
    problem = parse.problem;
    if (problem) {
        *ret_status = EXIT_USAGE;
        *ret_text = usage_problem(&parse);
        return NULL;
    }
    invocation->n_args = args->len;
    g_ptr_array_add(args, NULL);
    invocation->args = (const char *const *) g_ptr_array_free(g_steal_pointer(&args), FALSE);
    return g_steal_pointer(&invocation);
}

int
options_main(const Command *const *all, int argc, char **argv)
{
    g_autoptr(Invocation) invocation = NULL;
    g_autofree char *text = NULL;
    int status = 0;

    invocation = options_parse(all, argc, argv, &status, &text);
    if (!invocation) {
        if (status == 0)
            return message_print(text) ? 0 : EXIT_FAILED;
        fputs(text, stderr);
        return status;
    }
    message_set_level(invocation->global.verbose, invocation->global.quiet);
    return invocation->command->run(invocation);
}

Config *
invocation_config(const Invocation *invocation)
{
    const GlobalOptions *global = &invocation->global;
    ConfigPaths paths = { .config = global->config,
                          .domains = global->domains,
                          .state = global->state,
                          .run = global->run,
                          .log = global->log };
    g_autoptr(Diagnostics) diagnostics = NULL;
    g_autoptr(GError) error = NULL;
    Config *config = config_load(&paths, &diagnostics, &error);

    message_diagnostics(diagnostics, terminal_has_color(2, global->color));
    if (!config)
        message_error("%s", error->message);
    return config;
}

/* ---- help ---- */

static void
append_options(GString *out, const Option *options)
{
    for (const Option *option = options; option->name; option++) {
        g_autofree char *letter =
            option->letter ? g_strdup_printf("-%c, ", option->letter) : g_strdup("    ");
        g_autofree char *left =
            g_strdup_printf("%s--%s%s%s", letter, option->name, option->argument ? " " : "",
                            option->argument ? option->argument : "");

        if (strlen(left) > HELP_COLUMN_MAX)
            g_string_append_printf(out, "  %s\n  %*s  %s\n", left, HELP_COLUMN_MAX, "",
                                   option->doc);
        else
            g_string_append_printf(out, "  %-*s  %s\n", HELP_COLUMN_MAX, left, option->doc);
    }
}

/* Where things are for who says nothing. */
static void
append_places(GString *out)
{
    g_autoptr(Config) config = config_default(geteuid());
    g_autofree char *file = config_default_file();
    const char *const places[][2] = {
        { "--config", file },     { "--domains", config->domains }, { "--state", config->state },
        { "--run", config->run }, { "--log", config->log },
    };

    g_string_append(out,
                    "\nFor this user, unless an option or the configuration says otherwise:\n");
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++)
        g_string_append_printf(out, "      %-*s%s\n", HELP_COLUMN_MAX - 2, places[i][0],
                               places[i][1]);
}

static void
append_program_help(GString *out, const Command *const *all)
{
    g_string_append(out, "Usage: virtkeep [OPTION...] COMMAND\n\n"
                         "Keeps QEMU virtual machines as their libvirt domain XML files say.\n\n"
                         "Commands:\n");
    for (; *all; all++)
        g_string_append_printf(out, "  %-*s  %s\n", HELP_COLUMN_MAX, (*all)->name, (*all)->summary);
    g_string_append(out, "\nOptions, before or after the command:\n");
    append_options(out, global_options);
    g_string_append_printf(out, "  %-*s  %s\n  %-*s  %s\n", HELP_COLUMN_MAX, "-h, --help",
                           "this text", HELP_COLUMN_MAX, "    --version", "the version");
    append_places(out);
    g_string_append(out, "\n'virtkeep COMMAND --help' says more, with examples.\n");
}

static void
append_command_help(GString *out, const Command *command)
{
    g_string_append_printf(out, "Usage: virtkeep [OPTION...] %s%s%s%s\n\n%s.\n", command->name,
                           command->options ? " [OPTION...]" : "", *command->arguments ? " " : "",
                           command->arguments, command->summary);
    if (command->doc)
        g_string_append_printf(out, "\n%s\n", command->doc);
    if (command->options) {
        g_string_append(out, "\nOptions:\n");
        append_options(out, command->options);
    }
    g_string_append(out, "\nOptions of every command:\n");
    append_options(out, global_options);
    if (command->examples)
        g_string_append_printf(out, "\nExamples:\n%s\n", command->examples);
}

char *
options_help(const Command *const *all, const Command *command)
{
    GString *out = g_string_new(NULL);

    if (command)
        append_command_help(out, command);
    else
        append_program_help(out, all);
    return g_string_free(out, FALSE);
}
