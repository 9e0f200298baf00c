/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/support/scratch.h"

/*
 * Command: a program that a test runs, with what it printed kept in files of the scratch
 * directory, where it can be read while the program runs. Standard input is /dev/null.
 */
typedef struct Command Command;

/* What a finished command left. */
typedef struct CommandResult {
    int status; /* exit status, or 128 + the signal that ended it */
    char *out;
    char *err;
    gint64 duration_us;
} CommandResult;

void command_result_free(CommandResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CommandResult, command_result_free)

/* Starts argv[0], searched in PATH; argv ends with NULL. Fails the program where it cannot. */
Command *command_start(Scratch *scratch, const char *const *argv);

/* Kills it if it still runs. Accepts NULL. */
void command_free(Command *command);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Command, command_free)

pid_t command_pid(const Command *command);
bool command_is_running(Command *command);

/* What it has printed so far; the caller frees. */
char *command_output(const Command *command);
char *command_errors(const Command *command);

/* Sends a signal; nothing happens where the command has ended. */
void command_signal(Command *command, int signal);

/* Waits for its end and returns what it left. If it takes longer than @seconds, it is killed,
 * what it printed is shown, and the cmocka test fails. To be called once. */
CommandResult *command_wait(Command *command, double seconds);

/* command_start() and command_wait() in one. */
CommandResult *command_run(Scratch *scratch, double seconds, const char *const *argv);
