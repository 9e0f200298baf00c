/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keyboards, mice and tablets on USB or virtio. PS/2 ones are the machine's own and spell nothing.
 *
 * The driver's name follows from type and bus by a table; a virtio one takes the suffix of its
 * model besides. Neither has a host side.
 */
#include "model/input.h"

#include "qemu/device.h"
#include "qemu/need.h"

static const struct {
    const char *usb, *virtio;
} drivers[] = {
    [INPUT_MOUSE] = { "usb-mouse", "virtio-mouse" },
    [INPUT_TABLET] = { "usb-tablet", "virtio-tablet" },
    [INPUT_KEYBOARD] = { "usb-kbd", "virtio-keyboard" },
    [INPUT_PASSTHROUGH] = { NULL, "virtio-input-host" },
    [INPUT_EVDEV] = { NULL, NULL },
};

/* The host's device becomes the guest's PS/2 ones, through an object of QEMU's. */
static void
input_backends(const DeviceContext *context, gconstpointer device, GPtrArray *backends)
{
    const Input *input = device;
    Json *tree;

    if (input->type != INPUT_EVDEV)
        return;
    tree = json_new_object();
    json_set_string(tree, "qom-type", "input-linux");
    json_set_string(tree, "id", input->info.alias);
    json_set_string(tree, "evdev", input->source);
    device_tree_add_tristate(tree, "repeat", input->repeat);
    if (input->grab)
        json_set_bool(tree, "grab_all", true);
    json_set_string(tree, "grab-toggle", input_grab_toggle_names[input->grab_toggle]);
    backend_add(backends, BACKEND_OBJECT, tree);
}

static Json *
input_properties(const DeviceContext *context, gconstpointer device)
{
    const Input *input = device;
    InputBus bus = input_bus(input);
    g_autofree char *driver = NULL;
    Json *tree;

    if (bus != INPUT_BUS_USB && bus != INPUT_BUS_VIRTIO)
        return NULL;
    if (bus == INPUT_BUS_USB)
        driver = g_strdup(drivers[input->type].usb);
    else
        driver = virtio_driver(drivers[input->type].virtio, input->model);
    tree = device_tree_new(context, driver);
    device_tree_add_virtio(tree, &input->virtio);
    json_set_string(tree, "evdev", input->source);
    device_tree_add_info(context, tree, &input->info);
    return tree;
}

static void
input_needs(const DeviceContext *context, gconstpointer device, GPtrArray *needs)
{
    const Input *input = device;

    need_add(context, needs, HOST_CHARACTER, "source", input->source);
}

const DeviceSpelling input_spelling = {
    .kind = &input_kind,
    .backends = input_backends,
    .properties = input_properties,
    .needs = input_needs,
};
