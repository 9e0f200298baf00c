/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What commands print. Results go to stdout, everything about them to stderr with the program's
 * name before it, so that `virtkeep plan --output json > plan.json` holds JSON and nothing else.
 *
 * A result that could not be written (a full disk, a closed pipe) is a failure of the command and
 * is said, since a script that reads half of a plan must not take it for a whole one.
 *
 * A message is one line: what comes from files or from QEMU is made printable first.
 */
#include "controller/message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "controller/terminal.h"

static gboolean message_is_verbose, message_is_quiet; /* set once, before any thread */

void
message_set_level(gboolean is_verbose, gboolean is_quiet)
{
    message_is_verbose = is_verbose;
    message_is_quiet = is_quiet;
}

static void G_GNUC_PRINTF(1, 0) print_message(const char *format, va_list args)
{
    g_autofree char *text = g_strdup_vprintf(format, args);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GString) out = g_string_new(NULL);

    for (guint i = 0; lines[i]; i++) {
        g_autofree char *line = text_printable(lines[i]);

        if (*line)
            g_string_append_printf(out, "%s%s\n", i == 0 ? "virtkeep: " : "  ", line);
    }
    fputs(out->str, stderr);
}

#define FORWARD_MESSAGE(format)                                                                    \
    do {                                                                                           \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        print_message(format, args);                                                               \
        va_end(args);                                                                              \
    } while (0)

void
message_error(const char *format, ...)
{
    FORWARD_MESSAGE(format);
}

void
message_note(const char *format, ...)
{
    if (!message_is_quiet)
        FORWARD_MESSAGE(format);
}

void
message_detail(const char *format, ...)
{
    if (message_is_verbose && !message_is_quiet)
        FORWARD_MESSAGE(format);
}

void
message_diagnostics(const Diagnostics *diagnostics, gboolean is_colored)
{
    static const Style styles[] = {
        [SEVERITY_ERROR] = STYLE_BAD,
        [SEVERITY_WARNING] = STYLE_CAUTION,
        [SEVERITY_NOTE] = STYLE_DIM,
    };

    for (guint i = 0; i < diagnostics->items->len; i++) {
        const Diagnostic *diagnostic = diagnostics->items->pdata[i];
        g_autofree char *line = diagnostic_format(diagnostics, diagnostic);
        g_autofree char *text = text_printable(line);
        Style style = styles[diagnostic->severity];

        if (diagnostic->severity == SEVERITY_NOTE && message_is_quiet)
            continue;
        fprintf(stderr, "%s%s%s\n", style_begin(style, is_colored), text,
                style_end(style, is_colored));
    }
    if (diagnostics->is_full)
        fprintf(stderr, "virtkeep: %s: more than %u mistakes; the rest is left out\n",
                diagnostics->file, DIAGNOSTICS_MAX);
}

gboolean
message_print(const char *text)
{
    errno = 0;
    if (fputs(text, stdout) >= 0 && fflush(stdout) == 0)
        return TRUE;
    message_error("writing to standard output: %s", g_strerror(errno));
    return FALSE;
}

gboolean
message_print_json(const Json *json)
{
    g_autofree char *text = json_format(json, true);
    g_autofree char *line = g_strconcat(text, g_str_has_suffix(text, "\n") ? "" : "\n", NULL);

    return message_print(line);
}

Json *
message_json_new(void)
{
    Json *json = json_new_object();

    json_set_int(json, "format_version", 1);
    return json;
}

Json *
diagnostic_json(const Diagnostics *diagnostics, const Diagnostic *diagnostic)
{
    Json *json = json_new_object();

    json_set_string(json, "file", diagnostics->file);
    json_set_uint(json, "line", diagnostic->at.line);
    json_set_uint(json, "column", diagnostic->at.column);
    json_set_string(json, "severity", severity_name(diagnostic->severity));
    json_set_string(json, "code", diagnostic->code);
    json_set_string(json, "text", diagnostic->text);
    return json;
}
