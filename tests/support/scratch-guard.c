/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * scratch-guard DIR: waits for the end of file on standard input, which comes when the test
 * that started it ends in whatever way, then ends the processes that the test left behind and
 * removes DIR. Exit status: how many processes it had to kill (at most 100).
 *
 * A process is the test's own if its pid was sent as a line "pid N", if its environment holds
 * VIRTKEEP_TEST_SCRATCH=DIR, or if its standard output or error is a file below DIR (a QEMU
 * whose environment was cleaned still writes to its log there). DIR is unique to the test, so
 * nobody else's process can match. Other open files do not count: a developer may be looking
 * at a log with `tail -f`.
 *
 * Each candidate is held by a pidfd before it is looked at and signalled through it, so a pid
 * used again meanwhile is never hit. New processes may appear while others are ended (a
 * controller starts a QEMU): the search goes on until it finds none.
 *
 * A file /dev/shm/virtkeep-BASENAME, of the last part of DIR, is removed with it.
 *
 * Plain libc, nothing of the project's: it must work where the test went wrong.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_RECORDED 256
#define KILL_TIMEOUT_MS 5000

static const char *dir;
static int recorded[MAX_RECORDED];
static unsigned n_recorded;
static unsigned n_killed;

static int
open_pidfd(pid_t pid)
{
    return syscall(SYS_pidfd_open, pid, 0);
}

/* Kills and waits until it is gone, so that its files are closed before they are removed. */
static void
kill_process(int pidfd)
{
    struct pollfd gone = { .fd = pidfd, .events = POLLIN };

    if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0)
        return;
    poll(&gone, 1, KILL_TIMEOUT_MS);
    n_killed++;
}

static bool
is_alive(int pidfd)
{
    struct pollfd gone = { .fd = pidfd, .events = POLLIN };

    return poll(&gone, 1, 0) == 0;
}

static bool
environment_names_dir(pid_t pid)
{
    char path[64];
    char want[PATH_MAX + 64];
    char *line = NULL;
    size_t size = 0;
    bool found = false;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%ld/environ", (long) pid);
    snprintf(want, sizeof(want), "VIRTKEEP_TEST_SCRATCH=%s", dir);
    file = fopen(path, "re");
    if (!file)
        return false;
    while (!found && getdelim(&line, &size, '\0', file) > 0)
        found = strcmp(line, want) == 0;
    free(line);
    fclose(file);
    return found;
}

static bool
writes_into_dir(pid_t pid, int fd)
{
    char path[64];
    char target[PATH_MAX];
    ssize_t length;
    size_t dir_length = strlen(dir);

    snprintf(path, sizeof(path), "/proc/%ld/fd/%d", (long) pid, fd);
    length = readlink(path, target, sizeof(target) - 1);
    if (length < 0)
        return false;
    target[length] = '\0';
    return strncmp(target, dir, dir_length) == 0 && target[dir_length] == '/';
}

static bool
is_ours(pid_t pid)
{
    return environment_names_dir(pid) || writes_into_dir(pid, STDOUT_FILENO) ||
           writes_into_dir(pid, STDERR_FILENO);
}

/* One look at all processes; returns how many were killed. */
static unsigned
sweep(void)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    unsigned before = n_killed;

    if (!proc)
        return 0;
    while ((entry = readdir(proc))) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        int pidfd;

        if (*end != '\0' || pid <= 1 || pid == getpid())
            continue;
        pidfd = open_pidfd(pid);
        if (pidfd < 0)
            continue;
        if (is_ours(pid) && is_alive(pidfd)) {
            fprintf(stderr, "scratch-guard: killing left-over process %ld\n", pid);
            kill_process(pidfd);
        }
        close(pidfd);
    }
    closedir(proc);
    return n_killed - before;
}

static void
read_pids(void)
{
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, stdin) > 0) {
        long pid;

        if (sscanf(line, "pid %ld", &pid) != 1 || pid <= 1 || n_recorded == MAX_RECORDED)
            continue;
        recorded[n_recorded] = open_pidfd(pid);
        if (recorded[n_recorded] >= 0)
            n_recorded++;
    }
    free(line);
}

static int
remove_entry(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void) info;
    (void) where;
    if (type == FTW_DNR) /* a test took the permission away */
        chmod(path, 0700);
    if (remove(path) < 0 && errno != ENOENT)
        fprintf(stderr, "scratch-guard: %s: %s\n", path, strerror(errno));
    return 0;
}

/* What an ivshmem device of a test is named after its DIR, and QEMU leaves there. */
static void
remove_shared_memory(void)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "/dev/shm/virtkeep-%s", strrchr(dir, '/') + 1);

    if (length > 0 && (size_t) length < sizeof path)
        unlink(path);
}

int
main(int argc, char **argv)
{
    if (argc != 2 || argv[1][0] != '/')
        return 127;
    dir = argv[1];
    /* Ctrl-C on the test must not end the one that cleans up after it. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    unsetenv("VIRTKEEP_TEST_SCRATCH");

    read_pids();
    for (unsigned i = 0; i < n_recorded; i++) {
        if (is_alive(recorded[i]))
            kill_process(recorded[i]);
    }
    while (sweep() > 0)
        ;
    if (getenv("VIRTKEEP_TEST_KEEP"))
        fprintf(stderr, "scratch-guard: kept %s\n", dir);
    else
        nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    remove_shared_memory();
    return n_killed < 100 ? (int) n_killed : 100;
}
