/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * docs/virtkeep.1 against the option tables: every command has its .SS with the arguments of its
 * usage line, every option its .TP in its command's part (global ones under OPTIONS) with letter
 * and metavariable, and the page has none that the program does not.
 *
 * Both sides are turned into lines, "apply: \fB\-\-plan\fR \fIFILE\fR", and compared as sets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "controller/commands.h"

/* Answered before any table is looked at. */
static const char *const built_in[] = { "OPTIONS: \\fB\\-h\\fR, \\fB\\-\\-help\\fR",
                                        "OPTIONS: \\fB\\-\\-version\\fR" };

static void
add(GHashTable *set, char *line)
{
    if (!g_hash_table_add(set, line))
        fail_msg("twice: %s", line);
}

/* A hyphen-minus is written \- in roff. */
static char *
escape(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "-", -1);

    return g_strjoinv("\\-", parts);
}

static void
add_options(GHashTable *set, const char *part, const Option *options)
{
    for (const Option *option = options; option && option->name; option++) {
        g_autofree char *name = escape(option->name);
        g_autoptr(GString) line = g_string_new(part);

        g_string_append(line, ": ");
        if (option->letter)
            g_string_append_printf(line, "\\fB\\-%c\\fR, ", option->letter);
        g_string_append_printf(line, "\\fB\\-\\-%s\\fR", name);
        if (option->argument)
            g_string_append_printf(line, " \\fI%s\\fR", option->argument);
        add(set, g_strdup(line->str));
    }
}

static GHashTable *
lines_of_program(void)
{
    GHashTable *set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    add_options(set, "OPTIONS", global_options);
    for (gsize i = 0; i < G_N_ELEMENTS(built_in); i++)
        add(set, g_strdup(built_in[i]));
    for (guint i = 0; commands[i]; i++) {
        const Command *command = commands[i];
        g_autofree char *usage = g_strconcat(command->name, " ", command->arguments, NULL);

        add(set, g_strdup(g_strchomp(usage)));
        add_options(set, command->name, command->options);
    }
    return set;
}

/* The section or command that a heading begins: "OPTIONS", "apply"; NULL when @line is none. */
static char *
heading(const char *line)
{
    if (g_str_has_prefix(line, ".SH "))
        return g_strdup(line + 4);
    if (g_str_has_prefix(line, ".SS "))
        return g_strndup(line + 4, strcspn(line + 4, " "));
    return NULL;
}

static GHashTable *
lines_of_page(const char *path)
{
    GHashTable *set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autofree char *text = NULL;
    g_autofree char *part = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        fail_msg("cannot read %s", path);
    lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        char *begun = heading(lines[i]);

        if (begun) {
            g_free(part);
            part = begun;
        }
        if (g_str_has_prefix(lines[i], ".SS "))
            add(set, g_strdup(lines[i] + 4));
        if (g_str_equal(lines[i], ".TP") && g_str_has_prefix(lines[i + 1], "\\fB\\-"))
            add(set, g_strconcat(part, ": ", lines[i + 1], NULL));
    }
    return set;
}

static guint
print_missing(GHashTable *in, GHashTable *from, const char *where)
{
    GHashTableIter iter;
    gpointer line;
    guint n_missing = 0;

    g_hash_table_iter_init(&iter, in);
    while (g_hash_table_iter_next(&iter, &line, NULL)) {
        if (g_hash_table_contains(from, line))
            continue;
        print_error("not in %s: %s\n", where, (char *) line);
        n_missing++;
    }
    return n_missing;
}

static void
test_manual(void **state)
{
    g_autoptr(GHashTable) program = lines_of_program();
    g_autoptr(GHashTable) page = lines_of_page(MANUAL);
    guint n_missing =
        print_missing(program, page, "the page") + print_missing(page, program, "the program");

    assert_true(g_hash_table_size(program) > 20);
    assert_int_equal(n_missing, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manual),
    };

    return cmocka_run_group_tests_name("manual", tests, NULL, NULL);
}
