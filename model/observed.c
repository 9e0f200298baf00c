/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A snapshot of one QEMU. It is a value: made once by an observation, never corrected by what
 * was intended. What a QEMU does not have (no balloon, no statistics) is said by flags, so that
 * a zero is always a measured zero.
 */
#include "model/observed.h"

static const char *const run_state_names[] = {
    [RUN_STATE_OFF] = "off",
    [RUN_STATE_PRELAUNCH] = "prelaunch",
    [RUN_STATE_RUNNING] = "running",
    [RUN_STATE_PAUSED] = "paused",
    [RUN_STATE_SHUTDOWN] = "shutdown",
    [RUN_STATE_CRASHED] = "crashed",
    [RUN_STATE_MIGRATING] = "migrating",
    [RUN_STATE_UNREACHABLE] = "unreachable",
};

const char *
run_state_name(RunState state)
{
    return run_state_names[state];
}

static void
observed_memory_free(gpointer data)
{
    ObservedMemory *memory = data;

    g_free(memory->id);
    g_free(memory);
}

static void
observed_drive_free(gpointer data)
{
    ObservedDrive *drive = data;

    g_free(drive->device);
    g_free(drive->node);
    g_free(drive->file);
    g_free(drive);
}

GPtrArray *
observed_drives_new(void)
{
    return g_ptr_array_new_with_free_func(observed_drive_free);
}

static void
observed_link_free(gpointer data)
{
    ObservedLink *link = data;

    g_free(link->device);
    g_free(link);
}

GPtrArray *
observed_links_new(void)
{
    return g_ptr_array_new_with_free_func(observed_link_free);
}

static void
observed_port_free(gpointer data)
{
    ObservedPort *port = data;

    g_free(port->device);
    g_free(port->of);
    g_free(port);
}

Observed *
observed_new(void)
{
    Observed *observed = g_new0(Observed, 1);

    observed->memories = g_ptr_array_new_with_free_func(observed_memory_free);
    observed->drives = observed_drives_new();
    observed->links = observed_links_new();
    observed->ports = g_ptr_array_new_with_free_func(observed_port_free);
    observed->device_ids = g_ptr_array_new_with_free_func(g_free);
    observed->vcpus = g_array_new(FALSE, FALSE, sizeof(guint));
    observed->iothreads = g_array_new(FALSE, FALSE, sizeof(ObservedIoThread));
    return observed;
}

void
observed_free(Observed *observed)
{
    if (!observed)
        return;
    g_free(observed->qemu_status);
    g_free(observed->message);
    g_ptr_array_unref(observed->memories);
    g_ptr_array_unref(observed->drives);
    g_ptr_array_unref(observed->links);
    g_ptr_array_unref(observed->ports);
    g_ptr_array_unref(observed->device_ids);
    g_array_unref(observed->vcpus);
    g_array_unref(observed->iothreads);
    g_free(observed);
}

ObservedDrive *
observed_drive(const Observed *observed, const char *device)
{
    for (guint i = 0; i < observed->drives->len; i++) {
        ObservedDrive *drive = observed->drives->pdata[i];

        if (!g_strcmp0(drive->device, device))
            return drive;
    }
    return NULL;
}

void
observed_add_port(Observed *observed, const char *device, const char *of)
{
    ObservedPort *port = g_new0(ObservedPort, 1);

    *port = (ObservedPort){ g_strdup(device), g_strdup(of) };
    g_ptr_array_add(observed->ports, port);
}

const ObservedPort *
observed_port(const Observed *observed, const char *device)
{
    for (guint i = 0; i < observed->ports->len; i++) {
        const ObservedPort *port = observed->ports->pdata[i];

        if (!g_strcmp0(port->device, device))
            return port;
    }
    return NULL;
}

const ObservedLink *
observed_link(const Observed *observed, const char *device)
{
    for (guint i = 0; i < observed->links->len; i++) {
        const ObservedLink *link = observed->links->pdata[i];

        if (!g_strcmp0(link->device, device))
            return link;
    }
    return NULL;
}

const ObservedMemory *
observed_memory(const Observed *observed, const char *id)
{
    for (guint i = 0; i < observed->memories->len; i++) {
        const ObservedMemory *memory = observed->memories->pdata[i];

        if (!g_strcmp0(memory->id, id))
            return memory;
    }
    return NULL;
}

bool
observed_has_vcpu(const Observed *observed, guint number)
{
    for (guint i = 0; i < observed->vcpus->len; i++)
        if (g_array_index(observed->vcpus, guint, i) == number)
            return true;
    return false;
}

const ObservedIoThread *
observed_iothread(const Observed *observed, guint64 number)
{
    for (guint i = 0; i < observed->iothreads->len; i++) {
        const ObservedIoThread *thread = &g_array_index(observed->iothreads, ObservedIoThread, i);

        if (thread->number == number)
            return thread;
    }
    return NULL;
}
