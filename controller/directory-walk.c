/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finding the files of the domains directory.
 *
 * Everything goes through the descriptor of the root that was opened first: if a symlink to the
 * root is switched while this runs, one tree is read, the old or the new one, never halves of both.
 *
 * Symlinks are how trees are published (Kubernetes: web.xml -> ..data/web.xml, ..data -> ..2024;
 * git-sync: root -> worktrees/abc), so they are followed, files and directories, hidden targets
 * too; but only below the root, since whoever may write into the repository must not make virtkeep
 * read, or open, anything else of the host. A link is opened with O_PATH first, which has no side
 * effect even for a device, then asked where it led, and only a regular file is opened for
 * reading.
 *
 * For root, what others may write to is refused: files, directories, and for a link's target the
 * directories that lead to it. A refused or unreadable directory is a problem of the whole walk,
 * because nobody knows which domains it holds.
 */
#include "controller/directory-walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "controller/directory.h"

typedef struct Walk {
    int root_fd;
    bool is_strict;
    WalkVisit visit;
    gpointer data;
    WalkResult *result;
    GHashTable *visited; /* "dev:ino" of directories */
    guint n_files;
} Walk;

void
walk_result_clear(WalkResult *result)
{
    g_clear_pointer(&result->resolved, g_free);
    g_clear_pointer(&result->problem, g_free);
}

static void walk_directory(Walk *walk, int fd, const char *prefix, guint depth);

/* Keeps the first problem: the others usually follow from it. Takes @problem. */
static void
add_problem(Walk *walk, char *problem)
{
    if (walk->result->problem)
        g_free(problem);
    else
        walk->result->problem = problem;
}

static char *
join(const char *prefix, const char *name)
{
    return *prefix ? g_build_filename(prefix, name, NULL) : g_strdup(name);
}

static bool
is_writable_by_others(const Walk *walk, const struct stat *status)
{
    return walk->is_strict && (status->st_mode & S_IWOTH);
}

static char *
writable_text(const struct stat *status)
{
    return g_strdup_printf("refused because others may write to it (mode %03o)",
                           status->st_mode & 0777);
}

static bool
is_xml(const char *name)
{
    return g_str_has_suffix(name, ".xml");
}

/* ---- what is found ---- */

static void
report_file(Walk *walk, WalkFile *file)
{
    g_autofree char *refusal = NULL;

    if (walk->n_files == DIRECTORY_MAX_FILES)
        add_problem(walk, g_strdup_printf("more than %u files", DIRECTORY_MAX_FILES));
    if (walk->n_files >= DIRECTORY_MAX_FILES)
        return;
    walk->n_files++;
    if (!file->refusal && !S_ISREG(file->status.st_mode))
        file->refusal = "not a regular file";
    else if (!file->refusal && is_writable_by_others(walk, &file->status))
        file->refusal = refusal = writable_text(&file->status);
    walk->visit(file, walk->data);
}

static void
enter_directory(Walk *walk, int at, const char *name, int flags, const char *path, guint depth)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);

    if (fd >= 0)
        walk_directory(walk, fd, path, depth);
    else if (errno == ENOENT)
        walk->result->n_vanished++;
    else
        add_problem(walk, g_strdup_printf("%s: %s", path, g_strerror(errno)));
}

static char *
descriptor_path(int fd)
{
    g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", fd);

    return g_file_read_link(link, NULL);
}

/* Where @fd is below the root, relative; NULL when it is elsewhere. "" for the root itself. */
static char *
place_below_root(const Walk *walk, int fd)
{
    g_autofree char *path = descriptor_path(fd);
    const char *root = walk->result->resolved;
    size_t length = strcmp(root, "/") ? strlen(root) : 0;

    if (!path || strncmp(path, root, length) || (path[length] && path[length] != '/'))
        return NULL;
    return g_strdup(path[length] ? path + length + 1 : "");
}

/* Why the place of a link's target must not be trusted; NULL when it may. */
static char *
check_parents(const Walk *walk, const char *place)
{
    g_autofree char *parents = g_path_get_dirname(place);
    g_auto(GStrv) names = g_strsplit(parents, "/", -1);
    g_autoptr(GString) path = g_string_new(NULL);
    struct stat status;

    for (guint i = 0; names[i]; i++) {
        g_string_append_printf(path, "%s%s", i ? "/" : "", names[i]);
        if (fstatat(walk->root_fd, path->str, &status, AT_SYMLINK_NOFOLLOW) < 0)
            return g_strdup_printf("%s: %s", path->str, g_strerror(errno));
        if (is_writable_by_others(walk, &status)) {
            g_autofree char *text = writable_text(&status);

            return g_strdup_printf("%s: %s", path->str, text);
        }
    }
    return NULL;
}

/* A symlink whose target is open as @target (O_PATH). */
static void
follow_link(Walk *walk, int target, const char *path, guint depth)
{
    g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", target);
    g_autofree char *place = place_below_root(walk, target);
    g_autofree char *refusal = NULL;
    WalkFile file = { .path = path, .at = AT_FDCWD, .name = link };

    if (fstat(target, &file.status) < 0 || file.status.st_nlink == 0) {
        walk->result->n_vanished++;
        return;
    }
    if (!S_ISDIR(file.status.st_mode) && !is_xml(path))
        return;
    refusal = place ? check_parents(walk, place)
                    : g_strdup("a symlink that leads out of the domains directory");
    if (!S_ISDIR(file.status.st_mode)) {
        file.refusal = refusal;
        report_file(walk, &file);
    } else if (refusal) {
        add_problem(walk, g_strdup_printf("%s: %s", path, refusal));
    } else {
        enter_directory(walk, AT_FDCWD, link, 0, path, depth + 1);
    }
}

static void
visit_link(Walk *walk, int fd, const char *name, const char *path, guint depth)
{
    int target = openat(fd, name, O_PATH | O_CLOEXEC);
    WalkFile file = { .path = path };
    g_autofree char *refusal = NULL;

    if (target >= 0) {
        follow_link(walk, target, path, depth);
        close(target);
    } else if (is_xml(name)) {
        refusal = g_strdup_printf("a symlink that leads nowhere: %s", g_strerror(errno));
        file.refusal = refusal;
        report_file(walk, &file);
    }
}

static void
visit_name(Walk *walk, int fd, const char *name, const char *path, const struct stat *status,
           guint depth)
{
    WalkFile file = { .path = path, .at = fd, .name = name, .flags = O_NOFOLLOW };

    if (S_ISDIR(status->st_mode)) {
        enter_directory(walk, fd, name, O_NOFOLLOW, path, depth + 1);
    } else if (is_xml(name)) {
        file.status = *status;
        report_file(walk, &file);
    }
}

/* ---- directories ---- */

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* The names in @fd that aren't hidden, sorted. NULL with errno on failure. */
static GPtrArray *
list_names(int fd)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    DIR *stream = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *entry;
    int code;

    if (!stream) {
        if (copy >= 0)
            close(copy);
        return NULL;
    }
    for (errno = 0; (entry = readdir(stream)); errno = 0)
        if (entry->d_name[0] != '.')
            g_ptr_array_add(names, g_strdup(entry->d_name));
    code = errno;
    closedir(stream);
    errno = code;
    if (code)
        return NULL;
    g_ptr_array_sort(names, compare_names);
    return g_steal_pointer(&names);
}

/* True at the first visit. */
static bool
mark_visited(Walk *walk, const struct stat *status)
{
    return g_hash_table_add(walk->visited,
                            g_strdup_printf("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT,
                                            (guint64) status->st_dev, (guint64) status->st_ino));
}

/* Either what is really there or what is linked: a directory that can be reached both ways is to be
 * known by its real path. */
static void
visit_names(Walk *walk, int fd, const GPtrArray *names, const char *prefix, bool wants_links,
            guint depth)
{
    for (guint i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];
        g_autofree char *path = join(prefix, name);
        struct stat status;

        if (fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
            if (errno == ENOENT)
                walk->result->n_vanished++;
            else
                add_problem(walk, g_strdup_printf("%s: %s", path, g_strerror(errno)));
            continue;
        }
        if (S_ISLNK(status.st_mode) != wants_links)
            continue;
        if (wants_links)
            visit_link(walk, fd, name, path, depth);
        else
            visit_name(walk, fd, name, path, &status, depth);
    }
}

/* Takes @fd. */
static void
walk_directory(Walk *walk, int fd, const char *prefix, guint depth)
{
    g_autoptr(GPtrArray) names = NULL;
    const char *shown = *prefix ? prefix : walk->result->resolved;
    struct stat status;

    if (fstat(fd, &status) < 0) {
        add_problem(walk, g_strdup_printf("%s: %s", shown, g_strerror(errno)));
    } else if (is_writable_by_others(walk, &status)) {
        g_autofree char *text = writable_text(&status);

        add_problem(walk, g_strdup_printf("%s: %s", shown, text));
    } else if (depth > DIRECTORY_MAX_DEPTH) {
        add_problem(walk,
                    g_strdup_printf("%s: deeper than %u directories", shown, DIRECTORY_MAX_DEPTH));
    } else if (mark_visited(walk, &status)) {
        names = list_names(fd);
        if (!names)
            add_problem(walk, g_strdup_printf("%s: %s", shown, g_strerror(errno)));
    }
    if (names) {
        visit_names(walk, fd, names, prefix, false, depth);
        visit_names(walk, fd, names, prefix, true, depth);
    }
    close(fd);
}

void
directory_walk(const char *root, bool is_strict, WalkVisit visit, gpointer data,
               WalkResult *ret_result)
{
    g_autoptr(GHashTable) visited = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Walk walk = { .is_strict = is_strict,
                  .visit = visit,
                  .data = data,
                  .result = ret_result,
                  .visited = visited };
    int copy;

    *ret_result = (WalkResult){ 0 };
    walk.root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (walk.root_fd < 0) {
        ret_result->is_missing = errno == ENOENT;
        if (errno != ENOENT)
            add_problem(&walk, g_strdup_printf("%s: %s", root, g_strerror(errno)));
        return;
    }
    ret_result->resolved = descriptor_path(walk.root_fd);
    copy = fcntl(walk.root_fd, F_DUPFD_CLOEXEC, 3);
    if (!ret_result->resolved || copy < 0 || fstat(walk.root_fd, &ret_result->root) < 0)
        add_problem(&walk, g_strdup_printf("%s: %s", root, g_strerror(errno)));
    else
        walk_directory(&walk, g_steal_fd(&copy), "", 0);
    if (copy >= 0)
        close(copy);
    close(walk.root_fd);
}
