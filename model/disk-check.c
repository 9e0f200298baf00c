/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules of disks beyond their single rows: which bus can have what, what excludes what, and
 * what libvirt refuses because the guest would not get what was written. Rules of the image alone
 * are in storage-check.c. Each function is a subject, most are tables.
 */
#include "model/disk.h"

#include <string.h>

#include "model/controller.h"
#include "model/iothread.h"

#define BUS(name) (1u << DISK_BUS_##name)

static void
validate_source(const Validation *v, const Disk *disk)
{
    DiskDevice device = disk_device(disk);
    DiskBus bus = disk_bus(disk);
    bool can_be_empty = device == DISK_DEVICE_CDROM || device == DISK_DEVICE_FLOPPY;
    StorageCheck check = {
        v, "", disk_type(disk), disk->format, disk->source, disk_auth(disk), disk_encryption(disk)
    };

    if (disk->auth && disk->source && disk->source->auth)
        validation_error(v, "auth", "storage-auth", "the source has its own <auth>");
    if (disk->encryption && disk->source && disk->source->encryption)
        validation_error(v, "encryption", "storage-encryption", "the source has its own");
    if (!disk_has_source(disk) && bus == DISK_BUS_USB)
        validation_error(v, NULL, "disk-source", "a USB disk can't be empty");
    else if (!disk_has_source(disk) && !can_be_empty)
        validation_error(v, NULL, "disk-source", "the disk has no source");
    if (disk->type == DISK_DIR && !disk->is_read_only)
        validation_error(v, "source/@dir", "disk-read-only",
                         "a directory can be given to a guest only <readonly/>");
    storage_check(&check);
    storage_check_chain(v, "backingStore", disk->backing);
    if (disk->backing && disk->backing->type &&
        (disk->type == DISK_NVME || disk->type == DISK_VHOST_USER || disk->format == 0 ||
         disk->format == DISK_FORMAT_RAW))
        validation_error(v, "backingStore", "disk-backing",
                         "only formats such as qcow2 have an image behind them");
}

static void
validate_startup(const Validation *v, const Disk *disk)
{
    int policy = disk->source ? disk->source->startup_policy : 0;
    DiskDevice device = disk_device(disk);

    if (!policy)
        return;
    if (disk_type(disk) == DISK_NETWORK)
        validation_error(v, "source/@startupPolicy", "disk-startup",
                         "is for files and devices, not for the network");
    if (policy == STARTUP_REQUISITE && device != DISK_DEVICE_CDROM && device != DISK_DEVICE_FLOPPY)
        validation_error(v, "source/@startupPolicy", "disk-startup",
                         "'requisite' is for CD-ROMs and floppies");
}

void
disk_targets_validate(const Validation *v)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < list_length(v->domain->disks); i++) {
        const char *target = list_at(v->domain->disks, i, Disk)->target_dev;
        g_autofree char *path = NULL;

        if (!target || g_hash_table_add(seen, (gpointer) target))
            continue;
        path = g_strdup_printf("devices/disk[%u]/target/@dev", i);
        validation_error(v, path, "disk-target-duplicate", "target '%s' is already another disk's",
                         target);
    }
}

static void
validate_target(const Validation *v, const Disk *disk)
{
    if (disk_target_index(disk->target_dev) < 0)
        validation_error(v, "target/@dev", "disk-target",
                         "'%s' is no disk name: fd, hd, sd, vd, xvd or ubd, and letters for the disk",
                         disk->target_dev);
    else if (disk_device(disk) != DISK_DEVICE_CDROM &&
             g_str_has_prefix(disk->target_dev, "fd") != (disk_device(disk) == DISK_DEVICE_FLOPPY))
        validation_error(v, "target/@dev", "disk-target", "floppies are called fd and a letter, "
                                                          "and only they");
}

/* What only some buses have. */
static void
validate_bus(const Validation *v, const Disk *disk)
{
    DiskBus bus = disk_bus(disk);
    const struct {
        const char *path;
        bool is_used;
        guint buses;
        const char *words;
    } rows[] = {
        { "vendor", disk->vendor, BUS(SCSI), "SCSI" },
        { "product", disk->product, BUS(SCSI), "SCSI" },
        { "wwn", disk->wwn, BUS(SCSI) | BUS(IDE) | BUS(SATA), "SCSI, IDE and SATA" },
        { "target/@rotation_rate", disk->rotation_rate.is_set, BUS(SCSI) | BUS(IDE) | BUS(SATA),
          "SCSI, IDE and SATA" },
        { "target/@removable", disk->removable, BUS(USB), "USB" },
        { "driver/@queues", disk->queues.is_set, BUS(VIRTIO), "virtio" },
        { "driver/@queue_size", disk->queue_size.is_set, BUS(VIRTIO), "virtio" },
        { "driver/@ioeventfd", disk->ioeventfd, BUS(VIRTIO), "virtio" },
        { "driver/@event_idx", disk->event_idx, BUS(VIRTIO), "virtio" },
        { "driver/@iothread", disk->iothread.is_set, BUS(VIRTIO), "virtio" },
        { "driver/iothreads", list_length(disk->iothreads), BUS(VIRTIO), "virtio" },
        { "@model", disk->model, BUS(VIRTIO), "virtio" },
        { "geometry", disk->cylinders.is_set || disk->heads.is_set || disk->sectors.is_set,
          BUS(VIRTIO) | BUS(SCSI) | BUS(IDE) | BUS(SATA), "IDE, SATA, SCSI and virtio" },
        { "geometry/@trans", disk->translation > GEOMETRY_NONE, BUS(IDE) | BUS(SATA), "IDE" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].is_used && !(rows[i].buses & 1u << bus))
            validation_error(v, rows[i].path, "disk-bus", "is for %s disks", rows[i].words);
    if (bus != DISK_BUS_VIRTIO)
        validate_no_virtio_options(v, &disk->virtio);
    if (bus != DISK_BUS_SD)
        return;
    validation_warning(v, "target/@bus", "not-launchable", "a PC has no slot for SD cards");
    if (disk_type(disk) != DISK_FILE && disk_type(disk) != DISK_BLOCK)
        validation_error(v, "@type", "disk-sd", "an SD card is a file or a block device");
}

static void
validate_device(const Validation *v, const Disk *disk)
{
    DiskBus bus = disk_bus(disk);
    DiskDevice device = disk_device(disk);
    int type = disk_type(disk);
    bool is_iscsi =
        type == DISK_NETWORK && disk->source && disk->source->protocol == PROTOCOL_ISCSI;

    if ((device == DISK_DEVICE_FLOPPY) != (bus == DISK_BUS_FDC))
        validation_error(v, "target/@bus", "disk-bus", "a floppy sits on bus fdc, and only that");
    if (device == DISK_DEVICE_CDROM && (bus == DISK_BUS_VIRTIO || bus == DISK_BUS_SD))
        validation_error(v, "target/@bus", "disk-bus", "a CD-ROM can't sit on %s",
                         bus == DISK_BUS_SD ? "sd" : "virtio");
    if (disk->tray && device != DISK_DEVICE_CDROM && device != DISK_DEVICE_FLOPPY)
        validation_error(v, "target/@tray", "disk-tray", "only CD-ROMs and floppies have a tray");
    if (disk->is_read_only && device == DISK_DEVICE_DISK &&
        (bus == DISK_BUS_IDE || bus == DISK_BUS_SATA))
        validation_error(v, "readonly", "disk-read-only",
                         "an IDE or SATA disk is always writable; a CD-ROM is not");
    if (disk->sgio == SGIO_UNFILTERED)
        validation_error(v, "@sgio", "not-supported", "no kernel passes unfiltered commands");
    if (disk->raw_io && device != DISK_DEVICE_LUN)
        validation_error(v, "@rawio", "disk-lun", "is for device='lun'");
    if (disk->sgio && device != DISK_DEVICE_LUN)
        validation_error(v, "@sgio", "disk-lun", "is for device='lun'");
    if (disk->source && disk->source->reservations_managed && device != DISK_DEVICE_LUN)
        validation_error(v, "source/reservations", "disk-lun", "is for device='lun'");
    if (device != DISK_DEVICE_LUN)
        return;
    if (type != DISK_BLOCK && type != DISK_VOLUME && !is_iscsi)
        validation_error(v, "@device", "disk-lun", "device='lun' needs type='block' or iSCSI");
    if (bus != DISK_BUS_SCSI)
        validation_error(v, "@device", "disk-lun", "device='lun' needs bus='scsi'");
    if (disk->format && disk->format != DISK_FORMAT_RAW)
        validation_error(v, "driver/@type", "disk-lun", "device='lun' needs the format 'raw'");
    if (disk->serial || disk->wwn || disk->vendor || disk->product)
        validation_error(v, NULL, "disk-lun", "a lun tells the guest its own identity");
}

static bool
is_printable(const char *text)
{
    for (; *text; text++)
        if (!g_ascii_isprint(*text))
            return false;
    return true;
}

static void
validate_identity(const Validation *v, const Disk *disk)
{
    const struct {
        const char *path, *text;
        gsize length;
    } rows[] = { { "vendor", disk->vendor, 8 }, { "product", disk->product, 16 } };
    const char *wwn;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].text && strlen(rows[i].text) > rows[i].length)
            validation_error(v, rows[i].path, "disk-identity", "has at most %u characters",
                             (guint) rows[i].length);
        if (rows[i].text && !is_printable(rows[i].text))
            validation_error(v, rows[i].path, "disk-identity", "has only printable characters");
    }
    wwn = disk->wwn && g_str_has_prefix(disk->wwn, "0x") ? disk->wwn + 2 : disk->wwn;
    if (wwn && (strlen(wwn) != 16 || strspn(wwn, "0123456789abcdefABCDEF") != 16))
        validation_error(v, "wwn", "disk-identity", "has 16 hexadecimal digits");
    for (const char *c = disk->serial; c && *c; c++)
        if (!g_ascii_isalnum(*c) && !strchr("-_ .+", *c)) {
            validation_error(v, "serial", "disk-identity",
                             "has only letters, digits and the signs -_.+ and space");
            break;
        }
}

static void
validate_driver(const Validation *v, const Disk *disk)
{
    DiskCache cache = disk->cache;
    const struct {
        const char *path;
        const OptUint *size;
    } sizes[] = {
        { "blockio/@logical_block_size", &disk->logical_block },
        { "blockio/@physical_block_size", &disk->physical_block },
    };

    if (!cache || cache == DISK_CACHE_DEFAULT)
        cache = disk->is_shareable && !disk->is_read_only ? DISK_CACHE_NONE : DISK_CACHE_DEFAULT;
    if (disk->driver_name && !g_str_equal(disk->driver_name, "qemu"))
        validation_error(v, "driver/@name", "disk-driver", "the driver can only be 'qemu'");
    if (disk->rerror_policy == DISK_ERROR_ENOSPACE)
        validation_error(v, "driver/@rerror_policy", "disk-rerror", "reads can't be 'enospace'");
    if (disk->io == DISK_IO_NATIVE && cache != DISK_CACHE_NONE && cache != DISK_CACHE_DIRECTSYNC)
        validation_error(v, "driver/@io", "disk-io",
                         "io='native' needs cache='none' or 'directsync'");
    if (disk->discard_no_unref == TRISTATE_ON && disk->format != DISK_FORMAT_QCOW2)
        validation_error(v, "driver/@discard_no_unref", "disk-format", "is for qcow2");
    if (disk->discard_no_unref == TRISTATE_ON && disk->is_read_only)
        validation_error(v, "driver/@discard_no_unref", "disk-read-only",
                         "a read-only disk discards nothing");
    if (disk->metadata_cache.is_set && disk->format != DISK_FORMAT_QCOW2)
        validation_error(v, "driver/metadata_cache", "disk-format", "is for qcow2");
    if (disk->copy_on_read == TRISTATE_ON && disk->is_read_only)
        validation_error(v, "driver/@copy_on_read", "disk-read-only",
                         "nothing can be copied into a read-only image");
    if (disk->copy_on_read == TRISTATE_ON && disk_device(disk) != DISK_DEVICE_DISK)
        validation_error(v, "driver/@copy_on_read", "disk-device", "is for device='disk'");
    if (disk->is_shareable && !disk->is_read_only && disk->format &&
        disk->format != DISK_FORMAT_RAW)
        validation_error(v, "shareable", "disk-shareable",
                         "only raw images bear several writers, not '%s'",
                         disk_format_names[disk->format]);
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++)
        if (sizes[i].size->is_set && sizes[i].size->value &&
            (sizes[i].size->value < 512 || (sizes[i].size->value & (sizes[i].size->value - 1))))
            validation_error(v, sizes[i].path, "disk-block-size",
                             "a power of two, at least 512");
    if (disk->queue_size.is_set && (disk->queue_size.value & (disk->queue_size.value - 1)))
        validation_error(v, "driver/@queue_size", "disk-queues", "must be a power of two");
    if (disk_bus(disk) == DISK_BUS_VIRTIO)
        iothread_use_validate(v, &disk->iothread, disk->iothreads, &disk->queues);
}

static void
validate_transient(const Validation *v, const Disk *disk)
{
    if (!disk->is_transient)
        return;
    if (disk->is_read_only || disk->is_shareable || disk_device(disk) != DISK_DEVICE_DISK)
        validation_error(v, "transient", "disk-transient",
                         "only a writable disk of this guest alone can forget its changes");
    if (disk_type(disk) != DISK_FILE)
        validation_error(v, "transient", "disk-transient", "needs type='file'");
    if (disk->transient_share == TRISTATE_ON && disk_bus(disk) != DISK_BUS_VIRTIO &&
        disk_bus(disk) != DISK_BUS_SCSI && disk_bus(disk) != DISK_BUS_USB)
        validation_error(v, "transient/@shareBacking", "disk-transient",
                         "needs a bus that disks can be plugged into: virtio, scsi or usb");
}

static bool
has_group(const Domain *domain, const char *name)
{
    for (guint i = 0; i < list_length(domain->throttle_groups); i++)
        if (!g_strcmp0(list_at(domain->throttle_groups, i, Throttle)->group, name))
            return true;
    return false;
}

static void
validate_limits(const Validation *v, const Disk *disk)
{
    if (disk->iotune)
        throttle_validate(v, "iotune", disk->iotune);
    if (disk->iotune && list_length(disk->throttle_filters))
        validation_error(v, "throttlefilters", "throttle-group", "excludes <iotune>");
    for (guint i = 0; i < list_length(disk->throttle_filters); i++) {
        const char *group = list_at(disk->throttle_filters, i, ThrottleFilter)->group;
        g_autofree char *path = g_strdup_printf("throttlefilters/throttlefilter[%u]", i);

        if (!has_group(v->domain, group))
            validation_error(v, path, "throttle-group", "there is no <throttlegroup> '%s'", group);
        for (guint j = 0; j < i; j++)
            if (!g_strcmp0(list_at(disk->throttle_filters, j, ThrottleFilter)->group, group))
                validation_error(v, path, "throttle-group", "group '%s' is there twice", group);
    }
}

/* A guest's memory that another process can see: vhost-user's need. */
static bool
has_shared_memory(const Domain *domain)
{
    bool is_shared = list_length(domain->cells) > 0;

    if (domain->memory_access == MEMORY_ACCESS_SHARED)
        return true;
    for (guint i = 0; i < list_length(domain->cells); i++)
        is_shared &= list_at(domain->cells, i, NumaCell)->access == MEMORY_ACCESS_SHARED;
    return is_shared;
}

/* A vhost-user disk is all its server's: QEMU has no image of it. */
static void
validate_vhost_user(const Validation *v, const Disk *disk)
{
    const struct {
        const char *path;
        bool is_used;
    } rows[] = {
        { "driver/@cache", disk->cache && disk->cache != DISK_CACHE_DEFAULT },
        { "driver/@io", disk->io },
        { "driver/@error_policy", disk->error_policy },
        { "driver/@rerror_policy", disk->rerror_policy },
        { "driver/@ioeventfd", disk->ioeventfd },
        { "driver/@copy_on_read", disk->copy_on_read },
        { "driver/@discard", disk->discard },
        { "driver/@detect_zeroes", disk->detect_zeroes },
        { "driver/@iothread", disk->iothread.is_set },
        { "driver/iothreads", list_length(disk->iothreads) },
        { "driver/metadata_cache", disk->metadata_cache.is_set },
        { "iotune", disk->iotune },
        { "throttlefilters", list_length(disk->throttle_filters) },
        { "encryption", disk_encryption(disk) },
        { "geometry", disk->cylinders.is_set },
        { "blockio", disk->logical_block.is_set || disk->physical_block.is_set },
        { "readonly", disk->is_read_only },
        { "shareable", disk->is_shareable },
        { "transient", disk->is_transient },
        { "serial", disk->serial },
        { "wwn", disk->wwn },
        { "@snapshot", disk->snapshot > SNAPSHOT_NO },
        { "source/@startupPolicy", disk->source && disk->source->startup_policy },
    };

    if (disk->type != DISK_VHOST_USER)
        return;
    if (disk_bus(disk) != DISK_BUS_VIRTIO || disk_device(disk) != DISK_DEVICE_DISK)
        validation_error(v, "target/@bus", "disk-vhost-user", "a vhost-user disk is a virtio disk");
    if (!has_shared_memory(v->domain))
        validation_error(v, "@type", "disk-vhost-user",
                         "needs shared memory: <memoryBacking><access mode='shared'/>");
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].is_used)
            validation_error(v, rows[i].path, "disk-vhost-user",
                             "a vhost-user disk has no such thing");
}

static void
validate_vhost_vdpa(const Validation *v, const Disk *disk)
{
    if (disk->type != DISK_VHOST_VDPA)
        return;
    if (!has_shared_memory(v->domain))
        validation_error(v, "@type", "disk-vhost-vdpa",
                         "needs shared memory: <memoryBacking><access mode='shared'/>");
    if (disk->cache != DISK_CACHE_NONE && disk->cache != DISK_CACHE_DIRECTSYNC)
        validation_error(v, "driver/@cache", "disk-vhost-vdpa",
                         "needs cache='none' or 'directsync'");
}

/* A drive address in the bounds of its bus. */
static void
validate_address(const Validation *v, const Disk *disk)
{
    const Address *address = disk->info.address;
    DiskBus bus = disk_bus(disk);
    bool is_narrow;

    if (!address || address->type != ADDRESS_DRIVE)
        return;
    is_narrow = bus == DISK_BUS_SCSI && domain_scsi_is_narrow(v->domain, address->controller.value);
    if (address->target.value && (is_narrow || bus != DISK_BUS_SCSI))
        validation_error(v, "address/@target", "address-drive", "target must be 0 here");
    if (address->bus.value && (bus == DISK_BUS_SCSI || bus == DISK_BUS_SATA || bus == DISK_BUS_FDC))
        validation_error(v, "address/@bus", "address-drive", "bus must be 0 here");
    if (is_narrow && address->unit.value > 7)
        validation_error(v, "address/@unit", "address-drive",
                         "an lsilogic controller has units 0 to 7");
    if (bus == DISK_BUS_FDC && address->controller.value)
        validation_error(v, "address/@controller", "address-drive",
                         "there is one floppy controller, number 0");
}

void
disk_validate(const Validation *v, gconstpointer item)
{
    const Disk *disk = item;

    if (!disk->target_dev)
        return;
    validate_source(v, disk);
    validate_startup(v, disk);
    validate_target(v, disk);
    validate_bus(v, disk);
    validate_device(v, disk);
    validate_identity(v, disk);
    validate_driver(v, disk);
    validate_transient(v, disk);
    validate_limits(v, disk);
    validate_vhost_user(v, disk);
    validate_vhost_vdpa(v, disk);
    validate_address(v, disk);
}
