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
 * Looking through all processes for each of a thousand domains that were never started would take
 * most of a plan's time, so it is done once for all (Strays): what is kept is only which uuid leads
 * to which pids, and each is looked at again by whoever is led there. Before anything is started
 * one looks anew (stray_find()).
 *
 * What is found becomes a record as launch would have written it, and goes the way of every record
 * from there: a pidfd, the start time, the token, and the monitor if it can be reached.
 */
#include "qemu/stray.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qemu/launch.h"

#define TOKEN_PREFIX "virtkeep-"
#define FRESH_US G_USEC_PER_SEC
#define CONTROL_FD_TEXT "-" LAUNCH_CONTROL ",fd="

static bool
read_proc(pid_t pid, const char *file, char **ret_text, gsize *ret_length)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int) pid, file);

    return g_file_get_contents(path, ret_text, ret_length, NULL);
}

/* The words of a process of this user, each ended by a zero. NULL: it is another's, or has none.
 * Every process of the host is read so at a start, hence no more system calls than it takes. */
static GString *
read_command_line(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", (int) pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    GString *text = NULL;
    struct stat status;
    char part[4096];
    ssize_t n;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &status) == 0 && status.st_uid == geteuid()) {
        while ((n = read(fd, part, sizeof part)) > 0) {
            if (!text)
                text = g_string_new(NULL);
            g_string_append_len(text, part, n);
        }
    }
    close(fd);
    return text;
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

/* What a process says of itself in its command line. */
typedef struct Words {
    char *program, *uuid, *token;
    guint control_fd;
} Words;

static void
words_clear(Words *words)
{
    g_free(words->program);
    g_free(words->uuid);
    g_free(words->token);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Words, words_clear)

/* Whether it is a QEMU of a virtkeep's, and of this user. */
static bool
read_words(pid_t pid, Words *words)
{
    g_autoptr(GString) text = read_command_line(pid);
    const char *end = text ? text->str + text->len : NULL;

    if (!text)
        return false;
    words->program = g_strdup(text->str);
    for (const char *word = text->str; word < end; word += strlen(word) + 1) {
        const char *next = word + strlen(word) + 1;

        if (!words->uuid && !strcmp(word, "-uuid") && next < end)
            words->uuid = g_ascii_strdown(next, -1);
        else if (!words->token)
            (void) take_monitor(word, &words->token, &words->control_fd);
    }
    return words->uuid && words->token;
}

/* NULL: it is no QEMU of ours with this uuid. */
static ProcessRecord *
record_of(pid_t pid, const char *uuid, guint *ret_control_fd)
{
    g_autoptr(ProcessRecord) record = g_new0(ProcessRecord, 1);
    g_auto(Words) words = { 0 };

    if (!read_words(pid, &words) || g_ascii_strcasecmp(words.uuid, uuid) ||
        !process_start_time(pid, &record->start_time))
        return NULL;
    record->pid = pid;
    record->token = g_steal_pointer(&words.token);
    record->uuid = g_steal_pointer(&words.uuid);
    record->emulator = g_steal_pointer(&words.program);
    record->boot_id = process_boot_id(NULL);
    *ret_control_fd = words.control_fd;
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
 * say where its monitor is may be anyone's, so also ours. *@ret_owner: another NAME than ours, or
 * NULL. */
static bool
is_of_this_run(const ProcessRecord *record, guint control_fd, const char *run_directory,
               char **ret_owner)
{
    g_autofree char *path = bound_path(record->pid, control_fd);
    g_autofree char *directory = path ? g_path_get_dirname(path) : NULL;
    g_autofree char *run = path ? g_path_get_dirname(directory) : NULL;
    g_autofree char *our_run = g_path_get_dirname(run_directory);
    g_autofree char *owner = path ? g_path_get_basename(directory) : NULL;
    g_autofree char *ours = g_path_get_basename(run_directory);

    if (path && !is_same_place(run, our_run))
        return false;
    *ret_owner = g_strcmp0(owner, ours) && owner ? g_steal_pointer(&owner) : NULL;
    return true;
}

/* ---- all of them ---- */

struct Strays {
    GMutex mutex;
    GHashTable *pids; /* uuid -> GArray of pid_t; NULL: not looked yet */
    gint64 looked_at; /* monotonic us */
};

static GHashTable *
look_through(void)
{
    g_autoptr(GDir) processes = g_dir_open("/proc", 0, NULL);
    GHashTable *found =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_array_unref);
    const char *name;

    while (processes && (name = g_dir_read_name(processes))) {
        g_auto(Words) words = { 0 };
        GArray *pids;
        pid_t pid;

        if (!g_ascii_isdigit(*name))
            continue;
        pid = (pid_t) g_ascii_strtoll(name, NULL, 10);
        if (!read_words(pid, &words))
            continue;
        pids = g_hash_table_lookup(found, words.uuid);
        if (!pids) {
            pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
            g_hash_table_insert(found, g_steal_pointer(&words.uuid), pids);
        }
        g_array_append_val(pids, pid);
    }
    return found;
}

/* The first of @pids that is what is looked for, still. */
static ProcessRecord *
find_among(const GArray *pids, const char *uuid, const char *run_directory, const char *log_path,
           char **ret_owner)
{
    *ret_owner = NULL;
    for (guint i = 0; pids && i < pids->len; i++) {
        guint control_fd = 0;
        g_autoptr(ProcessRecord) record =
            record_of(g_array_index(pids, pid_t, i), uuid, &control_fd);

        if (!record || !is_of_this_run(record, control_fd, run_directory, ret_owner))
            continue;
        record->log_path = g_strdup(log_path);
        return g_steal_pointer(&record);
    }
    return NULL;
}

ProcessRecord *
stray_find(const char *uuid, const char *run_directory, const char *log_path, char **ret_owner)
{
    g_autoptr(GHashTable) found = look_through();
    g_autofree char *key = g_ascii_strdown(uuid, -1);

    return find_among(g_hash_table_lookup(found, key), uuid, run_directory, log_path, ret_owner);
}

void
stray_refuse(const ProcessRecord *stray, const char *owner, GError **error)
{
    if (owner)
        g_set_error(error, LAUNCH_ERROR, LAUNCH_ERROR_RUNNING,
                    "the QEMU of %s (pid %d) has its uuid: give it another one, or, if %s was "
                    "renamed, end that QEMU first",
                    owner, (int) stray->pid, owner);
    else
        g_set_error(error, LAUNCH_ERROR, LAUNCH_ERROR_RUNNING,
                    "a QEMU of it runs already as process %d, and neither the state nor its run "
                    "directory leads there: put that back, or end the process",
                    (int) stray->pid);
}

Strays *
strays_new(void)
{
    Strays *strays = g_new0(Strays, 1);

    g_mutex_init(&strays->mutex);
    return strays;
}

void
strays_free(Strays *strays)
{
    if (!strays)
        return;
    g_clear_pointer(&strays->pids, g_hash_table_unref);
    g_mutex_clear(&strays->mutex);
    g_free(strays);
}

ProcessRecord *
strays_find(Strays *strays, const char *uuid, const char *run_directory, const char *log_path,
            char **ret_owner)
{
    g_autoptr(GHashTable) found = NULL;
    g_autofree char *key = g_ascii_strdown(uuid, -1);

    g_mutex_lock(&strays->mutex);
    if (!strays->pids || g_get_monotonic_time() - strays->looked_at > FRESH_US) {
        g_clear_pointer(&strays->pids, g_hash_table_unref);
        strays->pids = look_through();
        strays->looked_at = g_get_monotonic_time();
    }
    found = g_hash_table_ref(strays->pids);
    g_mutex_unlock(&strays->mutex);
    return find_among(g_hash_table_lookup(found, key), uuid, run_directory, log_path, ret_owner);
}
