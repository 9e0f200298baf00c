/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "qemu/process.h"
#include "qemu/qmp.h"

/*
 * Launch: one QEMU on its way from an argument list to a running process, in phases, so that the
 * caller can commit what it must know between them:
 *
 *     launch_prepare   run directory, sockets, log; a held child that has a pid but runs no QEMU
 *        (the caller commits pid, start time and token to its state)
 *     launch_go        the child executes QEMU
 *     launch_connect   QEMU answers on its control monitor, paused (-S)
 *
 * Killed before launch_go, nothing runs: the held child sees its pipe close and exits. Killed
 * after it, the QEMU is found by process_adopt().
 */
typedef struct Launch Launch;

#define LAUNCH_ERROR (launch_error_quark())
GQuark launch_error_quark(void);

typedef enum {
    LAUNCH_ERROR_FAILED,        /* the system refused; the message says what */
    LAUNCH_ERROR_PATH_TOO_LONG, /* a socket's path; nothing was touched */
    LAUNCH_ERROR_RUNNING,       /* the run directory's QEMU is alive */
    LAUNCH_ERROR_EXEC,          /* the emulator can't be executed */
    LAUNCH_ERROR_EXITED         /* QEMU ended by itself; its own words are in the message */
} LaunchError;

/* Names of the sockets in the run directory, and suffixes of the chardev ids. */
#define LAUNCH_CONTROL "control"
#define LAUNCH_EVENTS "events"
#define LAUNCH_DEBUG "debug"
/* Numbers below this in the child are stdio and the monitors. */
#define LAUNCH_FIRST_FREE_FD 10

typedef struct {
    int fd;     /* in this process; borrowed */
    int number; /* in QEMU, >= LAUNCH_FIRST_FREE_FD */
} LaunchFd;

/* Borrowed during launch_prepare(). */
typedef struct {
    const char *name;          /* the domain's; for messages */
    const char *run_directory; /* RUN/NAME, absolute; made with mode 0700 */
    const char *log_path;      /* absolute; appended to, made with mode 0600 */
    const char *token;         /* process_token_new() */
    const char *uuid;          /* for the record; may be NULL */
    const char *const *argv;   /* NULL-terminated; argv[0] is the emulator's absolute path. Without
                                  monitors and without -S: launch appends them */
    const char *const *environment; /* "NAME=VALUE" beside ours; may be NULL */
    const LaunchFd *fds;            /* further descriptors for QEMU (taps) */
    guint n_fds;
} LaunchSpec;

Launch *launch_prepare(const LaunchSpec *spec, GError **error);
/* Before launch_go() succeeded: launch_abort() and free. After it: frees; QEMU runs on. */
void launch_free(Launch *launch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Launch, launch_free)

/* Lets the child execute QEMU; returns when it has, or couldn't (EXEC; then the run directory has
 * been cleared). QEMU may still dislike its arguments: see launch_connect(). */
bool launch_go(Launch *launch, GError **error);
/* Opens the control monitor of a QEMU that was let go. When QEMU has ended instead: EXITED, with
 * what it wrote. Other errors are QMP_ERROR. The caller decides about launch_abort(). */
Qmp *launch_connect(Launch *launch, gint64 timeout_us, GError **error);
/* Ends the child or the QEMU (SIGKILL), waits for it (5 s at most) and clears the run directory. */
void launch_abort(Launch *launch);

/* Pid, start time, token, … as written to process.json; borrowed. */
const ProcessRecord *launch_record(const Launch *launch);
const Process *launch_process(const Launch *launch);
/* For those who go on with the process: the caller owns it; the launch can only be freed then. */
Process *launch_steal_process(Launch *launch);
/* What this start wrote to its log so far, see process_log_tail(). */
char *launch_stderr_tail(const Launch *launch);

/* What launch adds to a command line, for those who show one (`virtkeep argv`): NULL-terminated,
 * to be freed with g_strfreev(). */
char **launch_monitor_arguments(const char *token);
/* RUN/NAME/control.sock and so on; to be freed. */
char *launch_socket_path(const char *run_directory, const char *monitor);
/* Refuses a run directory whose socket paths would not fit (sun_path), with path and limit in the
 * message: to be asked before anything else is done. */
bool launch_check_run_directory(const char *run_directory, GError **error);
/* LAUNCH_ERROR_RUNNING where the QEMU of the run directory's record lives; an error too where the
 * record can't be read. To be asked before anything is made there that a failure would clear. */
bool launch_check_not_running(const char *run_directory, GError **error);
