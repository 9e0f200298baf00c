/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks: a chain of block nodes on the host's side, a drive on the guest's.
 *
 *     -device …,drive=vda-cor ─► copy-on-read ─► vda-format (qcow2) ─► vda-storage (file)
 *                                (if asked for)   (not for raw)
 *
 * The nodes are named by the disk's target, which stays the same for as long as the disk does. What
 * the file says about caching holds for every node that caches; discard and detect-zeroes for the
 * top one; aio for the one that does the I/O. The node below a format node is opened read-only at
 * first and writable when the format wants to write (auto-read-only), so that backing files can
 * share it.
 */
#include "model/disk.h"

#include <string.h>

#include "qemu/device.h"

/* What a cache mode means (libvirt, formatdomain, "driver cache"; qemu-img(1)). */
static const struct {
    const char *write_cache; /* the guest's switch */
    bool is_direct, no_flush;
} cache_modes[] = {
    [DISK_CACHE_NONE] = { "on", true, false },
    [DISK_CACHE_WRITETHROUGH] = { "off", false, false },
    [DISK_CACHE_WRITEBACK] = { "on", false, false },
    [DISK_CACHE_DIRECTSYNC] = { "off", true, false },
    [DISK_CACHE_UNSAFE] = { "on", false, true },
};

static const char *const format_drivers[] = {
    [DISK_FORMAT_RAW] = NULL,    [DISK_FORMAT_QCOW2] = "qcow2", [DISK_FORMAT_QED] = "qed",
    [DISK_FORMAT_VMDK] = "vmdk", [DISK_FORMAT_VPC] = "vpc",     [DISK_FORMAT_VDI] = "vdi",
    [DISK_FORMAT_VHDX] = "vhdx", [DISK_FORMAT_LUKS] = "luks",   [DISK_FORMAT_FAT] = "vvfat",
};

/* A disk that other guests write to must not be cached by this host: libvirt's rule. */
static DiskCache
cache_mode(const Disk *disk)
{
    if (disk->cache && disk->cache != DISK_CACHE_DEFAULT)
        return disk->cache;
    return disk->is_shareable && !disk->is_read_only ? DISK_CACHE_NONE : DISK_CACHE_DEFAULT;
}

static const char *
source_path(const Disk *disk)
{
    return disk->type == DISK_BLOCK ? disk->dev : disk->file;
}

static bool
has_medium(const Disk *disk)
{
    return source_path(disk) != NULL;
}

static bool
is_read_only(const Disk *disk)
{
    return disk->is_read_only || disk_device(disk) == DISK_DEVICE_CDROM;
}

static const char *
format_driver(const Disk *disk)
{
    return disk->format ? format_drivers[disk->format] : NULL;
}

/* Node names have at most 31 characters; targets are a few letters. */
static char *
node_name(const Disk *disk, const char *part)
{
    return g_strdup_printf("%.16s-%s", disk->target_dev, part);
}

static char *
top_node(const Disk *disk)
{
    if (disk->copy_on_read == TRISTATE_ON)
        return node_name(disk, "cor");
    return node_name(disk, format_driver(disk) ? "format" : "storage");
}

static void
add_cache(const Disk *disk, Json *tree)
{
    Json *cache;

    if (cache_mode(disk) == DISK_CACHE_DEFAULT)
        return;
    cache = json_new_object();
    json_set_bool(cache, "direct", cache_modes[cache_mode(disk)].is_direct);
    json_set_bool(cache, "no-flush", cache_modes[cache_mode(disk)].no_flush);
    json_set(tree, "cache", cache);
}

/* What the topmost of storage and format says. */
static void
add_top(const Disk *disk, Json *tree)
{
    static const char *const discards[] = {
        [0] = NULL,
        [DISK_DISCARD_UNMAP] = "unmap",
        [DISK_DISCARD_IGNORE] = "ignore",
    };
    static const char *const zeroes[] = {
        [0] = NULL,
        [DETECT_ZEROES_OFF] = "off",
        [DETECT_ZEROES_ON] = "on",
        [DETECT_ZEROES_UNMAP] = "unmap",
    };
    bool can_unmap = disk->discard == DISK_DISCARD_UNMAP;

    json_set_bool(tree, "read-only", is_read_only(disk));
    json_set_string(tree, "discard", discards[disk->discard]);
    /* Unmapping zeroes without discard='unmap' would be QEMU's error; it degrades to on. */
    if (disk->detect_zeroes == DETECT_ZEROES_UNMAP && !can_unmap)
        json_set_string(tree, "detect-zeroes", "on");
    else
        json_set_string(tree, "detect-zeroes", zeroes[disk->detect_zeroes]);
}

static const char *
storage_driver(const Disk *disk)
{
    if (disk->type != DISK_BLOCK)
        return "file";
    return disk_device(disk) == DISK_DEVICE_CDROM ? "host_cdrom" : "host_device";
}

static Json *
storage_tree(const Disk *disk)
{
    static const char *const aio[] = {
        [0] = NULL,
        [DISK_IO_NATIVE] = "native",
        [DISK_IO_THREADS] = "threads",
        [DISK_IO_URING] = "io_uring",
    };
    g_autofree char *name = node_name(disk, "storage");
    Json *tree = json_new_object();

    json_set_string(tree, "driver", storage_driver(disk));
    json_set_string(tree, "filename", source_path(disk));
    json_set_string(tree, "aio", aio[disk->io]);
    json_set_string(tree, "node-name", name);
    if (format_driver(disk)) {
        json_set_bool(tree, "auto-read-only", true);
        json_set_string(tree, "discard", "unmap");
    } else {
        add_top(disk, tree);
    }
    add_cache(disk, tree);
    return tree;
}

static Json *
format_tree(const Disk *disk)
{
    g_autofree char *name = node_name(disk, "format"), *storage = node_name(disk, "storage");
    Json *tree = json_new_object();

    json_set_string(tree, "node-name", name);
    add_top(disk, tree);
    add_cache(disk, tree);
    if (disk->discard_no_unref)
        device_tree_add_tristate(tree, "discard-no-unref", disk->discard_no_unref);
    json_set_string(tree, "driver", format_driver(disk));
    json_set_string(tree, "file", storage);
    /* The chain ends here, whatever the image's header says. */
    if (disk->no_backing_store && disk->format == DISK_FORMAT_QCOW2)
        json_set_null(tree, "backing");
    return tree;
}

static Json *
copy_on_read_tree(const Disk *disk)
{
    g_autofree char *name = node_name(disk, "cor");
    g_autofree char *below = node_name(disk, format_driver(disk) ? "format" : "storage");
    Json *tree = json_new_object();

    json_set_string(tree, "driver", "copy-on-read");
    json_set_string(tree, "node-name", name);
    json_set_string(tree, "file", below);
    return tree;
}

static void
check_format(const DeviceContext *context, const Disk *disk)
{
    const char *driver = format_driver(disk);

    if (disk->format == DISK_FORMAT_LUKS || disk->format == DISK_FORMAT_FAT)
        validation_error(&context->at, "driver/@type", "not-supported",
                         "this format is not supported yet");
    else if (driver && !capabilities_has_block_driver(context->capabilities, driver))
        validation_error(&context->at, "driver/@type", "not-in-qemu",
                         "this QEMU can't read the format '%s'", driver);
}

static void
disk_backends(const DeviceContext *context, gconstpointer device, GPtrArray *backends)
{
    const Disk *disk = device;

    if (!has_medium(disk))
        return;
    check_format(context, disk);
    backend_add(backends, BACKEND_BLOCKDEV, storage_tree(disk));
    if (format_driver(disk))
        backend_add(backends, BACKEND_BLOCKDEV, format_tree(disk));
    if (disk->copy_on_read == TRISTATE_ON)
        backend_add(backends, BACKEND_BLOCKDEV, copy_on_read_tree(disk));
}

/* --- the guest's side --- */

static char *
disk_driver(const Disk *disk)
{
    bool is_cdrom = disk_device(disk) == DISK_DEVICE_CDROM;

    switch (disk_bus(disk)) {
    case DISK_BUS_IDE:
    case DISK_BUS_SATA:
        return g_strdup(is_cdrom ? "ide-cd" : "ide-hd");
    case DISK_BUS_SCSI:
        if (disk_device(disk) == DISK_DEVICE_LUN)
            return g_strdup("scsi-block");
        return g_strdup(is_cdrom ? "scsi-cd" : "scsi-hd");
    case DISK_BUS_VIRTIO:
        return virtio_driver("virtio-blk", 0);
    case DISK_BUS_USB:
        return g_strdup("usb-storage");
    case DISK_BUS_FDC:
        return g_strdup("floppy");
    case DISK_BUS_SD:
        break;
    }
    return g_strdup("sd-card");
}

static void
add_scsi_address(const Domain *domain, const Disk *disk, Json *tree)
{
    const Address *address = disk->info.address;
    g_autofree char *device_id = backend_name("drive-", &disk->info);

    if (domain_scsi_is_narrow(domain, address->controller.value)) {
        json_set_uint(tree, "scsi-id", address->unit.value);
    } else {
        json_set_uint(tree, "channel", address->bus.value);
        json_set_uint(tree, "scsi-id", address->target.value);
        json_set_uint(tree, "lun", address->unit.value);
    }
    /* Part of what the guest names the disk by; without it QEMU would use the block node's name. */
    if (disk_device(disk) != DISK_DEVICE_LUN)
        json_set_string(tree, "device_id", disk->serial ? disk->serial : device_id);
}

/* A drive address in the words of its bus (address-assignment.md 1). */
static void
add_drive_address(const DeviceContext *context, const Disk *disk, Json *tree)
{
    /* Where a type is not named, the bus needs no name. */
    static const ControllerType types[] = {
        [DISK_BUS_IDE] = CONTROLLER_IDE,
        [DISK_BUS_SATA] = CONTROLLER_SATA,
        [DISK_BUS_SCSI] = CONTROLLER_SCSI,
        [DISK_BUS_SD] = 0,
    };
    const Address *address = disk->info.address;
    DiskBus disk_on = disk_bus(disk);
    const char *id = types[disk_on]
                         ? needed_controller(context, types[disk_on], address->controller.value)
                         : NULL;
    guint number = disk_on == DISK_BUS_IDE    ? address->bus.value
                   : disk_on == DISK_BUS_SATA ? address->unit.value
                                              : 0;
    g_autofree char *bus = id ? g_strdup_printf("%s.%u", id, number) : NULL;

    json_set_string(tree, "bus", bus);
    if (disk_on == DISK_BUS_SCSI)
        add_scsi_address(context->at.domain, disk, tree);
    else if (disk_on != DISK_BUS_SATA)
        json_set_uint(tree, "unit", address->unit.value);
}

static void
add_error_policy(const Disk *disk, Json *tree)
{
    static const char *const policies[] = {
        [0] = NULL,
        [DISK_ERROR_STOP] = "stop",
        [DISK_ERROR_REPORT] = "report",
        [DISK_ERROR_IGNORE] = "ignore",
        [DISK_ERROR_ENOSPACE] = "enospc",
    };

    json_set_string(tree, "werror", policies[disk->error_policy]);
    /* Reads follow writes, except that a full disk is no matter of reads. */
    if (disk->rerror_policy)
        json_set_string(tree, "rerror", policies[disk->rerror_policy]);
    else if (disk->error_policy != DISK_ERROR_ENOSPACE)
        json_set_string(tree, "rerror", policies[disk->error_policy]);
}

static void
add_identity(const Disk *disk, Json *tree)
{
    if (disk->wwn)
        json_set_uint(tree, "wwn", g_ascii_strtoull(disk->wwn, NULL, 16));
    json_set_string(tree, "vendor", disk->vendor);
    json_set_string(tree, "product", disk->product);
    json_set_string(tree, "serial", disk->serial);
    device_tree_add_uint(tree, "rotation_rate", &disk->rotation_rate);
    device_tree_add_uint(tree, "logical_block_size", &disk->logical_block);
    device_tree_add_uint(tree, "physical_block_size", &disk->physical_block);
    device_tree_add_uint(tree, "cyls", &disk->cylinders);
    device_tree_add_uint(tree, "heads", &disk->heads);
    device_tree_add_uint(tree, "secs", &disk->sectors);
}

static Json *
disk_properties(const DeviceContext *context, gconstpointer device)
{
    const Disk *disk = device;
    g_autofree char *driver = disk_driver(disk), *node = top_node(disk);
    bool is_floppy = disk_bus(disk) == DISK_BUS_FDC;
    Json *tree = device_tree_new(context, driver);

    device_tree_add_tristate(tree, "ioeventfd", disk->ioeventfd);
    device_tree_add_tristate(tree, "event_idx", disk->event_idx);
    device_tree_add_uint(tree, "num-queues", &disk->queues);
    device_tree_add_uint(tree, "queue-size", &disk->queue_size);
    if (disk->is_shareable)
        json_set_bool(tree, "share-rw", true);
    if (disk->info.address && disk->info.address->type == ADDRESS_DRIVE)
        add_drive_address(context, disk, tree);
    if (has_medium(disk))
        json_set_string(tree, "drive", node);
    device_tree_add_info(context, tree, &disk->info);
    if (is_floppy) /* the controller's property: qemu/controller.c */
        json_remove(tree, "bootindex");
    if (disk_bus(disk) == DISK_BUS_USB)
        json_set_bool(tree, "removable", disk->removable == TRISTATE_ON);
    add_identity(disk, tree);
    if (cache_mode(disk) != DISK_CACHE_DEFAULT && !is_floppy)
        json_set_string(tree, "write-cache", cache_modes[cache_mode(disk)].write_cache);
    add_error_policy(disk, tree);
    return tree;
}

const DeviceSpelling disk_spelling = {
    .kind = &disk_kind,
    .backends = disk_backends,
    .properties = disk_properties,
};
