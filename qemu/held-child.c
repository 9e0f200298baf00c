/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The child that holds its breath.
 *
 * Between "QEMU runs" and "the state says that QEMU runs" there must be no instant at which we
 * could die: the QEMU would run on, unknown, and be started a second time. So the pid is made
 * first and the program last:
 *
 *     virtkeep ── fork ── intermediate: setsid ── fork ── child: closes, tidies, tells its pid
 *        │                      └ exits                     │
 *        │ pidfd, start time, process.json, SQLite          │ waits on the channel
 *        └ a byte ───────────────────────────────────────→ exec
 *          (or dies: end of file ────────────────────────→ exit, nothing ever ran)
 *
 * The channel is one socket pair: pid and errno come back over it, and a successful exec closes
 * the child's end. Thanks to the intermediate, QEMU is init's child, never ours to reap, nor a
 * member of our session.
 *
 * virtkeep has threads, so between fork and exec only async-signal-safe calls are allowed: all
 * memory is prepared before. Signals are blocked around the fork, so that none of our handlers
 * runs in the child. Descriptors are handed over by number: each is first moved above all wanted
 * numbers, so that none is overwritten before it is moved, then everything else is closed, then
 * each is put in its place.
 */
#include "qemu/held-child.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child says: its pid first, then perhaps why it could not go on. */
typedef struct {
    gint32 pid;
    gint32 problem; /* errno, or 0 */
} Message;

/* In the child. Only async-signal-safe calls. */

G_GNUC_NORETURN
static void
child_fail(int channel, int problem)
{
    Message message = { .pid = getpid(), .problem = problem };

    send(channel, &message, sizeof message, MSG_NOSIGNAL);
    _exit(127);
}

static void
child_reset_signals(void)
{
    struct sigaction action = { .sa_handler = SIG_DFL };

    for (int i = 1; i < NSIG; i++)
        sigaction(i, &action, NULL);
}

/* Moves the listed descriptors to their numbers and the channel out of their way, and closes all
 * others. @moved has room for n_fds + 1. Returns the channel's new number. */
static int
child_place_descriptors(const HeldChildSpec *spec, int base, int channel, int *moved)
{
    unsigned int next = (unsigned int) base;

    for (guint i = 0; i <= spec->n_fds; i++) {
        moved[i] = fcntl(i < spec->n_fds ? spec->fds[i].fd : channel, F_DUPFD_CLOEXEC, base);
        if (moved[i] < 0)
            child_fail(channel, errno);
    }
    /* F_DUPFD takes the lowest free number: the moved ones ascend. */
    close_range(0, (unsigned int) base - 1, 0);
    for (guint i = 0; i <= spec->n_fds; i++) {
        if ((unsigned int) moved[i] > next)
            close_range(next, (unsigned int) moved[i] - 1, 0);
        next = (unsigned int) moved[i] + 1;
    }
    close_range(next, ~0U, 0);
    channel = moved[spec->n_fds];
    for (guint i = 0; i < spec->n_fds; i++) {
        if (dup2(moved[i], spec->fds[i].number) < 0)
            child_fail(channel, errno);
        close(moved[i]);
    }
    return channel;
}

G_GNUC_NORETURN
static void
child_run(const HeldChildSpec *spec, int base, int channel, int *moved)
{
    Message message = { .pid = getpid() };
    sigset_t none;
    char go;
    ssize_t n;

    child_reset_signals();
    channel = child_place_descriptors(spec, base, channel, moved);
    umask(0077);
    if (chdir("/") < 0)
        child_fail(channel, errno);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (send(channel, &message, sizeof message, MSG_NOSIGNAL) != sizeof message)
        _exit(127);
    do
        n = recv(channel, &go, 1, 0);
    while (n < 0 && errno == EINTR);
    if (n != 1)
        _exit(0);
    execve(spec->argv[0], (char *const *) spec->argv, (char *const *) spec->environment);
    child_fail(channel, errno);
}

/* In virtkeep. */

static bool
refuse(const char *what, int problem, GError **error)
{
    g_set_error(error, G_IO_ERROR, (int) g_io_error_from_errno(problem), "%s: %s", what,
                g_strerror(problem));
    return false;
}

static pid_t
fork_detached(const HeldChildSpec *spec, int base, int channel, int parent_channel, int *moved)
{
    pid_t intermediate = fork();
    pid_t child;

    if (intermediate != 0)
        return intermediate;
    close(parent_channel);
    setsid();
    child = fork();
    if (child == 0)
        child_run(spec, base, channel, moved);
    if (child < 0)
        child_fail(channel, errno);
    _exit(0);
}

static bool
read_message(int channel, Message *ret_message, gint64 timeout_us, bool *ret_is_closed,
             GError **error)
{
    struct pollfd ready = { .fd = channel, .events = POLLIN };
    gint64 deadline = g_get_monotonic_time() + timeout_us;
    ssize_t size;
    int n;

    do {
        gint64 left = MAX(deadline - g_get_monotonic_time(), 0);

        n = poll(&ready, 1, (int) ((left + 999) / 1000));
    } while (n < 0 && errno == EINTR);
    if (n == 0) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "the child didn't answer in time");
        return false;
    }
    size = recv(channel, ret_message, sizeof *ret_message, 0);
    *ret_is_closed = size == 0 || (size < 0 && errno == ECONNRESET);
    if (*ret_is_closed || size == sizeof *ret_message)
        return true;
    return refuse("the child's channel", size < 0 ? errno : EPROTO, error);
}

bool
held_child_fork(const HeldChildSpec *spec, pid_t *ret_pid, int *ret_channel, GError **error)
{
    g_autofree int *moved = g_new(int, spec->n_fds + 1);
    int base = 64;
    bool is_closed = false;
    Message message = { 0 };
    int channel[2];
    sigset_t all, before;
    pid_t pid;
    int problem;

    for (guint i = 0; i < spec->n_fds; i++)
        base = MAX(base, spec->fds[i].number + 1);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0)
        return refuse("socketpair", errno, error);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = fork_detached(spec, base, channel[1], channel[0], moved);
    problem = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(channel[1]);
    if (pid < 0) {
        close(channel[0]);
        return refuse("fork", problem, error);
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (!read_message(channel[0], &message, 10 * G_USEC_PER_SEC, &is_closed, error)) {
        close(channel[0]);
        return false;
    }
    if (is_closed || message.problem) {
        close(channel[0]);
        return refuse("preparing the child", is_closed ? ECHILD : message.problem, error);
    }
    *ret_pid = message.pid;
    *ret_channel = channel[0];
    return true;
}

bool
held_child_release(int channel, gint64 timeout_us, GError **error)
{
    Message message = { 0 };
    bool is_closed = false;

    if (send(channel, "g", 1, MSG_NOSIGNAL) < 0 && errno != EPIPE)
        return refuse("the child's channel", errno, error);
    if (!read_message(channel, &message, timeout_us, &is_closed, error))
        return false;
    return is_closed ? true : refuse("exec", message.problem, error);
}
