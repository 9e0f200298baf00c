/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which process is ours.
 *
 * QEMU outlives us, so each start of virtkeep must find again what an earlier one launched, and
 * must never mistake another process for it: what follows may be a SIGKILL. The chain:
 *
 *     process.json    pid, start time, boot id, token            (what we believe)
 *     boot id         another boot: nothing of it runs any more   → GONE
 *     pidfd_open      no such process                             → GONE
 *     start time      another one: the pid was used again         → GONE, and FOREIGN the process
 *     command line    doesn't carry our token                     → FOREIGN
 *     pidfd again     still not ended: what we looked at is what we hold → ALIVE
 *
 * The pidfd is opened before anything is read of /proc/PID and asked again after: since a pid
 * is not used again while its process lives, all that was read in between belongs to it.
 *
 * A launched child carries no token until it executes QEMU. If its launcher dies first it ends by
 * itself, which takes no time, but may be observed; so a process with the right start time and
 * without the token is given a second to become either.
 *
 * A companion has no token to show: its pid, start time and boot must do, and do, since no pid is
 * used twice within a clock tick.
 *
 * A zombie counts as ended: in a container nobody may ever reap it.
 */
#include "qemu/process.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HELD_CHILD_US G_USEC_PER_SEC
#define EXITING_US G_USEC_PER_SEC
#define COMMAND_LINE_MAX (4 * 1024 * 1024)

struct Process {
    ProcessRecord *record;
    int pidfd;
};

Process *
process_new(ProcessRecord *record, int pidfd)
{
    Process *process = g_new0(Process, 1);

    process->record = record;
    process->pidfd = pidfd;
    return process;
}

void
process_free(Process *process)
{
    if (!process)
        return;
    close(process->pidfd);
    process_record_free(process->record);
    g_free(process);
}

const ProcessRecord *
process_record(const Process *process)
{
    return process->record;
}

int
process_fd(const Process *process)
{
    return process->pidfd;
}

const char *
process_state_name(ProcessState state)
{
    static const char *const names[] = {
        [PROCESS_NONE] = "none",
        [PROCESS_GONE] = "gone",
        [PROCESS_FOREIGN] = "foreign",
        [PROCESS_ALIVE] = "alive",
    };

    return names[state];
}

/* Liveness. */

static bool
wait_end(int pidfd, gint64 timeout_us)
{
    struct pollfd ended = { .fd = pidfd, .events = POLLIN };
    gint64 deadline = g_get_monotonic_time() + timeout_us;

    for (;;) {
        gint64 left = MAX(deadline - g_get_monotonic_time(), 0);
        int n = poll(&ended, 1, (int) MIN((left + 999) / 1000, G_MAXINT));

        if (n > 0)
            return true;
        if (n == 0 && left == 0)
            return false;
        if (n < 0 && errno != EINTR)
            return false;
    }
}

bool
process_wait(const Process *process, gint64 timeout_us)
{
    return wait_end(process->pidfd, timeout_us);
}

bool
process_is_alive(const Process *process)
{
    return !wait_end(process->pidfd, 0);
}

void
process_terminate(const Process *process)
{
    (void) syscall(SYS_pidfd_send_signal, process->pidfd, SIGTERM, NULL, 0);
}

bool
process_kill(const Process *process, GError **error)
{
    if (syscall(SYS_pidfd_send_signal, process->pidfd, SIGKILL, NULL, 0) == 0 || errno == ESRCH)
        return true;
    g_set_error(error, G_IO_ERROR, (int) g_io_error_from_errno(errno), "killing process %d: %s",
                (int) process->record->pid, g_strerror(errno));
    return false;
}

/* What /proc says. */

static char *
read_proc(pid_t pid, const char *file, gsize *ret_length)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int) pid, file);
    char *text = NULL;

    return g_file_get_contents(path, &text, ret_length, NULL) ? text : NULL;
}

guint64
process_resident_size(const Process *process)
{
    g_autofree char *text = read_proc(process->record->pid, "statm", NULL);
    guint64 total, resident;

    if (!text || sscanf(text, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, &total, &resident) != 2 ||
        !process_is_alive(process))
        return 0;
    return resident * (guint64) sysconf(_SC_PAGESIZE);
}

/* proc(5): "pid (comm) state ppid … starttime" is field 22. comm may hold anything, parentheses
 * too, so fields are counted behind the last ')'. */
bool
process_start_time(pid_t pid, guint64 *ret_start_time)
{
    g_autofree char *text = read_proc(pid, "stat", NULL);
    g_auto(GStrv) fields = NULL;
    const char *end = text ? strrchr(text, ')') : NULL;

    if (!end || !end[1])
        return false;
    fields = g_strsplit(end + 2, " ", 22);
    if (g_strv_length(fields) < 20 || strchr("ZX", fields[0][0]))
        return false;
    *ret_start_time = g_ascii_strtoull(fields[19], NULL, 10);
    return true;
}

bool
process_has_token(pid_t pid, const char *token)
{
    gsize length = 0;
    g_autofree char *arguments = read_proc(pid, "cmdline", &length);
    g_autofree char *word = g_strdup_printf("virtkeep-%s-", token);

    if (!arguments || length > COMMAND_LINE_MAX)
        return false;
    return memmem(arguments, length, word, strlen(word)) != NULL;
}

char *
process_boot_id(GError **error)
{
    char *text = NULL;

    if (!g_file_get_contents("/proc/sys/kernel/random/boot_id", &text, NULL, error))
        return NULL;
    return g_strstrip(text);
}

Process *
process_hold(ProcessRecord *record, GError **error)
{
    int pidfd, problem;

    g_free(record->boot_id);
    record->boot_id = process_boot_id(error);
    if (!record->boot_id)
        return NULL;
    pidfd = (int) syscall(SYS_pidfd_open, record->pid, 0);
    if (pidfd >= 0 && process_start_time(record->pid, &record->start_time))
        return process_new(process_record_copy(record), pidfd);
    problem = pidfd < 0 ? errno : ESRCH;
    if (pidfd >= 0)
        close(pidfd);
    g_set_error(error, G_IO_ERROR, (int) g_io_error_from_errno(problem), "the held child: %s",
                g_strerror(problem));
    return NULL;
}

/* Tokens. */

char *
process_token_new(void)
{
    guint8 bytes[PROCESS_TOKEN_LENGTH / 2];
    GString *token = g_string_new(NULL);

    while (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        g_assert(errno == EINTR);
    for (guint i = 0; i < sizeof bytes; i++)
        g_string_append_printf(token, "%02x", bytes[i]);
    return g_string_free(token, FALSE);
}

bool
process_token_is_valid(const char *token)
{
    return token && strlen(token) == PROCESS_TOKEN_LENGTH &&
           strspn(token, "0123456789abcdef") == PROCESS_TOKEN_LENGTH;
}

char *
process_monitor_id(const char *token, const char *monitor)
{
    return g_strdup_printf("virtkeep-%s-%s", token, monitor);
}

/* Adoption. */

/* /proc could not be read though the process lives (no descriptors left, say): then nothing is
 * known, and above all not that the process is gone. */
static bool
refuse_unknown(const ProcessRecord *record, GError **error)
{
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "process %d can't be looked at: %s",
                (int) record->pid, g_strerror(errno));
    return false;
}

/* Whether the process that @pidfd holds executes our QEMU. A held child without a launcher ends. */
static bool
wait_token(const ProcessRecord *record, int pidfd, ProcessState *ret_state, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + HELD_CHILD_US;

    do {
        g_autofree char *arguments = read_proc(record->pid, "cmdline", NULL);

        if (!arguments && !wait_end(pidfd, 0))
            return refuse_unknown(record, error);
        if (process_has_token(record->pid, record->token)) {
            *ret_state = wait_end(pidfd, 0) ? PROCESS_GONE : PROCESS_ALIVE;
            return true;
        }
        if (wait_end(pidfd, 10000)) {
            *ret_state = PROCESS_GONE;
            return true;
        }
    } while (g_get_monotonic_time() < deadline);
    *ret_state = PROCESS_FOREIGN;
    return true;
}

static bool
identify_held(const ProcessRecord *record, int pidfd, ProcessState *ret_state, GError **error)
{
    guint64 start_time;

    if (!process_start_time(record->pid, &start_time)) {
        *ret_state = PROCESS_GONE;
        /* One whose first thread has ended is a zombie already, and gone once the others have. */
        return wait_end(pidfd, EXITING_US) ? true : refuse_unknown(record, error);
    }
    if (start_time != record->start_time) {
        *ret_state = PROCESS_FOREIGN;
        return true;
    }
    if (record->token)
        return wait_token(record, pidfd, ret_state, error);
    *ret_state = wait_end(pidfd, 0) ? PROCESS_GONE : PROCESS_ALIVE;
    return true;
}

/* *ret_pidfd is set only with PROCESS_ALIVE. */
static bool
identify(const ProcessRecord *record, const char *boot_id, ProcessState *ret_state, int *ret_pidfd,
         GError **error)
{
    bool is_known;
    int pidfd;

    *ret_state = PROCESS_GONE;
    if (strcmp(record->boot_id, boot_id) != 0)
        return true;
    pidfd = (int) syscall(SYS_pidfd_open, record->pid, 0);
    if (pidfd < 0 && (errno == ESRCH || errno == EINVAL)) /* EINVAL: the number of a thread now */
        return true;
    if (pidfd < 0)
        return refuse_unknown(record, error);
    is_known = identify_held(record, pidfd, ret_state, error);
    if (is_known && *ret_state == PROCESS_ALIVE)
        *ret_pidfd = pidfd;
    else
        close(pidfd);
    return is_known;
}

bool
process_adopt_record(const ProcessRecord *record, ProcessState *ret_state, Process **ret_process,
                     GError **error)
{
    g_autofree char *boot_id = process_boot_id(error);
    int pidfd = -1;

    if (!boot_id || !identify(record, boot_id, ret_state, &pidfd, error))
        return false;
    if (*ret_state == PROCESS_ALIVE)
        *ret_process = process_new(process_record_copy(record), pidfd);
    return true;
}

bool
process_adopt(const char *run_directory, ProcessState *ret_state, Process **ret_process,
              ProcessRecord **ret_record, GError **error)
{
    g_autoptr(ProcessRecord) record = NULL;
    g_autofree char *boot_id = process_boot_id(error);
    g_autoptr(Process) process = NULL;
    ProcessState state = PROCESS_NONE;
    bool is_missing = false;
    int pidfd = -1;

    if (!boot_id)
        return false;
    record = process_record_read(run_directory, &is_missing, error);
    if (!record && !is_missing)
        return false;
    if (record && !identify(record, boot_id, &state, &pidfd, error))
        return false;
    *ret_state = state;
    if (state == PROCESS_ALIVE)
        process = process_new(process_record_copy(record), pidfd);
    if (ret_process)
        *ret_process = g_steal_pointer(&process);
    if (ret_record)
        *ret_record = g_steal_pointer(&record);
    return true;
}
