/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu/process.h"

/*
 * Finds a QEMU of the domain @uuid that a virtkeep of this user started and launched in the
 * parent of @run_directory (RUN/NAME), whether anything there leads to it still or not, by looking
 * at every process. NULL: there is none that we could see. Costs some 10 us a process of this user.
 * *@ret_owner (NULL with NULL): the domain it was launched as, where that is known to be another
 * one than RUN/NAME's: another file says the same uuid, or the domain was renamed. Caller frees.
 */
ProcessRecord *stray_find(const char *uuid, const char *run_directory, const char *log_path,
                          char **ret_owner);

/* Why nothing may be started beside @stray, as LAUNCH_ERROR_RUNNING. */
void stray_refuse(const ProcessRecord *stray, const char *owner, GError **error);

/*
 * The same for many domains: the processes are looked through once and known by uuid from then on,
 * for at most a second, after which whoever asks next has them looked through anew. A QEMU that
 * began within that second may not be found; one that is found is looked at again, so it is what
 * it seems. Shared by threads.
 */
typedef struct Strays Strays;
Strays *strays_new(void);
void strays_free(Strays *strays); /* NULL is allowed */
ProcessRecord *strays_find(Strays *strays, const char *uuid, const char *run_directory,
                           const char *log_path, char **ret_owner);
