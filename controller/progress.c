/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Progress bars: one line a device, redrawn in place while memory moves.
 *
 *     web-1 virtiomem0  [##########----------]  384 MiB / 768 MiB  50%  progressing
 *
 * The bars are the last lines on the screen. A redraw goes up as many lines as were drawn, and
 * each line is cut to the terminal's width, since a wrapped line would make that count wrong. On
 * anything but a terminal nothing is printed: a log has no use for a hundred states of a bar.
 */
#include "controller/terminal.h"

#include <string.h>
#include <unistd.h>

#include "model/quantity.h"

#define BAR_CELLS_MAX 30u

typedef struct Bar {
    char *id;
    char *note;
    guint64 from, current, target;
} Bar;

struct Progress {
    int fd;
    bool is_shown, is_colored, is_dirty;
    GPtrArray *bars; /* Bar*, in order of first use */
    guint n_drawn;   /* lines on the screen */
};

static void
bar_free(gpointer data)
{
    Bar *bar = data;

    g_free(bar->id);
    g_free(bar->note);
    g_free(bar);
}

Progress *
progress_new(int fd, bool is_colored)
{
    Progress *progress = g_new0(Progress, 1);
    const char *term = g_getenv("TERM");

    progress->fd = fd;
    progress->is_colored = is_colored;
    progress->is_shown = isatty(fd) && term && strcmp(term, "dumb");
    progress->bars = g_ptr_array_new_with_free_func(bar_free);
    return progress;
}

void
progress_free(Progress *progress)
{
    if (!progress)
        return;
    progress_draw(progress);
    g_ptr_array_unref(progress->bars);
    g_free(progress);
}

bool
progress_is_shown(const Progress *progress)
{
    return progress->is_shown;
}

static Bar *
find_bar(Progress *progress, const char *id)
{
    Bar *bar;

    for (guint i = 0; i < progress->bars->len; i++) {
        bar = progress->bars->pdata[i];
        if (!strcmp(bar->id, id))
            return bar;
    }
    bar = g_new0(Bar, 1);
    bar->id = g_strdup(id);
    g_ptr_array_add(progress->bars, bar);
    progress->is_dirty = true;
    return bar;
}

void
progress_set(Progress *progress, const char *id, guint64 from, guint64 current, guint64 target,
             const char *note)
{
    Bar *bar = find_bar(progress, id);

    if (bar->from == from && bar->current == current && bar->target == target &&
        !g_strcmp0(bar->note, note))
        return;
    bar->from = from;
    bar->current = current;
    bar->target = target;
    g_free(bar->note);
    bar->note = g_strdup(note);
    progress->is_dirty = true;
}

/* How far @current is on the way, 0 to 1; beyond either end counts as that end. */
static double
bar_fraction(guint64 from, guint64 current, guint64 target)
{
    double way = (double) target - (double) from, gone = (double) current - (double) from;

    if (from == target)
        return current == target ? 1 : 0;
    return CLAMP(gone / way, 0, 1);
}

char *
progress_bar_text(const char *id, guint64 from, guint64 current, guint64 target, const char *note,
                  guint width)
{
    g_autofree char *name = text_printable(id);
    g_autofree char *behind = text_printable(note ? note : "");
    g_autofree char *now = size_text(current);
    g_autofree char *wanted = size_text(target);
    g_autofree char *line = NULL;
    double fraction = bar_fraction(from, current, target);
    guint n_cells = MIN(BAR_CELLS_MAX, width / 4), n_full;
    GString *cells = g_string_new(NULL);
    char *text;

    /* 100 % is said only when it is so. */
    n_full = (guint) (fraction * n_cells);
    for (guint i = 0; i < n_cells; i++)
        g_string_append_c(cells, i < n_full ? '#' : '-');
    line = g_strdup_printf("%s  [%s]  %s / %s  %3u%%%s%s", name, cells->str, now, wanted,
                           (guint) (fraction * 100), *behind ? "  " : "", behind);
    g_string_free(cells, TRUE);
    text = text_shorten(line, width);
    return text;
}

static void
write_all(int fd, const char *text, gsize length)
{
    while (length > 0) {
        ssize_t n = write(fd, text, length);

        if (n <= 0)
            return; /* a bar that can't be drawn stops nothing */
        text += n;
        length -= n;
    }
}

static void
append_erase(GString *out, guint n_lines)
{
    if (n_lines > 0)
        g_string_append_printf(out, "\033[%uA\r\033[J", n_lines);
}

void
progress_clear(Progress *progress)
{
    g_autoptr(GString) out = g_string_new(NULL);

    append_erase(out, progress->n_drawn);
    write_all(progress->fd, out->str, out->len);
    progress->n_drawn = 0;
    progress->is_dirty = true;
}

void
progress_draw(Progress *progress)
{
    g_autoptr(GString) out = g_string_new(NULL);
    guint width;

    if (!progress->is_shown || !progress->is_dirty)
        return;
    width = terminal_width(progress->fd);
    append_erase(out, progress->n_drawn);
    for (guint i = 0; i < progress->bars->len; i++) {
        const Bar *bar = progress->bars->pdata[i];
        bool is_done = bar->current == bar->target;
        Style style = is_done ? STYLE_GOOD : STYLE_CHANGE;
        /* One column short: a full line wraps on some terminals. */
        g_autofree char *text = progress_bar_text(bar->id, bar->from, bar->current, bar->target,
                                                  bar->note, MAX(width, 2) - 1);

        g_string_append_printf(out, "%s%s%s\n", style_begin(style, progress->is_colored), text,
                               style_end(style, progress->is_colored));
    }
    write_all(progress->fd, out->str, out->len);
    progress->n_drawn = progress->bars->len;
    progress->is_dirty = false;
}
