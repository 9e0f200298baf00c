/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/subject.h"

/*
 * The QEMU command line of a file as one would type it, for people and for comparison: what `apply`
 * runs, but with monitors by path, since the descriptors virtkeep hands over mean nothing outside
 * it. Nothing that the file names need exist here.
 *
 * @spec is valid. @site needs config, host and store only. What is refused, and what this host's
 * QEMU lacks (then the command line is the newest QEMU's), is put into @diagnostics. NULL when
 * that has errors. NULL-terminated; free with g_strfreev().
 */
char **argv_of_spec(const Site *site, const Spec *spec, Diagnostics *diagnostics);

/* @argument as a POSIX shell needs it: itself where that will do, else in single quotes. Caller
 * frees. */
char *argv_shell_word(const char *argument);
