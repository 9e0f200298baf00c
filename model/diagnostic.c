/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A user's mistakes are not errors of the program: they are collected, never logged, and shown
 * together, so that one run of `virtkeep validate` is enough to mend a file. The collection is
 * bounded: a file of ten thousand mistakes is garbage and the first two hundred say so. So are
 * texts, which repeat what stands in the file. What was said of a place is not said again: a third
 * controller of one index is a duplicate once, not of each of the others.
 *
 * Codes are string literals and stay borrowed; texts are owned.
 */
#include "model/diagnostic.h"

#include <string.h>

#include "model/text.h"

/* What we say by ourselves, lists of what a field may be among it, stays far below. */
#define TEXT_MAX_BYTES 4096
/* Characters of a longer one. */
#define TEXT_START 160
#define TEXT_END 160

static void
diagnostic_free(gpointer data)
{
    Diagnostic *diagnostic = data;

    g_free(diagnostic->text);
    g_free(diagnostic);
}

Diagnostics *
diagnostics_new(const char *file)
{
    Diagnostics *diagnostics = g_new0(Diagnostics, 1);

    diagnostics->file = g_strdup(file);
    diagnostics->items = g_ptr_array_new_with_free_func(diagnostic_free);
    return diagnostics;
}

void
diagnostics_free(Diagnostics *diagnostics)
{
    if (!diagnostics)
        return;
    g_free(diagnostics->file);
    g_ptr_array_unref(diagnostics->items);
    g_free(diagnostics);
}

/* Takes @text: as it is, or its beginning and its end, which says what is wrong. */
static char *
bounded(char *text)
{
    gsize length = strlen(text);
    const char *tail = text + length;
    g_autofree char *start = NULL;
    char *cut;

    if (length <= TEXT_MAX_BYTES)
        return text;
    start = text_excerpt(text, TEXT_START);
    for (guint i = 0; i < TEXT_END; i++)
        tail = g_utf8_prev_char(tail);
    cut = g_strconcat(start, tail, NULL);
    g_free(text);
    return cut;
}

static bool
is_said(const Diagnostics *diagnostics, const Diagnostic *diagnostic)
{
    for (guint i = 0; i < diagnostics->items->len; i++) {
        const Diagnostic *other = diagnostics->items->pdata[i];

        if (other->at.line == diagnostic->at.line && other->at.column == diagnostic->at.column &&
            other->severity == diagnostic->severity && g_str_equal(other->code, diagnostic->code) &&
            g_str_equal(other->text, diagnostic->text))
            return true;
    }
    return false;
}

void
diagnostics_add(Diagnostics *diagnostics, Severity severity, Position at, const char *code,
                const char *format, ...)
{
    Diagnostic *diagnostic;
    va_list args;

    if (severity == SEVERITY_ERROR)
        diagnostics->n_errors++;
    if (diagnostics->items->len >= DIAGNOSTICS_MAX) {
        diagnostics->is_full = true;
        return;
    }
    diagnostic = g_new0(Diagnostic, 1);
    diagnostic->severity = severity;
    diagnostic->at = at;
    diagnostic->code = code;
    va_start(args, format);
    diagnostic->text = bounded(g_strdup_vprintf(format, args));
    va_end(args);
    if (is_said(diagnostics, diagnostic))
        diagnostic_free(diagnostic);
    else
        g_ptr_array_add(diagnostics->items, diagnostic);
}

bool
diagnostics_has_errors(const Diagnostics *diagnostics)
{
    return diagnostics->n_errors > 0;
}

Diagnostics *
diagnostics_remarks(const Diagnostics *diagnostics)
{
    Diagnostics *remarks = diagnostics_new(diagnostics->file);

    for (guint i = 0; i < diagnostics->items->len; i++) {
        const Diagnostic *item = diagnostics->items->pdata[i];

        if (item->severity != SEVERITY_ERROR)
            diagnostics_add(remarks, item->severity, item->at, item->code, "%s", item->text);
    }
    return remarks;
}

const char *
severity_name(Severity severity)
{
    switch (severity) {
    case SEVERITY_ERROR:
        return "error";
    case SEVERITY_WARNING:
        return "warning";
    case SEVERITY_NOTE:
        return "note";
    }
    g_assert_not_reached();
}

static gint
compare_positions(gconstpointer a, gconstpointer b)
{
    const Diagnostic *left = *(Diagnostic *const *) a;
    const Diagnostic *right = *(Diagnostic *const *) b;

    if (left->at.line != right->at.line)
        return left->at.line < right->at.line ? -1 : 1;
    if (left->at.column != right->at.column)
        return left->at.column < right->at.column ? -1 : 1;
    return 0;
}

void
diagnostics_sort(Diagnostics *diagnostics)
{
    /* g_ptr_array_sort is a merge sort: equal positions keep the order of discovery. */
    g_ptr_array_sort(diagnostics->items, compare_positions);
}

char *
diagnostic_format(const Diagnostics *diagnostics, const Diagnostic *diagnostic)
{
    return g_strdup_printf("%s:%u:%u: %s: %s [%s]", diagnostics->file, diagnostic->at.line,
                           diagnostic->at.column, severity_name(diagnostic->severity),
                           diagnostic->text, diagnostic->code);
}

char *
diagnostics_format(const Diagnostics *diagnostics)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < diagnostics->items->len; i++) {
        g_autofree char *line = diagnostic_format(diagnostics, diagnostics->items->pdata[i]);

        g_string_append(text, line);
        g_string_append_c(text, '\n');
    }
    if (diagnostics->is_full)
        g_string_append_printf(text,
                               "%s:0:0: note: only the first %d diagnostics are shown "
                               "[too-many-diagnostics]\n",
                               diagnostics->file, DIAGNOSTICS_MAX);
    return g_string_free(text, FALSE);
}

char *
diagnostics_errors(const Diagnostics *diagnostics)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < diagnostics->items->len; i++) {
        const Diagnostic *diagnostic = diagnostics->items->pdata[i];
        g_autofree char *line = diagnostic_format(diagnostics, diagnostic);

        if (diagnostic->severity == SEVERITY_ERROR)
            g_string_append_printf(text, "%s%s", text->len ? "; " : "", line);
    }
    return text->len ? g_strdup(text->str) : NULL;
}

const Diagnostic *
diagnostics_first_error(const Diagnostics *diagnostics)
{
    for (guint i = 0; i < diagnostics->items->len; i++) {
        const Diagnostic *diagnostic = diagnostics->items->pdata[i];

        if (diagnostic->severity == SEVERITY_ERROR)
            return diagnostic;
    }
    return NULL;
}
