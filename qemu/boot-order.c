/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The boot order of a running guest: the devices' property `bootindex`, which QEMU writes into what
 * the firmware reads at every reset.
 *
 * QEMU refuses an index that another device has ("The bootindex 1 has already been used", 7.2). So
 * those that change lose theirs first, and then get the new one: an exchange of two never meets
 * itself. What a device should have follows from all of them (device_boot_index()), so all are
 * asked, whichever of them was edited.
 */
#include "qemu/boot-order.h"

#include "model/chardev.h"
#include "model/disk.h"
#include "model/filesystem.h"
#include "model/hostdev.h"
#include "model/interface.h"
#include "qemu/device.h"

#define NO_INDEX (-1)
#define PROPERTY "bootindex"

typedef struct Place {
    char *path;
    gint64 index;
} Place;

static void
place_free(Place *place)
{
    g_free(place->path);
    g_free(place);
}

/* Appends the device where it has another index than it should have; one without that property, or
 * that is not there, has no place. */
static void
find_misplaced(Monitor *monitor, const Domain *domain, const DeviceInfo *info, GPtrArray *places)
{
    g_autofree char *path = info->alias ? monitor_device_path(info->alias) : NULL;
    g_autoptr(Json) now = path ? monitor_qom_get(monitor, path, PROPERTY, NULL) : NULL;
    guint64 index;
    gint64 wanted = device_boot_index(domain, info, &index) ? (gint64) index : NO_INDEX;
    Place *place;

    if (!now || json_int(now, NO_INDEX) == wanted)
        return;
    place = g_new0(Place, 1);
    place->path = g_steal_pointer(&path);
    place->index = wanted;
    g_ptr_array_add(places, place);
}

static bool
set_index(Monitor *monitor, const Place *place, gint64 index, GError **error)
{
    return monitor_qom_set(monitor, place->path, PROPERTY, json_new_int(index), error);
}

/* The kinds with <boot order='…'/>. */
static const DeviceKind *const kinds[] = { &disk_kind, &interface_kind, &hostdev_kind,
                                           &redirdev_kind, &filesystem_kind };

bool
boot_order_settle(Monitor *monitor, const Domain *domain, GError **error)
{
    g_autoptr(GPtrArray) places = g_ptr_array_new_with_free_func((GDestroyNotify) place_free);

    for (guint k = 0; k < G_N_ELEMENTS(kinds); k++) {
        const GPtrArray *devices = domain_devices(domain, kinds[k]);

        for (guint i = 0; i < list_length(devices); i++)
            find_misplaced(monitor, domain, devices->pdata[i], places);
    }
    for (guint i = 0; i < places->len; i++)
        if (!set_index(monitor, places->pdata[i], NO_INDEX, error))
            return false;
    for (guint i = 0; i < places->len; i++) {
        const Place *place = places->pdata[i];

        if (place->index != NO_INDEX && !set_index(monitor, place, place->index, error))
            return false;
    }
    return true;
}
