/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The domain's own live fields that QEMU is told, a row each: what differs is told, the rest is
 * left alone.
 *
 * A row's function says all that its field is, not how it changed, so it does not matter what was
 * told before: after a crash in between it is told again. What belongs to a device is told by
 * the device's own spelling (DeviceSpelling.update).
 */
#include "qemu/domain-live.h"

#include "qemu/boot-order.h"
#include "qemu/iothread.h"
#include "qemu/throttle-group.h"

static bool
is_reboot_same(const Domain *before, const Domain *after)
{
    return (before->on_reboot == ACTION_DESTROY) == (after->on_reboot == ACTION_DESTROY);
}

static bool
set_reboot(Monitor *monitor, const Domain *after, GError **error)
{
    Json *arguments = json_new_object();

    json_set_string(arguments, "reboot", after->on_reboot == ACTION_DESTROY ? "shutdown" : "reset");
    return monitor_run(monitor, "set-action", arguments, error);
}

static bool
is_boot_same(const Domain *before, const Domain *after)
{
    guint n = list_length(before->boots);

    if (n != list_length(after->boots))
        return false;
    for (guint i = 0; i < n; i++)
        if (list_at(before->boots, i, Boot)->device != list_at(after->boots, i, Boot)->device)
            return false;
    return true;
}

static const struct {
    bool (*is_same)(const Domain *before, const Domain *after);
    bool (*make)(Monitor *monitor, const Domain *after, GError **error); /* may be NULL */
    bool (*tell)(Monitor *monitor, const Domain *after, GError **error);
} rows[] = {
    { throttle_groups_are_same, throttle_groups_make, throttle_groups_set },
    { is_reboot_same, NULL, set_reboot },
    { is_boot_same, NULL, boot_order_settle },
};

bool
domain_live_make(Monitor *monitor, const Domain *before, const Domain *after, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].make && !rows[i].is_same(before, after) && !rows[i].make(monitor, after, error))
            return false;
    return true;
}

bool
domain_live_update(Monitor *monitor, const Domain *before, const Domain *after, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (!rows[i].is_same(before, after) && !rows[i].tell(monitor, after, error))
            return false;
    return iothreads_update(monitor, before, after, error);
}
