/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * File systems: 9p, which is a backend of QEMU's own (-fsdev, that only the command line takes) and
 * a device; or virtiofs, a device on a socket of virtiofsd's in the run directory.
 *
 * virtiofsd is a companion (qemu/companion.h) that serves a socket we listen on. What it can do
 * depends on which virtiofsd it is: the one of QEMU 7 and before knows neither id maps nor
 * read-only shares, and says so itself when it is started with one.
 *
 * libvirt's access modes are QEMU's security models under other names (`squash` is `none`), and a
 * read-only 9p is the backend's to enforce. The guest finds either by its tag.
 */
#include "model/filesystem.h"

#include "qemu/chardev.h"
#include "qemu/companion.h"
#include "qemu/device.h"
#include "qemu/need.h"

static const char *const multidevs[] = { NULL, NULL, "remap", "forbid", "warn" };

static bool
is_virtiofs(const Filesystem *filesystem)
{
    return filesystem->driver == FS_DRIVER_VIRTIOFS;
}

static void
filesystem_backends(const DeviceContext *context, gconstpointer device, GPtrArray *backends)
{
    const Filesystem *filesystem = device;
    g_autofree char *id = backend_name("chr-vu-", &filesystem->info);
    g_autofree char *own =
        g_strdup_printf("%s/%s-fs.sock", context->facts->socket_directory, filesystem->info.alias);

    if (is_virtiofs(filesystem))
        backend_add(backends, BACKEND_CHARDEV,
                    socket_client_tree(id, filesystem->socket ? filesystem->socket : own));
}

static Json *
virtiofs_properties(const DeviceContext *context, const Filesystem *filesystem)
{
    g_autofree char *backend = backend_name("chr-vu-", &filesystem->info);
    Json *tree = device_tree_new(context, "vhost-user-fs-pci");

    json_set_string(tree, "chardev", backend);
    device_tree_add_uint(tree, "queue-size", &filesystem->queue);
    json_set_string(tree, "tag", filesystem->target);
    device_tree_add_virtio(tree, &filesystem->virtio);
    device_tree_add_info(context, tree, &filesystem->info);
    return tree;
}

static Json *
filesystem_properties(const DeviceContext *context, gconstpointer device)
{
    const Filesystem *filesystem = device;
    g_autofree char *driver = virtio_driver("virtio-9p", filesystem->model);
    g_autofree char *backend = backend_name("fsdev-", &filesystem->info);
    Json *tree;

    if (is_virtiofs(filesystem))
        return virtiofs_properties(context, filesystem);
    tree = device_tree_new(context, driver);
    device_tree_add_virtio(tree, &filesystem->virtio);
    json_set_string(tree, "fsdev", backend);
    json_set_string(tree, "mount_tag", filesystem->target);
    device_tree_add_info(context, tree, &filesystem->info);
    return tree;
}

static void
add_mode(GString *text, const char *key, const char *mode)
{
    g_autofree char *octal =
        mode ? g_strdup_printf("%04o", (guint) g_ascii_strtoull(mode, NULL, 8)) : NULL;

    option_text_add(text, key, octal);
}

static void
filesystem_options(const DeviceContext *context, gconstpointer device, CommandLine *line)
{
    static const char *const models[] = { [0] = "passthrough",
                                          [FS_PASSTHROUGH] = "passthrough",
                                          [FS_MAPPED] = "mapped",
                                          [FS_SQUASH] = "none" };
    const Filesystem *filesystem = device;
    g_autofree char *id = backend_name("fsdev-", &filesystem->info);
    g_autoptr(GString) text = g_string_new("local");

    if (is_virtiofs(filesystem))
        return;
    option_text_add(text, "security_model", models[filesystem->access]);
    option_text_add(text, "multidevs", multidevs[filesystem->multidevs]);
    add_mode(text, "fmode", filesystem->fmode);
    add_mode(text, "dmode", filesystem->dmode);
    if (filesystem->write_policy)
        option_text_add(text, "writeout", "immediate");
    option_text_add(text, "id", id);
    option_text_add(text, "path", filesystem->source);
    if (filesystem->is_readonly)
        option_text_add(text, "readonly", "on");
    command_line_add(line, "-fsdev", text->str);
}

/* "option" or "no_option"; nothing where the file leaves it open. */
static void
add_flag(GString *text, const char *option, int value)
{
    if (value)
        g_string_append_printf(text, ",%s%s", value == TRISTATE_ON ? "" : "no_", option);
}

/* ",option=value", with commas escaped as FUSE's option parser has it. */
static void
add_option(GString *text, const char *option, const char *value)
{
    if (text->len)
        g_string_append_c(text, ',');
    g_string_append_printf(text, "%s=", option);
    for (; *value; value++) {
        if (*value == ',' || *value == '\\')
            g_string_append_c(text, '\\');
        g_string_append_c(text, *value);
    }
}

/* virtiofsd's own words: ":first id in the guest:first id of the host:count:". */
static void
add_map(Companion *virtiofsd, const char *option, const GPtrArray *ranges)
{
    for (guint i = 0; i < list_length(ranges); i++) {
        const FilesystemIds *range = list_at(ranges, i, FilesystemIds);

        companion_argumentf(virtiofsd, "%s=:%u:%u:%u:", option, (guint) range->start.value,
                            (guint) range->target.value, (guint) range->count.value);
    }
}

static void
add_shared(const Filesystem *filesystem, Companion *virtiofsd)
{
    static const char *const caches[] = { NULL, "none", "always" };
    static const char *const sandboxes[] = { NULL, "namespace", "chroot" };
    g_autoptr(GString) text = g_string_new(NULL);

    add_option(text, "source", filesystem->source);
    if (filesystem->cache)
        add_option(text, "cache", caches[filesystem->cache]);
    if (filesystem->sandbox)
        add_option(text, "sandbox", sandboxes[filesystem->sandbox]);
    add_flag(text, "xattr", filesystem->xattr);
    add_flag(text, "flock", filesystem->flock);
    add_flag(text, "posix_lock", filesystem->posix_lock);
    companion_argument(virtiofsd, "-o");
    companion_argument(virtiofsd, text->str);
}

static void
filesystem_companions(const DeviceContext *context, gconstpointer device, GPtrArray *companions)
{
    const Filesystem *filesystem = device;
    const char *binary = filesystem->binary;
    Companion *virtiofsd;

    if (!is_virtiofs(filesystem) || filesystem->socket)
        return;
    if (binary && !companion_allows_program(context->facts, "virtiofsd", binary))
        validation_error(&context->at, "binary/@path", "not-allowed",
                         "%s is neither where virtiofsd is installed nor the configuration's "
                         "helpers/virtiofsd",
                         binary);
    virtiofsd = companion_add(context, companions, "virtiofsd", filesystem->info.alias, binary,
                              binary ? "binary/@path" : NULL);
    companion_need(virtiofsd, NEED_DIRECTORY, filesystem->source, "source/@dir");
    virtiofsd->socket = companion_socket(context, filesystem->info.alias, "fs");
    virtiofsd->is_handed = true;
    companion_argumentf(virtiofsd, "--fd=%d", COMPANION_FD);
    add_shared(filesystem, virtiofsd);
    if (filesystem->thread_pool.is_set)
        companion_argumentf(virtiofsd, "--thread-pool-size=%u",
                            (guint) filesystem->thread_pool.value);
    if (filesystem->open_files.is_set)
        companion_argumentf(virtiofsd, "--rlimit-nofile=%u", (guint) filesystem->open_files.value);
    add_map(virtiofsd, "--uid-map", filesystem->uids);
    add_map(virtiofsd, "--gid-map", filesystem->gids);
    if (filesystem->is_readonly)
        companion_argument(virtiofsd, "--readonly");
}

/* A virtiofsd of ours needs its directory itself. */
static void
filesystem_needs(const DeviceContext *context, gconstpointer device, GPtrArray *needs)
{
    const Filesystem *filesystem = device;

    if (filesystem->socket)
        need_add(context, needs, HOST_SOCKET, "source/@socket", filesystem->socket);
    else if (!is_virtiofs(filesystem))
        need_add(context, needs, HOST_DIRECTORY, "source/@dir", filesystem->source);
}

const DeviceSpelling filesystem_spelling = {
    .kind = &filesystem_kind,
    .backends = filesystem_backends,
    .properties = filesystem_properties,
    .options = filesystem_options,
    .companions = filesystem_companions,
    .needs = filesystem_needs,
};
