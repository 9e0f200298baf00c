/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hot plug: the trees of qemu/device.h, given to QEMU's commands instead of its command line.
 *
 *     in:    sweep | backend, backend, … | device_add
 *     out:   device_del ── the guest lets go, some time ── sweep
 *
 * QEMU 7.2 leaves the backends of a failed device_add behind, and takes none away with a device
 * that was unplugged. All their ids are made of the device's own, so whoever comes next, knowing
 * the device, knows what to look for: sweeping is what is there, asked of QEMU, less what should
 * be. Nothing else is remembered, and sweeping what is clean does nothing.
 *
 * A netdev can't be listed; one that isn't there is DeviceNotFound, which is as good.
 */
#include "qemu/hot-plug.h"

#include <string.h>

#include "qemu/qmp.h"

#define RELEASE_US (2 * G_USEC_PER_SEC) /* of a busy host; a held node is another matter */
#define RELEASE_POLL_US 2000

/* --- what is there --- */

static bool
is_listed(Monitor *monitor, const char *command, const Json *arguments, const char *member,
          const char *id)
{
    g_autoptr(Json) list = monitor_query(monitor, command, arguments, NULL);

    for (guint i = 0; i < json_length(list); i++)
        if (!g_strcmp0(json_get_string(json_at(list, i), member), id))
            return true;
    return false;
}

static bool
is_there(Monitor *monitor, const Backend *backend)
{
    g_autoptr(Json) arguments = json_new_object();
    const char *id = backend_id(backend);

    switch (backend->kind) {
    case BACKEND_OBJECT:
        json_set_string(arguments, "path", "/objects");
        return is_listed(monitor, "qom-list", arguments, "name", id);
    case BACKEND_BLOCKDEV:
        json_set_bool(arguments, "flat", true);
        return is_listed(monitor, "query-named-block-nodes", arguments, "node-name", id);
    case BACKEND_CHARDEV:
        return is_listed(monitor, "query-chardev", NULL, "label", id);
    case BACKEND_NETDEV:
        return true; /* as far as can be known */
    }
    g_assert_not_reached();
}

static const struct {
    const char *command, *argument;
} removals[] = {
    [BACKEND_OBJECT] = { "object-del", "id" },
    [BACKEND_BLOCKDEV] = { "blockdev-del", "node-name" },
    [BACKEND_NETDEV] = { "netdev_del", "id" },
    [BACKEND_CHARDEV] = { "chardev-remove", "id" },
};

static bool
try_remove(Monitor *monitor, const Backend *backend, GError **error)
{
    Json *arguments = json_new_object();
    g_autoptr(GError) problem = NULL;

    json_set_string(arguments, removals[backend->kind].argument, backend_id(backend));
    if (monitor_run(monitor, removals[backend->kind].command, arguments, &problem) ||
        g_error_matches(problem, QMP_ERROR, QMP_ERROR_DEVICE_NOT_FOUND))
        return true;
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
}

/* A device that has just left the tree is freed some milliseconds later, and holds on to what is
 * behind it until then ("Node vda-storage is in use", QEMU 7.2). */
static bool
remove_backend(Monitor *monitor, const Backend *backend, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + RELEASE_US;

    for (;;) {
        g_autoptr(GError) problem = NULL;

        if (!is_there(monitor, backend) || try_remove(monitor, backend, &problem))
            return true;
        if (!g_error_matches(problem, QMP_ERROR, QMP_ERROR_GENERIC) ||
            g_get_monotonic_time() >= deadline) {
            g_propagate_error(error, g_steal_pointer(&problem));
            return false;
        }
        g_usleep(RELEASE_POLL_US);
    }
}

bool
hot_plug_sweep(Monitor *monitor, const DeviceTrees *trees, GError **error)
{
    for (guint i = trees->backends->len; i > 0; i--)
        if (!remove_backend(monitor, trees->backends->pdata[i - 1], error))
            return false;
    return true;
}

/* What begins with @prefix in the answer's @member; in QEMU's order. */
static GPtrArray *
find_named(Monitor *monitor, BackendKind kind, const char *prefix)
{
    static const struct {
        const char *command, *member;
    } lists[] = {
        [BACKEND_OBJECT] = { "qom-list", "name" },
        [BACKEND_BLOCKDEV] = { "query-named-block-nodes", "node-name" },
    };
    g_autoptr(Json) arguments = json_new_object(), list = NULL;
    GPtrArray *found = g_ptr_array_new_with_free_func(g_free);

    if (kind == BACKEND_OBJECT)
        json_set_string(arguments, "path", "/objects");
    else
        json_set_bool(arguments, "flat", true);
    list = monitor_query(monitor, lists[kind].command, arguments, NULL);
    for (guint i = 0; i < json_length(list); i++) {
        const char *name = json_get_string(json_at(list, i), lists[kind].member);

        if (name && g_str_has_prefix(name, prefix))
            g_ptr_array_add(found, g_strdup(name));
    }
    return found;
}

/* One round; what is under something else goes in a later one. False: nothing could be removed. */
static bool
remove_found(Monitor *monitor, BackendKind kind, const GPtrArray *names, GError **error)
{
    g_autoptr(GError) problem = NULL;
    bool is_any_removed = false;

    for (guint i = 0; i < names->len; i++) {
        Json *arguments = json_new_object();

        json_set_string(arguments, removals[kind].argument, names->pdata[i]);
        g_clear_error(&problem);
        is_any_removed |= monitor_run(monitor, removals[kind].command, arguments, &problem);
    }
    if (!is_any_removed)
        g_propagate_error(error, g_steal_pointer(&problem));
    return is_any_removed;
}

/* The time is for as long as nothing becomes fewer, whatever QEMU says that it removed. */
bool
hot_plug_sweep_named(Monitor *monitor, BackendKind kind, const char *prefix, GError **error)
{
    gint64 deadline = 0;
    guint n_least = G_MAXUINT;

    for (;;) {
        g_autoptr(GPtrArray) names = find_named(monitor, kind, prefix);
        g_autoptr(GError) problem = NULL;
        bool is_fewer = names->len < n_least;

        if (!names->len)
            return true;
        if (is_fewer) {
            deadline = g_get_monotonic_time() + RELEASE_US;
            n_least = names->len;
        }
        if (!remove_found(monitor, kind, names, &problem) || !is_fewer)
            g_usleep(RELEASE_POLL_US);
        if (g_get_monotonic_time() < deadline)
            continue;
        if (problem)
            g_propagate_error(error, g_steal_pointer(&problem));
        else
            g_set_error(error, QMP_ERROR, QMP_ERROR_GENERIC,
                        "%s: QEMU says that it is gone, and "
                        "has it still",
                        (const char *) names->pdata[0]);
        return false;
    }
}

/* --- in and out --- */

bool
hot_plug_add_backends(Monitor *monitor, const DeviceTrees *trees, GError **error)
{
    for (guint i = 0; i < trees->backends->len; i++) {
        const Backend *backend = trees->backends->pdata[i];

        if (!monitor_run(monitor, backend_command(backend->kind), json_copy(backend->properties),
                         error))
            return false;
    }
    return true;
}

static bool
add(Monitor *monitor, const DeviceTrees *trees, GError **error)
{
    return hot_plug_add_backends(monitor, trees, error) &&
           (!trees->device || monitor_run(monitor, "device_add", json_copy(trees->device), error));
}

bool
hot_plug_add(Monitor *monitor, const DeviceTrees *trees, GError **error)
{
    if (!hot_plug_sweep(monitor, trees, error))
        return false;
    if (add(monitor, trees, error))
        return true;
    (void) hot_plug_sweep(monitor, trees, NULL); /* else the next attempt's */
    return false;
}

/* QEMU has no class for it. */
static bool
is_under_way(const GError *problem)
{
    return g_error_matches(problem, QMP_ERROR, QMP_ERROR_GENERIC) &&
           strstr(problem->message, "in the process of unplug") != NULL;
}

bool
hot_plug_ask(Monitor *monitor, const char *id, bool *ret_is_gone, GError **error)
{
    Json *arguments = json_new_object();
    g_autoptr(GError) problem = NULL;

    json_set_string(arguments, "id", id);
    *ret_is_gone = false;
    if (monitor_run(monitor, "device_del", arguments, &problem) || is_under_way(problem))
        return true;
    if (g_error_matches(problem, QMP_ERROR, QMP_ERROR_DEVICE_NOT_FOUND)) {
        *ret_is_gone = true;
        return true;
    }
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
}
