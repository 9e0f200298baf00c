/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which thread of a QEMU does what.
 *
 * QEMU names the threads of virtual CPUs (query-cpus-fast) and of I/O threads (query-iothreads);
 * every other one in /proc/PID/task is the emulator's, as libvirt counts. On x86 QEMU's index of a
 * CPU is the number it has in the domain, plugged or not. Without multi-threaded TCG one thread
 * runs all CPUs: it appears once for each.
 *
 * A QEMU may be in the hands of its guest. What it names is pinned and scheduled with our rights,
 * so a thread that the kernel does not list as its own is refused: another guest's, init's, or 0,
 * which to the kernel is the one that asks.
 */
#include "qemu/threads.h"

#include <gio/gio.h>
#include <string.h>

char *
thread_name(ThreadRole role, guint64 number)
{
    switch (role) {
    case THREAD_VCPU:
        return g_strdup_printf("vcpu%" G_GUINT64_FORMAT, number);
    case THREAD_IOTHREAD:
        return g_strdup_printf("iothread%" G_GUINT64_FORMAT, number);
    case THREAD_EMULATOR:
        return g_strdup("emulator");
    }
    g_assert_not_reached();
}

bool
iothread_number(const char *id, guint64 *ret_number)
{
    return id && g_str_has_prefix(id, "iothread") &&
           g_ascii_string_to_unsigned(id + strlen("iothread"), 10, 0, G_MAXUINT64, ret_number,
                                      NULL);
}

static bool
add_vcpus(Monitor *monitor, GArray *threads, GError **error)
{
    g_autoptr(Json) reply = monitor_query(monitor, "query-cpus-fast", NULL, error);

    for (guint i = 0; i < json_length(reply); i++) {
        const Json *item = json_at(reply, i);
        QemuThread thread = { .id = (pid_t) json_get_int(item, "thread-id", 0),
                              .role = THREAD_VCPU,
                              .number = json_get_uint(item, "cpu-index", 0) };

        g_array_append_val(threads, thread);
    }
    return reply != NULL;
}

static bool
add_iothreads(Monitor *monitor, GArray *threads, GError **error)
{
    g_autoptr(Json) reply = monitor_query(monitor, "query-iothreads", NULL, error);

    for (guint i = 0; i < json_length(reply); i++) {
        const Json *item = json_at(reply, i);
        QemuThread thread = { .id = (pid_t) json_get_int(item, "thread-id", 0),
                              .role = THREAD_IOTHREAD };

        if (iothread_number(json_get_string(item, "id"), &thread.number))
            g_array_append_val(threads, thread);
    }
    return reply != NULL;
}

/* Ids of all threads of process @pid, as the kernel lists them. */
static GArray *
list_tasks(pid_t pid, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task", (int) pid);
    g_autoptr(GError) problem = NULL;
    g_autoptr(GDir) directory = g_dir_open(path, 0, &problem);
    GArray *tasks = g_array_new(FALSE, FALSE, sizeof(pid_t));
    const char *name;

    if (!directory)
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, problem->message);
    while (directory && (name = g_dir_read_name(directory))) {
        pid_t id = (pid_t) g_ascii_strtoll(name, NULL, 10);

        g_array_append_val(tasks, id);
    }
    if (!directory)
        g_clear_pointer(&tasks, g_array_unref);
    return tasks;
}

static bool
has_task(const GArray *tasks, pid_t id)
{
    for (guint i = 0; i < tasks->len; i++)
        if (g_array_index(tasks, pid_t, i) == id)
            return true;
    return false;
}

static bool
check_own(const GArray *threads, const GArray *tasks, GError **error)
{
    for (guint i = 0; i < threads->len; i++) {
        const QemuThread *thread = &g_array_index(threads, QemuThread, i);
        g_autofree char *name = thread_name(thread->role, thread->number);

        if (has_task(tasks, thread->id))
            continue;
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "%s: QEMU names thread %d, which is none of its own", name, (int) thread->id);
        return false;
    }
    return true;
}

static bool
is_known(const GArray *threads, pid_t id)
{
    for (guint i = 0; i < threads->len; i++)
        if (g_array_index(threads, QemuThread, i).id == id)
            return true;
    return false;
}

static void
add_emulator(pid_t pid, const GArray *tasks, GArray *threads)
{
    for (guint i = 0; i < tasks->len; i++) {
        QemuThread thread = { .id = g_array_index(tasks, pid_t, i), .role = THREAD_EMULATOR };

        if (is_known(threads, thread.id))
            continue;
        if (thread.id == pid)
            g_array_prepend_val(threads, thread);
        else
            g_array_append_val(threads, thread);
    }
}

GArray *
threads_query(Monitor *monitor, pid_t pid, GError **error)
{
    g_autoptr(GArray) threads = g_array_new(FALSE, FALSE, sizeof(QemuThread)), tasks = NULL;

    if (!add_vcpus(monitor, threads, error) || !add_iothreads(monitor, threads, error) ||
        !(tasks = list_tasks(pid, error)) || !check_own(threads, tasks, error))
        return NULL;
    add_emulator(pid, tasks, threads);
    return g_steal_pointer(&threads);
}
