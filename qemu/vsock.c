/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vsock. QEMU opens /dev/vhost-vsock by itself; a CID that another guest has makes it end with a
 * message that says so.
 *
 * A descriptor from outside (vhostfd) is what libvirt passes since its QEMUs can't open devices;
 * ours can, and then a command line can be run by hand.
 */
#include "model/vsock.h"

#include "qemu/device.h"
#include "qemu/need.h"

static Json *
vsock_properties(const DeviceContext *context, gconstpointer device)
{
    const Vsock *vsock = device;
    g_autofree char *driver = virtio_driver("vhost-vsock", vsock->model);
    Json *tree = device_tree_new(context, driver);

    device_tree_add_virtio(tree, &vsock->virtio);
    device_tree_add_uint(tree, "guest-cid", &vsock->cid);
    device_tree_add_info(context, tree, &vsock->info);
    return tree;
}

static void
vsock_needs(const DeviceContext *context, gconstpointer device, GPtrArray *needs)
{
    need_add(context, needs, HOST_CHARACTER, NULL, "/dev/vhost-vsock");
}

const DeviceSpelling vsock_spelling = {
    .kind = &vsock_kind,
    .properties = vsock_properties,
    .needs = vsock_needs,
};
