/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random number generators: a source of the host, and a virtio device that hands it on at a rate.
 *
 * The source is an object of its own (`obj` and the device's id): it must be there before the
 * device and is removed after it.
 */
#include "model/rng.h"

#include "qemu/chardev.h"
#include "qemu/device.h"
#include "qemu/need.h"

static void
rng_backends(const DeviceContext *context, gconstpointer device, GPtrArray *backends)
{
    const Rng *rng = device;
    g_autofree char *id = backend_name("obj", &rng->info);
    static const char *const types[] = { [RNG_BACKEND_RANDOM] = "rng-random",
                                         [RNG_BACKEND_EGD] = "rng-egd",
                                         [RNG_BACKEND_BUILTIN] = "rng-builtin" };
    const char *type = types[rng->backend];
    Json *tree = json_new_object();

    if (!capabilities_has_object(context->capabilities, type))
        validation_error(&context->at, "backend/@model", "not-in-qemu",
                         "this QEMU has no object '%s'", type);
    if (rng->backend == RNG_BACKEND_EGD)
        chardev_add_backend(context, &rng->chardev, &rng->info, NULL, backends);
    json_set_string(tree, "qom-type", type);
    json_set_string(tree, "id", id);
    if (rng->backend == RNG_BACKEND_EGD) {
        g_autofree char *chardev = backend_name("char", &rng->info);

        json_set_string(tree, "chardev", chardev);
    }
    if (rng->backend == RNG_BACKEND_RANDOM)
        json_set_string(tree, "filename", rng->path ? rng->path : "/dev/random");
    backend_add(backends, BACKEND_OBJECT, tree);
}

static Json *
rng_properties(const DeviceContext *context, gconstpointer device)
{
    const Rng *rng = device;
    g_autofree char *driver = virtio_driver("virtio-rng", rng->model);
    g_autofree char *backend = backend_name("obj", &rng->info);
    Json *tree = device_tree_new(context, driver);

    json_set_string(tree, "rng", backend);
    if (rng->rate_bytes.is_set) {
        json_set_uint(tree, "max-bytes", rng->rate_bytes.value);
        json_set_uint(tree, "period", rng->rate_period.is_set ? rng->rate_period.value : 1000);
    }
    device_tree_add_virtio(tree, &rng->virtio);
    device_tree_add_info(context, tree, &rng->info);
    return tree;
}

static void
rng_needs(const DeviceContext *context, gconstpointer device, GPtrArray *needs)
{
    const Rng *rng = device;

    if (rng->backend == RNG_BACKEND_RANDOM)
        need_add(context, needs, HOST_CHARACTER, "backend", rng->path ? rng->path : "/dev/urandom");
    else if (rng->backend == RNG_BACKEND_EGD)
        need_add_chardev(context, needs, &rng->chardev);
}

const DeviceSpelling rng_spelling = {
    .kind = &rng_kind,
    .backends = rng_backends,
    .properties = rng_properties,
    .needs = rng_needs,
};
