/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fault injector: a library put before libc (LD_PRELOAD) in a virtkeep under test. It counts
 * the calls by which a process leaves a trace in the world, and at the Nth one kills the process
 * with SIGKILL, before the call, or lets the call fail, or has it take longer than a pass may step
 * memory for, as on a machine that is slow or busy.
 *
 *     VIRTKEEP_FAULT=kill:N | fail:N | slow:N | blind:N    which one, from 1
 *     VIRTKEEP_FAULT_REPORT=FILE          made when the point was reached: what it was
 *
 * In the product there is no hook: nothing that could be forgotten at a new effect, or be used by
 * somebody else. What happens between two counted calls is memory, which dies with the process; so
 * being killed before the Nth call for each N stands for being killed at any instant. The kinds:
 *
 *     files       open with O_CREAT, mknod, rename, link, unlink, mkdir, rmdir
 *     state       the write of a WAL frame that commits (frame header, bytes 4 to 7 not zero)
 *     QMP, child  send, sendmsg, and with `fail` the recv after it: the effect is there, the answer
 * is lost processes   fork, pidfd_send_signal, bind links       sendto of a netlink request that
 * changes something
 *
 * Looks leave no trace, so they are counted apart, and alone, by `blind`: connect, the sending of
 * a mere question, and the receiving of its answer.
 *
 * Only the process that was started counts: not its forked children, and not the QEMU that is
 * asked what it can do, which inherits the environment.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Their prototypes are those of libc, with other names where large files are meant. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define WAL_FRAME_HEADER 24
#define SLOW_MS 300

static long wanted;
static bool is_kill, is_slow, is_blind;
static pid_t counted_process;
static atomic_long n_reached;
static _Thread_local enum { NOTHING, LOOK, EFFECT } has_sent; /* and waits for the answer */

/* The function that would have been called. */
#define REAL(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void
begin(void)
{
    const char *fault = getenv("VIRTKEEP_FAULT");

    if (!fault || !strchr(fault, ':') || strcmp(program_invocation_short_name, "virtkeep"))
        return;
    is_kill = fault[0] == 'k';
    is_slow = fault[0] == 's';
    is_blind = fault[0] == 'b';
    wanted = atol(strchr(fault, ':') + 1);
    counted_process = getpid();
}

static void
report(const char *what, const char *detail, size_t length)
{
    const char *path = getenv("VIRTKEEP_FAULT_REPORT");
    char line[200];
    int n = snprintf(line, sizeof line, "%s %.*s\n", what, (int) (length > 100 ? 100 : length),
                     detail ? detail : "");
    int fd = path ? (int) syscall(SYS_openat, AT_FDCWD, path,
                                  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)
                  : -1;

    if (fd < 0)
        return;
    (void) syscall(SYS_write, fd, line, (size_t) n);
    close(fd);
}

/* A point; true where the call is to fail. */
static bool
is_point(bool is_look, const char *what, const char *detail, size_t length)
{
    if (!wanted || is_look != is_blind || getpid() != counted_process ||
        atomic_fetch_add(&n_reached, 1) + 1 != wanted)
        return false;
    report(what, detail, length);
    if (is_kill)
        kill(getpid(), SIGKILL);
    if (is_slow)
        poll(NULL, 0, SLOW_MS);
    return !is_slow;
}

static bool
is_to_fail(const char *what, const char *detail, size_t length)
{
    return is_point(false, what, detail, length);
}

static bool
is_path_to_fail(const char *what, const char *path)
{
    return is_to_fail(what, path, strlen(path));
}

static int
refuse(int problem)
{
    errno = problem;
    return -1;
}

/* --- files --- */

static int
open_with(const char *what, const char *path, int flags)
{
    /* Of SQLite's own shared memory a crash is SQLite's business; there are many of it. */
    return flags & O_CREAT && !strstr(path, "-shm") && is_path_to_fail(what, path) ? refuse(ENOSPC)
                                                                                   : 0;
}

int
open64(const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode;

    va_start(arguments, flags);
    mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (open_with("open", path, flags) < 0)
        return -1;
    return REAL(open64)(path, flags, mode);
}

int
openat64(int directory, const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode;

    va_start(arguments, flags);
    mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (open_with("openat", path, flags) < 0)
        return -1;
    return REAL(openat64)(directory, path, flags, mode);
}

int
rename(const char *from, const char *to)
{
    return is_path_to_fail("rename", to) ? refuse(EIO) : REAL(rename)(from, to);
}

int
link(const char *from, const char *to)
{
    return is_path_to_fail("link", to) ? refuse(EIO) : REAL(link)(from, to);
}

int
unlink(const char *path)
{
    return is_path_to_fail("unlink", path) ? refuse(EIO) : REAL(unlink)(path);
}

int
unlinkat(int directory, const char *path, int flags)
{
    return is_path_to_fail("unlinkat", path) ? refuse(EIO) : REAL(unlinkat)(directory, path, flags);
}

int
mkdir(const char *path, mode_t mode)
{
    return is_path_to_fail("mkdir", path) ? refuse(ENOSPC) : REAL(mkdir)(path, mode);
}

int
mknod(const char *path, mode_t mode, dev_t device)
{
    return is_path_to_fail("mknod", path) ? refuse(ENOSPC) : REAL(mknod)(path, mode, device);
}

int
rmdir(const char *path)
{
    return is_path_to_fail("rmdir", path) ? refuse(EIO) : REAL(rmdir)(path);
}

/* --- the state --- */

static bool
is_log(int fd)
{
    char link_path[40], path[4096];
    ssize_t n;

    snprintf(link_path, sizeof link_path, "/proc/self/fd/%d", fd);
    n = readlink(link_path, path, sizeof path - 1);
    return n > 4 && !memcmp(path + n - 4, "-wal", 4);
}

ssize_t
pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    static const char none[4];
    bool is_commit =
        size == WAL_FRAME_HEADER && memcmp((const char *) data + 4, none, 4) && is_log(fd);

    if (is_commit && is_to_fail("commit", NULL, 0))
        return refuse(ENOSPC);
    return REAL(pwrite64)(fd, data, size, offset);
}

/* --- QMP, the held child, QEMU --- */

static bool
is_question(const char *data, size_t size)
{
    static const char *const looks[] = {
        "query-", "x-query-", "qom-get", "qom-list", "device-list-properties", "qmp_capabilities"
    };
    static const char prefix[] = "{\"execute\":\"";
    size_t skip = sizeof prefix - 1;

    if (size < skip || memcmp(data, prefix, skip))
        return false;
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
        size_t length = strlen(looks[i]);

        if (size - skip >= length && !memcmp(data + skip, looks[i], length))
            return true;
    }
    return false;
}

/* Commands that are sent at once: questions, all of them. */
static bool
is_look(const char *data, size_t size)
{
    const char *end = data + size, *newline;

    for (; data < end; data = newline + 1) {
        newline = memchr(data, '\n', (size_t) (end - data));
        if (!newline || !is_question(data, (size_t) (newline - data)))
            return false;
    }
    return true;
}

/* 0, or with what errno this is not sent. */
static int
refusal_of(const char *data, size_t size)
{
    bool is_only_look = is_look(data, size);

    if (is_point(is_only_look, "send", data, size > 1 ? size - 1 : size))
        return *data == '{' ? EPIPE : ENOBUFS;
    has_sent = is_only_look ? LOOK : EFFECT;
    return 0;
}

ssize_t
send(int fd, const void *data, size_t size, int flags)
{
    int refusal = refusal_of(data, size);

    return refusal ? refuse(refusal) : REAL(send)(fd, data, size, flags);
}

/* QMP's commands, of which some have a descriptor with them. */
ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
    const char *data = message->msg_iovlen ? message->msg_iov->iov_base : "";
    int refusal = *data == '{' ? refusal_of(data, message->msg_iov->iov_len) : 0;

    return refusal ? refuse(refusal) : REAL(sendmsg)(fd, message, flags);
}

ssize_t
recv(int fd, void *data, size_t size, int flags)
{
    int sent = has_sent;

    has_sent = NOTHING;
    if (sent != NOTHING && !is_kill && is_point(sent == LOOK, "recv", NULL, 0))
        return refuse(ECONNRESET);
    return REAL(recv)(fd, data, size, flags);
}

/* Of netlink only: asking for a link is a look. */
ssize_t
sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
       socklen_t length)
{
    const struct nlmsghdr *message = data;
    bool is_netlink = to && to->sa_family == AF_NETLINK && size >= sizeof *message;

    if (is_netlink && is_point(message->nlmsg_type == RTM_GETLINK, "netlink", NULL, 0))
        return refuse(EIO);
    return REAL(sendto)(fd, data, size, flags, to, length);
}

int
connect(int fd, const struct sockaddr *address, socklen_t length)
{
    return is_point(true, "connect", NULL, 0) ? refuse(ECONNREFUSED)
                                              : REAL(connect)(fd, address, length);
}

int
bind(int fd, const struct sockaddr *address, socklen_t length)
{
    return is_to_fail("bind", NULL, 0) ? refuse(EIO) : REAL(bind)(fd, address, length);
}

pid_t
fork(void)
{
    return is_to_fail("fork", NULL, 0) ? refuse(EAGAIN) : REAL(fork)();
}

/* GLib, too, calls this, for futexes: everything but the signal is passed on. */
long
syscall(long number, ...)
{
    static long (*real)(long, ...);
    long a[6];
    va_list arguments;

    va_start(arguments, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(arguments, long);
    va_end(arguments);
    if (!real)
        real = (long (*)(long, ...)) dlsym(RTLD_NEXT, "syscall");
    if (number == SYS_pidfd_send_signal && is_to_fail("pidfd_send_signal", NULL, 0))
        return refuse(EPERM);
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
