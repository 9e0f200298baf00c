/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/support/command.h"

/*
 * Faulty: virtkeep run with the fault injector (tests/fault/injector.c) at the Nth point.
 */
typedef struct FaultyRun {
    CommandResult *result;
    char *point; /* what the Nth one was; NULL where there were less than N */
} FaultyRun;

void faulty_run_clear(FaultyRun *run);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FaultyRun, faulty_run_clear)

/* @mode: "kill", "fail" or "blind". @arguments as for virtkeep_run_argv(). */
FaultyRun faulty_run(Scratch *scratch, const char *mode, unsigned n, const char *const *arguments);
