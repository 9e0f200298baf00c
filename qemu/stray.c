/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A QEMU that everybody forgot. The run directory knows a domain's process, and so does the state
 * file; where both were lost together (a cleaned-up /run, a restored backup, a removed home) the
 * process is still there and still writes to its disks, and a second one beside it would destroy
 * them. What is left is /proc:
 *
 *     of this user | "-uuid UUID" | "virtkeep-TOKEN-control" | launched in this RUN
 *
 * Where it was launched the kernel remembers, also after the directory was removed: the control
 * monitor's socket was bound there. Another RUN is another virtkeep's (a test's, a tenant's), which
 * may well have a domain of this name, and so of this uuid, since that is derived from it.
 *
 * What is found becomes a record as launch would have written it, and goes the way of every record
 * from there: a pidfd, the start time, the token, and the monitor if it can be reached.
 */
#include "qemu/stray.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qemu/launch.h"

#define TOKEN_PREFIX "virtkeep-"
#define CONTROL_FD_TEXT "-" LAUNCH_CONTROL ",fd="

static bool
read_proc(pid_t pid, const char *file, char **ret_text, gsize *ret_length)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int) pid, file);

    return g_file_get_contents(path, ret_text, ret_length, NULL);
}

/* "socket,id=virtkeep-TOKEN-control,fd=3,...": takes the token and the descriptor. */
static bool
take_monitor(const char *argument, char **ret_token, guint *ret_fd)
{
    const char *start = strstr(argument, TOKEN_PREFIX), *end;
    g_autofree char *token = NULL;

    end = start ? strstr(start, CONTROL_FD_TEXT) : NULL;
    if (!end)
        return false;
    start += strlen(TOKEN_PREFIX);
    token = g_strndup(start, end - start);
    if (!process_token_is_valid(token))
        return false;
    *ret_token = g_steal_pointer(&token);
    *ret_fd = g_ascii_strtoull(end + strlen(CONTROL_FD_TEXT), NULL, 10);
    return true;
}

/* NULL: it is no QEMU of ours with this uuid. */
static ProcessRecord *
record_of(pid_t pid, const char *uuid, guint *ret_control_fd)
{
    g_autofree char *words = NULL;
    g_autoptr(ProcessRecord) record = g_new0(ProcessRecord, 1);
    bool is_uuid = false;
    gsize length;

    if (!read_proc(pid, "cmdline", &words, &length) || !length)
        return NULL;
    /* g_file_get_contents() ends the text with one more zero. */
    for (const char *word = words; word < words + length; word += strlen(word) + 1) {
        const char *next = word + strlen(word) + 1;

        if (!strcmp(word, "-uuid") && next < words + length)
            is_uuid |= !g_ascii_strcasecmp(next, uuid);
        else if (!record->token)
            (void) take_monitor(word, &record->token, ret_control_fd);
    }
    if (!is_uuid || !record->token || !process_start_time(pid, &record->start_time))
        return NULL;
    record->pid = pid;
    record->uuid = g_ascii_strdown(uuid, -1);
    record->emulator = g_strdup(words);
    record->boot_id = process_boot_id(NULL);
    return record->boot_id ? g_steal_pointer(&record) : NULL;
}

/* Where the socket behind descriptor @fd of the process was bound. NULL: not known. Caller frees.
 */
static char *
bound_path(pid_t pid, guint fd)
{
    g_autofree char *link = g_strdup_printf("/proc/%d/fd/%u", (int) pid, fd);
    g_autofree char *name = g_file_read_link(link, NULL);
    g_autofree char *table = NULL;
    g_auto(GStrv) lines = NULL;
    guint64 inode;

    if (!name || sscanf(name, "socket:[%" G_GUINT64_FORMAT "]", &inode) != 1 ||
        !read_proc(pid, "net/unix", &table, NULL))
        return NULL;
    lines = g_strsplit(table, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        guint64 number;
        int at = 0;

        /* proc(5): Num RefCount Protocol Flags Type St Inode Path */
        if (sscanf(lines[i], "%*s %*s %*s %*s %*s %*s %" G_GUINT64_FORMAT " %n", &number, &at) ==
                1 &&
            number == inode && at && lines[i][at])
            return g_strdup(lines[i] + at);
    }
    return NULL;
}

static bool
is_same_place(const char *a, const char *b)
{
    struct stat first, second;

    return !strcmp(a, b) || (stat(a, &first) == 0 && stat(b, &second) == 0 &&
                             first.st_dev == second.st_dev && first.st_ino == second.st_ino);
}

/* Whether RUN is the one above @run_directory, RUN/NAME, which may be gone. A process that does not
 * say where its monitor is may be anyone's, so also ours. */
static bool
is_of_this_run(const ProcessRecord *record, guint control_fd, const char *run_directory)
{
    g_autofree char *path = bound_path(record->pid, control_fd);
    g_autofree char *directory = path ? g_path_get_dirname(path) : NULL;
    g_autofree char *run = path ? g_path_get_dirname(directory) : NULL;
    g_autofree char *our_run = g_path_get_dirname(run_directory);

    return !path || is_same_place(run, our_run);
}

static bool
is_of_this_user(const char *pid_text)
{
    g_autofree char *path = g_build_filename("/proc", pid_text, NULL);
    struct stat status;

    return stat(path, &status) == 0 && status.st_uid == geteuid();
}

ProcessRecord *
stray_find(const char *uuid, const char *run_directory, const char *log_path)
{
    g_autoptr(GDir) processes = g_dir_open("/proc", 0, NULL);
    const char *name;

    while (processes && (name = g_dir_read_name(processes))) {
        g_autoptr(ProcessRecord) record = NULL;
        guint control_fd = 0;

        if (!g_ascii_isdigit(*name) || !is_of_this_user(name))
            continue;
        record = record_of((pid_t) g_ascii_strtoll(name, NULL, 10), uuid, &control_fd);
        if (!record || !is_of_this_run(record, control_fd, run_directory))
            continue;
        record->log_path = g_strdup(log_path);
        return g_steal_pointer(&record);
    }
    return NULL;
}
