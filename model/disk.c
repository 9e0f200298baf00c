/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks, CD-ROMs and floppies. A disk's identity is its target name ("vda"): it says the bus when
 * none is given, the drive address when none is given, and which disk of the running guest a disk
 * of the file is. Sources are files and block devices here; the other source types are named and
 * refused.
 */
#include "model/disk.h"

#include <string.h>

#include "model/default.h"

static const char *const type_names[] = {
    [DISK_FILE] = "file",     [DISK_BLOCK] = "block",   [DISK_DIR] = "dir",
    [DISK_NETWORK] = "network", [DISK_VOLUME] = "volume", [DISK_NVME] = "nvme",
    [DISK_VHOST_USER] = "vhostuser", [DISK_VHOST_VDPA] = "vhostvdpa", NULL,
};
static const char *const device_names[] = {
    [DISK_DEVICE_DISK] = "disk", [DISK_DEVICE_CDROM] = "cdrom",
    [DISK_DEVICE_FLOPPY] = "floppy", [DISK_DEVICE_LUN] = "lun", NULL,
};
static const char *const bus_names[] = {
    [DISK_BUS_IDE] = "ide", [DISK_BUS_SATA] = "sata", [DISK_BUS_SCSI] = "scsi",
    [DISK_BUS_VIRTIO] = "virtio", [DISK_BUS_USB] = "usb", [DISK_BUS_FDC] = "fdc",
    [DISK_BUS_SD] = "sd", NULL,
};
static const char *const format_names[] = {
    [DISK_FORMAT_RAW] = "raw", [DISK_FORMAT_QCOW2] = "qcow2", [DISK_FORMAT_QED] = "qed",
    [DISK_FORMAT_VMDK] = "vmdk", [DISK_FORMAT_VPC] = "vpc", [DISK_FORMAT_VDI] = "vdi",
    [DISK_FORMAT_VHDX] = "vhdx", [DISK_FORMAT_LUKS] = "luks", [DISK_FORMAT_FAT] = "fat", NULL,
};
static const char *const cache_names[] = {
    [DISK_CACHE_DEFAULT] = "default", [DISK_CACHE_NONE] = "none",
    [DISK_CACHE_WRITETHROUGH] = "writethrough", [DISK_CACHE_WRITEBACK] = "writeback",
    [DISK_CACHE_DIRECTSYNC] = "directsync", [DISK_CACHE_UNSAFE] = "unsafe", NULL,
};
static const char *const io_names[] = {
    [DISK_IO_NATIVE] = "native", [DISK_IO_THREADS] = "threads", [DISK_IO_URING] = "io_uring", NULL,
};
static const char *const error_policy_names[] = {
    [DISK_ERROR_STOP] = "stop", [DISK_ERROR_REPORT] = "report", [DISK_ERROR_IGNORE] = "ignore",
    [DISK_ERROR_ENOSPACE] = "enospace", NULL,
};
static const char *const discard_names[] = {
    [DISK_DISCARD_UNMAP] = "unmap", [DISK_DISCARD_IGNORE] = "ignore", NULL,
};
static const char *const detect_zeroes_names[] = {
    [DETECT_ZEROES_OFF] = "off", [DETECT_ZEROES_ON] = "on", [DETECT_ZEROES_UNMAP] = "unmap", NULL,
};
static const char *const startup_policy_names[] = { NULL, "mandatory", "requisite", "optional",
                                                    NULL };
static const char *const tray_names[] = { NULL, "open", "closed", NULL };
static const char *const snapshot_names[] = { NULL, "no", "internal", "external", "manual", NULL };

#define SOURCE(types) WHEN(Disk, type, "@type", types)

static const Field disk_fields[] = {
    FIELD_ENUM(Disk, type, type_names, .path = "@type", .is_required = true,
               .doc = "What the source is; `file` and `block` are supported."),
    FIELD_ENUM(Disk, device, device_names, .path = "@device",
               .doc = "What the guest sees; `disk` by default."),
    { .type = TYPE_NONE, .path = "@snapshot", .names = snapshot_names,
      .no_effect = "virtkeep takes no snapshots", .doc = "libvirt's snapshot mode." },
    FIELD_STRING(Disk, driver_name, .path = "driver/@name", .doc = "`qemu`."),
    FIELD_ENUM(Disk, format, format_names, .path = "driver/@type",
               .doc = "Image format; `raw` by default. Never probed."),
    FIELD_ENUM(Disk, cache, cache_names, .path = "driver/@cache", .doc = "Cache mode."),
    FIELD_ENUM(Disk, error_policy, error_policy_names, .path = "driver/@error_policy",
               .doc = "What a write error does."),
    FIELD_ENUM(Disk, rerror_policy, error_policy_names, .path = "driver/@rerror_policy",
               .doc = "What a read error does; never `enospace`."),
    FIELD_ENUM(Disk, io, io_names, .path = "driver/@io", .doc = "How the host does the I/O."),
    FIELD_ON_OFF(Disk, ioeventfd, .path = "driver/@ioeventfd", .doc = "virtio's ioeventfd."),
    FIELD_ON_OFF(Disk, event_idx, .path = "driver/@event_idx", .doc = "virtio's event_idx."),
    FIELD_ON_OFF(Disk, copy_on_read, .path = "driver/@copy_on_read",
                 .doc = "Copy what is read from backing files into the image."),
    FIELD_ENUM(Disk, discard, discard_names, .path = "driver/@discard",
               .doc = "Whether the guest's discards reach the image."),
    FIELD_ENUM(Disk, detect_zeroes, detect_zeroes_names, .path = "driver/@detect_zeroes",
               .doc = "Turn writes of zeroes into holes."),
    FIELD_UINT(Disk, queues, .path = "driver/@queues", .min = 1, .max = 65535,
               .doc = "Number of virtqueues."),
    FIELD_UINT(Disk, queue_size, .path = "driver/@queue_size", .min = 1, .max = 1024,
               .doc = "Size of a virtqueue, a power of two."),
    FIELD_STRING(Disk, file, .path = "source/@file", SOURCE(WHEN_IS(DISK_FILE)),
                 .doc = "Absolute path of the image. A CD-ROM or floppy may have none."),
    FIELD_STRING(Disk, dev, .path = "source/@dev", SOURCE(WHEN_IS(DISK_BLOCK)),
                 .doc = "Path of the host's block device."),
    FIELD_ENUM(Disk, startup_policy, startup_policy_names, .path = "source/@startupPolicy",
               .refuse = "a missing image is always an error under virtkeep",
               .doc = "What a missing image means."),
    FIELD_FLAG(Disk, no_backing_store, .path = "backingStore", .change = CHANGE_NONE,
               .doc = "Only empty: the image's own backing chain is not looked at."),
    FIELD_STRING(Disk, target_dev, .path = "target/@dev", .is_required = true,
                 .doc = "Name that orders the disks: `vda`, `sdb`, `hdc`, `fda`. The disk's identity."),
    FIELD_ENUM(Disk, bus, bus_names, .path = "target/@bus",
               .doc = "Bus; by default from the name's first letters."),
    FIELD_ENUM(Disk, tray, tray_names, .path = "target/@tray", .doc = "Whether the tray is open."),
    FIELD_ON_OFF(Disk, removable, .path = "target/@removable", .doc = "Removable flag, USB only."),
    FIELD_UINT(Disk, rotation_rate, .path = "target/@rotation_rate", .min = 1, .max = 65534,
               .doc = "Revolutions a minute; 1 is an SSD."),
    FIELD_FLAG(Disk, is_read_only, .path = "readonly", .doc = "The guest can't write."),
    FIELD_FLAG(Disk, is_shareable, .path = "shareable", .doc = "Other guests write to it too."),
    FIELD_FLAG(Disk, is_transient, .path = "transient",
               .refuse = "virtkeep never throws a disk's changes away", .doc = "Forget changes."),
    FIELD_STRING(Disk, serial, .path = "serial", .doc = "Serial number the guest sees."),
    FIELD_STRING(Disk, wwn, .path = "wwn", .doc = "World Wide Name, 16 hex digits."),
    FIELD_STRING(Disk, vendor, .path = "vendor", .doc = "SCSI vendor, 8 characters."),
    FIELD_STRING(Disk, product, .path = "product", .doc = "SCSI product, 16 characters."),
    FIELD_UINT(Disk, logical_block, .path = "blockio/@logical_block_size",
               .doc = "Logical block size in bytes."),
    FIELD_UINT(Disk, physical_block, .path = "blockio/@physical_block_size",
               .doc = "Physical block size in bytes."),
    DEVICE_BOOT_FIELDS(Disk),
    DEVICE_INFO_FIELDS(Disk),
    FIELD_END,
};

static char *
disk_key(gconstpointer item)
{
    return g_strdup(((const Disk *) item)->target_dev);
}

static const Schema disk_schema = {
    .element = "disk",
    .size = sizeof(Disk),
    .fields = disk_fields,
    .key = disk_key,
    .doc = "A disk, CD-ROM or floppy.",
};

/* Bus by the name's first letters, libvirt's rule. */
static const struct {
    const char *prefix;
    DiskBus bus;
} name_buses[] = {
    { "fd", DISK_BUS_FDC }, { "hd", DISK_BUS_IDE },     { "sd", DISK_BUS_SCSI },
    { "vd", DISK_BUS_VIRTIO }, { "ubd", DISK_BUS_USB },
};

int
disk_target_index(const char *target_dev)
{
    const char *letters;
    int index = 0;

    if (!target_dev)
        return -1;
    letters = target_dev + (g_str_has_prefix(target_dev, "ubd") ? 3 : MIN(2, strlen(target_dev)));
    if (!*letters || strlen(letters) > 4)
        return -1;
    for (; *letters; letters++) {
        if (!g_ascii_islower(*letters))
            return -1;
        index = index * 26 + (*letters - 'a') + 1;
    }
    return index - 1;
}

DiskDevice
disk_device(const Disk *disk)
{
    return disk->device ? disk->device : DISK_DEVICE_DISK;
}

DiskBus
disk_bus(const Disk *disk)
{
    if (disk->bus)
        return disk->bus;
    if (disk->device == DISK_DEVICE_FLOPPY)
        return DISK_BUS_FDC;
    for (guint i = 0; disk->target_dev && i < G_N_ELEMENTS(name_buses); i++)
        if (g_str_has_prefix(disk->target_dev, name_buses[i].prefix))
            return name_buses[i].bus;
    return DISK_BUS_IDE;
}

static void
validate_source(const Validation *v, const Disk *disk)
{
    DiskDevice device = disk_device(disk);
    const char *path = disk->type == DISK_FILE ? disk->file : disk->dev;

    if (disk->type != DISK_FILE && disk->type != DISK_BLOCK)
        return validation_error(v, "@type", "not-supported",
                                "disk type '%s' is not supported yet; file and block are",
                                type_names[disk->type]);
    if (!path && device != DISK_DEVICE_CDROM && device != DISK_DEVICE_FLOPPY)
        return validation_error(v, NULL, "disk-source", "the disk has no source");
    if (path && !g_path_is_absolute(path))
        validation_error(v, disk->type == DISK_FILE ? "source/@file" : "source/@dev", "disk-source",
                         "the source must be an absolute path");
    if (device == DISK_DEVICE_LUN)
        validation_error(v, "@device", "not-supported", "device 'lun' is not supported yet");
}

static void
validate_target(const Validation *v, const Disk *disk)
{
    for (guint i = 0; i < list_length(v->domain->disks); i++) {
        const Disk *other = list_at(v->domain->disks, i, Disk);

        if (other == disk)
            break;
        if (!g_strcmp0(other->target_dev, disk->target_dev))
            validation_error(v, "target/@dev", "disk-target-duplicate",
                             "target '%s' is already another disk's", disk->target_dev);
    }
    if (disk_target_index(disk->target_dev) < 0)
        validation_error(v, "target/@dev", "disk-target",
                         "'%s' is no disk name: two letters for the bus and letters for the disk",
                         disk->target_dev);
}

static void
validate_properties(const Validation *v, const Disk *disk)
{
    DiskBus bus = disk_bus(disk);
    DiskDevice device = disk_device(disk);

    if (bus == DISK_BUS_SD)
        validation_error(v, "target/@bus", "not-supported", "bus 'sd' is not supported");
    if ((device == DISK_DEVICE_FLOPPY) != (bus == DISK_BUS_FDC))
        validation_error(v, "target/@bus", "disk-bus", "a floppy sits on bus fdc, and only that");
    if (device == DISK_DEVICE_CDROM && bus == DISK_BUS_VIRTIO)
        validation_error(v, "target/@bus", "disk-bus", "a CD-ROM can't sit on virtio");
    if ((disk->vendor || disk->product) && bus != DISK_BUS_SCSI)
        validation_error(v, disk->vendor ? "vendor" : "product", "disk-scsi",
                         "only SCSI disks have vendor and product");
    if ((disk->queues.is_set || disk->queue_size.is_set) && bus != DISK_BUS_VIRTIO)
        validation_error(v, "driver", "disk-virtio", "queues are for virtio disks");
    if (disk->removable && bus != DISK_BUS_USB)
        validation_error(v, "target/@removable", "disk-removable", "removable is for USB disks");
    if (disk->driver_name && !g_str_equal(disk->driver_name, "qemu"))
        validation_error(v, "driver/@name", "disk-driver", "the driver can only be 'qemu'");
    if (disk->rerror_policy == DISK_ERROR_ENOSPACE)
        validation_error(v, "driver/@rerror_policy", "disk-rerror", "reads can't be 'enospace'");
    if (disk->io == DISK_IO_NATIVE && disk->cache && disk->cache != DISK_CACHE_NONE &&
        disk->cache != DISK_CACHE_DIRECTSYNC)
        validation_error(v, "driver/@io", "disk-io",
                         "io='native' needs cache='none' or 'directsync'");
}

static void
disk_validate(const Validation *v, gconstpointer item)
{
    const Disk *disk = item;

    if (!disk->type || !disk->target_dev)
        return;
    validate_source(v, disk);
    validate_target(v, disk);
    validate_properties(v, disk);
}

static DeviceBus
disk_device_bus(const Domain *domain, gconstpointer item)
{
    switch (disk_bus(item)) {
    case DISK_BUS_VIRTIO:
        return BUS_PCIE;
    case DISK_BUS_USB:
        return BUS_USB;
    case DISK_BUS_IDE:
    case DISK_BUS_SATA:
    case DISK_BUS_SCSI:
    case DISK_BUS_FDC:
        return BUS_DRIVE;
    case DISK_BUS_SD:
        return BUS_NONE;
    }
    return BUS_NONE;
}

/* address-assignment.md 5: by drive address, with the target for SCSI except lsilogic, else by
 * the index of the target's name. */
static char *
disk_alias(const Domain *domain, gconstpointer item, guint index)
{
    const Disk *disk = item;
    const char *bus = bus_names[disk_bus(disk)];
    const Address *address = disk->info.address;

    if (!address || address->type != ADDRESS_DRIVE)
        return g_strdup_printf("%s-disk%d", bus, MAX(0, disk_target_index(disk->target_dev)));
    if (disk_bus(disk) == DISK_BUS_SCSI && !domain_scsi_is_narrow(domain, address->controller.value))
        return g_strdup_printf("scsi%u-%u-%u-%u", (guint) address->controller.value,
                               (guint) address->bus.value, (guint) address->target.value,
                               (guint) address->unit.value);
    return g_strdup_printf("%s%u-%u-%u", bus, (guint) address->controller.value,
                           (guint) address->bus.value, (guint) address->unit.value);
}

static void
disk_fill_defaults(const Domain *domain, gpointer device)
{
    Disk *disk = device;

    default_enum(&disk->bus, disk_bus(disk));
    default_enum(&disk->device, disk->bus == DISK_BUS_FDC ? DISK_DEVICE_FLOPPY : DISK_DEVICE_DISK);
    default_string(&disk->driver_name, "qemu");
    default_enum(&disk->format, DISK_FORMAT_RAW);
    if (disk->device == DISK_DEVICE_CDROM)
        disk->is_read_only = true;
}

const DeviceKind disk_kind = {
    .name = "disk",
    .list_offset = offsetof(Domain, disks),
    .schema = &disk_schema,
    .validate = disk_validate,
    .fill_defaults = disk_fill_defaults,
    .bus = disk_device_bus,
    .pci_rank = 6,
    .alias_prefix = "disk",
    .alias = disk_alias,
};
