/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * docs/configuration.md holds the table of keys that the program's own rows give, and the example
 * is a good configuration that shows every key. With --write the table is put into the page.
 *
 *     test-configuration-page PAGE EXAMPLE [--write]
 */
#include <stdio.h>
#include <string.h>

#include "controller/config-keys.h"

#define BEGIN "<!-- keys: generated, see tests/controller/test-configuration-page.c -->\n"
#define END "<!-- end of keys -->\n"

static char *
read_file(const char *path)
{
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, &error))
        g_error("%s", error->message);
    return text;
}

/* The page with the table as it should be. */
static char *
renew_page(const char *page)
{
    const char *begin = strstr(page, BEGIN), *end = begin ? strstr(begin, END) : NULL;
    g_autofree char *table = config_document();

    if (!end)
        g_error("the page has no place for the table:\n" BEGIN END);
    return g_strdup_printf("%.*s\n%s\n%s", (int) (begin + strlen(BEGIN) - page), page, table, end);
}

static int
check_example(const char *path)
{
    g_autofree char *text = read_file(path);
    g_autoptr(Diagnostics) diagnostics = diagnostics_new(path);
    g_autoptr(Config) config = config_parse(path, text, strlen(text), diagnostics);
    g_autofree char *lines = diagnostics_format(diagnostics);

    fputs(lines, stderr);
    for (const ConfigKey *row = config_keys; row->path; row++) {
        const char *slash = strrchr(row->path, '/');
        g_autofree char *key = g_strconcat(slash ? slash + 1 : row->path, ":", NULL);

        if (!strstr(text, key)) {
            fprintf(stderr, "%s does not show '%s'\n", path, row->path);
            return 1;
        }
    }
    return config ? 0 : 1;
}

int
main(int argc, char **argv)
{
    g_autofree char *page = read_file(argv[1]);
    g_autofree char *renewed = renew_page(page);
    g_autoptr(GError) error = NULL;

    g_assert(argc >= 3);
    if (argc > 3 && !strcmp(argv[3], "--write")) {
        if (!g_file_set_contents(argv[1], renewed, -1, &error))
            g_error("%s", error->message);
        return 0;
    }
    if (strcmp(page, renewed)) {
        fprintf(stderr, "%s is stale: run this test with --write\n", argv[1]);
        return 1;
    }
    return check_example(argv[2]);
}
