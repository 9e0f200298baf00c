/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks, CD-ROMs and floppies. A disk's identity is its target name ("vda"): it says the bus when
 * none is given, the drive address when none is given, and which disk of the running guest a disk
 * of the file is. Where the bytes are is model/storage-source.h's matter, the rules are
 * disk-check.c's.
 */
#include "model/disk.h"

#include <string.h>

#include "model/iothread.h"

#include "model/default.h"

static const char *const device_names[] = {
    [DISK_DEVICE_DISK] = "disk",
    [DISK_DEVICE_CDROM] = "cdrom",
    [DISK_DEVICE_FLOPPY] = "floppy",
    [DISK_DEVICE_LUN] = "lun",
    NULL,
};
const char *const disk_bus_names[] = {
    [DISK_BUS_IDE] = "ide",   [DISK_BUS_SATA] = "sata",
    [DISK_BUS_SCSI] = "scsi", [DISK_BUS_VIRTIO] = "virtio",
    [DISK_BUS_USB] = "usb",   [DISK_BUS_FDC] = "fdc",
    [DISK_BUS_SD] = "sd",     NULL,
};
static const char *const cache_names[] = {
    [DISK_CACHE_DEFAULT] = "default",
    [DISK_CACHE_NONE] = "none",
    [DISK_CACHE_WRITETHROUGH] = "writethrough",
    [DISK_CACHE_WRITEBACK] = "writeback",
    [DISK_CACHE_DIRECTSYNC] = "directsync",
    [DISK_CACHE_UNSAFE] = "unsafe",
    NULL,
};
static const char *const io_names[] = {
    [DISK_IO_NATIVE] = "native",
    [DISK_IO_THREADS] = "threads",
    [DISK_IO_URING] = "io_uring",
    NULL,
};
static const char *const error_policy_names[] = {
    [DISK_ERROR_STOP] = "stop",
    [DISK_ERROR_REPORT] = "report",
    [DISK_ERROR_IGNORE] = "ignore",
    [DISK_ERROR_ENOSPACE] = "enospace",
    NULL,
};
static const char *const discard_names[] = {
    [DISK_DISCARD_UNMAP] = "unmap",
    [DISK_DISCARD_IGNORE] = "ignore",
    NULL,
};
static const char *const detect_zeroes_names[] = {
    [DETECT_ZEROES_OFF] = "off",
    [DETECT_ZEROES_ON] = "on",
    [DETECT_ZEROES_UNMAP] = "unmap",
    NULL,
};
static const char *const tray_names[] = { [TRAY_OPEN] = "open", [TRAY_CLOSED] = "closed", NULL };
static const char *const snapshot_names[] = {
    [SNAPSHOT_NO] = "no",
    [SNAPSHOT_INTERNAL] = "internal",
    [SNAPSHOT_EXTERNAL] = "external",
    [SNAPSHOT_MANUAL] = "manual",
    NULL,
};
static const char *const model_names[] = {
    [DISK_MODEL_VIRTIO] = "virtio",
    [DISK_MODEL_TRANSITIONAL] = "virtio-transitional",
    [DISK_MODEL_NON_TRANSITIONAL] = "virtio-non-transitional",
    NULL,
};
static const char *const translation_names[] = {
    [GEOMETRY_NONE] = "none",
    [GEOMETRY_AUTO] = "auto",
    [GEOMETRY_LBA] = "lba",
    NULL,
};
static const char *const sgio_names[] = {
    [SGIO_FILTERED] = "filtered",
    [SGIO_UNFILTERED] = "unfiltered",
    NULL,
};

static const Field filter_fields[] = {
    FIELD_STRING(ThrottleFilter, group, .path = "@group", .is_required = true,
                 .change = CHANGE_LIVE, .doc = "A `throttlegroup`'s name."),
    FIELD_END,
};
static const Schema filter_schema = { .element = "throttlefilter",
                                      .size = sizeof(ThrottleFilter),
                                      .fields = filter_fields,
                                      .doc =
                                          "Limits that hold for this disk and others together." };

static const Field disk_fields[] = {
    FIELD_ENUM(Disk, type, disk_type_names, .path = "@type", .change = CHANGE_LIVE,
               .doc = "What the source is; `file` by default."),
    FIELD_ENUM(Disk, device, device_names, .path = "@device",
               .doc = "What the guest sees; `disk` by default."),
    FIELD_ENUM(Disk, model, model_names, .path = "@model",
               .doc = "virtio: which generation of it the guest sees."),
    FIELD_YES_NO(Disk, raw_io, .path = "@rawio",
                 .no_effect = "QEMU has the rights of the user that runs virtkeep",
                 .doc = "lun: the right to send any SCSI command."),
    FIELD_ENUM(Disk, sgio, sgio_names, .path = "@sgio",
               .doc = "lun: `filtered`; kernels have no other way."),
    FIELD_ENUM(Disk, snapshot, snapshot_names, .path = "@snapshot",
               .no_effect = "virtkeep takes no snapshots", .doc = "libvirt's snapshot mode."),
    FIELD_STRING(Disk, driver_name, .path = "driver/@name", .doc = "`qemu`."),
    FIELD_ENUM(Disk, format, disk_format_names, .path = "driver/@type", .change = CHANGE_LIVE,
               .doc = "Image format; `raw` by default. Never probed."),
    FIELD_ENUM(Disk, cache, cache_names, .path = "driver/@cache", .change = CHANGE_LIVE,
               .doc = "Cache mode."),
    FIELD_ENUM(Disk, error_policy, error_policy_names, .path = "driver/@error_policy",
               .doc = "What a write error does."),
    FIELD_ENUM(Disk, rerror_policy, error_policy_names, .path = "driver/@rerror_policy",
               .doc = "What a read error does; never `enospace`."),
    FIELD_ENUM(Disk, io, io_names, .path = "driver/@io", .doc = "How the host does the I/O."),
    FIELD_ON_OFF(Disk, ioeventfd, .path = "driver/@ioeventfd", .doc = "virtio's ioeventfd."),
    FIELD_ON_OFF(Disk, event_idx, .path = "driver/@event_idx", .doc = "virtio's event_idx."),
    FIELD_ON_OFF(Disk, copy_on_read, .path = "driver/@copy_on_read", .change = CHANGE_LIVE,
                 .doc = "Copy what is read from backing files into the image."),
    FIELD_ENUM(Disk, discard, discard_names, .path = "driver/@discard", .change = CHANGE_LIVE,
               .doc = "Whether the guest's discards reach the image."),
    FIELD_ON_OFF(Disk, discard_no_unref, .path = "driver/@discard_no_unref",
                 .doc = "qcow2: keep discarded clusters' places."),
    FIELD_ENUM(Disk, detect_zeroes, detect_zeroes_names, .path = "driver/@detect_zeroes",
               .change = CHANGE_LIVE, .doc = "Turn writes of zeroes into holes."),
    FIELD_UINT(Disk, iothread, .path = "driver/@iothread", .min = 1,
               .doc = "virtio: the I/O thread that serves the disk."),
    FIELD_UINT(Disk, queues, .path = "driver/@queues", .min = 1, .max = 65535,
               .doc = "Number of virtqueues."),
    FIELD_UINT(Disk, queue_size, .path = "driver/@queue_size", .min = 1, .max = 1024,
               .doc = "Size of a virtqueue, a power of two."),
    DEVICE_VIRTIO_FIELDS(Disk),
    FIELD_LIST(Disk, iothreads, &iothread_mapping_schema, .path = "driver/iothreads/iothread",
               .doc = "virtio: the I/O threads that serve the disk's queues."),
    FIELD_SIZE(Disk, metadata_cache, .path = "driver/metadata_cache/max_size", .unit = 1,
               .change = CHANGE_LIVE, .doc = "qcow2: most memory for its tables."),
    FIELD_STRUCT(Disk, auth, &storage_auth_schema, .path = "auth",
                 .doc = "The same as in `source`, at its old place."),
    FIELD_STRUCT(Disk, source, &storage_source_schema, .path = "source", .change = CHANGE_LIVE,
                 .doc = "Where the image is. A CD-ROM or floppy may have none."),
    FIELD_STRUCT(Disk, backing, &storage_backing_schema, .path = "backingStore",
                 .change = CHANGE_LIVE,
                 .doc = "The image behind it; empty: none, whatever its header says."),
    FIELD_NO_EFFECT("it tells of a running job of libvirt's", .path = "mirror",
                    .doc = "Copying while running."),
    FIELD_REFUSED("is Xen's", .path = "backenddomain", .doc = "The domain that serves the disk."),
    FIELD_STRING(
        Disk, target_dev, .path = "target/@dev", .is_required = true,
        .doc = "Name that orders the disks: `vda`, `sdb`, `hdc`, `fda`. The disk's identity."),
    FIELD_ENUM(Disk, bus, disk_bus_names, .path = "target/@bus",
               .doc = "Bus; by default from the name's first letters."),
    FIELD_ENUM(Disk, tray, tray_names, .path = "target/@tray",
               .no_effect = "every guest starts with its trays closed",
               .doc = "CD-ROM, floppy: whether the tray is open."),
    FIELD_ON_OFF(Disk, removable, .path = "target/@removable", .doc = "Removable flag, USB only."),
    FIELD_UINT(Disk, rotation_rate, .path = "target/@rotation_rate", .min = 1, .max = 65534,
               .doc = "Revolutions a minute; 1 is an SSD."),
    FIELD_STRUCT(Disk, iotune, &iotune_schema, .path = "iotune", .change = CHANGE_LIVE,
                 .doc = "Limits of its I/O."),
    FIELD_LIST(Disk, throttle_filters, &filter_schema, .path = "throttlefilters/throttlefilter",
               .change = CHANGE_LIVE, .doc = "Limits it shares, the nearest to the image first."),
    FIELD_FLAG(Disk, is_read_only, .path = "readonly", .change = CHANGE_LIVE,
               .doc = "The guest can't write."),
    FIELD_FLAG(Disk, is_shareable, .path = "shareable", .doc = "Other guests write to it too."),
    FIELD_FLAG(Disk, is_transient, .path = "transient",
               .doc = "Changes are forgotten when the guest ends. Not started yet."),
    FIELD_YES_NO(Disk, transient_share, .path = "transient/@shareBacking",
                 .doc = "Other guests use the image at the same time."),
    FIELD_STRING(Disk, serial, .path = "serial", .is_verbatim = true,
                 .doc = "Serial number the guest sees."),
    FIELD_STRING(Disk, wwn, .path = "wwn", .doc = "World Wide Name, 16 hex digits."),
    FIELD_STRING(Disk, vendor, .path = "vendor", .doc = "SCSI vendor, 8 characters."),
    FIELD_STRING(Disk, product, .path = "product", .doc = "SCSI product, 16 characters."),
    FIELD_STRUCT(Disk, encryption, &storage_encryption_schema, .path = "encryption",
                 .doc = "The same as in `source`, at its old place."),
    FIELD_UINT(Disk, cylinders, .path = "geometry/@cyls", .min = 1, .doc = "Cylinders."),
    FIELD_UINT(Disk, heads, .path = "geometry/@heads", .min = 1, .doc = "Heads."),
    FIELD_UINT(Disk, sectors, .path = "geometry/@secs", .min = 1, .doc = "Sectors a track."),
    FIELD_ENUM(Disk, translation, translation_names, .path = "geometry/@trans",
               .doc = "IDE: how the BIOS sees them."),
    FIELD_UINT(Disk, logical_block, .path = "blockio/@logical_block_size", .max = 2097152,
               .doc = "Logical block size in bytes."),
    FIELD_UINT(Disk, physical_block, .path = "blockio/@physical_block_size", .max = 2097152,
               .doc = "Physical block size in bytes."),
    FIELD_UINT(Disk, discard_granularity, .path = "blockio/@discard_granularity",
               .max = G_MAXUINT32, .doc = "Least number of bytes that can be discarded."),
    DEVICE_BOOT_FIELDS(Disk),
    { .type = TYPE_NONE, .path = "boot/@loadparm", .refuse = "is S390's", .doc = "S390 only." },
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
typedef struct {
    const char *prefix;
    DiskBus bus;
} NamePrefix;

static const NamePrefix name_prefixes[] = {
    { "fd", DISK_BUS_FDC },    { "hd", DISK_BUS_IDE },  { "sd", DISK_BUS_SCSI },
    { "vd", DISK_BUS_VIRTIO }, { "xvd", DISK_BUS_IDE }, { "ubd", DISK_BUS_USB },
};

/* The one that the name, may be NULL, begins with; NULL: none. */
static const NamePrefix *
name_prefix(const char *target_dev)
{
    for (guint i = 0; target_dev && i < G_N_ELEMENTS(name_prefixes); i++)
        if (g_str_has_prefix(target_dev, name_prefixes[i].prefix))
            return &name_prefixes[i];
    return NULL;
}

int
disk_target_index(const char *target_dev)
{
    const NamePrefix *prefix = name_prefix(target_dev);
    const char *letters = prefix ? target_dev + strlen(prefix->prefix) : "";
    int index = 0;

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
    const NamePrefix *prefix;

    if (disk->bus)
        return disk->bus;
    if (disk->device == DISK_DEVICE_FLOPPY)
        return DISK_BUS_FDC;
    prefix = name_prefix(disk->target_dev);
    return prefix ? prefix->bus : DISK_BUS_IDE;
}

DiskType
disk_type(const Disk *disk)
{
    return disk->type ? disk->type : DISK_FILE;
}

bool
disk_has_source(const Disk *disk)
{
    return storage_is_set(disk_type(disk), disk->source);
}

const StorageAuth *
disk_auth(const Disk *disk)
{
    return disk->source && disk->source->auth ? disk->source->auth : disk->auth;
}

const StorageEncryption *
disk_encryption(const Disk *disk)
{
    return disk->source && disk->source->encryption ? disk->source->encryption : disk->encryption;
}

static DeviceBus
disk_device_bus(const Domain *domain, gconstpointer item)
{
    switch (disk_bus(item)) {
    case DISK_BUS_VIRTIO:
        return ((const Disk *) item)->model == DISK_MODEL_TRANSITIONAL ? BUS_PCI : BUS_PCIE;
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
    const char *bus = disk_bus_names[disk_bus(disk)];
    const Address *address = disk->info.address;

    if (!address || address->type != ADDRESS_DRIVE)
        return g_strdup_printf("%s-disk%d", bus, MAX(0, disk_target_index(disk->target_dev)));
    if (disk_bus(disk) == DISK_BUS_SCSI &&
        !domain_scsi_is_narrow(domain, address->controller.value))
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
    default_enum(&disk->type, DISK_FILE);
    default_enum(&disk->format, disk->type == DISK_DIR ? DISK_FORMAT_FAT : DISK_FORMAT_RAW);
    if (disk->device == DISK_DEVICE_CDROM)
        disk->is_read_only = true;
}

static bool
disk_plugs(gconstpointer device)
{
    return ((const Disk *) device)->device != DISK_DEVICE_FLOPPY;
}

const DeviceKind disk_kind = {
    .name = "disk",
    .list_offset = offsetof(Domain, disks),
    .schema = &disk_schema,
    .validate = disk_validate,
    .fill_defaults = disk_fill_defaults,
    .is_pluggable = disk_plugs,
    .change_class = disk_change_class,
    .bus = disk_device_bus,
    .pci_rank = 6,
    .alias_prefix = "disk",
    .alias = disk_alias,
};
