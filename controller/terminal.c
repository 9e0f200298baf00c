/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text for people.
 *
 * Whether there is colour is decided once, by the command, from the option, NO_COLOR
 * (no-color.org: present and not empty), TERM and isatty(); everything here takes the decision as
 * a bool, so that the same text can be tested without a terminal.
 *
 * Names and messages come from files that others write and from QEMU, so nothing is printed raw:
 * text_printable() shows control characters (an escape sequence among them) as \xNN and broken
 * UTF-8 as U+FFFD. Widths are those of a terminal, not bytes: wide characters take two columns and
 * combining ones none.
 */
#include "controller/terminal.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "model/text.h"

static const char *const style_codes[] = {
    [STYLE_PLAIN] = "",        [STYLE_BOLD] = "\033[1m",     [STYLE_DIM] = "\033[2m",
    [STYLE_GOOD] = "\033[32m", [STYLE_CAUTION] = "\033[33m", [STYLE_BAD] = "\033[31m",
    [STYLE_ADD] = "\033[32m",  [STYLE_CHANGE] = "\033[33m",  [STYLE_REMOVE] = "\033[31m",
    [STYLE_NAME] = "\033[36m",
};

bool
terminal_has_color(int fd, ColorMode mode)
{
    const char *no_color, *term;

    if (mode != COLOR_AUTO)
        return mode == COLOR_ALWAYS;
    no_color = g_getenv("NO_COLOR");
    term = g_getenv("TERM");
    return isatty(fd) && !(no_color && *no_color) && term && strcmp(term, "dumb");
}

guint
terminal_width(int fd)
{
    struct winsize size;

    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

const char *
style_begin(Style style, bool is_colored)
{
    return is_colored ? style_codes[style] : "";
}

const char *
style_end(Style style, bool is_colored)
{
    return is_colored && style != STYLE_PLAIN ? "\033[0m" : "";
}

char *
style_text(Style style, bool is_colored, const char *text)
{
    return g_strconcat(style_begin(style, is_colored), text, style_end(style, is_colored), NULL);
}

static guint
character_width(gunichar character)
{
    if (g_unichar_iszerowidth(character))
        return 0;
    return g_unichar_iswide(character) ? 2 : 1;
}

guint
text_width(const char *text)
{
    guint width = 0;

    for (const char *p = text; *p; p = g_utf8_next_char(p))
        width += character_width(g_utf8_get_char(p));
    return width;
}

char *
text_printable(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *printable = g_string_new(NULL);

    for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
        gunichar character = g_utf8_get_char(p);

        /* Of controls also C1: a bare U+009B begins an escape sequence on some terminals. */
        if (character_is_control(character))
            g_string_append_printf(printable, "\\x%02x", character);
        else if (character_is_deceptive(character))
            g_string_append_printf(printable, "\\u%04x", character);
        else
            g_string_append_unichar(printable, character);
    }
    return g_string_free(printable, FALSE);
}

char *
text_one_line(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GString) joined = g_string_new(NULL);

    for (guint i = 0; lines[i]; i++)
        if (*g_strstrip(lines[i]))
            g_string_append_printf(joined, "%s%s", joined->len ? "; " : "", lines[i]);
    return g_strdup(joined->str);
}

char *
text_shorten(const char *text, guint width)
{
    const char *p, *end = text;
    guint used = 0;

    if (text_width(text) <= width)
        return g_strdup(text);
    if (width == 0)
        return g_strdup("");
    for (p = text; *p; p = g_utf8_next_char(p)) {
        used += character_width(g_utf8_get_char(p));
        if (used > width - 1)
            break;
        end = g_utf8_next_char(p);
    }
    return g_strdup_printf("%.*s…", (int) (end - text), text);
}
