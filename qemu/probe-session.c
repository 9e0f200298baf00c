/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One conversation with a QEMU binary that is started for nothing else.
 *
 * The process is held three ways: it dies with us (PR_SET_PDEATHSIG), it is told to quit, and it
 * is killed when it doesn't. Whatever happens it is reaped before the call returns. Its stderr goes
 * to a memory file, so that it can't block and its words are at hand.
 *
 *     start ── questions over a socket pair ── "quit" ── wait, or kill ── reap ── its words
 */
#include "qemu/probe-session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qemu/probe.h"
#include "qemu/qmp.h"

#define END_GRACE_US (2 * G_USEC_PER_SEC) /* after a conversation that went wrong */
#define QMP_FD 3
#define WORDS_MAX 4096

struct ProbeSession {
    Qmp *qmp;
    gint64 deadline;
};

typedef struct {
    pid_t pid;
    int pidfd;
    int words_fd; /* its stderr */
    int socket;   /* -1 once the QMP client has it */
} Probe;

static void
die_with_us(gpointer parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != GPOINTER_TO_INT(parent))
        _exit(127);
}

static bool
check_binary(const char *emulator, GError **error)
{
    struct stat status;

    if (stat(emulator, &status) < 0) {
        g_set_error(error, PROBE_ERROR,
                    errno == ENOENT ? PROBE_ERROR_NOT_FOUND : PROBE_ERROR_NOT_EXECUTABLE, "%s: %s",
                    emulator, g_strerror(errno));
        return false;
    }
    if (S_ISREG(status.st_mode) && access(emulator, X_OK) == 0)
        return true;
    g_set_error(error, PROBE_ERROR, PROBE_ERROR_NOT_EXECUTABLE, "%s: not an executable file",
                emulator);
    return false;
}

static bool
spawn(const char *emulator, const char *machine, Probe *probe, int socket, GError **error)
{
    const char *argv[] = { emulator,
                           "-S",
                           "-no-user-config",
                           "-nodefaults",
                           "-nographic",
                           "-machine",
                           machine,
                           "-chardev",
                           "socket,id=virtkeep-probe,fd=" G_STRINGIFY(QMP_FD),
                           "-mon",
                           "chardev=virtkeep-probe,mode=control",
                           NULL };
    g_auto(GStrv) environment = g_environ_setenv(g_get_environ(), "LC_ALL", "C", TRUE);
    g_autoptr(GError) problem = NULL;
    int target = QMP_FD;

    if (g_spawn_async_with_pipes_and_fds(
            "/", argv, (const char *const *) environment, G_SPAWN_DO_NOT_REAP_CHILD, die_with_us,
            GINT_TO_POINTER(getpid()), -1, probe->words_fd, probe->words_fd, &socket, &target, 1,
            &probe->pid, NULL, NULL, NULL, &problem))
        return true;
    g_set_error(error, PROBE_ERROR, PROBE_ERROR_NOT_EXECUTABLE, "%s", problem->message);
    return false;
}

static bool
probe_start(const char *emulator, const char *machine, Probe *probe, GError **error)
{
    int pair[2];
    bool is_started;

    probe->words_fd = memfd_create("virtkeep-probe", MFD_CLOEXEC);
    if (probe->words_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        g_set_error(error, PROBE_ERROR, PROBE_ERROR_FAILED, "%s: %s", emulator, g_strerror(errno));
        return false;
    }
    is_started = spawn(emulator, machine, probe, pair[1], error);
    close(pair[1]);
    probe->socket = pair[0];
    if (is_started)
        probe->pidfd = (int) syscall(SYS_pidfd_open, probe->pid, 0);
    return is_started;
}

/* Gives the process until @deadline to end by itself, kills it, and reaps it. */
static void
probe_end(Probe *probe, gint64 deadline)
{
    struct pollfd ended = { .fd = probe->pidfd, .events = POLLIN };
    gint64 left = MAX(deadline - g_get_monotonic_time(), 0);

    if (probe->pid > 0) {
        while (probe->pidfd >= 0 && poll(&ended, 1, (int) (left / 1000)) < 0 && errno == EINTR)
            continue;
        kill(probe->pid, SIGKILL); /* our own child, not reaped yet: the pid is its own */
        while (waitpid(probe->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    probe->pid = 0;
}

static char *
probe_words(const Probe *probe)
{
    char text[WORDS_MAX];
    ssize_t n = pread(probe->words_fd, text, sizeof text, 0);

    return n <= 0 ? g_strdup("") : g_strchomp(g_utf8_make_valid(text, n));
}

static void
probe_close(Probe *probe)
{
    const int fds[] = { probe->pidfd, probe->words_fd, probe->socket };

    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* Asking. */

Json *
probe_session_ask(const ProbeSession *session, const char *command, Json *arguments, GError **error)
{
    gint64 left = MAX(session->deadline - g_get_monotonic_time(), 1);

    return qmp_execute(session->qmp, command, arguments, left, error);
}

static Json *
converse(Probe *probe, gint64 deadline, ProbeQuestions questions, GError **error)
{
    gint64 left = MAX(deadline - g_get_monotonic_time(), 1);
    g_autoptr(Qmp) qmp = qmp_open_fd(probe->socket, left, error);
    ProbeSession session = { .qmp = qmp, .deadline = deadline };
    g_autoptr(Json) result = NULL;
    g_autoptr(Json) reply = NULL;

    probe->socket = -1;
    if (!qmp)
        return NULL;
    result = questions(&session, error);
    reply = probe_session_ask(&session, "quit", NULL, NULL);
    return g_steal_pointer(&result);
}

static void
refuse(const char *emulator, const GError *problem, const char *words, GError **error)
{
    bool is_late = g_error_matches(problem, QMP_ERROR, QMP_ERROR_TIMEOUT) ||
                   g_error_matches(problem, QMP_ERROR, QMP_ERROR_BUSY);

    if (is_late)
        g_set_error(error, PROBE_ERROR, PROBE_ERROR_TIMEOUT, "%s: it didn't answer in time%s%s",
                    emulator, *words ? ": " : "", words);
    else
        g_set_error(error, PROBE_ERROR, PROBE_ERROR_FAILED, "%s: can't be asked what it can do: %s",
                    emulator, *words ? words : problem->message);
}

Json *
probe_converse(const char *emulator, const char *machine, gint64 timeout_us,
               ProbeQuestions questions, GError **error)
{
    Probe probe = { .pidfd = -1, .words_fd = -1, .socket = -1 };
    gint64 deadline = g_get_monotonic_time() + timeout_us;
    g_autoptr(GError) problem = NULL;
    g_autoptr(Json) result = NULL;
    g_autofree char *words = NULL;

    if (!check_binary(emulator, error))
        return NULL;
    if (!probe_start(emulator, machine, &probe, error)) {
        probe_close(&probe);
        return NULL;
    }
    result = converse(&probe, deadline, questions, &problem);
    /* Perhaps it hasn't even heard that it is to quit. */
    probe_end(&probe, result ? deadline : MIN(deadline, g_get_monotonic_time() + END_GRACE_US));
    words = probe_words(&probe);
    probe_close(&probe);
    if (!result)
        refuse(emulator, problem, words, error);
    return g_steal_pointer(&result);
}
