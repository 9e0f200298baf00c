/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Drive addresses: which controller, bus, target and unit a disk is.
 *
 * They are not searched for but computed from the target's name: hdc is always the first unit of
 * the second IDE bus, whatever else there is. That makes them stable without being remembered;
 * the price is that a given address can collide with a computed one, which is said, not solved.
 */
#include "reconcile/drive-address.h"

#include "model/disk.h"

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
place_disk(Disk *disk)
{
    guint n = MAX(0, disk_target_index(disk->target_dev));
    Address *address = disk->info.address;

    for (guint i = 0; !address && i < G_N_ELEMENTS(layouts); i++)
        if (layouts[i].bus == disk_bus(disk))
            disk->info.address = address_new_drive(
                n / layouts[i].per_controller, n % layouts[i].per_controller / layouts[i].per_bus,
                0, n % layouts[i].per_bus);
    if (!address)
        return;
    set_if_absent(&address->controller, 0);
    set_if_absent(&address->bus, 0);
    set_if_absent(&address->target, 0);
    set_if_absent(&address->unit, 0);
}

static bool
is_same_place(const Disk *a, const Disk *b)
{
    const Address *x = a->info.address, *y = b->info.address;

    return disk_bus(a) == disk_bus(b) && x && y && x->type == ADDRESS_DRIVE &&
           y->type == ADDRESS_DRIVE && x->controller.value == y->controller.value &&
           x->bus.value == y->bus.value && x->target.value == y->target.value &&
           x->unit.value == y->unit.value;
}

static void
check_unique(const Resolution *resolution, const Disk *disk, guint index)
{
    for (guint i = 0; i < index; i++) {
        const Disk *other = list_at(resolution->domain->disks, i, Disk);

        if (is_same_place(disk, other))
            resolution_error(
                resolution, disk, "address", "address-conflict",
                "disks '%s' and '%s' are both controller %u, bus %u, target %u, unit %u",
                other->target_dev, disk->target_dev, (guint) disk->info.address->controller.value,
                (guint) disk->info.address->bus.value, (guint) disk->info.address->target.value,
                (guint) disk->info.address->unit.value);
    }
}

void
resolve_drive_addresses(const Resolution *resolution)
{
    const Domain *domain = resolution->domain;

    for (guint i = 0; i < list_length(domain->disks); i++) {
        Disk *disk = domain->disks->pdata[i];

        if (device_bus(domain, &disk_kind, disk) != BUS_DRIVE)
            continue;
        place_disk(disk);
        check_unique(resolution, disk, i);
    }
}
