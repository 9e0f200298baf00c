/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One image as block nodes:
 *
 *     vda-format (qcow2, luks, …) ─► vda-slice (raw: offset, size) ─► vda-storage (file, nbd, …)
 *     unless raw                     where a format sits in a slice
 *
 * The node below a format is opened read-only at first and writable when the format wants to write
 * (auto-read-only), so that backing files can share it. Caching is said on each node that caches,
 * discard and detect-zeroes on the topmost, aio on the one that does the I/O.
 *
 * Secrets, TLS credentials and helpers that a node refers to come before it.
 */
#include "qemu/storage.h"

#include "qemu/secret.h"

static const char *const format_drivers[] = {
    [DISK_FORMAT_QCOW2] = "qcow2", [DISK_FORMAT_QED] = "qed",         [DISK_FORMAT_VMDK] = "vmdk",
    [DISK_FORMAT_VPC] = "vpc",     [DISK_FORMAT_VDI] = "vdi",         [DISK_FORMAT_VHDX] = "vhdx",
    [DISK_FORMAT_QCOW] = "qcow",   [DISK_FORMAT_BOCHS] = "bochs",     [DISK_FORMAT_CLOOP] = "cloop",
    [DISK_FORMAT_DMG] = "dmg",     [DISK_FORMAT_PLOOP] = "parallels",
};

static const char *
format_driver(const StorageNode *node)
{
    return node->format < (int) G_N_ELEMENTS(format_drivers) ? format_drivers[node->format] : NULL;
}

static bool
is_encrypted_by_qemu(const StorageNode *node)
{
    return node->encryption && node->encryption->engine != ENGINE_LIBRBD;
}

static const StorageSlice *
storage_slice(const StorageNode *node)
{
    return list_length(node->source->slices) ? list_at(node->source->slices, 0, StorageSlice)
                                             : NULL;
}

static bool
is_raw(const StorageNode *node)
{
    return !format_driver(node) && !is_encrypted_by_qemu(node);
}

/* A directory that the guest sees as a file system. */
static bool
is_directory(const StorageNode *node)
{
    return node->type == DISK_DIR || (node->type == DISK_VOLUME && node->format == DISK_FORMAT_FAT);
}

static bool
has_format_node(const StorageNode *node)
{
    return !is_raw(node) || storage_slice(node) || is_directory(node);
}

char *
storage_node_name(const char *name, const char *part)
{
    return g_strdup_printf("%.16s-%s", name, part);
}

char *
storage_top_node(const StorageNode *node)
{
    return storage_node_name(node->name, has_format_node(node) ? "format" : "storage");
}

static void G_GNUC_PRINTF(5, 6) refuse(const DeviceContext *context, const StorageNode *node,
                                       const char *field, const char *code, const char *format, ...)
{
    g_autofree char *path =
        node->path ? g_strconcat(node->path, "/", field, NULL) : g_strdup(field);
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    validation_error(&context->at, path, code, "%s", text);
}

static void
need_driver(const DeviceContext *context, const StorageNode *node, const char *driver)
{
    if (driver && !capabilities_has_block_driver(context->capabilities, driver))
        refuse(context, node, "source", "not-in-qemu", "this QEMU has no block driver '%s'",
               driver);
}

static void
add_cache(const StorageNode *node, Json *tree)
{
    Json *cache;

    if (!node->has_cache)
        return;
    cache = json_new_object();
    json_set_bool(cache, "direct", node->is_direct);
    json_set_bool(cache, "no-flush", node->no_flush);
    json_set(tree, "cache", cache);
}

/* What the topmost node says. */
static void
add_top(const StorageNode *node, Json *tree)
{
    json_set_bool(tree, "read-only", node->is_read_only);
    json_set_string(tree, "discard", node->discard);
    json_set_string(tree, "detect-zeroes", node->detect_zeroes);
}

static void
add_below(Json *tree)
{
    json_set_bool(tree, "auto-read-only", true);
    json_set_string(tree, "discard", "unmap");
}

/* ---- sources ---- */

static void
add_file(const DeviceContext *context, const StorageNode *node, const char *driver,
         const char *filename, Json *tree)
{
    need_driver(context, node, driver);
    json_set_string(tree, "driver", driver);
    json_set_string(tree, "filename", filename);
    json_set_string(tree, "aio", node->aio);
}

static void
add_directory(const DeviceContext *context, const StorageNode *node, const char *directory,
              Json *tree)
{
    need_driver(context, node, "vvfat");
    json_set_string(tree, "driver", "vvfat");
    json_set_string(tree, "dir", directory);
    json_set_bool(tree, "floppy", node->is_floppy);
    json_set_bool(tree, "rw", false);
}

static void
add_volume(const DeviceContext *context, const StorageNode *node, Json *tree)
{
    g_autofree char *field =
        node->path ? g_strconcat(node->path, "/source", NULL) : g_strdup("source");
    StoragePlace place = { 0 };

    if (!storage_find_volume(context, field, node->source, &place))
        return;
    if (place.path && is_directory(node))
        add_directory(context, node, place.path, tree);
    else if (place.path)
        add_file(context, node, place.is_device ? "host_device" : "file", place.path, tree);
    else
        storage_add_iscsi(context, &place, tree);
    storage_place_clear(&place);
}

char *
storage_reservations_socket(const DeviceContext *context)
{
    return g_build_filename(context->facts->socket_directory, "pr-helper.sock", NULL);
}

/* Persistent reservations: a helper with the right to make them, behind a socket. */
static void
add_reservations(const DeviceContext *context, const StorageNode *node, Json *tree,
                 GPtrArray *backends)
{
    g_autofree char *id = storage_node_name(node->name, "reservations");
    g_autofree char *managed = storage_reservations_socket(context);
    Json *object;

    if (!node->source->reservations_managed)
        return;
    object = json_new_object();
    json_set_string(object, "qom-type", "pr-manager-helper");
    json_set_string(object, "id", id);
    json_set_string(object, "path",
                    node->source->reservations_path ? node->source->reservations_path : managed);
    backend_add(backends, BACKEND_OBJECT, object);
    json_set_string(tree, "pr-manager", id);
}

static void
add_nvme(const DeviceContext *context, const StorageNode *node, Json *tree)
{
    const StorageSource *source = node->source;
    g_autofree char *device = g_strdup_printf(
        "%04x:%02x:%02x.%u", (guint) source->pci_domain.value, (guint) source->pci_bus.value,
        (guint) source->pci_slot.value, (guint) source->pci_function.value);

    need_driver(context, node, "nvme");
    json_set_string(tree, "driver", "nvme");
    json_set_string(tree, "device", device);
    json_set_uint(tree, "namespace", source->nvme_namespace.value);
}

static void
add_source(const DeviceContext *context, const StorageNode *node, const char *id, Json *tree,
           GPtrArray *backends)
{
    switch ((DiskType) node->type) {
    case DISK_FILE:
        return add_file(context, node, "file", node->source->file, tree);
    case DISK_BLOCK:
        add_file(context, node, node->is_cdrom ? "host_cdrom" : "host_device", node->source->dev,
                 tree);
        return add_reservations(context, node, tree, backends);
    case DISK_DIR:
        return add_directory(context, node, node->source->dir, tree);
    case DISK_NETWORK:
        return storage_add_network(context, node, id, tree, backends);
    case DISK_VOLUME:
        return add_volume(context, node, tree);
    case DISK_NVME:
        return add_nvme(context, node, tree);
    case DISK_VHOST_VDPA:
        need_driver(context, node, "virtio-blk-vhost-vdpa");
        json_set_string(tree, "driver", "virtio-blk-vhost-vdpa");
        json_set_string(tree, "path", node->source->dev);
        return;
    case DISK_VHOST_USER: /* no image of QEMU's */
        return;
    }
}

static void
add_storage_node(const DeviceContext *context, const StorageNode *node, GPtrArray *backends)
{
    g_autofree char *id = storage_node_name(node->name, "storage");
    Json *tree = json_new_object();

    add_source(context, node, id, tree, backends);
    json_set_string(tree, "node-name", id);
    if (has_format_node(node))
        add_below(tree);
    else
        add_top(node, tree);
    add_cache(node, tree);
    backend_add(backends, BACKEND_BLOCKDEV, tree);
}

/* ---- above the source ---- */

static void
add_slice(const StorageSlice *slice, Json *tree)
{
    json_set_uint(tree, "offset", slice->offset.value);
    json_set_uint(tree, "size", slice->size.value);
}

static void
add_slice_node(const StorageNode *node, GPtrArray *backends)
{
    g_autofree char *id = storage_node_name(node->name, "slice");
    g_autofree char *below = storage_node_name(node->name, "storage");
    Json *tree = json_new_object();

    json_set_string(tree, "driver", "raw");
    json_set_string(tree, "node-name", id);
    add_slice(storage_slice(node), tree);
    json_set_string(tree, "file", below);
    add_below(tree);
    backend_add(backends, BACKEND_BLOCKDEV, tree);
}

static void
add_encryption(const DeviceContext *context, const StorageNode *node, Json *tree,
               GPtrArray *backends)
{
    g_autofree char *id = storage_node_name(node->name, "format-key");
    Json *encrypt;

    if (!is_encrypted_by_qemu(node) || !list_length(node->encryption->secrets))
        return;
    secret_add(context, id, list_at(node->encryption->secrets, 0, SecretReference), backends);
    if (!format_driver(node)) {
        json_set_string(tree, "key-secret", id);
        return;
    }
    encrypt = json_new_object();
    json_set_string(encrypt, "format", "luks");
    json_set_string(encrypt, "key-secret", id);
    json_set(tree, "encrypt", encrypt);
}

/* The data of a qcow2 image that keeps it elsewhere: a node of its own. */
static void
add_data_store(const DeviceContext *context, const StorageNode *node, Json *tree,
               GPtrArray *backends)
{
    const StorageImage *store = node->source->data_store;
    g_autofree char *name = storage_node_name(node->name, "data");
    g_autofree char *top = NULL;
    StorageNode data = *node;

    if (!store)
        return;
    data.name = name;
    data.type = store->type ? store->type : DISK_FILE;
    data.format = store->format;
    data.source = store->source;
    data.auth = store->source ? store->source->auth : NULL;
    data.encryption = NULL;
    data.backing = NULL;
    data.ends_chain = false;
    if (!storage_is_set(data.type, data.source))
        return refuse(context, node, "source/dataStore", "disk-source", "has no source");
    top = storage_add(context, &data, backends);
    json_set_string(tree, "data-file", top);
}

static void
add_format_node(const DeviceContext *context, const StorageNode *node, GPtrArray *backends)
{
    const char *driver = format_driver(node);
    const StorageSlice *slice = storage_slice(node);
    bool is_sliced = slice && !is_raw(node);
    g_autofree char *id = storage_node_name(node->name, "format");
    g_autofree char *below = storage_node_name(node->name, is_sliced ? "slice" : "storage");
    Json *tree = json_new_object();

    if (!driver)
        driver = is_encrypted_by_qemu(node) ? "luks" : "raw";
    need_driver(context, node, driver);
    if (is_sliced)
        add_slice_node(node, backends);
    json_set_string(tree, "node-name", id);
    add_top(node, tree);
    add_cache(node, tree);
    json_set_string(tree, "driver", driver);
    if (slice && !is_sliced)
        add_slice(slice, tree);
    if (node->format == DISK_FORMAT_QCOW2) {
        device_tree_add_uint(tree, "cache-size", &node->metadata_cache);
        /* The host's matter alone, and no QEMU before 8.1 has it. */
        if (capabilities_has_block_feature(context->capabilities, "qcow2", "discard-no-unref"))
            device_tree_add_tristate(tree, "discard-no-unref", node->discard_no_unref);
        else if (node->discard_no_unref == TRISTATE_ON)
            validation_warning(&context->at, "driver/@discard_no_unref", "not-in-qemu",
                               "not said to this QEMU, which doesn't have it");
    }
    add_encryption(context, node, tree, backends);
    add_data_store(context, node, tree, backends);
    json_set_string(tree, "file", below);
    if (node->backing)
        json_set_string(tree, "backing", node->backing);
    else if (node->ends_chain &&
             (node->format == DISK_FORMAT_QCOW2 || node->format == DISK_FORMAT_QCOW ||
              node->format == DISK_FORMAT_QED || node->format == DISK_FORMAT_VMDK))
        json_set_null(tree, "backing");
    backend_add(backends, BACKEND_BLOCKDEV, tree);
}

char *
storage_add(const DeviceContext *context, const StorageNode *node, GPtrArray *backends)
{
    add_storage_node(context, node, backends);
    if (has_format_node(node))
        add_format_node(context, node, backends);
    return storage_top_node(node);
}
