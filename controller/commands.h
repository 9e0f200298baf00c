/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/options.h"

/* Every command of the program, in the order of `virtkeep --help`; NULL-terminated. Each row is
 * defined in its own cmd-*.c and listed in commands.c. */
extern const Command *const commands[];

extern const Command validate_command;
extern const Command doctor_command;
