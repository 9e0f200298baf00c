/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A state file in a directory of its own, for one test; and the few things that tests of state/
 * do from outside: look at bytes, ask SQL, run other processes beside.
 */
#include "tests/state/state-file.h"
#include "state/sqlite.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int
state_file_setup(void **state)
{
    StateFile *file = g_new0(StateFile, 1);
    file->directory = g_dir_make_tmp("virtkeep-state-XXXXXX", NULL);
    assert_non_null(file->directory);
    file->path = g_build_filename(file->directory, "lib", "virtkeep", "state.db", NULL);
    *state = file;
    return 0;
}

static void
remove_tree(const char *path)
{
    g_autoptr(GDir) directory =
        g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
    const char *name;
    while (directory && (name = g_dir_read_name(directory))) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        remove_tree(child);
    }
    g_remove(path);
}

int
state_file_teardown(void **state)
{
    StateFile *file = *state;
    remove_tree(file->directory);
    g_free(file->directory);
    g_free(file->path);
    g_free(file);
    return 0;
}

Store *
state_file_open(const StateFile *file, StoreMode mode)
{
    g_autoptr(GError) error = NULL;
    Store *store = store_open(file->path, mode, &error);
    assert_ok(store);
    return store;
}

GBytes *
state_file_bytes(const char *path)
{
    static const char *const suffixes[] = { "", "-wal", "-journal" };
    GByteArray *all = g_byte_array_new();
    for (guint i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        g_autofree char *name = g_strconcat(path, suffixes[i], NULL);
        g_autofree char *content = NULL;
        gsize size = 0;
        g_byte_array_append(all, (const guint8 *) suffixes[i], strlen(suffixes[i]));
        if (g_file_get_contents(name, &content, &size, NULL))
            g_byte_array_append(all, (const guint8 *) content, size);
    }
    return g_byte_array_free_to_bytes(all);
}

static void
print_row(SqliteRow *row, gpointer user_data)
{
    GString *text = user_data;
    if (text->len)
        g_string_append_c(text, '\n');
    const char *value = sqlite_row_text(row, 0);
    g_string_append(text, value ? value : "");
}

char *
state_file_query(const char *path, const char *sql)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Sqlite) db = sqlite_open(path, TRUE, &error);
    assert_ok(db);
    GString *text = g_string_new(NULL);
    assert_ok(sqlite_read(db, sql, NULL, 0, print_row, text, &error));
    return g_string_free(text, FALSE);
}

pid_t
state_file_fork(const StateFile *file, ChildWork work, guint index)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(work(file, index) ? 0 : 1);
    return pid;
}

int
state_file_wait(pid_t pid)
{
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
