/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Observation: a dozen queries, one value. Nothing here knows what the domain should be; names of
 * devices come out of QEMU (qom-list), so that what somebody added or left behind is seen too.
 *
 * The questions are announced, those first whose arguments are known, then those that the answers
 * lead to, and then asked one by one: QEMU reads and answers while we make of the first answers
 * what they are, or while the caller does what needs no answer (observe_ask).
 *
 * Not every QEMU answers everything: no balloon, no x-query-virtio-status, a recording that holds
 * only what a case is about. A refusal therefore means "not there" (is_fatal() tells it from a dead
 * connection), and the result says so by flags, never by a made-up number.
 *
 * guest-stats has last-update 0 until the guest's driver has answered once, and 2^64-1 for a figure
 * the guest doesn't give (QEMU 7.2).
 */
#include "qemu/observe.h"

#include <string.h>

#include "model/balloon.h"
#include "model/memory.h"
#include "qemu/drives.h"
#include "qemu/link-state.h"
#include "qemu/threads.h"

#define UNKNOWN_FIGURE G_MAXUINT64
#define LATEST_SECOND (G_MAXINT64 / G_USEC_PER_SEC / 4) /* no later time is one */
#define STATISTICS "guest-stats"
#define INTERVAL "guest-stats-polling-interval"

static const struct {
    const char *status;
    RunState state;
    const char *message;
} states[] = {
    { "running", RUN_STATE_RUNNING, NULL },
    /* The guest sleeps (ACPI S3) by its own wish, and wakes by itself or by system_wakeup. */
    { "suspended", RUN_STATE_RUNNING, "the guest has suspended itself" },
    { "prelaunch", RUN_STATE_PRELAUNCH, NULL },
    { "paused", RUN_STATE_PAUSED, NULL },
    { "io-error", RUN_STATE_PAUSED, "paused by an I/O error of a disk" },
    { "watchdog", RUN_STATE_PAUSED, "paused by the watchdog" },
    { "debug", RUN_STATE_PAUSED, "paused by a debugger" },
    { "colo", RUN_STATE_PAUSED, NULL },
    { "shutdown", RUN_STATE_SHUTDOWN, NULL },
    { "guest-panicked", RUN_STATE_CRASHED, "the guest has panicked" },
    { "internal-error", RUN_STATE_CRASHED, "QEMU had an internal error" },
    { "inmigrate", RUN_STATE_MIGRATING, NULL },
    { "postmigrate", RUN_STATE_MIGRATING, NULL },
    { "finish-migrate", RUN_STATE_MIGRATING, NULL },
    { "save-vm", RUN_STATE_MIGRATING, NULL },
    { "restore-vm", RUN_STATE_MIGRATING, NULL },
};

static gsize
find_state(const char *status)
{
    gsize i = 0;

    while (i < G_N_ELEMENTS(states) && g_strcmp0(states[i].status, status))
        i++;
    return i;
}

RunState
run_state_of_qemu(const char *status)
{
    gsize i = find_state(status);

    return i < G_N_ELEMENTS(states) ? states[i].state : RUN_STATE_PAUSED;
}

/* Whether there is nobody to ask any further. Otherwise the refusal is forgotten. */
static bool
is_fatal(GError **refusal, GError **error)
{
    if (!*refusal)
        return false;
    if (g_error_matches(*refusal, QMP_ERROR, QMP_ERROR_TIMEOUT) ||
        g_error_matches(*refusal, QMP_ERROR, QMP_ERROR_CLOSED) ||
        g_error_matches(*refusal, QMP_ERROR, QMP_ERROR_BUSY) ||
        g_error_matches(*refusal, QMP_ERROR, QMP_ERROR_PROTOCOL)) {
        g_propagate_error(error, g_steal_pointer(refusal));
        return true;
    }
    g_clear_error(refusal);
    return false;
}

/* --- values --- */

static ObservedMemory *
memory_new(const MonitorMemoryDevice *device)
{
    ObservedMemory *memory = g_new0(ObservedMemory, 1);

    memory->id = g_strdup(device->id);
    memory->block = device->block_size;
    memory->max = device->max_size;
    memory->requested = device->requested_size;
    memory->current = device->size;
    memory->address = device->memaddr;
    memory->node = device->node;
    return memory;
}

static Observed *
observed_copy(const Observed *from, gint64 now)
{
    Observed *to = observed_new();
    GPtrArray *memories = to->memories, *device_ids = to->device_ids, *drives = to->drives;
    GPtrArray *links = to->links, *ports = to->ports;
    GArray *vcpus = to->vcpus, *iothreads = to->iothreads;

    *to = *from;
    to->qemu_status = g_strdup(from->qemu_status);
    to->message = g_strdup(from->message);
    to->memories = memories;
    to->device_ids = device_ids;
    to->drives = drives;
    to->links = links;
    to->ports = ports;
    to->vcpus = g_array_append_vals(vcpus, from->vcpus->data, from->vcpus->len);
    to->iothreads = g_array_append_vals(iothreads, from->iothreads->data, from->iothreads->len);
    to->observed_at = now;
    for (guint i = 0; i < from->memories->len; i++) {
        ObservedMemory *memory = g_memdup2(from->memories->pdata[i], sizeof(ObservedMemory));

        memory->id = g_strdup(memory->id);
        g_ptr_array_add(memories, memory);
    }
    for (guint i = 0; i < from->drives->len; i++) {
        ObservedDrive *drive = g_memdup2(from->drives->pdata[i], sizeof(ObservedDrive));

        drive->device = g_strdup(drive->device);
        drive->node = g_strdup(drive->node);
        drive->file = g_strdup(drive->file);
        g_ptr_array_add(drives, drive);
    }
    for (guint i = 0; i < from->links->len; i++) {
        ObservedLink *link = g_memdup2(from->links->pdata[i], sizeof(ObservedLink));

        link->device = g_strdup(link->device);
        g_ptr_array_add(links, link);
    }
    for (guint i = 0; i < from->ports->len; i++) {
        const ObservedPort *port = from->ports->pdata[i];

        observed_add_port(to, port->device, port->of);
    }
    for (guint i = 0; i < from->device_ids->len; i++)
        g_ptr_array_add(device_ids, g_strdup(from->device_ids->pdata[i]));
    return to;
}

Observed *
observe_off(gint64 now)
{
    Observed *observed = observed_new();

    observed->observed_at = now;
    return observed;
}

Observed *
observe_unreachable(const char *message, gint64 now)
{
    Observed *observed = observe_off(now);

    observed->run_state = RUN_STATE_UNREACHABLE;
    observed->message = g_strdup(message);
    return observed;
}

/* --- questions --- */

static bool
observe_status(Monitor *monitor, Observed *observed, GError **error)
{
    gsize i;

    if (!monitor_query_status(monitor, &observed->qemu_status, NULL, error))
        return false;
    i = find_state(observed->qemu_status);
    observed->run_state = run_state_of_qemu(observed->qemu_status);
    if (i < G_N_ELEMENTS(states))
        observed->message = g_strdup(states[i].message);
    else
        observed->message = g_strdup_printf("QEMU is in the state '%s'", observed->qemu_status);
    return true;
}

static gint
compare_ids(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static Json *
list_arguments(void)
{
    Json *arguments = json_new_object();

    json_set_string(arguments, "path", MONITOR_PERIPHERAL);
    return arguments;
}

/* Every device with an id, which of them is the balloon, and whether there is a network card. */
static bool
observe_devices(Monitor *monitor, Observed *observed, char **ret_balloon, bool *ret_has_card,
                GError **error)
{
    g_autoptr(GError) refusal = NULL;
    g_autoptr(Json) arguments = list_arguments();
    g_autoptr(Json) reply = monitor_query(monitor, "qom-list", arguments, &refusal);

    for (guint i = 0; i < json_length(reply); i++) {
        const char *name = json_get_string(json_at(reply, i), "name");
        const char *type = json_get_string(json_at(reply, i), "type");

        if (!name || !type || !g_str_has_prefix(type, "child<"))
            continue;
        g_ptr_array_add(observed->device_ids, g_strdup(name));
        if (g_str_has_prefix(type, "child<virtio-balloon-pci") && !*ret_balloon)
            *ret_balloon = g_strdup(name);
        *ret_has_card |= link_state_is_of(type);
    }
    g_ptr_array_sort(observed->device_ids, compare_ids);
    return !is_fatal(&refusal, error);
}

static bool
observe_memory_devices(Monitor *monitor, Observed *observed, GError **error)
{
    g_autoptr(GError) refusal = NULL;
    g_autoptr(GPtrArray) devices = monitor_query_memory_devices(monitor, &refusal);

    for (guint i = 0; devices && i < devices->len; i++)
        g_ptr_array_add(observed->memories, memory_new(devices->pdata[i]));
    return !is_fatal(&refusal, error);
}

static bool
observe_drives(Monitor *monitor, Observed *observed, GError **error)
{
    g_autoptr(GError) refusal = NULL;
    GPtrArray *drives = drives_query(monitor, &refusal);

    if (drives) {
        g_ptr_array_unref(observed->drives);
        observed->drives = drives;
    }
    return !is_fatal(&refusal, error);
}

static bool
observe_links(Monitor *monitor, Observed *observed, GError **error)
{
    g_autoptr(GError) refusal = NULL;
    GPtrArray *links = link_states_query(monitor, &refusal);

    if (links) {
        g_ptr_array_unref(observed->links);
        observed->links = links;
    }
    return !is_fatal(&refusal, error);
}

static void
observe_drivers(Monitor *monitor, Observed *observed)
{
    static const DriverState driver_states[] = {
        [MONITOR_DRIVER_UNKNOWN] = DRIVER_UNKNOWN,
        [MONITOR_DRIVER_ABSENT] = DRIVER_UNBOUND,
        [MONITOR_DRIVER_BOUND] = DRIVER_BOUND,
    };

    for (guint i = 0; i < observed->memories->len; i++) {
        ObservedMemory *memory = observed->memories->pdata[i];

        memory->driver = driver_states[monitor_query_virtio_driver(monitor, memory->id)];
    }
}

static bool
observe_balloon(Monitor *monitor, Observed *observed, GError **error)
{
    g_autoptr(GError) refusal = NULL;
    g_autoptr(Json) reply = monitor_query(monitor, "query-balloon", NULL, &refusal);

    if (reply) {
        observed->has_balloon = true;
        observed->balloon_actual = json_get_uint(reply, "actual", 0);
    }
    return !is_fatal(&refusal, error);
}

static void
read_statistics(Observed *observed, const Json *reply)
{
    const Json *figures = json_get(reply, "stats");
    guint64 available = json_get_uint(figures, "stat-available-memory", UNKNOWN_FIGURE);
    guint64 total = json_get_uint(figures, "stat-total-memory", UNKNOWN_FIGURE);
    gint64 at = json_get_int(reply, "last-update", 0);

    observed->has_statistics = at > 0 && at < LATEST_SECOND && available != UNKNOWN_FIGURE;
    observed->statistics_at = observed->has_statistics ? at * G_USEC_PER_SEC : 0;
    observed->statistics_available = observed->has_statistics ? available : 0;
    observed->statistics_total = observed->has_statistics && total != UNKNOWN_FIGURE ? total : 0;
}

static bool
query_statistics(Monitor *monitor, const char *balloon_id, Observed *observed, GError **error)
{
    g_autoptr(GError) refusal = NULL;
    g_autofree char *path = monitor_device_path(balloon_id);
    g_autoptr(Json) reply = monitor_qom_get(monitor, path, STATISTICS, &refusal);

    read_statistics(observed, reply);
    return !is_fatal(&refusal, error);
}

static bool
query_interval(Monitor *monitor, const char *balloon_id, Observed *observed, GError **error)
{
    g_autoptr(GError) refusal = NULL;
    g_autofree char *path = monitor_device_path(balloon_id);
    g_autoptr(Json) reply = monitor_qom_get(monitor, path, INTERVAL, &refusal);

    observed->statistics_interval = json_int(reply, 0);
    return !is_fatal(&refusal, error);
}

static gint
compare_numbers(gconstpointer a, gconstpointer b)
{
    guint first = *(const guint *) a, second = *(const guint *) b;

    return first < second ? -1 : first > second;
}

static bool
observe_vcpus(Monitor *monitor, Observed *observed, GError **error)
{
    g_autoptr(GError) refusal = NULL;
    g_autoptr(Json) reply = monitor_query(monitor, "query-cpus-fast", NULL, &refusal);

    observed->has_vcpus = reply != NULL;
    for (guint i = 0; i < json_length(reply); i++) {
        guint number = (guint) json_get_uint(json_at(reply, i), "cpu-index", 0);

        g_array_append_val(observed->vcpus, number);
    }
    g_array_sort(observed->vcpus, compare_numbers);
    return !is_fatal(&refusal, error);
}

static bool
observe_iothreads(Monitor *monitor, Observed *observed, GError **error)
{
    g_autoptr(GError) refusal = NULL;
    g_autoptr(Json) reply = monitor_query(monitor, "query-iothreads", NULL, &refusal);

    observed->has_iothreads = reply != NULL;
    for (guint i = 0; i < json_length(reply); i++) {
        const Json *item = json_at(reply, i);
        ObservedIoThread thread = { .poll_max = json_get_uint(item, "poll-max-ns", 0),
                                    .poll_grow = json_get_uint(item, "poll-grow", 0),
                                    .poll_shrink = json_get_uint(item, "poll-shrink", 0) };

        if (iothread_number(json_get_string(item, "id"), &thread.number))
            g_array_append_val(observed->iothreads, thread);
    }
    return !is_fatal(&refusal, error);
}

static bool
observe_migration(Monitor *monitor, Observed *observed, GError **error)
{
    static const char *const active[] = {
        "setup",       "active",          "pre-switchover",  "device",           "cancelling",
        "wait-unplug", "postcopy-active", "postcopy-paused", "postcopy-recover", NULL
    };
    g_autoptr(GError) refusal = NULL;
    g_autoptr(Json) reply = monitor_query(monitor, "query-migrate", NULL, &refusal);
    const char *status = json_get_string(reply, "status");

    observed->is_migrating =
        (status && g_strv_contains(active, status)) || observed->run_state == RUN_STATE_MIGRATING;
    return !is_fatal(&refusal, error);
}

/* In the order in which observe_all() asks. */
void
observe_ask(Monitor *monitor)
{
    static const char *const questions[] = { "query-block",     "query-memory-devices",
                                             "query-balloon",   "query-cpus-fast",
                                             "query-iothreads", "query-migrate" };
    g_autoptr(Json) arguments = list_arguments();

    monitor_ask(monitor, "query-status", NULL);
    monitor_ask(monitor, "qom-list", arguments);
    for (guint i = 0; i < G_N_ELEMENTS(questions); i++)
        monitor_ask(monitor, questions[i], NULL);
    monitor_send(monitor);
}

static bool
observe_all(Monitor *monitor, Observed *observed, char **ret_balloon, bool *ret_has_card,
            GError **error)
{
    return observe_status(monitor, observed, error) &&
           observe_devices(monitor, observed, ret_balloon, ret_has_card, error) &&
           observe_drives(monitor, observed, error) &&
           observe_memory_devices(monitor, observed, error) &&
           observe_balloon(monitor, observed, error) && observe_vcpus(monitor, observed, error) &&
           observe_iothreads(monitor, observed, error) &&
           observe_migration(monitor, observed, error);
}

static void
ask_statistics(Monitor *monitor, const char *balloon)
{
    g_autofree char *path = monitor_device_path(balloon);

    monitor_ask_qom_get(monitor, path, STATISTICS);
    monitor_ask_qom_get(monitor, path, INTERVAL);
}

/* Of those devices that were seen. */
static void
ask_details(Monitor *monitor, const Observed *observed, const char *balloon)
{
    for (guint i = 0; i < observed->memories->len; i++)
        monitor_ask_virtio_driver(monitor, ((ObservedMemory *) observed->memories->pdata[i])->id);
    if (balloon)
        ask_statistics(monitor, balloon);
    monitor_send(monitor);
}

/* The same of those that should be seen. One that is not there costs a refusal that nobody reads.
 */
void
observe_ask_details(Monitor *monitor, const Domain *applied)
{
    for (guint i = 0; i < list_length(applied->memories); i++) {
        const MemoryDevice *memory = list_at(applied->memories, i, MemoryDevice);

        if (memory->model == MEMORY_MODEL_VIRTIO_MEM)
            monitor_ask_virtio_driver(monitor, memory->info.alias);
    }
    if (list_length(applied->balloons))
        ask_statistics(monitor, list_at(applied->balloons, 0, Balloon)->info.alias);
    monitor_send(monitor);
}

Observed *
observe(Monitor *monitor, gint64 now, GError **error)
{
    g_autoptr(Observed) observed = observe_off(now);
    g_autofree char *balloon = NULL;
    bool has_card = false;

    observe_ask(monitor);
    if (!observe_all(monitor, observed, &balloon, &has_card, error))
        return NULL;
    if (observed->has_balloon && !balloon)
        balloon = g_strdup("balloon0");
    if (!observed->has_balloon)
        g_clear_pointer(&balloon, g_free);
    ask_details(monitor, observed, balloon);
    observe_drivers(monitor, observed);
    if (balloon && (!query_statistics(monitor, balloon, observed, error) ||
                    !query_interval(monitor, balloon, observed, error)))
        return NULL;
    if (has_card && !observe_links(monitor, observed, error))
        return NULL;
    return g_steal_pointer(&observed);
}

bool
observe_memory_unplug(Monitor *monitor)
{
    Json *arguments = json_new_object();
    g_autoptr(Json) properties = NULL;

    json_set_string(arguments, "typename", "virtio-mem-pci");
    properties = monitor_query(monitor, "device-list-properties", arguments, NULL);
    json_free(arguments);
    for (guint i = 0; i < json_length(properties); i++)
        if (!g_strcmp0(json_get_string(json_at(properties, i), "name"), "dynamic-memslots"))
            return true;
    return false;
}

Observed *
observe_memory(Monitor *monitor, const Observed *previous, gint64 now, GError **error)
{
    g_autoptr(Observed) observed = observed_copy(previous, now);
    g_autoptr(GPtrArray) devices = monitor_query_memory_devices(monitor, error);

    if (!devices)
        return NULL;
    g_ptr_array_set_size(observed->memories, 0);
    for (guint i = 0; i < devices->len; i++) {
        ObservedMemory *memory = memory_new(devices->pdata[i]);
        const ObservedMemory *before = observed_memory(previous, memory->id);

        memory->driver = before ? before->driver : DRIVER_UNKNOWN;
        g_ptr_array_add(observed->memories, memory);
    }
    return g_steal_pointer(&observed);
}

Observed *
observe_statistics(Monitor *monitor, const Observed *previous, const char *balloon_id, gint64 now,
                   GError **error)
{
    g_autoptr(Observed) observed = observed_copy(previous, now);

    if (!query_statistics(monitor, balloon_id, observed, error))
        return NULL;
    return g_steal_pointer(&observed);
}
