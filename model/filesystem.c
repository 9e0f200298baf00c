/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Directories of the host that the guest mounts: over 9p, which QEMU serves itself, or over
 * virtiofs, which a helper process (virtiofsd) serves through shared memory.
 *
 * Only type 'mount' is a QEMU guest's; the other types of libvirt's format are containers'. Most of
 * <binary> and <idmap> is said to virtiofsd.
 */
#include "model/filesystem.h"

#include "model/default.h"
#include "model/input.h"

static const char *const type_names[] = {
    [FS_MOUNT] = "mount", [FS_TEMPLATE] = "template", [FS_FILE] = "file",     [FS_BLOCK] = "block",
    [FS_RAM] = "ram",     [FS_BIND] = "bind",         [FS_VOLUME] = "volume", NULL,
};
static const char *const access_names[] = {
    [FS_PASSTHROUGH] = "passthrough",
    [FS_MAPPED] = "mapped",
    [FS_SQUASH] = "squash",
    NULL,
};
static const char *const driver_names[] = {
    [FS_DRIVER_PATH] = "path",         [FS_DRIVER_HANDLE] = "handle",
    [FS_DRIVER_VIRTIOFS] = "virtiofs", [FS_DRIVER_MTP] = "mtp",
    [FS_DRIVER_LOOP] = "loop",         [FS_DRIVER_NBD] = "nbd",
    [FS_DRIVER_PLOOP] = "ploop",       NULL,
};
static const char *const write_policy_names[] = { NULL, "immediate", NULL };
static const char *const multidevs_names[] = { NULL, "default", "remap", "forbid", "warn", NULL };
static const char *const cache_names[] = { NULL, "none", "always", NULL };
static const char *const sandbox_names[] = { NULL, "namespace", "chroot", NULL };

static const Field ids_fields[] = {
    FIELD_UINT(FilesystemIds, start, .path = "@start", .is_required = true, .doc = "First id of the guest."),
    FIELD_UINT(FilesystemIds, target, .path = "@target", .is_required = true, .doc = "First id of the host."),
    FIELD_UINT(FilesystemIds, count, .path = "@count", .is_required = true, .doc = "How many."),
    FIELD_END,
};
static const Schema uid_schema = { .element = "uid",
                                   .size = sizeof(FilesystemIds),
                                   .fields = ids_fields,
                                   .doc = "A range of user ids." };
static const Schema gid_schema = { .element = "gid",
                                   .size = sizeof(FilesystemIds),
                                   .fields = ids_fields,
                                   .doc = "A range of group ids." };

#define OF_CONTAINERS "is for containers"

static const Field filesystem_fields[] = {
    FIELD_ENUM(Filesystem, type, type_names, .path = "@type", .doc = "`mount`."),
    FIELD_ENUM(Filesystem, access, access_names, .path = "@accessmode",
               .doc = "9p: `passthrough` (default), `mapped` or `squash`."),
    FIELD_ENUM(Filesystem, model, virtio_model_names, .path = "@model", .doc = "Device model."),
    FIELD_ENUM(Filesystem, multidevs, multidevs_names, .path = "@multidevs",
               .doc = "9p: what happens where another file system is mounted below."),
    FIELD_STRING(Filesystem, fmode, .path = "@fmode", .doc = "9p, mapped: mode of new files."),
    FIELD_STRING(Filesystem, dmode, .path = "@dmode",
                 .doc = "9p, mapped: mode of new directories."),
    FIELD_ENUM(Filesystem, driver, driver_names, .path = "driver/@type",
               .doc = "`path` (9p, default), `virtiofs` or `mtp`."),
    FIELD_REFUSED(OF_CONTAINERS, .path = "driver/@name", .doc = "A container's driver."),
    FIELD_REFUSED(OF_CONTAINERS, .path = "driver/@format", .doc = "A container's format."),
    FIELD_ENUM(Filesystem, write_policy, write_policy_names, .path = "driver/@wrpolicy",
               .doc = "9p: `immediate` writes through the host's cache."),
    FIELD_UINT(Filesystem, queue, .path = "driver/@queue", .max = 65535,
               .doc = "virtiofs: entries of the queue."),
    DEVICE_VIRTIO_FIELDS(Filesystem),
    FIELD_PATH(Filesystem, source, .path = "source/@dir", .doc = "Directory of the host."),
    FIELD_REFUSED(OF_CONTAINERS, .path = "source/@dev", .doc = "block: device of the host."),
    FIELD_REFUSED(OF_CONTAINERS, .path = "source/@file", .doc = "file: image."),
    FIELD_REFUSED(OF_CONTAINERS, .path = "source/@name", .doc = "template: name."),
    FIELD_REFUSED(OF_CONTAINERS, .path = "source/@usage", .doc = "ram: size."),
    FIELD_REFUSED(OF_CONTAINERS, .path = "source/@units", .doc = "ram: unit of the size."),
    FIELD_REFUSED(OF_CONTAINERS, .path = "source/@pool", .doc = "volume: pool."),
    FIELD_REFUSED(OF_CONTAINERS, .path = "source/@volume", .doc = "volume: name."),
    FIELD_STRING(Filesystem, socket, .path = "source/@socket",
                 .doc = "virtiofs: socket of a virtiofsd that others run."),
    FIELD_STRING(Filesystem, target, .path = "target/@dir", .is_required = true,
                 .doc = "What the guest mounts it by."),
    FIELD_FLAG(Filesystem, is_readonly, .path = "readonly", .doc = "The guest can't write."),
    FIELD_STRING(Filesystem, binary, .path = "binary/@path", .doc = "virtiofs: virtiofsd."),
    FIELD_ON_OFF(Filesystem, xattr, .path = "binary/@xattr",
                 .doc = "virtiofs: extended attributes."),
    FIELD_ENUM(Filesystem, cache, cache_names, .path = "binary/cache/@mode",
               .doc = "virtiofs: `none` or `always`."),
    FIELD_ENUM(Filesystem, sandbox, sandbox_names, .path = "binary/sandbox/@mode",
               .doc = "virtiofs: `namespace` or `chroot`."),
    FIELD_ON_OFF(Filesystem, posix_lock, .path = "binary/lock/@posix",
                 .doc = "virtiofs: POSIX locks on the host."),
    FIELD_ON_OFF(Filesystem, flock, .path = "binary/lock/@flock",
                 .doc = "virtiofs: flock() there."),
    FIELD_UINT(Filesystem, thread_pool, .path = "binary/thread_pool/@size",
               .doc = "virtiofs: threads of virtiofsd."),
    FIELD_UINT(Filesystem, open_files, .path = "binary/openfiles/@max",
               .doc = "virtiofs: most open files."),
    FIELD_LIST(Filesystem, uids, &uid_schema, .path = "idmap/uid", .doc = "virtiofs: user ids."),
    FIELD_LIST(Filesystem, gids, &gid_schema, .path = "idmap/gid", .doc = "virtiofs: group ids."),
    FIELD_REFUSED(OF_CONTAINERS, .path = "space_hard_limit",
                  .doc = "A container's quota."),
    FIELD_REFUSED(OF_CONTAINERS, .path = "space_soft_limit",
                  .doc = "A container's quota."),
    DEVICE_BOOT_FIELDS(Filesystem),
    DEVICE_INFO_FIELDS(Filesystem),
    FIELD_END,
};

static char *
filesystem_key(gconstpointer item)
{
    return g_strdup(((const Filesystem *) item)->target);
}

static const Schema filesystem_schema = {
    .element = "filesystem",
    .size = sizeof(Filesystem),
    .fields = filesystem_fields,
    .key = filesystem_key,
    .doc = "A directory of the host that the guest mounts.",
};

static bool
is_mode(const char *text)
{
    guint64 mode;

    return !text || g_ascii_string_to_unsigned(text, 8, 0, 0777, &mode, NULL);
}

static void
validate_9p(const Validation *v, const Filesystem *filesystem)
{
    if (!filesystem->source)
        validation_error(v, "source", "missing-attribute", "<source dir='…'/> is missing");
    if (filesystem->socket)
        validation_error(v, "source/@socket", "not-here", "only virtiofs has a socket");
    if (filesystem->queue.is_set)
        validation_error(v, "driver/@queue", "not-here", "only virtiofs has a queue");
    if (filesystem->binary || filesystem->cache || filesystem->sandbox || filesystem->xattr)
        validation_error(v, "binary", "not-here", "only virtiofs has a daemon");
    if (filesystem->info.boot_order.is_set)
        validation_error(v, "boot", "not-here", "only virtiofs can be booted from");
    if ((filesystem->fmode || filesystem->dmode) && filesystem->access != FS_MAPPED)
        validation_error(v, filesystem->fmode ? "@fmode" : "@dmode", "filesystem-mode",
                         "fmode and dmode are for accessmode 'mapped'");
    if (!is_mode(filesystem->fmode))
        validation_error(v, "@fmode", "bad-value", "no octal mode: '%s'", filesystem->fmode);
    if (!is_mode(filesystem->dmode))
        validation_error(v, "@dmode", "bad-value", "no octal mode: '%s'", filesystem->dmode);
}

/* virtiofsd reads the guest's memory, so that must be shared, all of it. */
static bool
is_memory_shared(const Domain *domain)
{
    if (domain->memory_access == MEMORY_ACCESS_SHARED ||
        domain->memory_source == MEMORY_SOURCE_MEMFD)
        return true;
    for (guint i = 0; i < list_length(domain->cells); i++)
        if (list_at(domain->cells, i, NumaCell)->access != MEMORY_ACCESS_SHARED)
            return false;
    return list_length(domain->cells);
}

static void
validate_virtiofs(const Validation *v, const Filesystem *filesystem)
{
    if (!filesystem->source == !filesystem->socket)
        validation_error(v, "source", "filesystem-source",
                         "virtiofs needs either <source dir='…'/> or <source socket='…'/>");
    if (filesystem->access && filesystem->access != FS_PASSTHROUGH)
        validation_error(v, "@accessmode", "filesystem-mode",
                         "virtiofs has only accessmode 'passthrough'");
    if (filesystem->write_policy)
        validation_error(v, "driver/@wrpolicy", "not-here", "only 9p has a write policy");
    if (filesystem->multidevs || filesystem->fmode || filesystem->dmode)
        validation_error(v, NULL, "not-here", "multidevs, fmode and dmode are 9p's");
    if (filesystem->socket && (filesystem->binary || filesystem->cache || filesystem->xattr))
        validation_error(v, "binary", "not-here", "a socket's daemon is others' to set up");
    if (filesystem->model == VIRTIO_MODEL_TRANSITIONAL ||
        filesystem->model == VIRTIO_MODEL_NON_TRANSITIONAL)
        validation_error(v, "@model", "bad-value", "virtiofs has model 'virtio' only");
    if (!is_memory_shared(v->domain))
        validation_error(v, "driver/@type", "shared-memory",
                         "virtiofs needs shared memory: <memoryBacking><access mode='shared'/>");
}

static void
filesystem_validate(const Validation *v, gconstpointer item)
{
    const Filesystem *filesystem = item;

    if (filesystem->type && filesystem->type != FS_MOUNT)
        return validation_error(v, "@type", "not-supported",
                                "file system '%s' is for containers: only 'mount' is a machine's",
                                type_names[filesystem->type]);
    if (filesystem->driver >= FS_DRIVER_LOOP)
        return validation_error(v, "driver/@type", "not-supported", "driver '%s' is for containers",
                                driver_names[filesystem->driver]);
    if (filesystem->driver == FS_DRIVER_HANDLE || filesystem->driver == FS_DRIVER_MTP)
        return validation_error(v, "driver/@type", "not-supported", "driver '%s' is not supported",
                                driver_names[filesystem->driver]);
    if (filesystem->driver == FS_DRIVER_VIRTIOFS)
        validate_virtiofs(v, filesystem);
    else
        validate_9p(v, filesystem);
}

static void
filesystem_fill_defaults(const Domain *domain, gpointer device)
{
    Filesystem *filesystem = device;

    default_enum(&filesystem->type, FS_MOUNT);
    default_enum(&filesystem->access, FS_PASSTHROUGH);
    default_enum(&filesystem->driver, FS_DRIVER_PATH);
}

static DeviceBus
filesystem_bus(const Domain *domain, gconstpointer item)
{
    return ((const Filesystem *) item)->model == VIRTIO_MODEL_TRANSITIONAL ? BUS_PCI : BUS_PCIE;
}

const DeviceKind filesystem_kind = {
    .name = "filesystem",
    .list_offset = offsetof(Domain, filesystems),
    .schema = &filesystem_schema,
    .validate = filesystem_validate,
    .fill_defaults = filesystem_fill_defaults,
    .is_pluggable = device_plugs,
    .bus = filesystem_bus,
    .pci_rank = 2,
    .alias_prefix = "fs",
};
