/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Text for people: colour, aligned columns, progress bars. Whatever comes from files or guests is
 * printed with control characters made visible, so that no domain name can steer a terminal.
 */
typedef enum {
    COLOR_AUTO = 1, /* a terminal, TERM not "dumb", no NO_COLOR in the environment */
    COLOR_ALWAYS,
    COLOR_NEVER,
} ColorMode;

typedef enum {
    STYLE_PLAIN,
    STYLE_BOLD,
    STYLE_DIM,
    STYLE_GOOD,    /* green */
    STYLE_CAUTION, /* yellow */
    STYLE_BAD,     /* red */
    STYLE_ADD,     /* green */
    STYLE_CHANGE,  /* yellow */
    STYLE_REMOVE,  /* red */
    STYLE_NAME,    /* cyan */
} Style;

bool terminal_has_color(int fd, ColorMode mode);
/* Columns of the terminal at @fd, 80 when unknown. */
guint terminal_width(int fd);
/* Escape sequences that begin and end @style; "" for plain or when @is_colored is false. Static. */
const char *style_begin(Style style, bool is_colored);
const char *style_end(Style style, bool is_colored);
/* @text in @style. Caller frees. */
char *style_text(Style style, bool is_colored, const char *text);

/* Columns that @text takes: wide characters two, combining ones none. */
guint text_width(const char *text);
/* Valid UTF-8 without control characters: those are shown as \xNN. Caller frees. */
char *text_printable(const char *text);
/* Several lines as one, "; " between them; else as it is. Caller frees. */
char *text_one_line(const char *text);
/* At most @width columns, ended by "…" when cut. Caller frees. */
char *text_shorten(const char *text, guint width);

/* Aligned columns. Cells are made printable and copied; NULL is "-". */
typedef struct Table Table;
Table *table_new(const char *const *headings); /* NULL-terminated */
void table_free(Table *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)
void table_align_right(Table *table, guint column);
/* The next cell of the row being filled; a row is full after as many cells as headings. */
void table_add(Table *table, Style style, const char *text);
guint table_rows(const Table *table);
/* Ends in a newline; headings alone when there are no rows. Caller frees. */
char *table_format(const Table *table, bool is_colored);

/* Several progress bars, redrawn in place; on anything but a terminal they print nothing. */
typedef struct Progress Progress;
Progress *progress_new(int fd, bool is_colored);
void progress_free(Progress *progress); /* leaves the bars as drawn last, cursor below */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Progress, progress_free)
bool progress_is_shown(const Progress *progress);
/* Sets the bar @id (made on first use, in order of first use). The bar runs from @from over
 * @current to @target (bytes; @target may be below @from); @note stands behind it. */
void progress_set(Progress *progress, const char *id, guint64 from, guint64 current, guint64 target,
                  const char *note);
/* Draws what changed. Cheap when nothing did. */
void progress_draw(Progress *progress);
/* Removes the bars from the screen, so that a line may be printed; the next draw puts them back. */
void progress_clear(Progress *progress);
/* One bar as text, @width columns in all; for tests. Caller frees. */
char *progress_bar_text(const char *id, guint64 from, guint64 current, guint64 target,
                        const char *note, guint width);
