/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Persistent storage: a memory backend on a file, and the ACPI device in front of it.
 *
 * The backend is shared: what the guest writes must reach the file, since its point is to outlive
 * the guest.
 */
#include "model/pstore.h"

#include "qemu/device.h"

static void
pstore_backends(const DeviceContext *context, gconstpointer device, GPtrArray *backends)
{
    const Pstore *pstore = device;
    g_autofree char *id = backend_name("mem", &pstore->info);
    Json *tree = json_new_object();

    json_set_string(tree, "qom-type", "memory-backend-file");
    json_set_string(tree, "id", id);
    json_set_string(tree, "mem-path", pstore->path);
    json_set_uint(tree, "size", pstore->size.value);
    json_set_bool(tree, "share", true);
    backend_add(backends, BACKEND_OBJECT, tree);
}

static Json *
pstore_properties(const DeviceContext *context, gconstpointer device)
{
    const Pstore *pstore = device;
    g_autofree char *backend = backend_name("mem", &pstore->info);
    Json *tree = device_tree_new(context, "acpi-erst");

    json_set_string(tree, "memdev", backend);
    device_tree_add_info(context, tree, &pstore->info);
    return tree;
}

const DeviceSpelling pstore_spelling = {
    .kind = &pstore_kind,
    .backends = pstore_backends,
    .properties = pstore_properties,
};
