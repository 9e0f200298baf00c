/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * terminal.h: widths, what is never printed raw, aligned tables, and progress bars on a real
 * terminal (a pseudo-terminal pair) and on none.
 */
#include "controller/terminal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB G_GUINT64_CONSTANT(1048576)

static void
assert_printable(const char *text, const char *expected)
{
    g_autofree char *printable = text_printable(text);

    assert_string_equal(printable, expected);
}

static void
test_one_line(void **state)
{
    g_autofree char *plain = text_one_line("as the file says");
    g_autofree char *several = text_one_line("QEMU exited: a\n b\n\nc\n");

    assert_string_equal(plain, "as the file says");
    assert_string_equal(several, "QEMU exited: a; b; c");
}

static void
test_printable(void **state)
{
    assert_printable("web-1 é 日本", "web-1 é 日本");
    assert_printable("a\033[2Jb\r\n\t\x7f", "a\\x1b[2Jb\\x0d\\x0a\\x09\\x7f");
    assert_printable("\xc2\x9b"
                     "1m",
                     "\\x9b1m");
    assert_printable("a\xe2\x80\xae"
                     "b",
                     "a\\u202eb");
    assert_printable("\xff", "\xef\xbf\xbd");
}

static void
assert_shortened(const char *text, guint width, const char *expected)
{
    g_autofree char *shortened = text_shorten(text, width);

    assert_string_equal(shortened, expected);
    assert_true(text_width(shortened) <= width);
}

static void
test_widths(void **state)
{
    assert_int_equal(text_width("abc"), 3);
    assert_int_equal(text_width("日本"), 4);
    assert_int_equal(text_width("e\xcc\x81"), 1); /* e and a combining accent */
    assert_shortened("abcdef", 6, "abcdef");
    assert_shortened("abcdef", 5, "abcd…");
    assert_shortened("日本語", 5, "日本…");
    assert_shortened("日本語", 4, "日…");
    assert_shortened("ab", 1, "…");
    assert_shortened("ab", 0, "");
}

static void
test_table(void **state)
{
    const char *const headings[] = { "NAME", "MEMORY", "REASON", NULL };
    g_autoptr(Table) table = table_new(headings);
    g_autofree char *empty = table_format(table, false);
    g_autofree char *plain = NULL;
    g_autofree char *colored = NULL;

    assert_int_equal(table_rows(table), 0);
    assert_string_equal(empty, "NAME  MEMORY  REASON\n");
    table_align_right(table, 1);
    table_add(table, STYLE_PLAIN, "日本");
    table_add(table, STYLE_PLAIN, "1 GiB");
    table_add(table, STYLE_BAD, NULL);
    table_add(table, STYLE_GOOD, "x");
    table_add(table, STYLE_PLAIN, "1023.5 MiB");
    table_add(table, STYLE_PLAIN, "a\nb");
    assert_int_equal(table_rows(table), 2);
    plain = table_format(table, false);
    assert_string_equal(plain, "NAME      MEMORY  REASON\n"
                               "日本       1 GiB  -\n"
                               "x     1023.5 MiB  a\\x0ab\n");
    colored = table_format(table, true);
    assert_non_null(strstr(colored, "\033[32mx\033[0m     1023.5 MiB"));
    assert_non_null(strstr(colored, "\033[31m-\033[0m\n"));
}

static void
test_color_decision(void **state)
{
    int null = open("/dev/null", O_WRONLY), terminal = posix_openpt(O_RDWR | O_NOCTTY);

    assert_true(terminal >= 0);
    g_setenv("TERM", "xterm", TRUE);
    g_unsetenv("NO_COLOR");
    assert_true(terminal_has_color(terminal, COLOR_AUTO));
    assert_false(terminal_has_color(null, COLOR_AUTO));
    assert_true(terminal_has_color(null, COLOR_ALWAYS));
    assert_false(terminal_has_color(terminal, COLOR_NEVER));
    g_setenv("NO_COLOR", "", TRUE); /* present but empty does not count */
    assert_true(terminal_has_color(terminal, COLOR_AUTO));
    g_setenv("NO_COLOR", "1", TRUE);
    assert_false(terminal_has_color(terminal, COLOR_AUTO));
    assert_true(terminal_has_color(terminal, COLOR_ALWAYS)); /* asked for by name */
    g_unsetenv("NO_COLOR");
    g_setenv("TERM", "dumb", TRUE);
    assert_false(terminal_has_color(terminal, COLOR_AUTO));
    g_setenv("TERM", "xterm", TRUE);
    close(null);
    close(terminal);
}

static void
assert_bar(guint64 from, guint64 current, guint64 target, const char *expected)
{
    g_autofree char *text =
        progress_bar_text("a", from * MIB, current * MIB, target * MIB, "note", 60);

    assert_string_equal(text, expected);
    assert_true(text_width(text) <= 60);
}

static void
test_bar_text(void **state)
{
    assert_bar(0, 0, 1024, "a  [---------------]  0 B / 1 GiB    0%  note");
    assert_bar(0, 512, 1024, "a  [#######--------]  512 MiB / 1 GiB   50%  note");
    assert_bar(0, 1023, 1024, "a  [##############-]  1023 MiB / 1 GiB   99%  note");
    assert_bar(0, 1024, 1024, "a  [###############]  1 GiB / 1 GiB  100%  note");
    assert_bar(1024, 768, 512, "a  [#######--------]  768 MiB / 512 MiB   50%  note"); /* down */
    assert_bar(512, 256, 1024, "a  [---------------]  256 MiB / 1 GiB    0%  note");   /* behind */
    assert_bar(512, 2048, 1024, "a  [###############]  2 GiB / 1 GiB  100%  note");
    assert_bar(512, 512, 512, "a  [###############]  512 MiB / 512 MiB  100%  note");
}

/* A terminal of 40 columns and what was written to it. */
static int
open_terminal(int *ret_master)
{
    struct winsize size = { .ws_row = 24, .ws_col = 40 };
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK), slave;

    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    assert_int_equal(ioctl(slave, TIOCSWINSZ, &size), 0);
    *ret_master = master;
    return slave;
}

static char *
read_terminal(int master)
{
    char buffer[8192];
    ssize_t n = read(master, buffer, sizeof(buffer));

    return g_strndup(buffer, MAX(n, 0));
}

static void
test_progress_on_a_terminal(void **state)
{
    int master, slave = open_terminal(&master);
    g_autoptr(Progress) progress = progress_new(slave, false);
    g_autofree char *first = NULL;
    g_autofree char *second = NULL;
    g_autofree char *third = NULL;
    g_autofree char *cleared = NULL;

    assert_true(progress_is_shown(progress));
    progress_set(progress, "web-1 mem0", 0, 0, 4 * MIB, NULL);
    progress_set(progress, "db-1 mem0", 0, 4 * MIB, 4 * MIB, NULL);
    progress_draw(progress);
    first = read_terminal(master);
    assert_string_equal(first, "web-1 mem0  [---------]  0 B / 4 MiB  …\r\n"
                               "db-1 mem0  [#########]  4 MiB / 4 MiB …\r\n");
    progress_set(progress, "web-1 mem0", 0, 0, 4 * MIB, NULL);
    progress_draw(progress); /* nothing changed: nothing drawn */
    second = read_terminal(master);
    assert_string_equal(second, "");
    progress_set(progress, "web-1 mem0", 0, 2 * MIB, 4 * MIB, NULL);
    progress_draw(progress);
    third = read_terminal(master);
    assert_true(g_str_has_prefix(third, "\033[2A\r\033[Jweb-1 mem0  [####-----]"));
    progress_clear(progress);
    cleared = read_terminal(master);
    assert_string_equal(cleared, "\033[2A\r\033[J");
    progress_free(g_steal_pointer(&progress));
    close(slave);
    close(master);
}

static void
test_progress_elsewhere(void **state)
{
    int pipe_fds[2];
    char byte;

    assert_int_equal(pipe(pipe_fds), 0);
    {
        g_autoptr(Progress) progress = progress_new(pipe_fds[1], true);

        assert_false(progress_is_shown(progress));
        progress_set(progress, "a", 0, 1, 2, "x");
        progress_draw(progress);
        progress_clear(progress);
    }
    close(pipe_fds[1]);
    assert_int_equal(read(pipe_fds[0], &byte, 1), 0);
    close(pipe_fds[0]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_line),
        cmocka_unit_test(test_printable),
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_color_decision),
        cmocka_unit_test(test_bar_text),
        cmocka_unit_test(test_progress_on_a_terminal),
        cmocka_unit_test(test_progress_elsewhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
