/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Running companions.
 *
 * They are launched as QEMU is (qemu/held-child.h): detached, and held before exec until their
 * record is on disk, so that there is no instant at which a companion runs that nobody could find.
 *
 *     socket listened on (or its old file removed) | held child: a pid | ID-KIND.companion |
 *     exec | the socket is listened on, if that is the program's own business
 *
 * A companion's command line has no room for a token: it is known by pid, start time and boot,
 * which no other process shares. A child that is still held when its launcher dies ends by itself;
 * until then it counts as alive, which does no harm, since what lives is ended before anything is
 * started anew.
 *
 * Programs that can take a listening socket are given ours: then QEMU may connect at any time and
 * waits in the backlog. For others we wait until the kernel says that their socket is listened on
 * (/proc/net/unix): to try by connecting would use up the one connection that passt serves.
 */
#include "qemu/companion-process.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "model/regular-file.h"
#include "qemu/cgroup.h"
#include "qemu/held-child.h"
#include "qemu/launch-files.h"

#define SUFFIX ".companion"
#define RECORD_MAX 262144
#define EXEC_TIMEOUT_US (10 * G_USEC_PER_SEC)
#define READY_TIMEOUT_US (5 * G_USEC_PER_SEC)
#define READY_POLL_US 2000
#define TERM_WAIT_US (2 * G_USEC_PER_SEC)
#define KILL_WAIT_US (2 * G_USEC_PER_SEC)
#define LAST_LINES 3

/* ---- the record ---- */

void
companion_record_free(CompanionRecord *record)
{
    if (!record)
        return;
    g_free(record->kind);
    g_free(record->id);
    g_free(record->where);
    g_strfreev(record->argv);
    g_free(record->socket);
    g_clear_pointer(&record->process, process_record_free);
    g_free(record->last_words);
    g_free(record->cgroup);
    g_free(record);
}

char *
companion_record_text(const CompanionRecord *record)
{
    return g_strdup_printf("%s of %s", record->kind, record->id);
}

static char *
record_path(const CompanionRecord *record, const char *run_directory)
{
    g_autofree char *name = g_strdup_printf("%s-%s" SUFFIX, record->id, record->kind);

    return g_build_filename(run_directory, name, NULL);
}

Json *
companion_record_to_json(const CompanionRecord *record)
{
    Json *json = json_new_object(), *argv = json_new_array();

    json_set_int(json, "format_version", 1);
    json_set_string(json, "kind", record->kind);
    json_set_string(json, "id", record->id);
    json_set_string(json, "where", record->where);
    for (guint i = 0; record->argv[i]; i++)
        json_append_string(argv, record->argv[i]);
    json_set(json, "argv", argv);
    json_set_string(json, "socket", record->socket);
    json_set_bool(json, "is_handed", record->is_handed);
    json_set_bool(json, "can_restart", record->can_restart);
    json_set_int(json, "started_at", record->started_at);
    json_set_uint(json, "n_restarts", record->n_restarts);
    json_set_bool(json, "is_noted", record->is_noted);
    json_set(json, "process", process_record_to_json(record->process));
    return json;
}

CompanionRecord *
companion_record_from_json(const Json *json)
{
    g_autoptr(CompanionRecord) record = g_new0(CompanionRecord, 1);
    const Json *argv = json_get(json, "argv");
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

    record->process = process_record_from_json(json_get(json, "process"));
    if (json_get_int(json, "format_version", 0) != 1 || !record->process || !json_length(argv) ||
        !json_get_string(json, "kind") || !json_get_string(json, "id") ||
        strchr(json_get_string(json, "kind"), '/') || strchr(json_get_string(json, "id"), '/'))
        return NULL;
    for (guint i = 0; i < json_length(argv); i++)
        if (json_string(json_at(argv, i)))
            g_strv_builder_add(builder, json_string(json_at(argv, i)));
    record->argv = g_strv_builder_end(builder);
    if (g_strv_length(record->argv) != json_length(argv))
        return NULL;
    record->kind = g_strdup(json_get_string(json, "kind"));
    record->id = g_strdup(json_get_string(json, "id"));
    record->where = g_strdup(json_get_string(json, "where"));
    record->socket = g_strdup(json_get_string(json, "socket"));
    record->is_handed = json_get_bool(json, "is_handed", false);
    record->can_restart = json_get_bool(json, "can_restart", false);
    record->started_at = json_get_int(json, "started_at", 0);
    record->n_restarts = (guint) json_get_uint(json, "n_restarts", 0);
    record->is_noted = json_get_bool(json, "is_noted", false);
    return g_steal_pointer(&record);
}

bool
companion_record_write(const CompanionRecord *record, const char *run_directory, GError **error)
{
    g_autofree char *path = record_path(record, run_directory);
    g_autoptr(Json) json = companion_record_to_json(record);

    return run_directory_write(path, json, error);
}

/* What it wrote last, as one line: enough to know why it ended, its log has the rest. */
static char *
last_words(const ProcessRecord *process)
{
    g_autofree char *tail = process_log_tail(process);
    g_auto(GStrv) lines = g_strsplit(tail, "\n", -1);
    guint n = g_strv_length(lines);

    return g_strjoinv("; ", lines + (n > LAST_LINES ? n - LAST_LINES : 0));
}

bool
companion_record_look(CompanionRecord *record, GError **error)
{
    g_autoptr(Process) process = NULL;
    ProcessState state;

    if (!process_adopt_record(record->process, &state, &process, error)) {
        g_prefix_error(error, "%s of %s: ", record->kind, record->id);
        return false;
    }
    record->is_alive = state == PROCESS_ALIVE;
    g_clear_pointer(&record->last_words, g_free);
    if (!record->is_alive)
        record->last_words = last_words(record->process);
    return true;
}

static CompanionRecord *
read_record(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(Json) json = NULL;
    g_autoptr(CompanionRecord) record = NULL;

    text = regular_file_read(path, RECORD_MAX, error);
    if (!text)
        return NULL;
    json = json_parse(text, -1, NULL);
    record = json ? companion_record_from_json(json) : NULL;
    if (!record) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s: not a companion's record",
                    path);
        return NULL;
    }
    return companion_record_look(record, error) ? g_steal_pointer(&record) : NULL;
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

GPtrArray *
companion_records_read(const char *run_directory, GError **error)
{
    g_autoptr(GPtrArray) records =
        g_ptr_array_new_with_free_func((GDestroyNotify) companion_record_free);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) directory = g_dir_open(run_directory, 0, NULL);
    const char *name;

    while (directory && (name = g_dir_read_name(directory)))
        if (g_str_has_suffix(name, SUFFIX))
            g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_build_filename(run_directory, names->pdata[i], NULL);
        g_autoptr(GError) problem = NULL;
        CompanionRecord *record = read_record(path, &problem);

        if (record) {
            g_ptr_array_add(records, record);
        } else if (!g_error_matches(problem, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
            g_propagate_error(error, g_steal_pointer(&problem));
            return NULL;
        }
    }
    return g_steal_pointer(&records);
}

/* ---- starting ---- */

/* Whether some process listens on the socket @path (proc(5), net/unix: flag __SO_ACCEPTCON). */
static bool
is_listened_on(const char *path)
{
    g_autofree char *text = NULL;
    const char *at;
    gsize length = strlen(path);

    if (!g_file_get_contents("/proc/net/unix", &text, NULL, NULL))
        return access(path, F_OK) == 0; /* a hidden /proc: the best that can be known */
    for (at = strstr(text, path); at; at = strstr(at + 1, path)) {
        const char *line = at;
        guint flags = 0;

        if (at[length] != '\n')
            continue;
        while (line > text && line[-1] != '\n')
            line--;
        if (sscanf(line, "%*[^:]: %*x %*x %x", &flags) == 1 && (flags & 0x10000))
            return true;
    }
    return false;
}

static bool
refuse_ended(const CompanionRecord *record, GError **error)
{
    g_autofree char *words = last_words(record->process);

    g_set_error(error, LAUNCH_ERROR, LAUNCH_ERROR_EXITED, "%s ended at once: %s", record->argv[0],
                *words ? words : "it wrote nothing");
    return false;
}

static bool
wait_ready(const CompanionRecord *record, const Process *process, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + READY_TIMEOUT_US;

    if (!record->socket || record->is_handed)
        return process_is_alive(process) ? true : refuse_ended(record, error);
    while (!is_listened_on(record->socket)) {
        if (process_wait(process, READY_POLL_US))
            return refuse_ended(record, error);
        if (g_get_monotonic_time() < deadline)
            continue;
        g_set_error(error, LAUNCH_ERROR, LAUNCH_ERROR_FAILED,
                    "%s does not listen on %s within %d s", record->argv[0], record->socket,
                    (int) (READY_TIMEOUT_US / G_USEC_PER_SEC));
        return false;
    }
    return true;
}

/* The held child, known by its record on disk. */
static Process *
fork_recorded(CompanionRecord *record, const char *run_directory, int log_fd, int socket_fd,
              int *ret_channel, GError **error)
{
    g_auto(GStrv) environment = launch_environment();
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    LaunchFd fds[] = { { null, 0 }, { log_fd, 1 }, { log_fd, 2 }, { socket_fd, COMPANION_FD } };
    HeldChildSpec spec = {
        .argv = (const char *const *) record->argv,
        .environment = (const char *const *) environment,
        .fds = fds,
        .n_fds = socket_fd >= 0 ? 4 : 3,
    };
    Process *process;
    bool is_forked = held_child_fork(&spec, &record->process->pid, ret_channel, error);

    close(null);
    if (!is_forked)
        return NULL;
    process = process_hold(record->process, error);
    if (process && companion_record_write(record, run_directory, error) &&
        (!record->cgroup || cgroup_enter(record->cgroup, record->process->pid, error)))
        return process;
    process_free(process);
    close(*ret_channel); /* it ends */
    return NULL;
}

static bool
release(CompanionRecord *record, Process *process, int channel, GError **error)
{
    bool is_released = held_child_release(channel, EXEC_TIMEOUT_US, error);

    close(channel);
    return is_released && wait_ready(record, process, error);
}

static void
remove_files(const CompanionRecord *record, const char *run_directory)
{
    g_autofree char *path = record_path(record, run_directory);

    if (record->socket)
        (void) g_unlink(record->socket);
    (void) g_unlink(path);
}

static bool
run(CompanionRecord *record, const char *run_directory, GError **error)
{
    g_autoptr(Process) process = NULL;
    int log_fd = -1, socket_fd = -1, channel = -1;
    bool is_up = false;

    if (!launch_open_log(record->process->log_path, &log_fd, &record->process->log_offset, error))
        return false;
    if (record->socket && !record->is_handed)
        (void) g_unlink(record->socket);
    if (!record->is_handed || launch_listen(record->socket, &socket_fd, error))
        process = fork_recorded(record, run_directory, log_fd, socket_fd, &channel, error);
    if (socket_fd >= 0)
        close(socket_fd);
    close(log_fd);
    if (process)
        is_up = release(record, process, channel, error);
    if (process && !is_up) {
        process_kill(process, NULL);
        process_wait(process, KILL_WAIT_US);
    }
    record->is_alive = is_up;
    return is_up;
}

static char **
build_argv(const Companion *companion, GError **error)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_autofree char *program = companion_find_program(companion->program);

    if (!program) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "the program %s is not there",
                    companion->program);
        return NULL;
    }
    g_strv_builder_add(builder, program);
    for (guint i = 0; i < companion->arguments->len; i++)
        g_strv_builder_add(builder, companion->arguments->pdata[i]);
    return g_strv_builder_end(builder);
}

static bool
provide_files(const Companion *companion, GError **error)
{
    if (companion->directory && g_mkdir_with_parents(companion->directory, 0700) < 0) {
        g_set_error(error, G_IO_ERROR, (int) g_io_error_from_errno(errno), "%s: %s",
                    companion->directory, g_strerror(errno));
        return false;
    }
    return !companion->file || g_file_set_contents_full(companion->file, companion->content, -1,
                                                        G_FILE_SET_CONTENTS_NONE, 0600, error);
}

CompanionRecord *
companion_start(const Companion *companion, const char *run_directory, const char *log_path,
                GError **error)
{
    g_autoptr(CompanionRecord) record = g_new0(CompanionRecord, 1);

    record->argv = build_argv(companion, error);
    if (!record->argv || (companion->socket && !launch_check_socket(companion->socket, error)) ||
        !provide_files(companion, error))
        return NULL;
    record->kind = g_strdup(companion->kind);
    record->id = g_strdup(companion->id);
    record->where = g_strdup(companion->where);
    record->cgroup = g_strdup(companion->cgroup);
    record->socket = g_strdup(companion->socket);
    record->is_handed = companion->is_handed;
    record->can_restart = companion->can_restart;
    record->started_at = g_get_real_time();
    record->process = g_new0(ProcessRecord, 1);
    record->process->emulator = g_strdup(record->argv[0]);
    record->process->log_path = g_strdup(log_path);
    if (run(record, run_directory, error))
        return g_steal_pointer(&record);
    remove_files(record, run_directory);
    return NULL;
}

bool
companion_restart(CompanionRecord *record, const char *run_directory, GError **error)
{
    record->n_restarts++;
    record->is_noted = false;
    record->started_at = g_get_real_time();
    g_clear_pointer(&record->last_words, g_free);
    return run(record, run_directory, error);
}

/* ---- ending ---- */

static GPtrArray *
hold_all(GPtrArray *records, GError **error)
{
    g_autoptr(GPtrArray) held = g_ptr_array_new_with_free_func((GDestroyNotify) process_free);

    for (guint i = 0; i < records->len; i++) {
        const CompanionRecord *record = records->pdata[i];
        Process *process = NULL;
        ProcessState state;

        if (!process_adopt_record(record->process, &state, &process, error))
            return NULL;
        if (process)
            g_ptr_array_add(held, process);
    }
    return g_steal_pointer(&held);
}

static bool
wait_all(const GPtrArray *held, gint64 timeout_us)
{
    gint64 deadline = g_get_monotonic_time() + timeout_us;

    for (guint i = 0; i < held->len; i++)
        if (!process_wait(held->pdata[i], MAX(deadline - g_get_monotonic_time(), 0)))
            return false;
    return true;
}

bool
companion_records_end(GPtrArray *records, const char *run_directory, GError **error)
{
    g_autoptr(GPtrArray) held = hold_all(records, error);

    if (!held)
        return false;
    for (guint i = 0; i < held->len; i++)
        process_terminate(held->pdata[i]);
    if (!wait_all(held, TERM_WAIT_US)) {
        for (guint i = 0; i < held->len; i++)
            process_kill(held->pdata[i], NULL);
        if (!wait_all(held, KILL_WAIT_US)) {
            g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                                "a companion of its QEMU does not end, not even killed");
            return false;
        }
    }
    for (guint i = 0; i < records->len; i++)
        remove_files(records->pdata[i], run_directory);
    return true;
}
