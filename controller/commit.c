/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which commit is checked out, and whether git is still at it.
 *
 * Cause and history name the commit a file came from. Running git for it would run what the
 * repository configures (core.fsmonitor, hooks) with our rights, so its files are read instead, a
 * few small ones (gitrepository-layout(5)):
 *
 *     WORKTREE/.git           a directory, or a file "gitdir: PATH" (linked work trees, submodules)
 *     GITDIR/HEAD             a commit, or "ref: refs/heads/main"
 *     GITDIR/commondir        where refs of linked work trees live, relative to GITDIR
 *     COMMON/refs/heads/main  a commit, or "ref: …" again
 *     COMMON/packed-refs      lines "COMMIT refs/heads/main"
 *
 * What they say is trusted only as far as it looks like a commit. `git checkout` replaces files
 * one by one under GITDIR/index.lock; a scan meanwhile would see half of a commit, so one waits
 * while that exists, but not for one that a crashed git left.
 */
#include "controller/commit.h"

#include <string.h>
#include <sys/stat.h>

#include "model/regular-file.h"

#define SMALL_FILE_MAX 4096
#define PACKED_REFS_MAX (16u << 20)
#define REF_DEPTH_MAX 5
#define WAIT_PAUSE_US 20000

static char *
read_line(const char *directory, const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    char *text = regular_file_read(path, SMALL_FILE_MAX, NULL);

    if (text)
        text[strcspn(text, "\n")] = '\0';
    return text ? g_strchomp(text) : NULL;
}

static bool
is_commit(const char *text)
{
    size_t length = strspn(text, "0123456789abcdef");

    return (length == 40 || length == 64) && !text[length];
}

static char *
absolute_to(const char *directory, const char *path)
{
    return g_path_is_absolute(path) ? g_strdup(path) : g_build_filename(directory, path, NULL);
}

/* The git directory of the work tree that @directory lies in; NULL when it is in none. */
static char *
find_git_directory(const char *directory)
{
    g_autofree char *at = realpath(directory, NULL);

    while (at) {
        g_autofree char *dot_git = g_build_filename(at, ".git", NULL);
        g_autofree char *line = NULL;
        char *slash;

        if (g_file_test(dot_git, G_FILE_TEST_IS_DIR))
            return g_steal_pointer(&dot_git);
        line = read_line(at, ".git");
        if (line && g_str_has_prefix(line, "gitdir: "))
            return absolute_to(at, line + strlen("gitdir: "));
        slash = strrchr(at, '/');
        if (!slash || !at[1])
            return NULL;
        slash[slash == at ? 1 : 0] = '\0';
    }
    return NULL;
}

static char *
find_packed(const char *common, const char *ref)
{
    g_autofree char *path = g_build_filename(common, "packed-refs", NULL);
    g_autofree char *text = regular_file_read(path, PACKED_REFS_MAX, NULL);
    char *line, *rest = text;

    while (rest && (line = strsep(&rest, "\n"))) {
        char *space = strchr(line, ' ');

        if (!space || *line == '#' || strcmp(space + 1, ref))
            continue;
        *space = '\0';
        return is_commit(line) ? g_strdup(line) : NULL;
    }
    return NULL;
}

/* "refs/…" without a way out of the git directory. */
static bool
is_ref(const char *name)
{
    return g_str_has_prefix(name, "refs/") && !strstr(name, "/../") &&
           !g_str_has_suffix(name, "/..");
}

char *
commit_of_directory(const char *directory)
{
    g_autofree char *git = find_git_directory(directory);
    g_autofree char *common_line = git ? read_line(git, "commondir") : NULL;
    g_autofree char *common = common_line ? absolute_to(git, common_line) : g_strdup(git);
    g_autofree char *text = git ? read_line(git, "HEAD") : NULL;

    for (int depth = 0; text && depth < REF_DEPTH_MAX; depth++) {
        g_autofree char *name = NULL;

        if (is_commit(text))
            return g_steal_pointer(&text);
        if (!g_str_has_prefix(text, "ref: ") || !is_ref(text + strlen("ref: ")))
            return NULL;
        name = g_strdup(text + strlen("ref: "));
        g_free(text);
        text = read_line(common, name);
        if (!text)
            return find_packed(common, name);
    }
    return NULL;
}

bool
commit_is_busy(const char *directory, gint64 now_us)
{
    g_autofree char *git = find_git_directory(directory);
    g_autofree char *path = git ? g_build_filename(git, "index.lock", NULL) : NULL;
    struct stat status;
    gint64 age;

    if (!path || lstat(path, &status) < 0)
        return false;
    age =
        now_us - ((gint64) status.st_mtim.tv_sec * G_USEC_PER_SEC + status.st_mtim.tv_nsec / 1000);
    /* From the future: the clock was set back, and it tells nothing. */
    return ABS(age) < COMMIT_BUSY_MAX_US;
}

bool
commit_wait(const char *directory, gint64 timeout_us)
{
    gint64 deadline = g_get_monotonic_time() + timeout_us;

    while (commit_is_busy(directory, g_get_real_time())) {
        gint64 left = deadline - g_get_monotonic_time();

        if (left <= 0)
            return false;
        g_usleep(MIN(left, WAIT_PAUSE_US));
    }
    return true;
}
