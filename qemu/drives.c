/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which drives there are, what is in them, and how large it looks to the guest.
 *
 * query-block names a drive by the device that has it: by id, or by a path below it where the id
 * is a shell around it (virtio-blk's "…/virtio-disk0/virtio-backend", usb-storage's
 * "…/usb-disk0/usb-disk0.0/legacy[0]"; QEMU 7.2). Devices without an id, and drives without a
 * device, are nobody's here.
 */
#include "qemu/drives.h"

#include <string.h>

#define BELOW MONITOR_PERIPHERAL "/"

/* NULL: it has none. */
static char *
device_of(const char *qdev)
{
    const char *id, *end;

    if (!qdev || (*qdev == '/' && !g_str_has_prefix(qdev, BELOW)))
        return NULL;
    id = *qdev == '/' ? qdev + strlen(BELOW) : qdev;
    end = strchr(id, '/');
    return end ? g_strndup(id, end - id) : g_strdup(id);
}

static ObservedDrive *
drive_new(const Json *entry)
{
    const Json *inserted = json_get(entry, "inserted");
    char *device = device_of(json_get_string(entry, "qdev"));
    ObservedDrive *drive;

    if (!device)
        return NULL;
    drive = g_new0(ObservedDrive, 1);
    drive->device = device;
    drive->node = g_strdup(json_get_string(inserted, "node-name"));
    drive->file = g_strdup(json_get_string(inserted, "file"));
    drive->size = json_get_uint(json_get(inserted, "image"), "virtual-size", 0);
    drive->is_removable = json_get_bool(entry, "removable", false);
    drive->is_tray_open = json_get_bool(entry, "tray_open", false);
    drive->is_locked = json_get_bool(entry, "locked", false);
    return drive;
}

GPtrArray *
drives_query(Monitor *monitor, GError **error)
{
    g_autoptr(Json) reply = monitor_query(monitor, "query-block", NULL, error);
    GPtrArray *drives;

    if (!reply)
        return NULL;
    drives = observed_drives_new();
    for (guint i = 0; i < json_length(reply); i++) {
        ObservedDrive *drive = drive_new(json_at(reply, i));

        if (drive)
            g_ptr_array_add(drives, drive);
    }
    return drives;
}
