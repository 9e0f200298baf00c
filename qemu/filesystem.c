/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * File systems: 9p, which is a backend of QEMU's own (-fsdev, that only the command line takes) and
 * a device; or virtiofs, a device on a socket of virtiofsd's in the run directory.
 *
 * libvirt's access modes are QEMU's security models under other names (`squash` is `none`), and a
 * read-only 9p is the backend's to enforce. The guest finds either by its tag.
 */
#include "model/filesystem.h"

#include "qemu/chardev.h"
#include "qemu/device.h"

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

static char *
filesystem_launch_refusal(const Domain *domain, gconstpointer device)
{
    const Filesystem *filesystem = device;

    return is_virtiofs(filesystem) && !filesystem->socket
               ? g_strdup("virtkeep does not start virtiofsd yet; <source socket='…'/> names one "
                          "that runs")
               : NULL;
}

const DeviceSpelling filesystem_spelling = {
    .kind = &filesystem_kind,
    .backends = filesystem_backends,
    .properties = filesystem_properties,
    .options = filesystem_options,
    .launch_refusal = filesystem_launch_refusal,
};
