/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Panic devices. QEMU's ISA one calls its base `ioport`, and libvirt gives it no id; Hyper-V's is a
 * CPU feature (qemu/cpu.c).
 *
 * What QEMU then does with the guest is one setting for all of them and follows from <on_crash>.
 */
#include "model/panic.h"

#include "qemu/device.h"

static Json *
panic_properties(const DeviceContext *context, gconstpointer device)
{
    const Panic *panic = device;
    Json *tree;

    if (panic->model == PANIC_PVPANIC) {
        tree = device_tree_new(context, "pvpanic-pci");
        device_tree_add_info(context, tree, &panic->info);
        return tree;
    }
    if (panic->model != PANIC_ISA)
        return NULL;
    tree = device_tree_new(context, "pvpanic");
    json_set_string(tree, "id", panic->info.alias);
    if (panic->info.address)
        device_tree_add_uint(tree, "ioport", &panic->info.address->iobase);
    return tree;
}

const DeviceSpelling panic_spelling = {
    .kind = &panic_kind,
    .properties = panic_properties,
};
