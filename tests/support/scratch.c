/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The test's side of a scratch directory. What matters is done by the guard
 * (scratch-guard.c), a process of its own in its own session: it holds the reading end of a
 * pipe whose writing end only this process has, so however this process ends, the guard reads
 * the end of file, and cleans up.
 *
 *     test ──── pipe: "pid N\n" … ────▶ guard ──▶ kills what is left, removes DIR
 *       └─ dies, or scratch_end(): end of file
 *
 * The writing end is close-on-exec: a QEMU that inherited it would keep the guard waiting for
 * the very process it is to end. A child that is forked and not executed would do so too,
 * which is why the test programs fork only through command.c.
 *
 * A guard that is a separate program, rather than a forked copy of the test, has no locks of
 * another thread's to trip over, and the sanitizers' reports stay those of the test.
 */
#include "tests/support/scratch.h"

#include "tests/support/scratch-guard-built.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct Scratch {
    char *dir;
    int pipe; /* to the guard */
    pid_t guard;
};

static void
scratch_start_guard(Scratch *scratch)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        g_error("scratch: pipe: %s", g_strerror(errno));
    scratch->guard = fork();
    if (scratch->guard < 0)
        g_error("scratch: fork: %s", g_strerror(errno));
    if (scratch->guard == 0) {
        setsid();
        dup2(fds[0], STDIN_FILENO);
        dup2(STDERR_FILENO, STDOUT_FILENO);
        execl(SCRATCH_GUARD, SCRATCH_GUARD, scratch->dir, NULL);
        _exit(127);
    }
    close(fds[0]);
    scratch->pipe = fds[1];
}

Scratch *
scratch_new(void)
{
    g_autofree Scratch *scratch = g_new0(Scratch, 1);
    g_autoptr(GError) error = NULL;

    scratch->dir = g_dir_make_tmp("vk-XXXXXX", &error);
    if (!scratch->dir)
        g_error("scratch: %s", error->message);
    scratch_start_guard(scratch);
    g_setenv(SCRATCH_VARIABLE, scratch->dir, TRUE);
    return g_steal_pointer(&scratch);
}

unsigned
scratch_end(Scratch *scratch)
{
    int status = 0;

    if (!scratch)
        return 0;
    g_unsetenv(SCRATCH_VARIABLE);
    close(scratch->pipe);
    while (waitpid(scratch->guard, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) == 127)
        g_error("scratch: the guard of %s failed (wait status %d)", scratch->dir, status);
    g_free(scratch->dir);
    g_free(scratch);
    return WEXITSTATUS(status);
}

void
scratch_free(Scratch *scratch)
{
    scratch_end(scratch);
}

const char *
scratch_dir(const Scratch *scratch)
{
    return scratch->dir;
}

char *
scratch_path(const Scratch *scratch, const char *name)
{
    return g_build_filename(scratch->dir, name, NULL);
}

static void
make_directories(const char *path)
{
    if (g_mkdir_with_parents(path, 0700) < 0)
        g_error("scratch: %s: %s", path, g_strerror(errno));
}

char *
scratch_mkdir(Scratch *scratch, const char *name)
{
    g_autofree char *path = scratch_path(scratch, name);

    make_directories(path);
    return g_steal_pointer(&path);
}

char *
scratch_write(Scratch *scratch, const char *name, const char *text)
{
    g_autofree char *path = scratch_path(scratch, name);
    g_autofree char *parent = g_path_get_dirname(path);
    g_autoptr(GError) error = NULL;

    make_directories(parent);
    /* Mode as an editor leaves it: with more, virtkeep run by root refuses the file. */
    if (!g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0644, &error))
        g_error("scratch: %s", error->message);
    return g_steal_pointer(&path);
}

char *
scratch_read(const Scratch *scratch, const char *name)
{
    g_autofree char *path = scratch_path(scratch, name);
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? text : NULL;
}

char *
scratch_address(void)
{
    return g_strdup_printf("127.1.%d.%d", getpid() >> 8 & 255, getpid() & 255);
}

void
scratch_watch_pid(Scratch *scratch, pid_t pid)
{
    if (dprintf(scratch->pipe, "pid %ld\n", (long) pid) < 0)
        g_error("scratch: the guard of %s is gone: %s", scratch->dir, g_strerror(errno));
}
