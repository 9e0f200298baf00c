/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/support/scratch.h"

/*
 * Views: the state file as a tool of the user's reads it, beside whoever writes it: state.db of
 * the scratch directory, opened anew for each question, for reading only.
 */

/* The first column of the first row as text; NULL where there is no row, the column is NULL, or
 * there is no state file yet. Fails the cmocka test on any other error. */
G_GNUC_PRINTF(2, 3)
char *view_text(Scratch *scratch, const char *format, ...);

/* The same as a number; -1 for NULL. */
G_GNUC_PRINTF(2, 3)
gint64 view_int(Scratch *scratch, const char *format, ...);

/* True where the first column of the first row is this text. */
G_GNUC_PRINTF(3, 4)
bool view_is(Scratch *scratch, const char *wanted, const char *format, ...);

/* Every row, columns separated by '|' and rows by newlines, as the sqlite3 shell prints them: for
 * messages and for comparing. */
G_GNUC_PRINTF(2, 3)
char *view_rows(Scratch *scratch, const char *format, ...);

/* The domain's SYNC and REASON of the view `domains`. */
bool view_domain_is(Scratch *scratch, const char *name, const char *sync, const char *reason);

/* Waits for that; fails the cmocka test where it does not come about within @seconds, and shows
 * what the state says instead. */
void view_wait_domain(Scratch *scratch, double seconds, const char *name, const char *sync,
                      const char *reason);

/* Actions without an outcome, of all domains. */
gint64 view_n_open_actions(Scratch *scratch);
