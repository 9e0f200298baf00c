/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks: a chain of block nodes on the host's side, a drive on the guest's.
 *
 *     -device …,drive=vda-filter0 ─► throttle ─► copy-on-read ─► vda-format ─► vda-storage
 *                                    (groups)    (if asked for)       └─► vda-1-format … (backing)
 *
 * The nodes are named by the disk's target, which stays the same for as long as the disk does;
 * images behind it have their depth in their names, and a medium can have another name
 * (qemu/disk-live.c). One image's nodes are qemu/storage.h's matter.
 * A vhost-user disk has no nodes but a socket. An SD card is a -drive, since it has no -device: its
 * slot is the board's, and no PC has one, so that such a domain is shown and never started.
 *
 * What the file says about caching, aio and discards holds for every image of the chain;
 * detect-zeroes for the topmost.
 */
#include "qemu/disk.h"

#include <gio/gio.h>

#include "model/input.h"
#include "qemu/companion.h"
#include "qemu/device.h"
#include "qemu/disk-live.h"
#include "qemu/iothread.h"
#include "qemu/need.h"
#include "qemu/storage.h"
#include "qemu/throttle-group.h"

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

/* A disk that other guests write to must not be cached by this host: libvirt's rule. */
static DiskCache
cache_mode(const Disk *disk)
{
    if (disk->cache && disk->cache != DISK_CACHE_DEFAULT)
        return disk->cache;
    return disk->is_shareable && !disk->is_read_only ? DISK_CACHE_NONE : DISK_CACHE_DEFAULT;
}

/* Whether QEMU has an image for it: not where there is no medium, nor where a vhost-user server
 * has it. */
bool
disk_has_medium(const Disk *disk)
{
    return disk_has_source(disk) && disk->type != DISK_VHOST_USER;
}

static bool
is_read_only(const Disk *disk)
{
    return disk->is_read_only || disk_device(disk) == DISK_DEVICE_CDROM;
}

/* --- the image's side --- */

static const char *
detect_zeroes_word(const Disk *disk)
{
    static const char *const words[] = {
        [0] = NULL,
        [DETECT_ZEROES_OFF] = "off",
        [DETECT_ZEROES_ON] = "on",
        [DETECT_ZEROES_UNMAP] = "unmap",
    };

    /* Unmapping zeroes without discard='unmap' would be QEMU's error; it degrades to on. */
    if (disk->detect_zeroes == DETECT_ZEROES_UNMAP && disk->discard != DISK_DISCARD_UNMAP)
        return "on";
    return words[disk->detect_zeroes];
}

/* What holds for every image of the chain. */
static StorageNode
chain_node(const Disk *disk)
{
    static const char *const aio[] = {
        [0] = NULL,
        [DISK_IO_NATIVE] = "native",
        [DISK_IO_THREADS] = "threads",
        [DISK_IO_URING] = "io_uring",
    };
    static const char *const discards[] = {
        [0] = NULL,
        [DISK_DISCARD_UNMAP] = "unmap",
        [DISK_DISCARD_IGNORE] = "ignore",
    };
    DiskCache cache = cache_mode(disk);

    return (StorageNode){
        .is_floppy = disk_device(disk) == DISK_DEVICE_FLOPPY,
        .is_cdrom = disk_device(disk) == DISK_DEVICE_CDROM,
        .has_cache = cache != DISK_CACHE_DEFAULT,
        .is_direct = cache_modes[cache].is_direct,
        .no_flush = cache_modes[cache].no_flush,
        .aio = aio[disk->io],
        .discard = discards[disk->discard],
    };
}

static StorageNode
top_node(const Disk *disk)
{
    StorageNode node = chain_node(disk);

    node.name = disk->target_dev;
    node.type = disk_type(disk);
    node.format = disk->format;
    node.source = disk->source;
    node.auth = disk_auth(disk);
    node.encryption = disk_encryption(disk);
    node.is_read_only = is_read_only(disk);
    node.detect_zeroes = detect_zeroes_word(disk);
    node.discard_no_unref = disk->discard_no_unref;
    node.metadata_cache = disk->metadata_cache;
    node.ends_chain = disk->backing && !disk->backing->type;
    return node;
}

/* Appends @image and what lies behind it, the deepest first; the name of its topmost node. NULL:
 * there is none. */
static char *
add_chain(const DeviceContext *context, const Disk *disk, const StorageImage *image, guint depth,
          GPtrArray *backends)
{
    g_autofree char *name = NULL, *path = NULL, *below = NULL;
    StorageNode node;

    if (!image || !image->type || !storage_is_set(image->type, image->source))
        return NULL;
    below = add_chain(context, disk, image->backing, depth + 1, backends);
    name = g_strdup_printf("%.10s-%u", disk->target_dev, depth);
    path = g_strdup("backingStore");
    node = chain_node(disk);
    node.name = name;
    node.path = path;
    node.type = image->type;
    node.format = image->format;
    node.source = image->source;
    node.auth = image->source->auth;
    node.encryption = image->source->encryption;
    node.is_read_only = true;
    node.metadata_cache = image->metadata_cache;
    node.backing = below;
    node.ends_chain = image->backing && !image->backing->type;
    return storage_add(context, &node, backends);
}

/* "vda-filter0": the filter nearest to the image is number 0. */
static char *
filter_name(const Disk *disk, guint index)
{
    g_autofree char *part = g_strdup_printf("filter%u", index);

    return storage_node_name(disk->target_dev, part);
}

char *
disk_image_node(const Disk *disk)
{
    StorageNode node = top_node(disk);

    return disk_has_medium(disk) ? storage_top_node(&node) : NULL;
}

char *
disk_drive_node(const Disk *disk)
{
    guint n_filters = list_length(disk->throttle_filters);

    if (!disk_has_medium(disk))
        return NULL;
    if (n_filters)
        return filter_name(disk, n_filters - 1);
    if (disk->copy_on_read == TRISTATE_ON)
        return storage_node_name(disk->target_dev, "cor");
    return disk_image_node(disk);
}

/* Filters above the image; @below is what they sit on. */
static void
add_filters(const Disk *disk, const char *below, GPtrArray *backends)
{
    g_autofree char *file = g_strdup(below);

    if (disk->copy_on_read == TRISTATE_ON) {
        Json *tree = json_new_object();
        g_autofree char *name = storage_node_name(disk->target_dev, "cor");

        json_set_string(tree, "driver", "copy-on-read");
        json_set_string(tree, "node-name", name);
        json_set_string(tree, "file", file);
        backend_add(backends, BACKEND_BLOCKDEV, tree);
        g_free(file);
        file = g_steal_pointer(&name);
    }
    for (guint i = 0; i < list_length(disk->throttle_filters); i++) {
        Json *tree = json_new_object();
        g_autofree char *name = filter_name(disk, i);
        g_autofree char *group =
            throttle_group_id(list_at(disk->throttle_filters, i, ThrottleFilter)->group);

        json_set_string(tree, "driver", "throttle");
        json_set_string(tree, "node-name", name);
        json_set_string(tree, "throttle-group", group);
        json_set_string(tree, "file", file);
        backend_add(backends, BACKEND_BLOCKDEV, tree);
        g_free(file);
        file = g_steal_pointer(&name);
    }
}

/* The server of a vhost-user disk, behind its socket. */
static void
add_vhost_user(const Disk *disk, GPtrArray *backends)
{
    g_autofree char *id = backend_name("chr-vu-", &disk->info);
    Json *properties = json_new_object(), *backend = json_new_object();
    Json *data = json_new_object(), *addr = json_new_object(), *path = json_new_object();

    json_set_string(path, "path", disk->source->path);
    json_set_string(addr, "type", "unix");
    json_set(addr, "data", path);
    json_set(data, "addr", addr);
    json_set_bool(data, "server", false);
    if (disk->source->reconnect == TRISTATE_ON)
        json_set_uint(data, "reconnect", disk->source->reconnect_timeout.value);
    json_set_string(backend, "type", "socket");
    json_set(backend, "data", data);
    json_set_string(properties, "id", id);
    json_set(properties, "backend", backend);
    backend_add(backends, BACKEND_CHARDEV, properties);
}

static void
disk_backends(const DeviceContext *context, gconstpointer device, GPtrArray *backends)
{
    const Disk *disk = device;
    StorageNode node = top_node(disk);
    g_autofree char *backing = NULL, *top = NULL;

    if (disk->type == DISK_VHOST_USER && disk->source)
        add_vhost_user(disk, backends);
    if (!disk_has_medium(disk) || disk_bus(disk) == DISK_BUS_SD)
        return;
    backing = add_chain(context, disk, disk->backing, 1, backends);
    node.backing = backing;
    top = storage_add(context, &node, backends);
    add_filters(disk, top, backends);
}

/* --- the guest's side --- */

static char *
disk_driver(const Disk *disk)
{
    static const int models[] = {
        [0] = 0,
        [DISK_MODEL_VIRTIO] = VIRTIO_MODEL_VIRTIO,
        [DISK_MODEL_TRANSITIONAL] = VIRTIO_MODEL_TRANSITIONAL,
        [DISK_MODEL_NON_TRANSITIONAL] = VIRTIO_MODEL_NON_TRANSITIONAL,
    };
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
        return virtio_driver(disk->type == DISK_VHOST_USER ? "vhost-user-blk" : "virtio-blk",
                             models[disk->model]);
    case DISK_BUS_USB:
        return g_strdup("usb-storage");
    case DISK_BUS_FDC:
        return g_strdup("floppy");
    case DISK_BUS_SD:
        break;
    }
    return NULL;
}

/* Part of what the guest names the disk by; without it QEMU would use the block node's name. */
static void
add_scsi_name(const Disk *disk, Json *tree)
{
    g_autofree char *device_id = backend_name("drive-", &disk->info);

    if (disk_device(disk) != DISK_DEVICE_LUN)
        json_set_string(tree, "device_id", disk->serial ? disk->serial : device_id);
}

/* A drive address in the words of its bus (address-assignment.md 1). */
static void
add_drive_address(const DeviceContext *context, const Disk *disk, Json *tree)
{
    const Address *address = disk->info.address;
    bool is_ide = disk_bus(disk) == DISK_BUS_IDE, is_sata = disk_bus(disk) == DISK_BUS_SATA;
    const char *id = NULL;
    g_autofree char *bus = NULL;

    if (disk_bus(disk) == DISK_BUS_SCSI) {
        device_tree_add_scsi(context, tree, address);
        return add_scsi_name(disk, tree);
    }
    if (is_ide || is_sata)
        id = needed_controller(context, is_ide ? CONTROLLER_IDE : CONTROLLER_SATA,
                               address->controller.value);
    if (id)
        bus = g_strdup_printf("%s.%u", id, (guint) (is_ide ? address->bus : address->unit).value);
    json_set_string(tree, "bus", bus); /* a floppy's needs no name */
    if (!is_sata)
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

/* libvirt writes spaces of a serial number with a backslash, and so the guest reads them. */
static void
add_serial(const Disk *disk, Json *tree)
{
    g_autoptr(GString) text = g_string_new(disk->serial);

    g_string_replace(text, " ", "\\ ", 0);
    json_set_string(tree, "serial", disk->serial ? text->str : NULL);
}

static void
add_identity(const Disk *disk, Json *tree)
{
    static const char *const translations[] = {
        [0] = NULL,
        [GEOMETRY_NONE] = NULL,
        [GEOMETRY_AUTO] = "auto",
        [GEOMETRY_LBA] = "lba",
    };

    if (disk->wwn)
        json_set_uint(tree, "wwn", g_ascii_strtoull(disk->wwn, NULL, 16));
    json_set_string(tree, "vendor", disk->vendor);
    json_set_string(tree, "product", disk->product);
    add_serial(disk, tree);
    device_tree_add_uint(tree, "rotation_rate", &disk->rotation_rate);
    device_tree_add_uint(tree, "logical_block_size", &disk->logical_block);
    device_tree_add_uint(tree, "physical_block_size", &disk->physical_block);
    device_tree_add_uint(tree, "discard_granularity", &disk->discard_granularity);
    device_tree_add_uint(tree, "cyls", &disk->cylinders);
    device_tree_add_uint(tree, "heads", &disk->heads);
    device_tree_add_uint(tree, "secs", &disk->sectors);
    json_set_string(tree, "bios-chs-trans", translations[disk->translation]);
}

static Json *
disk_properties(const DeviceContext *context, gconstpointer device)
{
    const Disk *disk = device;
    g_autofree char *driver = disk_driver(disk), *node = disk_drive_node(disk);
    g_autofree char *server = backend_name("chr-vu-", &disk->info);
    bool is_floppy = disk_bus(disk) == DISK_BUS_FDC;
    Json *tree;

    if (!driver)
        return NULL;
    tree = device_tree_new(context, driver);
    device_tree_add_virtio(tree, &disk->virtio);
    device_tree_add_iothreads(context, tree, driver, &disk->iothread, disk->iothreads);
    device_tree_add_tristate(tree, "ioeventfd", disk->ioeventfd);
    device_tree_add_tristate(tree, "event_idx", disk->event_idx);
    device_tree_add_uint(tree, "num-queues", &disk->queues);
    device_tree_add_uint(tree, "queue-size", &disk->queue_size);
    if (disk->is_shareable)
        json_set_bool(tree, "share-rw", true);
    if (disk->info.address && disk->info.address->type == ADDRESS_DRIVE)
        add_drive_address(context, disk, tree);
    json_set_string(tree, "drive", node);
    if (disk->type == DISK_VHOST_USER)
        json_set_string(tree, "chardev", server);
    device_tree_add_info(context, tree, &disk->info);
    if (is_floppy) /* the controller's property: qemu/controller.c */
        json_remove(tree, "bootindex");
    if (disk_bus(disk) == DISK_BUS_USB)
        json_set_bool(tree, "removable", disk->removable == TRISTATE_ON);
    add_identity(disk, tree);
    /* A lun's cache is its own matter, a server's is not ours. */
    if (cache_mode(disk) != DISK_CACHE_DEFAULT && !is_floppy && disk->type != DISK_VHOST_USER &&
        disk_device(disk) != DISK_DEVICE_LUN)
        json_set_string(tree, "write-cache", cache_modes[cache_mode(disk)].write_cache);
    add_error_policy(disk, tree);
    return tree;
}

/* --- SD cards --- */

static void
disk_options(const DeviceContext *context, gconstpointer device, CommandLine *line)
{
    const Disk *disk = device;
    g_autoptr(GString) text = g_string_new(NULL);

    if (disk_bus(disk) != DISK_BUS_SD || !disk_has_medium(disk))
        return;
    option_text_add(text, "file",
                    disk_type(disk) == DISK_BLOCK ? disk->source->dev : disk->source->file);
    option_text_add(text, "format",
                    disk_format_names[disk->format ? disk->format : DISK_FORMAT_RAW]);
    option_text_add(text, "if", "sd");
    option_text_add_uint(text, "index", MAX(0, disk_target_index(disk->target_dev)));
    if (disk->is_read_only)
        option_text_add(text, "readonly", "on");
    command_line_add(line, "-drive", text->str);
}

static char *
disk_launch_refusal(const Domain *domain, gconstpointer device)
{
    return disk_bus(device) == DISK_BUS_SD ? g_strdup("a PC has no slot for SD cards") : NULL;
}

/* --- beside QEMU --- */

static bool
has_managed_reservations(const Disk *disk)
{
    return disk_has_medium(disk) && disk->source->reservations_managed == TRISTATE_ON;
}

/* One helper for all disks of the domain, said by the first of them. QEMU connects to it anew
 * whenever it has gone. */
static void
disk_companions(const DeviceContext *context, gconstpointer device, GPtrArray *companions)
{
    const GPtrArray *disks = context->at.domain->disks;
    Companion *helper;
    guint first = 0;

    while (first < disks->len && !has_managed_reservations(disks->pdata[first]))
        first++;
    if (first == disks->len || disks->pdata[first] != device)
        return;
    helper = companion_add(context, companions, "qemu-pr-helper", "disks", NULL, NULL);
    helper->socket = storage_reservations_socket(context);
    helper->can_restart = true;
    companion_argument(helper, "-k");
    companion_argument(helper, helper->socket);
}

/* --- before the guest runs --- */

/* The device that has the drive: not the one that has the id, where that is a shell around it. */
char *
disk_drive_owner(const Disk *disk)
{
    const char *alias = disk->info.alias;

    if (disk_bus(disk) == DISK_BUS_VIRTIO)
        return g_strdup_printf("/machine/peripheral/%s/virtio-backend", alias);
    if (disk_bus(disk) == DISK_BUS_USB)
        return g_strdup_printf("/machine/peripheral/%s/%s.0/legacy[0]", alias, alias);
    return g_strdup(alias);
}

static bool
disk_prepare(Monitor *monitor, const Domain *domain, gconstpointer device, GError **error)
{
    const Disk *disk = device;

    if (disk->is_transient) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                    "virtkeep can't forget a disk's changes yet: <transient/>");
        return false;
    }
    if (disk->iotune && disk_has_medium(disk))
        return disk_set_limits(monitor, disk, error);
    return true;
}

/* --- what must be there --- */

static void
add_chain_needs(const DeviceContext *context, const StorageImage *image, const char *path,
                GPtrArray *needs)
{
    g_autofree char *field = g_strconcat(path, "/source", NULL);
    g_autofree char *below = g_strconcat(path, "/backingStore", NULL);
    StorageNeed storage = { .field = field };

    if (!image || !image->source)
        return;
    storage.type = image->type;
    storage.source = image->source;
    storage.auth = image->source->auth;
    storage.encryption = image->source->encryption;
    need_add_storage(context, needs, &storage);
    add_chain_needs(context, image->backing, below, needs);
}

/* A secret that is missing is a mistake, not an image that is not there. */
static void
set_images_optional(GPtrArray *needs, guint first)
{
    for (guint i = first; i < needs->len; i++) {
        HostNeed *need = needs->pdata[i];

        need->is_optional = need->kind != HOST_SECRET;
    }
}

static void
disk_needs(const DeviceContext *context, gconstpointer device, GPtrArray *needs)
{
    const Disk *disk = device;
    const StorageNeed storage = {
        .field = "source",
        .type = disk_type(disk),
        .format = disk->format,
        .source = disk->source,
        .auth = disk_auth(disk),
        .encryption = disk_encryption(disk),
        .is_written = !is_read_only(disk),
    };

    guint first = needs->len;

    if (disk_has_source(disk))
        need_add_storage(context, needs, &storage);
    if (disk->is_transient)
        validation_error(&context->at, "transient", "not-launchable",
                         "virtkeep can't forget a disk's changes yet");
    add_chain_needs(context, disk->backing, "backingStore", needs);
    if (disk->source && disk->source->startup_policy == STARTUP_OPTIONAL)
        set_images_optional(needs, first);
}

const DeviceSpelling disk_spelling = {
    .kind = &disk_kind,
    .backends = disk_backends,
    .properties = disk_properties,
    .options = disk_options,
    .launch_refusal = disk_launch_refusal,
    .companions = disk_companions,
    .prepare = disk_prepare,
    .update = disk_update,
    .part = disk_part,
    .sweep = disk_sweep,
    .needs = disk_needs,
};
