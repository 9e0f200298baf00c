/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The program's commands. A command is one row, defined in its cmd-*.c with its options, its help
 * and its function; a command that has no row here does not exist. The order is that of the help:
 * the way a file goes from being written to being looked after.
 */
#include "controller/commands.h"

const Command *const commands[] = {
    &validate_command, &argv_command,    &plan_command,    &apply_command,  &watch_command,
    &status_command,   &explain_command, &history_command, &export_command, &wait_command,
    &suspend_command,  &resume_command,  &import_command,  &doctor_command, NULL,
};
