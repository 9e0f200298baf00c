/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Drive addresses: which controller, bus, target and unit a disk is.
 *
 * They are not searched for but computed from the target's name: hdc is always the first unit of
 * the second IDE bus, whatever else there is. That makes them stable without being remembered;
 * the price is that a given address can collide with a computed one, which is said, not solved.
 *
 * SCSI units of the host have no such name. They get the first free place, disks and given
 * addresses first, and keep it: the next resolution inherits it like a PCI address.
 */
#include "reconcile/drive-address.h"

#include "model/controller.h"
#include "model/disk.h"
#include "model/hostdev.h"
#include "reconcile/device-match.h"

#define UNITS 7 /* of a SCSI controller, as libvirt hands them out */

/* Address of the disk with index n: controller n / per_controller, bus (n % per_controller) /
 * per_bus, unit n % per_bus. */
static const struct {
    DiskBus bus;
    guint per_controller, per_bus;
} layouts[] = {
    { DISK_BUS_IDE, 4, 2 },
    { DISK_BUS_SATA, 6, 6 },
    { DISK_BUS_FDC, 2, 2 },
    { DISK_BUS_SCSI, 7, 7 }, /* the narrow mapping, for wide buses too */
};

static void
set_if_absent(OptUint *member, guint64 value)
{
    if (!member->is_set)
        *member = opt_uint(value);
}

static void
complete(Address *address)
{
    if (!address)
        return;
    set_if_absent(&address->controller, 0);
    set_if_absent(&address->bus, 0);
    set_if_absent(&address->target, 0);
    set_if_absent(&address->unit, 0);
}

static void
place_disk(Disk *disk)
{
    guint n = MAX(0, disk_target_index(disk->target_dev));

    for (guint i = 0; !disk->info.address && i < G_N_ELEMENTS(layouts); i++)
        if (layouts[i].bus == disk_bus(disk))
            disk->info.address = address_new_drive(
                n / layouts[i].per_controller, n % layouts[i].per_controller / layouts[i].per_bus,
                0, n % layouts[i].per_bus);
    complete(disk->info.address);
}

/* ---- what sits where ---- */

typedef struct Drive {
    gconstpointer device; /* Disk or Hostdev */
    const Address *address;
    DiskBus bus;
    const char *name; /* of a disk */
} Drive;

static GArray *
list_drives(const Domain *domain)
{
    GArray *drives = g_array_new(FALSE, FALSE, sizeof(Drive));

    for (guint i = 0; i < list_length(domain->disks); i++) {
        const Disk *disk = list_at(domain->disks, i, Disk);
        Drive drive = { disk, disk->info.address, disk_bus(disk), disk->target_dev };

        if (drive.address && drive.address->type == ADDRESS_DRIVE)
            g_array_append_val(drives, drive);
    }
    for (guint i = 0; i < list_length(domain->hostdevs); i++) {
        const Hostdev *hostdev = list_at(domain->hostdevs, i, Hostdev);
        Drive drive = { hostdev, hostdev->info.address, DISK_BUS_SCSI, NULL };

        if (hostdev->type == HOSTDEV_SCSI && drive.address && drive.address->type == ADDRESS_DRIVE)
            g_array_append_val(drives, drive);
    }
    return drives;
}

static bool
is_same_place(const Address *x, const Address *y)
{
    return x->controller.value == y->controller.value && x->bus.value == y->bus.value &&
           x->target.value == y->target.value && x->unit.value == y->unit.value;
}

static char *
drive_name(const Drive *drive)
{
    return drive->name ? g_strdup_printf("disk '%s'", drive->name)
                       : g_strdup("a SCSI unit of the host");
}

static void
check_unique(const Resolution *resolution, const GArray *drives, guint index)
{
    const Drive *drive = &g_array_index(drives, Drive, index);
    const Address *address = drive->address;

    for (guint i = 0; i < index; i++) {
        const Drive *other = &g_array_index(drives, Drive, i);
        g_autofree char *first = NULL, *second = NULL;

        if (other->bus != drive->bus || !is_same_place(other->address, address))
            continue;
        first = drive_name(other);
        second = drive_name(drive);
        resolution_error(resolution, drive->device, "address", "address-conflict",
                         "%s and %s are both controller %u, bus %u, target %u, unit %u", first,
                         second, (guint) address->controller.value, (guint) address->bus.value,
                         (guint) address->target.value, (guint) address->unit.value);
    }
}

/* ---- SCSI units of the host ---- */

static bool
is_free(const Domain *domain, const Address *address)
{
    g_autoptr(GArray) drives = list_drives(domain);

    for (guint i = 0; i < drives->len; i++) {
        const Drive *drive = &g_array_index(drives, Drive, i);

        if (drive->bus == DISK_BUS_SCSI && is_same_place(drive->address, address))
            return false;
    }
    return true;
}

/* NULL: all units are taken. */
static Address *
free_unit(const Domain *domain, guint controller)
{
    for (guint unit = 0; unit < UNITS; unit++) {
        Address *address = address_new_drive(controller, 0, 0, unit);

        if (is_free(domain, address))
            return address;
        address_free(address);
    }
    return NULL;
}

/* The controllers that the file has come first, in its order, and then those it would need. */
static Address *
free_place(const Domain *domain)
{
    Address *address = NULL;
    guint n_controllers = 0;

    for (guint i = 0; !address && i < list_length(domain->controllers); i++) {
        const Controller *controller = list_at(domain->controllers, i, Controller);

        if (controller->type != CONTROLLER_SCSI)
            continue;
        n_controllers++;
        address = free_unit(domain, controller->index.value);
    }
    for (guint i = n_controllers; !address; i++)
        address = free_unit(domain, i);
    return address;
}

/* Takes @address. */
static void
put(Hostdev *hostdev, Address *address)
{
    hostdev->info.address = address;
    hostdev->info.is_address_assigned = true;
}

static void
inherit_place(const Domain *domain, Hostdev *hostdev, const Hostdev *ancestor)
{
    const Address *address = ancestor ? ancestor->info.address : NULL;

    if (address && address->type == ADDRESS_DRIVE && is_free(domain, address))
        put(hostdev, address_copy(address));
}

static GPtrArray *
list_open_hostdevs(const Domain *domain)
{
    GPtrArray *open = g_ptr_array_new();

    for (guint i = 0; i < list_length(domain->hostdevs); i++) {
        Hostdev *hostdev = domain->hostdevs->pdata[i];

        if (hostdev->type == HOSTDEV_SCSI && !hostdev->info.address)
            g_ptr_array_add(open, hostdev);
        else if (hostdev->type == HOSTDEV_SCSI)
            complete(hostdev->info.address);
    }
    return open;
}

static void
place_hostdevs(const Resolution *resolution)
{
    const Domain *domain = resolution->domain;
    g_autoptr(GPtrArray) open = list_open_hostdevs(domain);
    g_autoptr(GHashTable) ancestors = NULL;

    if (open->len && resolution->previous)
        ancestors = device_match(domain, resolution->previous);
    for (guint i = 0; ancestors && i < open->len; i++)
        inherit_place(domain, open->pdata[i], g_hash_table_lookup(ancestors, open->pdata[i]));
    for (guint i = 0; i < open->len; i++) {
        Hostdev *hostdev = open->pdata[i];

        if (!hostdev->info.address)
            put(hostdev, free_place(domain));
    }
}

void
resolve_drive_addresses(const Resolution *resolution)
{
    const Domain *domain = resolution->domain;
    g_autoptr(GArray) drives = NULL;

    for (guint i = 0; i < list_length(domain->disks); i++)
        if (device_bus(domain, &disk_kind, domain->disks->pdata[i]) == BUS_DRIVE)
            place_disk(domain->disks->pdata[i]);
    place_hostdevs(resolution);
    drives = list_drives(domain);
    for (guint i = 0; i < drives->len; i++)
        check_unique(resolution, drives, i);
}
