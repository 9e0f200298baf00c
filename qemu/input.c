/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keyboards, mice and tablets on USB or virtio. PS/2 ones are the machine's own and spell nothing.
 *
 * The driver's name follows from type and bus by a table; a virtio one takes the suffix of its
 * model besides. Neither has a host side.
 */
#include "model/input.h"

#include "qemu/device.h"

static const struct {
    const char *usb, *virtio;
} drivers[] = {
    [INPUT_MOUSE] = { "usb-mouse", "virtio-mouse" },
    [INPUT_TABLET] = { "usb-tablet", "virtio-tablet" },
    [INPUT_KEYBOARD] = { "usb-kbd", "virtio-keyboard" },
    [INPUT_PASSTHROUGH] = { NULL, NULL }, /* refused by the model */
    [INPUT_EVDEV] = { NULL, NULL },
};

static Json *
input_properties(const DeviceContext *context, gconstpointer device)
{
    const Input *input = device;
    InputBus bus = input_bus(input);
    g_autofree char *driver = NULL;
    Json *tree;

    if (bus == INPUT_BUS_PS2 || !drivers[input->type].usb)
        return NULL;
    if (bus == INPUT_BUS_USB)
        driver = g_strdup(drivers[input->type].usb);
    else
        driver = virtio_driver(drivers[input->type].virtio, input->model);
    tree = device_tree_new(context, driver);
    device_tree_add_info(context, tree, &input->info);
    return tree;
}

const DeviceSpelling input_spelling = {
    .kind = &input_kind,
    .properties = input_properties,
};
