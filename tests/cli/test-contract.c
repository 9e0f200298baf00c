/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What scripts rely on, for every command alike: exit statuses, where messages go, that JSON is
 * JSON, and that a result which could not be written is a failure. Nothing runs here.
 */
#include "tests/cli/domain-file.h"
#include "tests/support/virtkeep.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/json.h"

static Scratch *scratch;

/* All commands that print something and end by themselves, on a site with a domain "a". The last
 * two have nothing to print in their text form while the state is empty. */
static const char *const printing[][5] = {
    { "plan" },         { "argv", "domains/a.xml" },
    { "explain", "a" }, { "validate", "domains/a.xml" },
    { "export", "a" },  { "doctor" },
    { "status" },       { "history" },
};
#define N_SILENT 2

/* Arguments with paths of the scratch directory filled in; g_strfreev(). */
static char **
arguments_of(const char *const *words, const char *more)
{
    GStrvBuilder *builder = g_strv_builder_new();
    char **arguments;

    for (guint i = 0; i < 5 && words[i]; i++) {
        g_autofree char *path = scratch_path(scratch, words[i]);

        g_strv_builder_add(builder, strchr(words[i], '/') ? path : words[i]);
    }
    if (more)
        g_strv_builder_add(builder, more);
    arguments = g_strv_builder_end(builder);
    g_strv_builder_unref(builder);
    return arguments;
}

static void
test_wrong_usage(void **state)
{
    static const char *const wrong[][5] = {
        { NULL },
        { "frobnicate" },
        { "plan", "--no-such-option" },
        { "plan", "--out" },
        { "explain" },
        { "explain", "a", "b" },
        { "argv" },
        { "argv", "a.xml", "b.xml" },
        { "export" },
        { "history", "a", "b" },
        { "history", "--since", "yesterday" },
        { "history", "--limit", "-1" },
        { "wait", "a" },
        { "wait", "a", "--for=godot" },
        { "wait", "a", "--for=synced", "--timeout=soon" },
        { "suspend" },
        { "resume" },
        { "import" },
        { "status", "--output", "yaml" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(CommandResult) result = virtkeep_run_argv(scratch, 10, wrong[i]);

        if (result->status != 64)
            fail_msg("case %zu (%s): status %d", i, wrong[i][0] ? wrong[i][0] : "nothing",
                     result->status);
        assert_string_equal(result->out, "");
        assert_true(g_str_has_prefix(result->err, "virtkeep: "));
    }
}

static void
test_help(void **state)
{
    static const char *const names[] = { "plan",   "argv", "status",  "explain", "history",
                                         "export", "wait", "suspend", "resume",  "import" };

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *help = virtkeep_expect(scratch, 10, 0, names[i], "--help");
        g_autofree char *usage = g_strdup_printf("Usage: virtkeep [OPTION...] %s", names[i]);

        assert_true(g_str_has_prefix(help, usage));
        assert_non_null(strstr(help, "\nExamples:\n  virtkeep "));
    }
}

static void
test_unknown_names(void **state)
{
    static const char *const asked[][5] = {
        { "plan", "aa" },    { "status", "aa" },
        { "explain", "aa" }, { "export", "aa" },
        { "history", "aa" }, { "suspend", "aa" },
        { "resume", "aa" },  { "wait", "aa", "--for=synced" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(asked); i++) {
        g_autoptr(CommandResult) result = virtkeep_run_argv(scratch, 10, asked[i]);

        if (result->status != 1)
            fail_msg("%s: status %d", asked[i][0], result->status);
        assert_string_equal(result->out, "");
        assert_true(g_str_has_prefix(result->err, "virtkeep: no domain 'aa'"));
        /* status and history know what the state knows: nothing yet. */
        if (strcmp(asked[i][0], "status") && strcmp(asked[i][0], "history"))
            assert_non_null(strstr(result->err, "did you mean a?"));
    }
}

static void
test_json(void **state)
{
    for (gsize i = 0; i < G_N_ELEMENTS(printing); i++) {
        g_auto(GStrv) arguments = arguments_of(printing[i], "--output=json");
        g_autoptr(CommandResult) result =
            virtkeep_run_argv(scratch, 30, (const char *const *) arguments);
        g_autoptr(GError) error = NULL;
        g_autoptr(Json) json = json_parse(result->out, -1, &error);

        if (!json)
            fail_msg("%s: %s", printing[i][0], error->message);
        if (!strcmp(printing[i][0], "argv"))
            assert_int_equal(json_type(json), JSON_ARRAY);
        else
            assert_int_equal(json_get_int(json, "format_version", 0), 1);
    }
}

/* The status with standard output at @fd, which is closed afterwards. */
static int
status_with_output(const char *const *words, int fd, char **ret_errors)
{
    g_auto(GStrv) arguments = arguments_of(words, NULL);
    g_auto(GStrv) argv = virtkeep_argv(scratch, (const char *const *) arguments);
    g_autofree char *errors = scratch_path(scratch, "errors");
    int error_fd = open(errors, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), status;
    GPid pid;

    assert_true(g_spawn_async_with_fds(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                                       &pid, -1, fd, error_fd, NULL));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(fd);
    close(error_fd);
    *ret_errors = scratch_read(scratch, "errors");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void
test_output_that_can_not_be_written(void **state)
{
    for (gsize i = 0; i < G_N_ELEMENTS(printing) - N_SILENT; i++) {
        for (int is_pipe = 0; is_pipe <= 1; is_pipe++) {
            g_autofree char *errors = NULL;
            int ends[2], status;

            if (is_pipe) {
                assert_int_equal(pipe(ends), 0);
                close(ends[0]);
            } else {
                ends[1] = open("/dev/full", O_WRONLY | O_CLOEXEC);
                assert_true(ends[1] >= 0);
            }
            status = status_with_output(printing[i], ends[1], &errors);
            if (status != 1)
                fail_msg("%s, %s: status %d", printing[i][0], is_pipe ? "pipe" : "full", status);
            assert_non_null(strstr(errors, "virtkeep: writing to standard output"));
        }
    }
}

/* After all that the tests before this one have asked. */
static void
test_looking_changes_nothing(void **state)
{
    static const char *const made[] = { "state.db", "run", "log" };

    for (gsize i = 0; i < G_N_ELEMENTS(made); i++) {
        g_autofree char *path = scratch_path(scratch, made[i]);

        if (g_file_test(path, G_FILE_TEST_EXISTS))
            fail_msg("%s was made", made[i]);
    }
}

static void
test_bad_state(void **state)
{
    g_autofree char *path = scratch_write(scratch, "state.db", "this is no database at all, is it");
    static const char *const asked[][5] = {
        { "plan" }, { "status" }, { "explain", "a" }, { "suspend", "a" }, { "history" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(asked); i++) {
        g_autoptr(CommandResult) result = virtkeep_run_argv(scratch, 10, asked[i]);
        g_autofree char *left = scratch_read(scratch, "state.db");

        assert_int_equal(result->status, 1);
        assert_string_equal(result->out, "");
        assert_non_null(strstr(result->err, "state.db"));
        assert_string_equal(left, "this is no database at all, is it");
    }
    unlink(path);
}

static void
test_bad_configuration(void **state)
{
    static const char *const asked[][5] = {
        { "plan" },          { "status" },  { "explain", "a" },
        { "argv", "a.xml" }, { "history" }, { "import", "a.xml" },
    };

    g_free(scratch_write(scratch, "virtkeep.yaml", "polcy: {}\n"));
    for (gsize i = 0; i < G_N_ELEMENTS(asked); i++) {
        g_autoptr(CommandResult) result = virtkeep_run_argv(scratch, 10, asked[i]);

        assert_int_equal(result->status, 1);
        assert_string_equal(result->out, "");
        assert_non_null(strstr(result->err, "virtkeep.yaml:1:1: error:"));
    }
    g_free(scratch_write(scratch, "virtkeep.yaml", "{}\n"));
}

static int
set_up(void **state)
{
    scratch = scratch_new();
    domain_file_write(scratch, &(DomainFile){ .name = "a" });
    return 0;
}

static int
tear_down(void **state)
{
    scratch_free(scratch);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_usage),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_output_that_can_not_be_written),
        cmocka_unit_test(test_looking_changes_nothing),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_bad_state),
        cmocka_unit_test(test_bad_configuration),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
