/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu/process.h"

/*
 * Finds a QEMU of the domain @uuid that a virtkeep of this user started and that no run directory
 * leads to any more, by looking at every process. NULL: there is none that we could see. A QEMU
 * that the run directory of another virtkeep knows is that one's. Costs some 10 us a process of
 * this user.
 */
ProcessRecord *stray_find(const char *uuid, const char *log_path);
