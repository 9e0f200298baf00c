/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which QEMUs there really are. A controller that has lost one, or started a second one, says
 * nothing of it; /proc does. A QEMU of a domain is a process whose stderr is that domain's log.
 * The child that waits before it becomes a QEMU has the same stderr but not QEMU's program, so
 * the program counts too.
 */
#include "tests/support/qemus.h"

#include "qemu/qmp.h"
#include "tests/support/deadline.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ASK_TIMEOUT_US (20 * G_USEC_PER_SEC)

static char *
read_link(const char *pid, const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/%s/%s", pid, name);

    return g_file_read_link(path, NULL);
}

/* Field 22 of stat, NULL for a zombie or no process: see proc(5). */
static char *
start_time(const char *pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%s/stat", pid);
    g_autofree char *text = NULL;
    g_auto(GStrv) fields = NULL;
    const char *end;

    if (!g_file_get_contents(path, &text, NULL, NULL) || !(end = strrchr(text, ')')))
        return NULL;
    fields = g_strsplit(end + 2, " ", 21);
    if (g_strv_length(fields) < 21 || strchr("ZX", *fields[0]))
        return NULL;
    return g_strdup(fields[19]);
}

/* @program: a part of its path. */
static bool
is_process(const char *pid, const char *program, const char *log)
{
    g_autofree char *path = read_link(pid, "exe");
    g_autofree char *err = NULL;

    if (!path || !strstr(path, program))
        return false;
    err = read_link(pid, "fd/2");
    return err && g_str_has_prefix(err, log);
}

/* Their identities, char*. */
static GPtrArray *
find_processes(Scratch *scratch, const char *program, const char *file)
{
    g_autofree char *log = scratch_path(scratch, file);
    GPtrArray *found = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
    const char *pid;

    g_assert(proc);
    while ((pid = g_dir_read_name(proc))) {
        g_autofree char *started = NULL;

        if (g_ascii_isdigit(*pid) && is_process(pid, program, log) && (started = start_time(pid)))
            g_ptr_array_add(found, g_strdup_printf("%s %s", pid, started));
    }
    return found;
}

static GPtrArray *
find(Scratch *scratch, const char *name)
{
    g_autofree char *file = name ? g_strdup_printf("log/%s.log", name) : g_strdup("log/");

    return find_processes(scratch, "qemu-system-", file);
}

unsigned
processes_logging(Scratch *scratch, const char *log)
{
    g_autoptr(GPtrArray) found = find_processes(scratch, "", log);

    return found->len;
}

unsigned
qemus_count(Scratch *scratch, const char *name)
{
    g_autoptr(GPtrArray) found = find(scratch, name);

    return found->len;
}

char *
qemu_identity(Scratch *scratch, const char *name)
{
    g_autoptr(GPtrArray) found = find(scratch, name);

    if (found->len > 1)
        fail_msg("%s has %u QEMUs: %s, %s", name, found->len, (char *) found->pdata[0],
                 (char *) found->pdata[1]);
    return found->len ? g_strdup(found->pdata[0]) : NULL;
}

bool
qemu_is(Scratch *scratch, const char *name, const char *identity)
{
    g_autoptr(GPtrArray) found = find(scratch, name);

    return found->len == 1 && g_strcmp0(found->pdata[0], identity) == 0;
}

void
qemu_signal(Scratch *scratch, const char *name, int signal)
{
    g_autofree char *identity = qemu_identity(scratch, name);

    assert_non_null(identity);
    kill((pid_t) strtol(identity, NULL, 10), signal);
}

Json *
qemu_ask(Scratch *scratch, const char *name, const char *command, Json *arguments)
{
    g_autofree char *socket = g_strdup_printf("run/%s/debug.sock", name);
    g_autofree char *path = scratch_path(scratch, socket);
    g_autoptr(GError) error = NULL;
    g_autoptr(Qmp) qmp = qmp_open(path, ASK_TIMEOUT_US, &error);
    Json *reply = NULL;

    if (qmp)
        reply = qmp_execute(qmp, command, arguments, ASK_TIMEOUT_US, &error);
    if (!reply)
        fail_msg("%s: %s", name, error->message);
    return reply;
}

static guint64
memory_figure(Scratch *scratch, const char *name, const char *figure)
{
    g_autoptr(Json) reply = qemu_ask(scratch, name, "query-memory-devices", NULL);

    assert_int_equal(json_length(reply), 1);
    return json_get_uint(json_get(json_at(reply, 0), "data"), figure, G_MAXUINT64);
}

guint64
qemu_requested(Scratch *scratch, const char *name)
{
    return memory_figure(scratch, name, "requested-size");
}

guint64
qemu_current(Scratch *scratch, const char *name)
{
    return memory_figure(scratch, name, "size");
}
