/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared memory: a plain one is a memory backend on a file of /dev/shm, a doorbell one a socket to
 * its server.
 *
 * A server's socket that the file does not name is where libvirt would look for it, since servers
 * are set up for that.
 */
#include "model/shmem.h"

#include "qemu/chardev.h"
#include "qemu/device.h"
#include "qemu/need.h"

#define DEFAULT_SIZE (G_GUINT64_CONSTANT(4) << 20)
#define SERVER_SOCKETS "/var/lib/libvirt" /* libvirt's place, where servers are known to listen */

static void
shmem_backends(const DeviceContext *context, gconstpointer device, GPtrArray *backends)
{
    const Shmem *shmem = device;

    if (shmem->model == SHMEM_DOORBELL) {
        g_autofree char *id = backend_name("char", &shmem->info);
        g_autofree char *path = g_strdup_printf(SERVER_SOCKETS "/shmem-%s-sock", shmem->name);

        backend_add(backends, BACKEND_CHARDEV,
                    socket_client_tree(id, shmem->server_path ? shmem->server_path : path));
    } else {
        g_autofree char *id = backend_name("shmmem-", &shmem->info);
        g_autofree char *path = g_strdup_printf("/dev/shm/%s", shmem->name);
        Json *tree = json_new_object();

        json_set_string(tree, "qom-type", "memory-backend-file");
        json_set_string(tree, "id", id);
        json_set_string(tree, "mem-path", path);
        json_set_uint(tree, "size", shmem->size.is_set ? shmem->size.value : DEFAULT_SIZE);
        json_set_bool(tree, "share", true);
        backend_add(backends, BACKEND_OBJECT, tree);
    }
}

static Json *
shmem_properties(const DeviceContext *context, gconstpointer device)
{
    const Shmem *shmem = device;
    bool is_doorbell = shmem->model == SHMEM_DOORBELL;
    g_autofree char *backend = backend_name(is_doorbell ? "char" : "shmmem-", &shmem->info);
    Json *tree = device_tree_new(context, is_doorbell ? "ivshmem-doorbell" : "ivshmem-plain");

    json_set_string(tree, is_doorbell ? "chardev" : "memdev", backend);
    if (is_doorbell) {
        device_tree_add_uint(tree, "vectors", &shmem->vectors);
        json_set_bool(tree, "ioeventfd", shmem->ioeventfd != TRISTATE_OFF);
    }
    if (shmem->role)
        json_set_string(tree, "master", shmem->role == SHMEM_MASTER ? "on" : "off");
    device_tree_add_info(context, tree, &shmem->info);
    return tree;
}

static void
shmem_needs(const DeviceContext *context, gconstpointer device, GPtrArray *needs)
{
    const Shmem *shmem = device;

    need_add(context, needs, HOST_SOCKET, "server/@path", shmem->server_path);
}

const DeviceSpelling shmem_spelling = {
    .kind = &shmem_kind,
    .backends = shmem_backends,
    .properties = shmem_properties,
    .needs = shmem_needs,
};
