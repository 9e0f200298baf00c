/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One pass with side effects a domain, whoever runs it.
 *
 * flock(2) belongs to the open file description, so it excludes threads of one process as well as
 * processes, and the kernel drops it when its holder dies, however it dies. (fcntl(2) locks belong
 * to the process and vanish with any close of the file: two workers would not see each other.)
 * The descriptor is close-on-exec, so that a QEMU never inherits a lock.
 *
 * The file is never removed by us: between an open and the flock of a removed file another process
 * could create and lock a new one, and both would hold "the" lock. Where somebody else removed it
 * meanwhile, what was locked is no longer the file of that name, and is locked anew. Its text is
 * the holder's pid, only to say whom one waits for; nothing is decided by it.
 *
 * Its name begins with a dot, which no domain's does: RUN/a.lock is the run directory of a domain
 * called "a.lock", and must not be in the way of one called "a".
 *
 * Waiting polls with growing pauses: flock has no time-out, and an alarm signal has no place in a
 * threaded program.
 */
#include "controller/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_PAUSE_FIRST_US 1000
#define LOCK_PAUSE_MOST_US 50000

struct Lock {
    int fd;
};

static char *
lock_path(const char *run_dir, const char *name)
{
    g_autofree char *file = g_strdup_printf(".%s.lock", name);

    return g_build_filename(run_dir, file, NULL);
}

/* "pid 4711", or NULL when the file doesn't say. */
static char *
lock_holder(int fd)
{
    char text[32];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    guint64 pid;

    if (n <= 0)
        return NULL;
    text[n] = '\0';
    if (!g_ascii_string_to_unsigned(g_strchomp(text), 10, 1, G_MAXINT32, &pid, NULL))
        return NULL;
    return g_strdup_printf("pid %" G_GUINT64_FORMAT, pid);
}

static void
write_holder(int fd)
{
    g_autofree char *text = g_strdup_printf("%d\n", (int) getpid());

    /* Only a hint for people: a full disk must not keep anyone from the lock. */
    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, strlen(text), 0) < 0)
        return;
}

/* Waits a little, at most until @deadline; false when that has passed or @cancellable fired. */
static gboolean
lock_pause(gint64 *pause, gint64 deadline, GCancellable *cancellable)
{
    gint64 left = deadline == G_MAXINT64 ? *pause : deadline - g_get_monotonic_time();

    if (left <= 0 || g_cancellable_is_cancelled(cancellable))
        return FALSE;
    g_usleep(MIN(*pause, left));
    *pause = MIN(*pause * 2, LOCK_PAUSE_MOST_US);
    return TRUE;
}

/* True once @fd holds the lock. */
static gboolean
lock_wait(int fd, const char *path, gint64 timeout_us, GCancellable *cancellable, GError **error)
{
    gint64 deadline = timeout_us < 0 ? G_MAXINT64 : g_get_monotonic_time() + timeout_us;
    gint64 pause = LOCK_PAUSE_FIRST_US;
    g_autofree char *holder = NULL;

    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EINTR)
            continue;
        if (errno != EWOULDBLOCK) {
            int code = errno;

            g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code), "locking %s: %s", path,
                        g_strerror(code));
            return FALSE;
        }
        if (lock_pause(&pause, deadline, cancellable))
            continue;
        if (g_cancellable_set_error_if_cancelled(cancellable, error))
            return FALSE;
        holder = lock_holder(fd);
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                    "another virtkeep (%s) is at work on it", holder ? holder : path);
        return FALSE;
    }
    return TRUE;
}

/* Whether the locked @fd is still what others find at @path. */
static gboolean
is_current(int fd, const char *path)
{
    struct stat held, named;

    return fstat(fd, &held) == 0 && lstat(path, &named) == 0 && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino;
}

/* The open lock file, or -1. */
static int
open_file(const char *run_dir, const char *path, GError **error)
{
    int fd = -1;

    if (g_mkdir_with_parents(run_dir, 0700) == 0)
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        int code = errno;

        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code), "%s: %s", path,
                    g_strerror(code));
    }
    return fd;
}

Lock *
lock_acquire(const char *run_dir, const char *name, gint64 timeout_us, GCancellable *cancellable,
             GError **error)
{
    g_autofree char *path = lock_path(run_dir, name);
    Lock *lock;
    int fd;

    while ((fd = open_file(run_dir, path, error)) >= 0) {
        if (!lock_wait(fd, path, timeout_us, cancellable, error)) {
            close(fd);
            return NULL;
        }
        if (is_current(fd, path))
            break;
        close(fd);
    }
    if (fd < 0)
        return NULL;
    write_holder(fd);
    lock = g_new0(Lock, 1);
    lock->fd = fd;
    return lock;
}

void
lock_release(Lock *lock)
{
    if (!lock)
        return;
    close(lock->fd); /* drops the lock: no other descriptor shares this open file */
    g_free(lock);
}
