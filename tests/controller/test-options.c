/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * options.h: where options may stand, what each type takes, wrong usage, and that help names all
 * there is.
 */
#include "controller/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "controller/commands.h"
#include "model/schema.h"

typedef struct SampleOptions {
    bool is_loud;
    char *file;
    GPtrArray *tags;
    gint64 timeout;
    OptUint count;
    int shape;
} SampleOptions;

static const char *const shape_names[] = { NULL, "round", "square", NULL };

#define SAMPLE(member) .offset = offsetof(SampleOptions, member)
static const Option sample_options[] = {
    { .name = "loud", .letter = 'l', .type = OPTION_FLAG, SAMPLE(is_loud), .doc = "louder" },
    { .name = "file",
      .letter = 'f',
      .type = OPTION_STRING,
      SAMPLE(file),
      .argument = "FILE",
      .doc = "a file" },
    { .name = "tag", .type = OPTION_STRINGS, SAMPLE(tags), .argument = "TAG", .doc = "a tag" },
    { .name = "timeout",
      .type = OPTION_DURATION,
      SAMPLE(timeout),
      .argument = "D",
      .doc = "how long" },
    { .name = "count", .type = OPTION_UINT, SAMPLE(count), .argument = "N", .doc = "how many" },
    { .name = "shape",
      .type = OPTION_ENUM,
      SAMPLE(shape),
      .argument = "round|square",
      .names = shape_names,
      .doc = "which" },
    OPTION_END,
};

static void
set_sample_defaults(gpointer options)
{
    ((SampleOptions *) options)->timeout = 7;
}

static const Command sample = {
    .name = "sample",
    .arguments = "[NAME...]",
    .summary = "Show what options do",
    .options = sample_options,
    .options_size = sizeof(SampleOptions),
    .set_defaults = set_sample_defaults,
    .max_args = 2,
};
static const Command bare = { .name = "bare",
                              .arguments = "PATH",
                              .summary = "Take a path",
                              .min_args = 1,
                              .max_args = G_MAXUINT };
static const Command *const samples[] = { &sample, &bare, NULL };

/* @line: arguments separated by spaces; "''" is an empty one. */
static Invocation *
parse(const char *line, int *ret_status, char **ret_text)
{
    g_autofree char *whole = g_strconcat("virtkeep ", line, NULL);
    g_auto(GStrv) argv = NULL;
    int argc;

    assert_true(g_shell_parse_argv(whole, &argc, &argv, NULL));
    *ret_text = NULL;
    return options_parse(samples, argc, argv, ret_status, ret_text);
}

static Invocation *
parse_good(const char *line)
{
    g_autofree char *text = NULL;
    int status = -1;
    Invocation *invocation = parse(line, &status, &text);

    if (!invocation)
        fail_msg("%s: %s", line, text);
    return invocation;
}

static void
assert_usage(const char *line, const char *message)
{
    g_autofree char *text = NULL;
    g_autofree char *expected = g_strdup_printf("virtkeep: %s\n", message);
    int status = -1;
    g_autoptr(Invocation) invocation = parse(line, &status, &text);

    assert_null(invocation);
    assert_int_equal(status, EXIT_USAGE);
    if (!g_str_has_prefix(text, expected))
        fail_msg("%s: got %s", line, text);
    assert_non_null(strstr(text, "--help'.\n"));
}

static void
test_global_options_stand_anywhere(void **state)
{
    static const char *const lines[] = {
        "--config c --output json -v sample a b",
        "sample --config c --output=json a -v b",
        "--output json sample a b --verbose --config=c",
        "-v --output text sample --output json a --config x b --config c",
    };

    for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(Invocation) invocation = parse_good(lines[i]);

        assert_ptr_equal(invocation->command, &sample);
        assert_string_equal(invocation->global.config, "c");
        assert_int_equal(invocation->global.output, OUTPUT_JSON);
        assert_true(invocation->global.verbose);
        assert_int_equal(invocation->n_args, 2);
        assert_string_equal(invocation->args[0], "a");
        assert_string_equal(invocation->args[1], "b");
        assert_null(invocation->args[2]);
    }
}

static void
test_defaults(void **state)
{
    g_autoptr(Invocation) invocation = parse_good("sample");
    const SampleOptions *options = invocation->options;

    assert_int_equal(invocation->global.output, OUTPUT_TEXT);
    assert_int_equal(invocation->global.color, COLOR_AUTO);
    assert_null(invocation->global.domains);
    assert_int_equal(invocation->n_args, 0);
    assert_null(invocation->args[0]);
    assert_int_equal(options->timeout, 7);
    assert_false(options->is_loud || options->count.is_set || options->shape);
    assert_null(options->file);
}

static void
test_types(void **state)
{
    g_autoptr(Invocation) invocation =
        parse_good("sample -lvf x --tag=a --tag 'b c' --timeout 1m30s --count=18446744073709551615 "
                   "--shape square --color never");
    const SampleOptions *options = invocation->options;

    assert_true(options->is_loud);
    assert_true(invocation->global.verbose);
    assert_string_equal(options->file, "x");
    assert_int_equal(options->tags->len, 2);
    assert_string_equal(options->tags->pdata[1], "b c");
    assert_int_equal(options->timeout, 90000000);
    assert_true(options->count.is_set && options->count.value == G_MAXUINT64);
    assert_int_equal(options->shape, 2);
    assert_int_equal(invocation->global.color, COLOR_NEVER);
}

static void
test_arguments_that_look_like_options(void **state)
{
    g_autoptr(Invocation) invocation = parse_good("bare - -- --config -x");
    g_autoptr(Invocation) value = parse_good("sample --file=--loud");

    assert_int_equal(invocation->n_args, 3);
    assert_string_equal(invocation->args[0], "-");
    assert_string_equal(invocation->args[1], "--config");
    assert_string_equal(invocation->args[2], "-x");
    assert_string_equal(((SampleOptions *) value->options)->file, "--loud");
}

static void
test_wrong_usage(void **state)
{
    assert_usage("", "no command given");
    assert_usage("-v", "no command given");
    assert_usage("smaple", "unknown command 'smaple'; did you mean 'sample'?");
    assert_usage("samp", "unknown command 'samp'; did you mean 'sample'?");
    assert_usage("--loud sample", "unknown option '--loud'"); /* the command's come after it */
    assert_usage("sample --conf x", "unknown option '--conf' for 'sample'");
    assert_usage("sample --=x", "unknown option '--' for 'sample'");
    assert_usage("sample --frob=1", "unknown option '--frob' for 'sample'");
    assert_usage("sample -lz", "unknown option '-lz' for 'sample'");
    assert_usage("sample --loud=yes", "--loud takes no value");
    assert_usage("sample --file", "--file needs a value: FILE");
    assert_usage("sample -f", "-f needs a value: FILE");
    assert_usage("sample -fl x", "-f needs a value: FILE");
    assert_usage("sample --file ''", "--file must not be empty");
    assert_usage("sample --timeout soon", "--timeout: 'soon' is not a duration, such as 90s or 5m");
    assert_usage("sample --count -1", "--count: '-1' is not a whole number");
    assert_usage("sample --count 18446744073709551616",
                 "--count: '18446744073709551616' is not a whole number");
    assert_usage("sample --shape oval", "--shape: 'oval' is none of round|square");
    assert_usage("sample --output yaml", "--output: 'yaml' is none of text|json");
    assert_usage("sample a b c", "'sample' takes no argument 'c'");
    assert_usage("bare", "'bare' needs PATH");
    assert_usage("-v bare -q x", "--verbose and --quiet exclude each other");
}

static char *
answer(const char *line)
{
    char *text;
    int status = -1;
    g_autoptr(Invocation) invocation = parse(line, &status, &text);

    assert_null(invocation);
    assert_int_equal(status, 0);
    return text;
}

static void
test_help_and_version(void **state)
{
    g_autofree char *version = answer("--version");
    g_autofree char *program = answer("--help");
    g_autofree char *before = answer("--help sample");
    g_autofree char *after = answer("sample x y z --help");

    assert_string_equal(version, "virtkeep " VIRTKEEP_VERSION "\n");
    assert_non_null(strstr(program, "sample"));
    assert_non_null(strstr(program, "Take a path"));
    assert_string_equal(before, after);
    for (const Option *option = sample_options; option->name; option++) {
        g_autofree char *name = g_strdup_printf("--%s", option->name);

        assert_non_null(strstr(after, name));
        assert_non_null(strstr(after, option->doc));
    }
    for (const Option *option = global_options; option->name; option++)
        assert_non_null(strstr(after, option->doc));
}

/* The program's own tables: complete, no option twice, no line too wide. */
static void
test_real_commands(void **state)
{
    for (guint i = 0; commands[i]; i++) {
        const Command *command = commands[i];
        g_autofree char *help = options_help(commands, command);
        g_auto(GStrv) lines = g_strsplit(help, "\n", -1);
        g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);

        assert_non_null(command->summary);
        assert_non_null(command->doc);
        assert_non_null(command->examples);
        assert_non_null(command->run);
        assert_true(command->min_args <= command->max_args);
        assert_true((command->options == NULL) == (command->options_size == 0));
        for (guint j = 0; lines[j]; j++)
            assert_true(strlen(lines[j]) <= 100);
        for (const Option *option = global_options; option->name; option++)
            assert_true(g_hash_table_add(names, (gpointer) option->name));
        for (const Option *option = command->options; option && option->name; option++) {
            assert_true(g_hash_table_add(names, (gpointer) option->name));
            assert_true((option->argument == NULL) == (option->type == OPTION_FLAG));
            assert_true((option->names != NULL) == (option->type == OPTION_ENUM));
            assert_true(option->offset < command->options_size);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_global_options_stand_anywhere),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_arguments_that_look_like_options),
        cmocka_unit_test(test_wrong_usage),
        cmocka_unit_test(test_help_and_version),
        cmocka_unit_test(test_real_commands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
