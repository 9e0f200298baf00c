/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Diagnostics: the user's mistakes in one file, all at once, each with a position.
 *
 * Rendered as FILE:LINE:COL: error|warning|note: text [code]. The code is stable: scripts and
 * tests match on it, the text may change. Lines and columns count from 1; 0 means "the file as a
 * whole". Columns count bytes, as compilers do.
 */
typedef enum {
    SEVERITY_ERROR,
    SEVERITY_WARNING,
    SEVERITY_NOTE,
} Severity;

typedef struct Position {
    guint line;
    guint column;
} Position;

typedef struct Diagnostic {
    Severity severity;
    Position at;
    char *text;
    const char *code; /* static */
} Diagnostic;

typedef struct Diagnostics {
    char *file;
    GPtrArray *items; /* Diagnostic* */
    guint n_errors;
    bool is_full; /* further ones were dropped, see DIAGNOSTICS_MAX */
} Diagnostics;

/* A file that produces more errors than this is garbage; the rest would not help anyone. */
#define DIAGNOSTICS_MAX 200

Diagnostics *diagnostics_new(const char *file);
void diagnostics_free(Diagnostics *diagnostics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Diagnostics, diagnostics_free)

/* @code must be a string literal. */
void diagnostics_add(Diagnostics *diagnostics, Severity severity, Position at, const char *code,
                     const char *format, ...) G_GNUC_PRINTF(5, 6);
bool diagnostics_has_errors(const Diagnostics *diagnostics);
/* A copy without the errors, and never full: what is said of a file that is accepted. Caller
 * frees. */
Diagnostics *diagnostics_remarks(const Diagnostics *diagnostics);
const char *severity_name(Severity severity);
/* By position, so that a reader walks down the file. Stable. */
void diagnostics_sort(Diagnostics *diagnostics);
/* One line without a newline; caller frees. */
char *diagnostic_format(const Diagnostics *diagnostics, const Diagnostic *diagnostic);
/* All lines, each ended by a newline; "" when there are none. Caller frees. */
char *diagnostics_format(const Diagnostics *diagnostics);
/* All errors in one line, "; " between them; NULL when there are none. Caller frees. */
char *diagnostics_errors(const Diagnostics *diagnostics);
/* The first error's line, for a one-line message; NULL when there is none. Borrowed. */
const Diagnostic *diagnostics_first_error(const Diagnostics *diagnostics);
