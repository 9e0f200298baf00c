/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Crypto devices: an object that computes, and a virtio device that passes on.
 *
 * Which ciphers there are is the backend's to say at run time; nothing of it stands on the command
 * line but the number of queues.
 */
#include "model/crypto.h"

#include "qemu/device.h"

static void
crypto_backends(const DeviceContext *context, gconstpointer device, GPtrArray *backends)
{
    const Crypto *crypto = device;
    g_autofree char *id = backend_name("obj", &crypto->info);
    const char *type =
        crypto->backend == CRYPTO_LKCF ? "cryptodev-backend-lkcf" : "cryptodev-backend-builtin";
    Json *tree = json_new_object();

    if (!capabilities_has_object(context->capabilities, type))
        validation_error(&context->at, "backend/@model", "not-in-qemu",
                         "this QEMU has no object '%s'", type);
    json_set_string(tree, "qom-type", type);
    json_set_string(tree, "id", id);
    device_tree_add_uint(tree, "queues", &crypto->queues);
    backend_add(backends, BACKEND_OBJECT, tree);
}

static Json *
crypto_properties(const DeviceContext *context, gconstpointer device)
{
    const Crypto *crypto = device;
    g_autofree char *backend = backend_name("obj", &crypto->info);
    Json *tree = device_tree_new(context, "virtio-crypto-pci");

    json_set_string(tree, "cryptodev", backend);
    device_tree_add_virtio(tree, &crypto->virtio);
    device_tree_add_info(context, tree, &crypto->info);
    return tree;
}

const DeviceSpelling crypto_spelling = {
    .kind = &crypto_kind,
    .backends = crypto_backends,
    .properties = crypto_properties,
};
