/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The program under test, as a process. Every path option is given explicitly, so that a test
 * run by root never touches /etc/virtkeep or the state of a virtkeep in use on the machine.
 * VIRTKEEP names another program to test (an installed one, say).
 */
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    const char *option;
    const char *name;
} paths[] = {
    { "--domains", "domains" },
    { "--state", "state.db" },
    { "--run", "run" },
    { "--log", "log" },
};

char **
virtkeep_argv(Scratch *scratch, const char *const *arguments)
{
    g_autoptr(GStrvBuilder) argv = g_strv_builder_new();
    g_autofree char *config = scratch_path(scratch, "virtkeep.yaml");
    const char *program = g_getenv("VIRTKEEP");

    g_strv_builder_add(argv, program ? program : VIRTKEEP_PROGRAM);
    /* Without one of its own the configuration of the machine would apply. */
    if (!g_file_test(config, G_FILE_TEST_EXISTS))
        g_free(scratch_write(scratch, "virtkeep.yaml", "{}\n"));
    g_strv_builder_add_many(argv, "--config", config, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autofree char *path = scratch_path(scratch, paths[i].name);

        g_strv_builder_add_many(argv, paths[i].option, path, NULL);
    }
    g_strv_builder_addv(argv, (const char **) arguments);
    return g_strv_builder_end(argv);
}

CommandResult *
virtkeep_run_argv(Scratch *scratch, double seconds, const char *const *arguments)
{
    g_auto(GStrv) argv = virtkeep_argv(scratch, arguments);

    return command_run(scratch, seconds, (const char *const *) argv);
}

Command *
virtkeep_start_argv(Scratch *scratch, const char *const *arguments)
{
    g_auto(GStrv) argv = virtkeep_argv(scratch, arguments);

    return command_start(scratch, (const char *const *) argv);
}

char *
virtkeep_expect_argv(Scratch *scratch, double seconds, int status, const char *const *arguments)
{
    g_autoptr(CommandResult) result = virtkeep_run_argv(scratch, seconds, arguments);

    if (result->status != status) {
        g_autofree char *line = g_strjoinv(" ", (char **) arguments);

        print_error("virtkeep %s: status %d instead of %d\n%s%s", line, result->status, status,
                    result->out, result->err);
        fail();
    }
    return g_steal_pointer(&result->out);
}
