/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where to look for changes of the domains directory.
 *
 * A file or directory is named by a path, and any step of that path can be switched: a symlink
 * replaced (Kubernetes' ..data, git-sync's link), a directory renamed away and another put in its
 * place, a file system mounted. So each step is a place to watch, for that one name:
 *
 *     /etc/virtkeep/domains -> /srv/git/current        current -> worktrees/abc
 *
 *     "/" for etc, /etc for virtkeep, /etc/virtkeep for domains,
 *     "/" for srv, /srv for git, /srv/git for current,
 *     /srv/git for worktrees, /srv/git/worktrees for abc, and the tree below abc wholly
 *
 * The same holds for symlinks within the tree. A step that doesn't exist ends the chain: when it
 * appears, the watch on its parent tells.
 *
 * Hidden directories are not part of the tree, as for the scan, unless a link leads there.
 */
#include "controller/watch-tree.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "controller/directory.h"

#define LINKS_MAX 40 /* path_resolution(7) */

typedef struct Visit {
    WatchPlace place;
    gpointer data;
    GHashTable *visited; /* "dev:ino" */
    char *root;          /* resolved */
} Visit;

/* Puts the components of @path before those pending. */
static void
push_components(GQueue *pending, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, "/", -1);

    for (guint i = g_strv_length(names); i > 0; i--)
        if (*names[i - 1])
            g_queue_push_head(pending, g_strdup(names[i - 1]));
}

/* Names each step of @path, which counts from the resolved directory @from. Returns where it leads,
 * without symlinks; NULL when nowhere. */
static char *
watch_chain(const Visit *visit, const char *from, const char *path)
{
    g_autoptr(GQueue) pending = g_queue_new();
    g_autofree char *at = g_strdup(from);
    bool is_whole = true;
    int n_links = 0;

    push_components(pending, path);
    while (is_whole && !g_queue_is_empty(pending)) {
        g_autofree char *name = g_queue_pop_head(pending);
        g_autofree char *target = NULL;
        g_autofree char *next = NULL;
        struct stat status;

        if (!strcmp(name, "."))
            continue;
        if (!strcmp(name, "..")) {
            next = g_path_get_dirname(at);
        } else {
            visit->place(at, name, visit->data);
            next = g_build_filename(at, name, NULL);
            if (lstat(next, &status) < 0)
                is_whole = false;
            else if (S_ISLNK(status.st_mode))
                target = g_file_read_link(next, NULL);
        }
        if (target && ++n_links > LINKS_MAX)
            is_whole = false;
        if (target) {
            push_components(pending, target);
            g_free(next);
            next = g_strdup(*target == '/' ? "/" : at);
        }
        g_free(at);
        at = g_steal_pointer(&next);
    }
    g_queue_clear_full(pending, g_free);
    return is_whole ? g_steal_pointer(&at) : NULL;
}

static bool
is_below(const char *root, const char *path)
{
    size_t length = strcmp(root, "/") ? strlen(root) : 0;

    return !strncmp(path, root, length) && (!path[length] || path[length] == '/');
}

static void visit_directory(Visit *visit, const char *path, guint depth);

static void
visit_entry(Visit *visit, const char *directory, const char *name, guint depth)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autofree char *target = NULL;
    struct stat status;

    if (lstat(path, &status) < 0)
        return;
    if (S_ISDIR(status.st_mode))
        visit_directory(visit, path, depth + 1);
    if (!S_ISLNK(status.st_mode))
        return;
    target = watch_chain(visit, directory, name);
    if (target && is_below(visit->root, target) && stat(target, &status) == 0 &&
        S_ISDIR(status.st_mode))
        visit_directory(visit, target, depth + 1);
}

static void
visit_directory(Visit *visit, const char *path, guint depth)
{
    struct dirent *entry;
    struct stat status;
    DIR *stream;

    if (depth > DIRECTORY_MAX_DEPTH || stat(path, &status) < 0)
        return;
    if (!g_hash_table_add(visit->visited,
                          g_strdup_printf("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT,
                                          (guint64) status.st_dev, (guint64) status.st_ino)))
        return;
    visit->place(path, NULL, visit->data);
    stream = opendir(path);
    if (!stream)
        return;
    while ((entry = readdir(stream)))
        if (entry->d_name[0] != '.' && entry->d_type != DT_REG)
            visit_entry(visit, path, entry->d_name, depth);
    closedir(stream);
}

void
watch_tree(const char *root, WatchPlace place, gpointer data)
{
    g_autoptr(GHashTable) visited = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Visit visit = { .place = place, .data = data, .visited = visited };

    visit.root = watch_chain(&visit, "/", root);
    if (visit.root)
        visit_directory(&visit, visit.root, 0);
    g_free(visit.root);
}
