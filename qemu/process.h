/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "model/json.h"

/*
 * Process: one QEMU process, known beyond doubt. A bare pid says nothing, since pids are used
 * again: a process is its pid, the time it started, the boot it runs in, and the token that
 * virtkeep gave it, which stands in its command line. Held by a pidfd, so that a signal can never
 * hit another one.
 */
typedef struct Process Process;

#define PROCESS_TOKEN_LENGTH 32 /* lower-case hex digits */

/* What RUN/NAME/process.json says. */
typedef struct {
    pid_t pid;
    guint64 start_time; /* clock ticks since boot: field 22 of /proc/PID/stat */
    char *boot_id;      /* /proc/sys/kernel/random/boot_id */
    char *token;        /* NULL: it has none (a companion, qemu/companion-process.h) */
    char *uuid;         /* the domain's, lower case; may be NULL */
    char *emulator;     /* path of the binary */
    char *log_path;
    guint64 log_offset; /* bytes of the log that earlier processes wrote */
} ProcessRecord;

void process_record_free(ProcessRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ProcessRecord, process_record_free)
ProcessRecord *process_record_copy(const ProcessRecord *record);
/* NULL without error when there is no record (ret_is_missing). An unreadable or malformed one is
 * an error. */
ProcessRecord *process_record_read(const char *run_directory, bool *ret_is_missing, GError **error);
/* Atomic (temporary file, fsync, rename), mode 0600. */
bool process_record_write(const ProcessRecord *record, const char *run_directory, GError **error);

Json *process_record_to_json(const ProcessRecord *record);
ProcessRecord *process_record_from_json(const Json *json); /* NULL: malformed */
/* Puts @json at @path, in a run directory: atomic, mode 0600. */
bool run_directory_write(const char *path, const Json *json, GError **error);

typedef enum {
    PROCESS_NONE, /* no record */
    PROCESS_GONE, /* a stale record: the process has ended (a zombie too), or the host rebooted */
    PROCESS_FOREIGN, /* the pid is used by a process that isn't ours: never touch it */
    PROCESS_ALIVE    /* ours, running */
} ProcessState;

const char *process_state_name(ProcessState state); /* "none", "gone", "foreign", "alive" */

/*
 * Finds the QEMU that @run_directory's record names. *@ret_state is always one of the above on
 * success; *@ret_process is set only with PROCESS_ALIVE. The uuid isn't checked here: ask the
 * monitor (query-uuid) and compare with process_record(). A held child (see qemu/launch.h) whose
 * launcher died is waited for, at most a second, and is then GONE.
 * ret_process and ret_record may be NULL; ret_record is set also with GONE and FOREIGN.
 * Error: the record can't be read; then nothing is known.
 */
bool process_adopt(const char *run_directory, ProcessState *ret_state, Process **ret_process,
                   ProcessRecord **ret_record, GError **error);

/*
 * The same for a record that was kept elsewhere: a run directory can be lost while its QEMU runs,
 * and that must not look as if the QEMU had ended. *@ret_process is set only with PROCESS_ALIVE.
 */
bool process_adopt_record(const ProcessRecord *record, ProcessState *ret_state,
                          Process **ret_process, GError **error);

/* Takes @record and @pidfd. */
Process *process_new(ProcessRecord *record, int pidfd);
/* A child of a launcher's, not yet released, by the pid in @record, which is completed with start
 * time and boot id. Used by launchers; everyone else adopts. */
Process *process_hold(ProcessRecord *record, GError **error);
void process_free(Process *process); /* closes the pidfd; the QEMU runs on. Accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Process, process_free)

const ProcessRecord *process_record(const Process *process);
/* The pidfd, which becomes readable when the process ends; borrowed. */
int process_fd(const Process *process);
bool process_is_alive(const Process *process);
/* True as soon as it has ended; false after @timeout_us microseconds (0: just look). */
bool process_wait(const Process *process, gint64 timeout_us);
/* SIGTERM through the pidfd, if it lives. */
void process_terminate(const Process *process);
/* SIGKILL through the pidfd; true as well when it has already ended. */
bool process_kill(const Process *process, GError **error);
/* Resident memory of the process in bytes, 0 when not known. */
guint64 process_resident_size(const Process *process);

/* QEMU's own words: what the recorded process wrote to its log, the last 4 KiB at most, valid
 * UTF-8, without trailing newline; "" when nothing. To be freed. */
char *process_log_tail(const ProcessRecord *record);

/* Start time of a pid in clock ticks; false when there is no such process, or it is a zombie. */
bool process_start_time(pid_t pid, guint64 *ret_start_time);
bool process_has_token(pid_t pid, const char *token);
/* This boot's id; to be freed. */
char *process_boot_id(GError **error);
/* A new random token. */
char *process_token_new(void);
bool process_token_is_valid(const char *token);

/* Chardev id of a monitor, "virtkeep-<token>-control"; to be freed. */
char *process_monitor_id(const char *token, const char *monitor);

/* Removes what launch put into RUN/NAME (sockets, process.json, applied.xml, temporary files) and
 * the directory itself, but no records of companions; other files there are left, and then the
 * directory too. No directory is success. The caller knows that no QEMU of ours uses it. */
bool run_directory_clear(const char *run_directory, GError **error);
