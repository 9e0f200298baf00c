/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu/process.h"

/*
 * Finds a QEMU of the domain @uuid that a virtkeep of this user started and launched in the
 * parent of @run_directory (RUN/NAME), whether anything there leads to it still or not, by looking
 * at every process. NULL: there is none that we could see. Costs some 10 us a process of this user.
 */
ProcessRecord *stray_find(const char *uuid, const char *run_directory, const char *log_path);
