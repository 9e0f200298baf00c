/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "model/diagnostic.h"
#include "model/json.h"

/* What commands say beside their result: stderr, each line `virtkeep: …`. */
void message_error(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* Not with -q. */
void message_note(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* Only with -v. */
void message_detail(const char *format, ...) G_GNUC_PRINTF(1, 2);
void message_set_level(gboolean is_verbose, gboolean is_quiet);
/* All diagnostics to stderr, coloured when @is_colored. Notes not with -q. */
void message_diagnostics(const Diagnostics *diagnostics, gboolean is_colored);

/* Prints @text to stdout; FALSE (and a message) when that failed (closed pipe, full disk). */
gboolean message_print(const char *text);
/* Prints @json indented, with a newline. */
gboolean message_print_json(const Json *json);
/* {"format_version": 1}; caller frees. */
Json *message_json_new(void);
/* {file,line,column,severity,code,text}; caller frees. */
Json *diagnostic_json(const Diagnostics *diagnostics, const Diagnostic *diagnostic);
