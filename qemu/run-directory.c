/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * RUN/NAME: what is on disk of a running QEMU.
 *
 *     control.sock events.sock debug.sock   monitors, listened on by launch
 *     process.json                          which process it is (this file)
 *     applied.xml                           what it runs (the controller's)
 *     ID-KIND.companion                     a helper process beside it (qemu/companion-process.h)
 *
 * process.json is written before QEMU is executed and replaced only as a whole, so that a reader
 * finds either nothing, which means that nothing was started, or a complete record. It is
 * read as untrusted: a number that is out of range or a token that is none makes it malformed,
 * which is an error and not "no process".
 *
 * Clearing takes away the names that virtkeep makes, and sockets: those of the monitors, and those
 * that QEMU made for the domain's channels and displays. Records of companions stay, since they
 * lead to processes: who ends those removes them. Whatever else somebody put there stays too, and
 * keeps the directory.
 */
#include "qemu/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/regular-file.h"

#define RECORD "process.json"
#define RECORD_MAX 65536

static const char *const our_files[] = { RECORD, "applied.xml", "dbus.conf", "cgroup", NULL };
/* What a writer that was killed leaves of a file it was about to put in place. */
static const char *const unfinished_files[] = { "applied.xml.", "dbus.conf.", "cgroup." };
#define TEMPORARY ".tmp"

/* The record. */

void
process_record_free(ProcessRecord *record)
{
    if (!record)
        return;
    g_free(record->boot_id);
    g_free(record->token);
    g_free(record->uuid);
    g_free(record->emulator);
    g_free(record->log_path);
    g_free(record);
}

ProcessRecord *
process_record_copy(const ProcessRecord *record)
{
    ProcessRecord *copy = g_memdup2(record, sizeof *record);

    copy->boot_id = g_strdup(record->boot_id);
    copy->token = g_strdup(record->token);
    copy->uuid = g_strdup(record->uuid);
    copy->emulator = g_strdup(record->emulator);
    copy->log_path = g_strdup(record->log_path);
    return copy;
}

Json *
process_record_to_json(const ProcessRecord *record)
{
    Json *json = json_new_object();

    json_set_int(json, "format_version", 1);
    json_set_int(json, "pid", record->pid);
    json_set_uint(json, "start_time", record->start_time);
    json_set_string(json, "boot_id", record->boot_id);
    json_set_string(json, "token", record->token);
    json_set_string(json, "uuid", record->uuid);
    json_set_string(json, "emulator", record->emulator);
    json_set_string(json, "log_path", record->log_path);
    json_set_uint(json, "log_offset", record->log_offset);
    return json;
}

ProcessRecord *
process_record_from_json(const Json *json)
{
    g_autoptr(ProcessRecord) record = g_new0(ProcessRecord, 1);
    gint64 pid = json_get_int(json, "pid", 0);

    if (json_get_int(json, "format_version", 0) != 1 || pid <= 1 || pid > G_MAXINT32 ||
        !json_get_string(json, "boot_id"))
        return NULL;
    record->pid = (pid_t) pid;
    record->start_time = json_get_uint(json, "start_time", 0);
    record->boot_id = g_strdup(json_get_string(json, "boot_id"));
    record->token = g_strdup(json_get_string(json, "token"));
    record->uuid = g_strdup(json_get_string(json, "uuid"));
    record->emulator = g_strdup(json_get_string(json, "emulator"));
    record->log_path = g_strdup(json_get_string(json, "log_path"));
    record->log_offset = json_get_uint(json, "log_offset", 0);
    return g_steal_pointer(&record);
}

ProcessRecord *
process_record_read(const char *run_directory, bool *ret_is_missing, GError **error)
{
    g_autofree char *path = g_build_filename(run_directory, RECORD, NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) problem = NULL;
    g_autoptr(Json) json = NULL;
    ProcessRecord *record;

    if (ret_is_missing)
        *ret_is_missing = false;
    text = regular_file_read(path, RECORD_MAX, &problem);
    if (!text) {
        if (!g_error_matches(problem, G_FILE_ERROR, G_FILE_ERROR_NOENT) || !ret_is_missing)
            g_propagate_error(error, g_steal_pointer(&problem));
        else
            *ret_is_missing = true;
        return NULL;
    }
    json = json_parse(text, -1, NULL);
    record = json ? process_record_from_json(json) : NULL;
    if (record && !process_token_is_valid(record->token))
        g_clear_pointer(&record, process_record_free);
    if (!record)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s: not a process record", path);
    return record;
}

static bool
write_all(int fd, const char *text)
{
    gsize left = strlen(text);

    while (left > 0) {
        ssize_t n = write(fd, text, left);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        text += n;
        left -= (gsize) n;
    }
    return true;
}

bool
run_directory_write(const char *path, const Json *json, GError **error)
{
    g_autofree char *temporary = g_strconcat(path, ".tmp", NULL);
    g_autofree char *text = json_format(json, true);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool is_written = fd >= 0 && write_all(fd, text) && write_all(fd, "\n") && fsync(fd) == 0 &&
                      rename(temporary, path) == 0;
    int problem = errno;

    if (fd >= 0)
        close(fd);
    if (is_written)
        return true;
    unlink(temporary);
    g_set_error(error, G_IO_ERROR, (int) g_io_error_from_errno(problem), "%s: %s", path,
                g_strerror(problem));
    return false;
}

bool
process_record_write(const ProcessRecord *record, const char *run_directory, GError **error)
{
    g_autofree char *path = g_build_filename(run_directory, RECORD, NULL);
    g_autoptr(Json) json = process_record_to_json(record);

    return run_directory_write(path, json, error);
}

/* The log. */

#define TAIL_SIZE 4096

char *
process_log_tail(const ProcessRecord *record)
{
    char bytes[TAIL_SIZE];
    struct stat status;
    guint64 from;
    ssize_t n = -1;
    int fd = record->log_path ? open(record->log_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;

    if (fd < 0)
        return g_strdup("");
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        from = (guint64) MAX(status.st_size - TAIL_SIZE, 0);
        n = pread(fd, bytes, sizeof bytes, (off_t) MAX(from, record->log_offset));
    }
    close(fd);
    if (n <= 0)
        return g_strdup("");
    return g_strchomp(g_utf8_make_valid(bytes, n));
}

/* Clearing. */

static bool
set_errno(const char *path, GError **error)
{
    int problem = errno;

    g_set_error(error, G_IO_ERROR, (int) g_io_error_from_errno(problem), "%s: %s", path,
                g_strerror(problem));
    return false;
}

static bool
is_ours(int directory, const char *name)
{
    struct stat status;

    if (g_strv_contains(our_files, name) || g_str_has_suffix(name, TEMPORARY))
        return true;
    for (guint i = 0; i < G_N_ELEMENTS(unfinished_files); i++)
        if (g_str_has_prefix(name, unfinished_files[i]))
            return true;
    return fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(status.st_mode);
}

bool
run_directory_clear(const char *run_directory, GError **error)
{
    int fd = open(run_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    bool is_clear = true;

    if (!directory)
        return errno == ENOENT ? true : set_errno(run_directory, error);
    while (is_clear && (entry = readdir(directory)))
        if (is_ours(fd, entry->d_name))
            is_clear = unlinkat(fd, entry->d_name, 0) == 0 || errno == ENOENT;
    if (!is_clear)
        set_errno(run_directory, error);
    closedir(directory);
    if (is_clear && rmdir(run_directory) < 0 && errno != ENOTEMPTY && errno != EEXIST &&
        errno != ENOENT)
        return set_errno(run_directory, error);
    return is_clear;
}
