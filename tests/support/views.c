/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tests' side of "SQLite is an interface": plain SQLite, none of the product's code, and only
 * what docs/state.md promises (the views). A test that waits asks again and again while `watch`
 * writes, so each answer also shows that readers are not locked out. They wait a little where
 * SQLite has them wait: while the file is made, while the log of a killed writer is recovered.
 */
#include "tests/support/views.h"

#include "tests/support/deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sqlite3.h>

#define BUSY_TIMEOUT_MS 30000

static sqlite3 *
open_state(Scratch *scratch)
{
    g_autofree char *path = scratch_path(scratch, "state.db");
    sqlite3 *db = NULL;

    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        fail_msg("%s: %s", path, sqlite3_errmsg(db));
    sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    return db;
}

static void
append_row(GString *rows, sqlite3_stmt *statement)
{
    if (rows->len)
        g_string_append_c(rows, '\n');
    for (int i = 0; i < sqlite3_column_count(statement); i++) {
        const char *text = (const char *) sqlite3_column_text(statement, i);

        g_string_append_printf(rows, "%s%s", i ? "|" : "", text ? text : "");
    }
}

/* @ret_rows: all of them; else the first column of the first one is returned. */
static char *
ask(Scratch *scratch, const char *sql, GString *ret_rows)
{
    sqlite3 *db = open_state(scratch);
    sqlite3_stmt *statement = NULL;
    char *first = NULL;
    int code = SQLITE_DONE;

    if (!db)
        return NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK) {
        while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
            if (!ret_rows) {
                first = g_strdup((const char *) sqlite3_column_text(statement, 0));
                code = SQLITE_DONE;
                break;
            }
            append_row(ret_rows, statement);
        }
    } else {
        code = sqlite3_errcode(db);
    }
    /* Opened before the controller had made its tables: as if there were no file. */
    if (code != SQLITE_DONE && !g_str_has_prefix(sqlite3_errmsg(db), "no such table"))
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return first;
}

char *
view_text(Scratch *scratch, const char *format, ...)
{
    g_autofree char *sql = NULL;
    va_list arguments;

    va_start(arguments, format);
    sql = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return ask(scratch, sql, NULL);
}

gint64
view_int(Scratch *scratch, const char *format, ...)
{
    g_autofree char *sql = NULL, *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    sql = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    text = ask(scratch, sql, NULL);
    return text ? g_ascii_strtoll(text, NULL, 10) : -1;
}

bool
view_is(Scratch *scratch, const char *wanted, const char *format, ...)
{
    g_autofree char *sql = NULL, *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    sql = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    text = ask(scratch, sql, NULL);
    return g_strcmp0(text, wanted) == 0;
}

char *
view_rows(Scratch *scratch, const char *format, ...)
{
    GString *rows = g_string_new(NULL);
    g_autofree char *sql = NULL;
    va_list arguments;

    va_start(arguments, format);
    sql = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    ask(scratch, sql, rows);
    return g_string_free(rows, FALSE);
}

bool
view_domain_is(Scratch *scratch, const char *name, const char *sync, const char *reason)
{
    g_autofree char *wanted = g_strdup_printf("%s %s", sync, reason);

    return view_is(scratch, wanted, "SELECT sync || ' ' || reason FROM domains WHERE name = '%s'",
                   name);
}

void
view_wait_domain(Scratch *scratch, double seconds, const char *name, const char *sync,
                 const char *reason)
{
    g_autofree char *rows = NULL;

    if (is_within(seconds, view_domain_is(scratch, name, sync, reason)))
        return;
    rows = view_rows(scratch, "SELECT name, run_state, pid, sync, reason, message FROM domains");
    fail_msg("%s is not %s %s after %g s:\n%s", name, sync, reason, seconds, rows);
}

gint64
view_n_open_actions(Scratch *scratch)
{
    return view_int(scratch, "SELECT count(*) FROM actions WHERE outcome IS NULL");
}
