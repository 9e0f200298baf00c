/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * The causes in a plan's or pass's reason: several of them, of what @file asks for and can't have,
 * stand in it one behind the other, each with its FILE:LINE:COL. @file may be NULL: one cause.
 */

/* A line a cause; NULL-terminated, never empty. Free with g_strfreev(). */
GStrv causes_split(const char *reason, const char *file);
/* On one line: the first, and how many more there are. Caller frees. */
char *causes_brief(const char *reason, const char *file);
