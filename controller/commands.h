/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/options.h"

/* Every command of the program, in the order of `virtkeep --help`; NULL-terminated. Each row is
 * defined in its own cmd-*.c and listed in commands.c. */
extern const Command *const commands[];

extern const Command validate_command;
extern const Command doctor_command;
extern const Command argv_command;
extern const Command apply_command;
extern const Command watch_command;
extern const Command plan_command;
extern const Command status_command;
extern const Command explain_command;
extern const Command history_command;
extern const Command export_command;
extern const Command wait_command;
extern const Command suspend_command;
extern const Command resume_command;
extern const Command import_command;
