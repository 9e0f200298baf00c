/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * docs/state.md against the file: every view and column that exists is documented and the other
 * way round, in the same order, and every ready query runs.
 */
#include "state/migrations.h"
#include "state/sqlite.h"
#include "tests/state/state-file.h"

/* "view.column" per line, as the page documents them: "### `view`", then "| `column` | ...". */
static char *
documented_columns(const char *page)
{
    g_auto(GStrv) lines = g_strsplit(page, "\n", -1);
    GString *columns = g_string_new(NULL);
    g_autofree char *view = NULL;
    for (guint i = 0; lines[i]; i++) {
        g_auto(GStrv) parts = g_strsplit(lines[i], "`", 3);
        if (g_str_has_prefix(lines[i], "#"))
            g_clear_pointer(&view, g_free);
        if (g_str_has_prefix(lines[i], "### `"))
            view = g_strdup(parts[1]);
        else if (view && g_str_has_prefix(lines[i], "| `"))
            g_string_append_printf(columns, "%s%s.%s", columns->len ? "\n" : "", view, parts[1]);
    }
    return g_string_free(columns, FALSE);
}

static char *
read_page(void)
{
    g_autoptr(GError) error = NULL;
    char *page = NULL;
    assert_ok(g_file_get_contents(STATE_PAGE, &page, NULL, &error));
    return page;
}

static int
compare_lines(gconstpointer a, gconstpointer b)
{
    /* By view only: g_ptr_array_sort is stable, so columns keep their order. */
    const char *left = *(const char *const *) a, *right = *(const char *const *) b;
    g_autofree char *left_view = g_strndup(left, strcspn(left, "."));
    g_autofree char *right_view = g_strndup(right, strcspn(right, "."));
    return strcmp(left_view, right_view);
}

static char *
sorted_by_view(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GPtrArray) array = g_ptr_array_new();
    for (guint i = 0; lines[i]; i++)
        g_ptr_array_add(array, lines[i]);
    g_ptr_array_sort(array, compare_lines);
    g_ptr_array_add(array, NULL);
    return g_strjoinv("\n", (char **) array->pdata);
}

static void
every_column_is_documented_and_exists(void **state)
{
    StateFile *file = *state;
    g_autoptr(Store) store = state_file_open(file, STORE_READ_WRITE);
    g_autofree char *page = read_page();
    g_autofree char *documented = documented_columns(page);
    g_autofree char *expected = sorted_by_view(documented);
    g_autofree char *real = state_file_query(
        file->path,
        "SELECT v.name || '.' || c.name FROM sqlite_schema v, pragma_table_info(v.name) c"
        " WHERE v.type = 'view' AND v.name NOT LIKE 'v\\_%' ESCAPE '\\'"
        " ORDER BY v.name, c.cid");
    assert_string_equal(expected, real);
}

static void
every_ready_query_runs(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *page = read_page();
    g_autofree char *path = g_strdup_printf("%s/version-1.sql", FIXTURES);
    g_autofree char *fixture = NULL;
    assert_ok(g_file_get_contents(path, &fixture, NULL, &error));
    g_autoptr(Sqlite) db = sqlite_open(NULL, FALSE, &error);
    assert_ok(sqlite_exec(db, fixture, &error));
    assert_ok(state_migrations_apply(db, state_migrations, n_state_migrations, &error));
    g_auto(GStrv) parts = g_strsplit(page, "```sql\n", -1);
    assert_true(g_strv_length(parts) > 5);
    for (guint i = 1; parts[i]; i++) {
        *strstr(parts[i], "```") = '\0';
        if (!sqlite_exec(db, parts[i], &error))
            fail_msg("%s\n%s", parts[i], error->message);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        state_test(every_column_is_documented_and_exists),
        cmocka_unit_test(every_ready_query_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
