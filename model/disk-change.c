/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What of a disk changes while the guest runs.
 *
 * Two kinds of disk answer differently. A drive that takes media (a CD-ROM, a floppy) keeps its
 * device, and all that is behind it comes and goes with the medium. A hard disk keeps its image,
 * since a guest has it mounted; what QEMU does with that image can be told: limits, filters, and
 * what blockdev-reopen changes. The guest's switch of the write cache is a property of the device,
 * so that a cache mode changes where both have the same switch.
 *
 * blockdev-reopen needs a driver that knows how (QEMU 7.2: files, block devices, NBD, under raw,
 * qcow2 and LUKS).
 */
#include "model/disk.h"

/* Drives without a tray of their own (USB) have their image for good. */
bool
disk_takes_media(const Disk *disk)
{
    DiskBus bus = disk_bus(disk);

    if (disk_device(disk) == DISK_DEVICE_FLOPPY)
        return bus == DISK_BUS_FDC;
    return disk_device(disk) == DISK_DEVICE_CDROM &&
           (bus == DISK_BUS_IDE || bus == DISK_BUS_SATA || bus == DISK_BUS_SCSI);
}

static bool
is_medium(const Disk *before, const Disk *after)
{
    return disk_takes_media(before) && disk_takes_media(after);
}

static bool
is_floppy(const Disk *before, const Disk *after)
{
    return is_medium(before, after) && disk_device(before) == DISK_DEVICE_FLOPPY &&
           disk_device(after) == DISK_DEVICE_FLOPPY;
}

/* QEMU has the image, and does more than pass commands on. */
static bool
is_filterable(const Disk *before, const Disk *after)
{
    return is_medium(before, after) ||
           (disk_device(before) == DISK_DEVICE_DISK && disk_type(before) != DISK_VHOST_USER &&
            disk_bus(before) != DISK_BUS_SD && disk_has_source(before));
}

static bool
is_driver_reopenable(const Disk *disk)
{
    switch (disk_type(disk)) {
    case DISK_FILE:
    case DISK_BLOCK:
    case DISK_VOLUME:
        return true;
    case DISK_NETWORK:
        return disk->source->protocol == PROTOCOL_NBD;
    case DISK_DIR:
    case DISK_NVME:
    case DISK_VHOST_USER:
    case DISK_VHOST_VDPA:
        return false;
    }
    return false;
}

static bool
is_reopenable(const Disk *before, const Disk *after)
{
    bool is_known =
        !before->format || before->format == DISK_FORMAT_RAW || before->format == DISK_FORMAT_QCOW2;

    return is_medium(before, after) || (is_filterable(before, after) && is_known &&
                                        is_driver_reopenable(before) && !before->is_transient);
}

static bool
writes_through(const Disk *disk)
{
    return disk->cache == DISK_CACHE_WRITETHROUGH || disk->cache == DISK_CACHE_DIRECTSYNC;
}

static bool
is_cache_reopenable(const Disk *before, const Disk *after)
{
    return is_medium(before, after) ||
           (is_reopenable(before, after) && writes_through(before) == writes_through(after));
}

/* QEMU 7.2 has no boot index for a floppy drive itself. */
static bool
has_boot_index(const Disk *before, const Disk *after)
{
    return !is_floppy(before, after);
}

static const struct {
    size_t offset;
    bool (*is_live)(const Disk *before, const Disk *after);
} rows[] = {
    { offsetof(Disk, type), is_medium },
    { offsetof(Disk, format), is_medium },
    { offsetof(Disk, source), is_medium },
    { offsetof(Disk, backing), is_medium },
    { offsetof(Disk, auth), is_medium },
    { offsetof(Disk, encryption), is_medium },
    { offsetof(Disk, io), is_medium },
    { offsetof(Disk, discard_no_unref), is_medium },
    { offsetof(Disk, is_read_only), is_floppy },
    { offsetof(Disk, info.boot_order), has_boot_index },
    { offsetof(Disk, cache), is_cache_reopenable },
    { offsetof(Disk, discard), is_reopenable },
    { offsetof(Disk, detect_zeroes), is_reopenable },
    { offsetof(Disk, metadata_cache), is_reopenable },
    { offsetof(Disk, copy_on_read), is_filterable },
    { offsetof(Disk, throttle_filters), is_filterable },
};

ChangeClass
disk_change_class(gconstpointer before, gconstpointer after, const Field *field)
{
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (field->type != TYPE_NONE && field->offset == rows[i].offset)
            return rows[i].is_live(before, after) ? CHANGE_LIVE : CHANGE_RESTART;
    return field->change;
}
