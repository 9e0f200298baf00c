/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The injector is put into virtkeep's environment by env(1), so that neither this program nor
 * the guard that cleans up after it is touched by it.
 */
#include "tests/fault/faulty.h"

#include "tests/support/virtkeep.h"

#include <glib/gstdio.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define RUN_SECONDS 60
#define REPORT "commands/fault-report"

void
faulty_run_clear(FaultyRun *run)
{
    g_clear_pointer(&run->result, command_result_free);
    g_clear_pointer(&run->point, g_free);
}

FaultyRun
faulty_run(Scratch *scratch, const char *mode, unsigned n, const char *const *arguments)
{
    g_autofree char *report = scratch_path(scratch, REPORT);
    g_autofree char *fault = g_strdup_printf("VIRTKEEP_FAULT=%s:%u", mode, n);
    g_autofree char *report_variable = g_strdup_printf("VIRTKEEP_FAULT_REPORT=%s", report);
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_auto(GStrv) program = virtkeep_argv(scratch, arguments);
    g_auto(GStrv) argv = NULL;
    FaultyRun run = { 0 };

    g_unlink(report);
    g_strv_builder_add_many(builder, "env", "LD_PRELOAD=" FAULT_INJECTOR, fault, report_variable,
                            NULL);
    g_strv_builder_addv(builder, (const char **) program);
    argv = g_strv_builder_end(builder);
    run.result = command_run(scratch, RUN_SECONDS, (const char *const *) argv);
    run.point = scratch_read(scratch, REPORT);
    if (run.point)
        g_strchomp(run.point);
    if (run.point && !strcmp(mode, "kill"))
        assert_int_equal(run.result->status, 128 + SIGKILL);
    return run;
}
