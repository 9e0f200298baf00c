/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A monitor: QMP commands asked of a live QEMU or of a recording.
 *
 * The observation of a domain is a handful of queries and what is concluded from them. To run
 * that same code offline (`plan --observed FILE`, the golden cases, the documentation) there is
 * one function, monitor_query(), with two sources behind it. A recording is what a live monitor
 * wrote down (monitor_record), so a case from the field can be replayed.
 *
 * What will be asked can be announced (monitor_ask), so that QEMU answers while we do something
 * else. Those who ask then need not know. An answer is good only as long as nothing else was asked
 * of this monitor in between: whatever was not announced may change what QEMU would say, so it
 * forgets the announced ones.
 *
 * Below it are the typed calls: each gives one QMP command its C form, and knows nothing of what
 * the answer is wanted for.
 */
#include "qemu/monitor.h"

#include <gio/gio.h>
#include <string.h>

#define MAX_MEMORY ((guint64) 1 << 52) /* bytes: what x86-64 can address */
#define MAX_MEMORY_DEVICES 256         /* QEMU's limit of memory slots */

/* A question on its way. */
typedef struct Asked {
    char *command;
    Json *arguments; /* or NULL */
    guint64 id;
} Asked;

struct Monitor {
    Qmp *qmp;      /* live, or NULL */
    GQueue asked;  /* Asked *, in the order they were asked */
    gint64 until;  /* monotonic, us: when they must be answered; 0: nobody has waited yet */
    Json *replies; /* recorded */
    bool *is_used; /* for each of the replies */
    Json *recording;
};

static void
asked_free(gpointer data)
{
    Asked *asked = data;

    g_free(asked->command);
    json_free(asked->arguments);
    g_free(asked);
}

static void
forget_asked(Monitor *monitor)
{
    g_queue_clear_full(&monitor->asked, asked_free);
    monitor->until = 0;
}

Monitor *
monitor_new_live(Qmp *qmp)
{
    Monitor *monitor = g_new0(Monitor, 1);

    monitor->qmp = qmp;
    return monitor;
}

Monitor *
monitor_new_recorded(const Json *replies, GError **error)
{
    Monitor *monitor;

    if (json_type(replies) != JSON_ARRAY) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "recorded replies: not an array");
        return NULL;
    }
    for (guint i = 0; i < json_length(replies); i++) {
        const Json *reply = json_at(replies, i);
        bool is_answered = json_get(reply, "return") || json_get(reply, "error");

        if (json_get_string(reply, "execute") && is_answered)
            continue;
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "recorded reply %u: needs \"execute\", and \"return\" or \"error\"", i);
        return NULL;
    }
    monitor = g_new0(Monitor, 1);
    monitor->replies = json_copy(replies);
    monitor->is_used = g_new0(bool, json_length(replies) + 1);
    return monitor;
}

void
monitor_free(Monitor *monitor)
{
    if (!monitor)
        return;
    qmp_free(monitor->qmp);
    forget_asked(monitor);
    json_free(monitor->replies);
    json_free(monitor->recording);
    g_free(monitor->is_used);
    g_free(monitor);
}

Qmp *
monitor_qmp(Monitor *monitor)
{
    return monitor->qmp;
}

void
monitor_record(Monitor *monitor)
{
    if (!monitor->recording)
        monitor->recording = json_new_array();
}

Json *
monitor_recording(const Monitor *monitor)
{
    return monitor->recording ? json_copy(monitor->recording) : NULL;
}

/* Asking. */

static bool
is_asked(const Json *reply, const char *command, const Json *arguments)
{
    const Json *recorded = json_get(reply, "arguments");

    if (strcmp(json_get_string(reply, "execute"), command) != 0)
        return false;
    if (json_length(recorded) == 0 && json_length(arguments) == 0)
        return true;
    return json_equal(recorded, arguments);
}

static Json *
answer(const Json *reply, const char *command, GError **error)
{
    if (!json_get(reply, "error"))
        return json_copy(json_get(reply, "return"));
    g_propagate_prefixed_error(error, qmp_error_from_json(json_get(reply, "error")),
                               "%s: ", command);
    return NULL;
}

static Json *
query_recorded(Monitor *monitor, const char *command, const Json *arguments, GError **error)
{
    int last = -1;

    for (guint i = 0; i < json_length(monitor->replies); i++) {
        if (!is_asked(json_at(monitor->replies, i), command, arguments))
            continue;
        last = (int) i;
        if (!monitor->is_used[i])
            break;
    }
    if (last < 0) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_COMMAND_NOT_FOUND, "%s: no reply recorded",
                    command);
        return NULL;
    }
    monitor->is_used[last] = true;
    return answer(json_at(monitor->replies, (guint) last), command, error);
}

/* What the transport says is not recorded: a recording is what QEMU said. */
static void
record(Json *recording, const char *command, const Json *arguments, const Json *reply,
       const GError *problem)
{
    g_autofree char *prefix = g_strconcat(command, ": ", NULL);
    Json *entry;

    if (problem && (problem->domain != QMP_ERROR || !qmp_error_class(problem->code)))
        return;
    entry = json_new_object();
    json_set_string(entry, "execute", command);
    if (arguments)
        json_set(entry, "arguments", json_copy(arguments));
    if (reply) {
        json_set(entry, "return", json_copy(reply));
    } else {
        const char *desc = problem->message;
        Json *refusal = json_new_object();

        if (g_str_has_prefix(desc, prefix))
            desc += strlen(prefix);
        json_set_string(refusal, "class", qmp_error_class(problem->code));
        json_set_string(refusal, "desc", desc);
        json_set(entry, "error", refusal);
    }
    json_append(recording, entry);
}

static bool
is_question(const Asked *asked, const char *command, const Json *arguments)
{
    return !strcmp(asked->command, command) &&
           json_length(asked->arguments) == json_length(arguments) &&
           (!json_length(arguments) || json_equal(asked->arguments, arguments));
}

static bool
is_asked_already(const Monitor *monitor, const char *command, const Json *arguments)
{
    for (const GList *link = monitor->asked.head; link; link = link->next)
        if (is_question(link->data, command, arguments))
            return true;
    return false;
}

void
monitor_ask(Monitor *monitor, const char *command, const Json *arguments)
{
    Asked *asked;

    if (!monitor->qmp || is_asked_already(monitor, command, arguments))
        return;
    asked = g_new0(Asked, 1);
    asked->command = g_strdup(command);
    asked->arguments = arguments ? json_copy(arguments) : NULL;
    asked->id = qmp_ask(monitor->qmp, command, arguments ? json_copy(arguments) : NULL);
    g_queue_push_tail(&monitor->asked, asked);
}

void
monitor_send(Monitor *monitor)
{
    if (monitor->qmp)
        qmp_send(monitor->qmp);
}

/* The id under which it was announced, 0 if it was not. Forgets what was before it: all, then. */
static guint64
take_asked(Monitor *monitor, const char *command, const Json *arguments)
{
    guint64 id = 0;

    while (!id && !g_queue_is_empty(&monitor->asked)) {
        Asked *asked = g_queue_pop_head(&monitor->asked);

        if (is_question(asked, command, arguments))
            id = asked->id;
        asked_free(asked);
    }
    return id;
}

/* One deadline for all that was announced together, from the first wait on. */
static Json *
query_live(Monitor *monitor, const char *command, const Json *arguments, GError **error)
{
    guint64 id = take_asked(monitor, command, arguments);
    gint64 now = g_get_monotonic_time();
    Json *reply;

    if (!id) {
        monitor->until = 0;
        return qmp_execute(monitor->qmp, command, arguments ? json_copy(arguments) : NULL,
                           QMP_DEFAULT_TIMEOUT_US, error);
    }
    if (!monitor->until)
        monitor->until = now + QMP_DEFAULT_TIMEOUT_US;
    reply = qmp_answer(monitor->qmp, id, command, MAX(monitor->until - now, 1), error);
    if (g_queue_is_empty(&monitor->asked))
        monitor->until = 0;
    return reply;
}

Json *
monitor_query(Monitor *monitor, const char *command, const Json *arguments, GError **error)
{
    g_autoptr(GError) problem = NULL;
    Json *reply;

    if (monitor->qmp)
        reply = query_live(monitor, command, arguments, &problem);
    else
        reply = query_recorded(monitor, command, arguments, &problem);
    if (monitor->recording)
        record(monitor->recording, command, arguments, reply, problem);
    if (problem && !qmp_error_class(problem->code))
        forget_asked(monitor); /* nobody waits for the others */
    if (!reply)
        g_propagate_error(error, g_steal_pointer(&problem));
    return reply;
}

bool
monitor_run(Monitor *monitor, const char *command, Json *arguments, GError **error)
{
    g_autoptr(Json) owned = arguments;
    g_autoptr(Json) reply = monitor_query(monitor, command, arguments, error);

    return reply != NULL;
}

/* Descriptors. */

static Json *
fd_name(const char *name)
{
    Json *arguments = json_new_object();

    json_set_string(arguments, "fdname", name);
    return arguments;
}

bool
monitor_pass_fd(Monitor *monitor, const char *name, int fd, GError **error)
{
    g_autoptr(Json) reply = NULL;

    if (!monitor->qmp)
        return monitor_run(monitor, "getfd", fd_name(name), error);
    forget_asked(monitor);
    reply = qmp_execute_with_fd(monitor->qmp, "getfd", fd_name(name), fd, QMP_DEFAULT_TIMEOUT_US,
                                error);
    return reply != NULL;
}

/* QEMU 7.2 has no class for a name that it does not know. */
bool
monitor_close_fd(Monitor *monitor, const char *name, GError **error)
{
    g_autoptr(GError) problem = NULL;

    if (monitor_run(monitor, "closefd", fd_name(name), &problem) ||
        g_error_matches(problem, QMP_ERROR, QMP_ERROR_GENERIC))
        return true;
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
}

/* Verbs. */

bool
monitor_cont(Monitor *monitor, GError **error)
{
    return monitor_run(monitor, "cont", NULL, error);
}

bool
monitor_system_powerdown(Monitor *monitor, GError **error)
{
    return monitor_run(monitor, "system_powerdown", NULL, error);
}

bool
monitor_system_reset(Monitor *monitor, GError **error)
{
    return monitor_run(monitor, "system_reset", NULL, error);
}

bool
monitor_quit(Monitor *monitor, GError **error)
{
    g_autoptr(GError) problem = NULL;

    if (monitor_run(monitor, "quit", NULL, &problem) ||
        g_error_matches(problem, QMP_ERROR, QMP_ERROR_CLOSED))
        return true;
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
}

/* The object tree. */

char *
monitor_device_path(const char *id)
{
    return g_build_path("/", MONITOR_PERIPHERAL, id, NULL);
}

static Json *
property_arguments(const char *path, const char *property)
{
    Json *arguments = json_new_object();

    json_set_string(arguments, "path", path);
    json_set_string(arguments, "property", property);
    return arguments;
}

Json *
monitor_qom_get(Monitor *monitor, const char *path, const char *property, GError **error)
{
    g_autoptr(Json) arguments = property_arguments(path, property);

    return monitor_query(monitor, "qom-get", arguments, error);
}

void
monitor_ask_qom_get(Monitor *monitor, const char *path, const char *property)
{
    g_autoptr(Json) arguments = property_arguments(path, property);

    monitor_ask(monitor, "qom-get", arguments);
}

bool
monitor_qom_set(Monitor *monitor, const char *path, const char *property, Json *value,
                GError **error)
{
    Json *arguments = property_arguments(path, property);

    json_set(arguments, "value", value);
    return monitor_run(monitor, "qom-set", arguments, error);
}

static bool
refuse_answer(const char *command, GError **error)
{
    g_set_error(error, QMP_ERROR, QMP_ERROR_PROTOCOL, "%s: QEMU's answer has another form",
                command);
    return false;
}

bool
monitor_qom_get_size(Monitor *monitor, const char *path, const char *property, guint64 *ret_bytes,
                     GError **error)
{
    g_autoptr(Json) value = monitor_qom_get(monitor, path, property, error);

    if (!value)
        return false;
    if (json_type(value) != JSON_INT)
        return refuse_answer("qom-get", error);
    *ret_bytes = (guint64) json_int(value, 0);
    return true;
}

bool
monitor_qom_set_size(Monitor *monitor, const char *path, const char *property, guint64 bytes,
                     GError **error)
{
    return monitor_qom_set(monitor, path, property, json_new_uint(bytes), error);
}

/* Queries. */

bool
monitor_query_status(Monitor *monitor, char **ret_status, bool *ret_is_running, GError **error)
{
    g_autoptr(Json) reply = monitor_query(monitor, "query-status", NULL, error);

    if (!reply)
        return false;
    if (!json_get_string(reply, "status"))
        return refuse_answer("query-status", error);
    if (ret_status)
        *ret_status = g_strdup(json_get_string(reply, "status"));
    if (ret_is_running)
        *ret_is_running = json_get_bool(reply, "running", false);
    return true;
}

char *
monitor_query_uuid(Monitor *monitor, GError **error)
{
    g_autoptr(Json) reply = monitor_query(monitor, "query-uuid", NULL, error);

    if (!reply)
        return NULL;
    if (!json_get_string(reply, "UUID")) {
        refuse_answer("query-uuid", error);
        return NULL;
    }
    return g_ascii_strdown(json_get_string(reply, "UUID"), -1);
}

void
monitor_ask_token(Monitor *monitor)
{
    monitor_ask(monitor, "query-chardev", NULL);
}

bool
monitor_query_token(Monitor *monitor, const char *token, bool *ret_is_ours, GError **error)
{
    g_autoptr(Json) reply = monitor_query(monitor, "query-chardev", NULL, error);
    g_autofree char *prefix = g_strdup_printf("virtkeep-%s-", token);
    bool is_ours = false;

    if (!reply)
        return false;
    for (guint i = 0; i < json_length(reply); i++) {
        const char *label = json_get_string(json_at(reply, i), "label");

        is_ours |= label && g_str_has_prefix(label, prefix);
    }
    *ret_is_ours = is_ours;
    return true;
}

void
monitor_memory_device_free(MonitorMemoryDevice *device)
{
    if (!device)
        return;
    g_free(device->id);
    g_free(device->memdev);
    g_free(device);
}

static MonitorMemoryDevice *
memory_device_read(const Json *data)
{
    MonitorMemoryDevice *device = g_new0(MonitorMemoryDevice, 1);
    const char *id = json_get_string(data, "id");

    device->id = g_strdup(id ? id : "");
    device->memdev = g_strdup(json_get_string(data, "memdev"));
    device->memaddr = json_get_uint(data, "memaddr", 0);
    device->requested_size = json_get_uint(data, "requested-size", 0);
    device->size = json_get_uint(data, "size", 0);
    device->max_size = json_get_uint(data, "max-size", 0);
    device->block_size = json_get_uint(data, "block-size", 0);
    device->node = json_get_uint(data, "node", 0);
    return device;
}

/* Others calculate with these sizes, and a guest that has taken its QEMU over may say anything. */
static bool
is_possible(const MonitorMemoryDevice *device)
{
    guint64 block = device->block_size;

    return block > 0 && (block & (block - 1)) == 0 && device->max_size <= MAX_MEMORY &&
           device->max_size % block == 0 && device->requested_size <= device->max_size &&
           device->size <= device->max_size;
}

GPtrArray *
monitor_query_memory_devices(Monitor *monitor, GError **error)
{
    g_autoptr(Json) reply = monitor_query(monitor, "query-memory-devices", NULL, error);
    g_autoptr(GPtrArray) devices =
        g_ptr_array_new_with_free_func((GDestroyNotify) monitor_memory_device_free);

    if (!reply)
        return NULL;
    for (guint i = 0; i < json_length(reply); i++) {
        const Json *item = json_at(reply, i);
        MonitorMemoryDevice *device;

        if (g_strcmp0(json_get_string(item, "type"), "virtio-mem"))
            continue;
        device = memory_device_read(json_get(item, "data"));
        g_ptr_array_add(devices, device);
        if (is_possible(device) && devices->len <= MAX_MEMORY_DEVICES)
            continue;
        refuse_answer("query-memory-devices", error);
        return NULL;
    }
    return g_steal_pointer(&devices);
}

bool
monitor_query_memory_size(Monitor *monitor, guint64 *ret_base, guint64 *ret_plugged, GError **error)
{
    g_autoptr(Json) reply = monitor_query(monitor, "query-memory-size-summary", NULL, error);
    guint64 base, plugged;

    if (!reply)
        return false;
    base = json_get_uint(reply, "base-memory", 0);
    plugged = json_get_uint(reply, "plugged-memory", 0); /* absent: no memory is plugged */
    if (!base || base > MAX_MEMORY || plugged > MAX_MEMORY)
        return refuse_answer("query-memory-size-summary", error);
    *ret_base = base;
    *ret_plugged = plugged;
    return true;
}

static Json *
backend_arguments(const char *device_id)
{
    g_autofree char *path = g_strdup_printf(MONITOR_PERIPHERAL "/%s/virtio-backend", device_id);
    Json *arguments = json_new_object();

    json_set_string(arguments, "path", path);
    return arguments;
}

void
monitor_ask_virtio_driver(Monitor *monitor, const char *device_id)
{
    g_autoptr(Json) arguments = backend_arguments(device_id);

    monitor_ask(monitor, "x-query-virtio-status", arguments);
}

/* QEMU 7.2: without a driver "status" is {"statuses": []}, and "unknown-statuses" may be there. A
 * driver that gave up sets FAILED (128), one that works DRIVER_OK (4). The words differ between
 * versions, their beginnings don't. */
MonitorDriver
monitor_query_virtio_driver(Monitor *monitor, const char *device_id)
{
    g_autoptr(Json) arguments = backend_arguments(device_id);
    g_autoptr(Json) reply = NULL;
    const Json *statuses;

    reply = monitor_query(monitor, "x-query-virtio-status", arguments, NULL);
    statuses = json_get(json_get(reply, "status"), "statuses");
    if (!statuses)
        return MONITOR_DRIVER_UNKNOWN;
    for (guint i = 0; i < json_length(statuses); i++) {
        const char *status = json_string(json_at(statuses, i));

        if (status && g_str_has_prefix(status, "VIRTIO_CONFIG_S_DRIVER_OK"))
            return MONITOR_DRIVER_BOUND;
    }
    return MONITOR_DRIVER_ABSENT;
}
