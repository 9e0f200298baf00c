/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starting a QEMU.
 *
 * The order is the point, each line making the next one safe:
 *
 *     1. paths checked; no QEMU of ours alive in the run directory
 *     2. run directory (0700), the log, the listening sockets (0600)
 *     3. the held child: a pid, no program (qemu/held-child.h)
 *     4. process.json
 *        — here the caller commits to its state —
 *     5. exec; QEMU paused (-S), its monitors already listening
 *
 * The sockets are ours before they are QEMU's, so connecting needs no polling: whoever connects
 * between 2 and QEMU's first accept waits in the backlog, and if QEMU dies gets an end of file at
 * once, since then nobody holds the listening end any more. For that we close our copies as soon
 * as the child has its own.
 *
 * QEMU's stderr goes straight to the domain's log, appended: no pipe of ours that could fill or
 * break when we leave. Where this start's words begin is remembered as an offset.
 */
#include "qemu/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "qemu/held-child.h"
#include "qemu/launch-files.h"

#define FIRST_MONITOR_FD 3
#define EXEC_TIMEOUT_US (30 * G_USEC_PER_SEC)
#define END_TIMEOUT_US (5 * G_USEC_PER_SEC)

static const char *const monitors[] = { LAUNCH_CONTROL, LAUNCH_EVENTS, LAUNCH_DEBUG };

struct Launch {
    char *name;
    char *run_directory;
    char **argv;
    char **environment;
    int listeners[G_N_ELEMENTS(monitors)]; /* until the child has them */
    int log_fd;
    guint64 log_offset;
    int channel;      /* to the held child; -1 before and after */
    Process *process; /* NULL before */
    bool is_released;
};

G_DEFINE_QUARK(virtkeep_launch_error, launch_error)

static bool
refuse(const char *what, GError **error)
{
    g_set_error(error, LAUNCH_ERROR, LAUNCH_ERROR_FAILED, "%s: %s", what, g_strerror(errno));
    return false;
}

static void
close_descriptor(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Names and arguments. */

char *
launch_socket_path(const char *run_directory, const char *monitor)
{
    g_autofree char *name = g_strconcat(monitor, ".sock", NULL);

    return g_build_filename(run_directory, name, NULL);
}

bool
launch_check_run_directory(const char *run_directory, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(monitors); i++) {
        g_autofree char *path = launch_socket_path(run_directory, monitors[i]);

        if (!launch_check_socket(path, error))
            return false;
    }
    return true;
}

char **
launch_monitor_arguments(const char *token)
{
    g_autoptr(GPtrArray) arguments = g_ptr_array_new();

    for (guint i = 0; i < G_N_ELEMENTS(monitors); i++) {
        g_autofree char *id = process_monitor_id(token, monitors[i]);

        g_ptr_array_add(arguments, g_strdup("-chardev"));
        g_ptr_array_add(arguments, g_strdup_printf("socket,id=%s,fd=%u,server=on,wait=off", id,
                                                   FIRST_MONITOR_FD + i));
        g_ptr_array_add(arguments, g_strdup("-mon"));
        g_ptr_array_add(arguments, g_strdup_printf("chardev=%s,mode=control", id));
    }
    g_ptr_array_add(arguments, g_strdup("-S"));
    g_ptr_array_add(arguments, NULL);
    return (char **) g_ptr_array_free(g_steal_pointer(&arguments), FALSE);
}

static char **
complete_arguments(const LaunchSpec *spec)
{
    g_auto(GStrv) added = launch_monitor_arguments(spec->token);
    GStrvBuilder *builder = g_strv_builder_new();
    char **argv;

    g_strv_builder_addv(builder, (const char **) spec->argv);
    g_strv_builder_addv(builder, (const char **) added);
    argv = g_strv_builder_end(builder);
    g_strv_builder_unref(builder);
    return argv;
}

/* Preparing. */

bool
launch_check_not_running(const char *run_directory, GError **error)
{
    g_autoptr(ProcessRecord) record = NULL;
    ProcessState state;

    if (!process_adopt(run_directory, &state, NULL, &record, error))
        return false;
    if (state != PROCESS_ALIVE)
        return true;
    g_set_error(error, LAUNCH_ERROR, LAUNCH_ERROR_RUNNING, "%s: QEMU runs already, as process %d",
                run_directory, (int) record->pid);
    return false;
}

static bool
check_spec(const LaunchSpec *spec, GError **error)
{
    g_assert(process_token_is_valid(spec->token) && spec->argv[0][0] == '/');
    g_assert(g_path_is_absolute(spec->run_directory) && g_path_is_absolute(spec->log_path));
    for (guint i = 0; i < spec->n_fds; i++)
        g_assert(spec->fds[i].number >= LAUNCH_FIRST_FREE_FD);
    return launch_check_run_directory(spec->run_directory, error) &&
           launch_check_not_running(spec->run_directory, error);
}

static bool
open_listeners(Launch *launch, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(monitors); i++) {
        g_autofree char *path = launch_socket_path(launch->run_directory, monitors[i]);

        if (!launch_listen(path, &launch->listeners[i], error))
            return false;
    }
    return true;
}

static bool
fork_child(Launch *launch, const LaunchSpec *spec, pid_t *ret_pid, GError **error)
{
    g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(LaunchFd));
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    LaunchFd stdio[] = { { null, 0 }, { launch->log_fd, 1 }, { launch->log_fd, 2 } };
    g_autoptr(GError) problem = NULL;
    bool is_forked;

    if (null < 0)
        return refuse("/dev/null", error);
    g_array_append_vals(fds, stdio, G_N_ELEMENTS(stdio));
    for (guint i = 0; i < G_N_ELEMENTS(monitors); i++) {
        LaunchFd monitor = { launch->listeners[i], FIRST_MONITOR_FD + (int) i };

        g_array_append_val(fds, monitor);
    }
    if (spec->n_fds)
        g_array_append_vals(fds, spec->fds, spec->n_fds);
    is_forked = held_child_fork(
        &(HeldChildSpec){
            .argv = (const char *const *) launch->argv,
            .environment = (const char *const *) launch->environment,
            .fds = (const LaunchFd *) (void *) fds->data,
            .n_fds = fds->len,
        },
        ret_pid, &launch->channel, &problem);
    close(null);
    if (!is_forked)
        g_set_error_literal(error, LAUNCH_ERROR, LAUNCH_ERROR_FAILED, problem->message);
    return is_forked;
}

/* Takes hold of the child and writes down which one it is. */
static bool
register_child(Launch *launch, const LaunchSpec *spec, pid_t pid, GError **error)
{
    g_autoptr(ProcessRecord) record = g_new0(ProcessRecord, 1);

    record->pid = pid;
    record->token = g_strdup(spec->token);
    record->uuid = spec->uuid ? g_ascii_strdown(spec->uuid, -1) : NULL;
    record->emulator = g_strdup(spec->argv[0]);
    record->log_path = g_strdup(spec->log_path);
    record->log_offset = launch->log_offset;
    launch->process = process_hold(record, error);
    return launch->process &&
           process_record_write(process_record(launch->process), launch->run_directory, error);
}

Launch *
launch_prepare(const LaunchSpec *spec, GError **error)
{
    g_autoptr(Launch) launch = NULL;
    pid_t pid;

    if (!check_spec(spec, error))
        return NULL;
    launch = g_new0(Launch, 1);
    launch->channel = launch->log_fd = -1;
    for (guint i = 0; i < G_N_ELEMENTS(monitors); i++)
        launch->listeners[i] = -1;
    launch->name = g_strdup(spec->name);
    launch->argv = complete_arguments(spec);
    launch->environment = launch_environment();
    for (guint i = 0; spec->environment && spec->environment[i]; i++) {
        g_auto(GStrv) pair = g_strsplit(spec->environment[i], "=", 2);

        launch->environment = g_environ_setenv(launch->environment, pair[0], pair[1], TRUE);
    }
    if (!launch_open_log(spec->log_path, &launch->log_fd, &launch->log_offset, error) ||
        !launch_make_directory(spec->run_directory, error))
        return NULL;
    launch->run_directory = g_strdup(spec->run_directory);
    if (!open_listeners(launch, error) || !fork_child(launch, spec, &pid, error) ||
        !register_child(launch, spec, pid, error))
        return NULL;
    for (guint i = 0; i < G_N_ELEMENTS(monitors); i++)
        close_descriptor(&launch->listeners[i]);
    close_descriptor(&launch->log_fd);
    return g_steal_pointer(&launch);
}

/* Going on. */

bool
launch_go(Launch *launch, GError **error)
{
    g_autoptr(GError) problem = NULL;
    bool is_released = held_child_release(launch->channel, EXEC_TIMEOUT_US, &problem);

    if (is_released) {
        close_descriptor(&launch->channel);
        launch->is_released = true;
        return true;
    }
    g_set_error(error, LAUNCH_ERROR, LAUNCH_ERROR_EXEC, "%s: %s", launch->argv[0],
                problem->message);
    launch_abort(launch);
    return false;
}

static Qmp *
refuse_exited(const Launch *launch, GError **error)
{
    g_autofree char *tail = launch_stderr_tail(launch);

    g_set_error(error, LAUNCH_ERROR, LAUNCH_ERROR_EXITED, "QEMU exited: %s",
                *tail ? tail : "it wrote nothing");
    return NULL;
}

Qmp *
launch_connect(Launch *launch, gint64 timeout_us, GError **error)
{
    g_autofree char *path = launch_socket_path(launch->run_directory, LAUNCH_CONTROL);
    g_autoptr(GError) problem = NULL;
    Qmp *qmp = qmp_open(path, timeout_us, &problem);
    bool is_closed = g_error_matches(problem, QMP_ERROR, QMP_ERROR_CLOSED);

    if (qmp)
        return qmp;
    /* A QEMU that gives up closes its monitors some milliseconds before it has ended. */
    if (process_wait(launch->process, is_closed ? END_TIMEOUT_US : 0))
        return refuse_exited(launch, error);
    g_propagate_error(error, g_steal_pointer(&problem));
    return NULL;
}

void
launch_abort(Launch *launch)
{
    close_descriptor(&launch->channel);
    if (launch->process) {
        process_kill(launch->process, NULL);
        process_wait(launch->process, END_TIMEOUT_US);
    }
    if (launch->run_directory)
        run_directory_clear(launch->run_directory, NULL);
}

void
launch_free(Launch *launch)
{
    if (!launch)
        return;
    if (!launch->is_released)
        launch_abort(launch);
    for (guint i = 0; i < G_N_ELEMENTS(monitors); i++)
        close_descriptor(&launch->listeners[i]);
    close_descriptor(&launch->log_fd);
    process_free(launch->process);
    g_strfreev(launch->argv);
    g_strfreev(launch->environment);
    g_free(launch->run_directory);
    g_free(launch->name);
    g_free(launch);
}

/* Asking. */

const ProcessRecord *
launch_record(const Launch *launch)
{
    return process_record(launch->process);
}

const Process *
launch_process(const Launch *launch)
{
    return launch->process;
}

Process *
launch_steal_process(Launch *launch)
{
    g_assert(launch->is_released);
    return g_steal_pointer(&launch->process);
}

char *
launch_stderr_tail(const Launch *launch)
{
    return process_log_tail(process_record(launch->process));
}
