/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/support/command.h"

/*
 * The built program, run as a user runs it, with all its paths in the scratch directory:
 * domains/, state.db, run/, log/, and virtkeep.yaml where the test wrote one.
 */

/* The arguments before the command, then those given; free with g_strfreev(). */
char **virtkeep_argv(Scratch *scratch, const char *const *arguments);

/* Runs `virtkeep … ARGUMENTS` to its end, which must come within @seconds. */
CommandResult *virtkeep_run_argv(Scratch *scratch, double seconds, const char *const *arguments);
#define virtkeep_run(scratch, seconds, ...)                                                        \
    virtkeep_run_argv(scratch, seconds, (const char *const[]){ __VA_ARGS__, NULL })

/* Starts it and leaves it running (`watch`). */
Command *virtkeep_start_argv(Scratch *scratch, const char *const *arguments);
#define virtkeep_start(scratch, ...)                                                               \
    virtkeep_start_argv(scratch, (const char *const[]){ __VA_ARGS__, NULL })

/* Runs it and fails the cmocka test, showing what it printed, unless it exits with @status.
 * Returns its standard output. */
char *virtkeep_expect_argv(Scratch *scratch, double seconds, int status,
                           const char *const *arguments);
#define virtkeep_expect(scratch, seconds, status, ...)                                             \
    virtkeep_expect_argv(scratch, seconds, status, (const char *const[]){ __VA_ARGS__, NULL })
