/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small requests to a running QEMU, each one or two QMP commands. They decide nothing and remember
 * nothing; doing any of them twice is harmless.
 *
 * They are apart from qemu/monitor.h, which speaks QMP, since they speak of devices: what
 * virtio-mem and the balloon call a property is known here and nowhere above.
 */
#include "qemu/verbs.h"

#include "model/balloon.h"

bool
verb_set_requested(Monitor *monitor, const char *device_id, guint64 bytes, GError **error)
{
    g_autofree char *path = monitor_device_path(device_id);

    return monitor_qom_set_size(monitor, path, "requested-size", bytes, error);
}

bool
verb_poll_statistics(Monitor *monitor, const char *balloon_id, gint64 interval, GError **error)
{
    g_autofree char *path = monitor_device_path(balloon_id);

    return monitor_qom_set(monitor, path, "guest-stats-polling-interval", json_new_int(interval),
                           error);
}

bool
verb_refresh_statistics(Monitor *monitor, const char *balloon_id, gint64 interval, GError **error)
{
    return verb_poll_statistics(monitor, balloon_id, 0, error) &&
           verb_poll_statistics(monitor, balloon_id, interval, error);
}

bool
verb_set_balloon(Monitor *monitor, guint64 bytes, GError **error)
{
    Json *arguments = json_new_object();

    json_set_uint(arguments, "value", bytes);
    return monitor_run(monitor, "balloon", arguments, error);
}

bool
verb_set_link(Monitor *monitor, const char *device_id, bool is_up, GError **error)
{
    Json *arguments = json_new_object();

    json_set_string(arguments, "name", device_id);
    json_set_bool(arguments, "up", is_up);
    return monitor_run(monitor, "set_link", arguments, error);
}

const char *
domain_balloon_id(const Domain *domain)
{
    const Balloon *balloon = domain_balloon(domain);

    return balloon ? balloon_id(balloon) : NULL;
}
