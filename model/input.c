/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keyboards, mice and tablets.
 *
 * PS/2 ones are part of the machine: they are in the document, since libvirt lists them and counts
 * them when it numbers inputs, and never on QEMU's command line. Only USB and virtio ones are
 * devices that have an address.
 */
#include "model/input.h"

#include "model/default.h"

static const char *const type_names[] = {
    [INPUT_MOUSE] = "mouse",       [INPUT_TABLET] = "tablet",
    [INPUT_KEYBOARD] = "keyboard", [INPUT_PASSTHROUGH] = "passthrough",
    [INPUT_EVDEV] = "evdev",       NULL,
};
static const char *const bus_names[] = {
    [INPUT_BUS_PS2] = "ps2", [INPUT_BUS_USB] = "usb",   [INPUT_BUS_VIRTIO] = "virtio",
    [INPUT_BUS_XEN] = "xen", [INPUT_BUS_NONE] = "none", NULL,
};
const char *const virtio_model_names[] = {
    [VIRTIO_MODEL_VIRTIO] = "virtio",
    [VIRTIO_MODEL_TRANSITIONAL] = "virtio-transitional",
    [VIRTIO_MODEL_NON_TRANSITIONAL] = "virtio-non-transitional",
    NULL,
};

static const char *const grab_names[] = { NULL, "all", NULL };
const char *const input_grab_toggle_names[] = {
    NULL, "ctrl-ctrl", "alt-alt", "shift-shift", "meta-meta", "scrolllock", "ctrl-scrolllock", NULL,
};

#define EVDEV WHEN(Input, type, "@type", WHEN_IS(INPUT_EVDEV))

static const Field input_fields[] = {
    FIELD_ENUM(Input, type, type_names, .path = "@type", .is_required = true,
               .doc = "`mouse`, `tablet` or `keyboard`."),
    FIELD_ENUM(Input, bus, bus_names, .path = "@bus",
               .doc = "`ps2`, `usb` or `virtio`; usb for a tablet, ps2 else by default."),
    FIELD_ENUM(Input, model, virtio_model_names, .path = "@model", .doc = "virtio: device model."),
    FIELD_STRING(Input, source, .path = "source/@evdev",
                 WHEN(Input, type, "@type", WHEN_IS(INPUT_PASSTHROUGH)),
                 .doc = "passthrough: the host's device."),
    FIELD_STRING(Input, source, .path = "source/@dev", EVDEV, .doc = "evdev: the host's device."),
    FIELD_ENUM(Input, grab, grab_names, .path = "source/@grab", EVDEV,
               .doc = "evdev: `all` grabs the other devices too."),
    FIELD_ON_OFF(Input, repeat, .path = "source/@repeat", EVDEV, .doc = "evdev: repeat keys."),
    FIELD_ENUM(Input, grab_toggle, input_grab_toggle_names, .path = "source/@grabToggle", EVDEV,
               .doc = "evdev: keys that give the device back to the host."),
    DEVICE_VIRTIO_FIELDS(Input),
    DEVICE_INFO_FIELDS(Input),
    FIELD_END,
};

static const Schema input_schema = {
    .element = "input",
    .size = sizeof(Input),
    .fields = input_fields,
    .doc = "A keyboard, mouse or tablet.",
};

InputBus
input_bus(const Input *input)
{
    if (input->bus)
        return input->bus;
    if (input->type == INPUT_PASSTHROUGH)
        return INPUT_BUS_VIRTIO;
    if (input->type == INPUT_EVDEV)
        return INPUT_BUS_NONE;
    return input->type == INPUT_TABLET ? INPUT_BUS_USB : INPUT_BUS_PS2;
}

static DeviceBus input_device_bus(const Domain *domain, gconstpointer item);

static void
input_validate(const Validation *v, gconstpointer item)
{
    const Input *input = item;

    bool is_host = input->type == INPUT_PASSTHROUGH || input->type == INPUT_EVDEV;

    if (input->type != INPUT_PASSTHROUGH && (input->model == VIRTIO_MODEL_TRANSITIONAL ||
                                             input->model == VIRTIO_MODEL_NON_TRANSITIONAL))
        validation_error(v, "@model", "input-model", "only a device passed through has this model");
    if (input->bus == INPUT_BUS_XEN)
        validation_error(v, "@bus", "not-supported", "bus 'xen' is Xen's");
    if (input->type == INPUT_PASSTHROUGH && input_bus(input) != INPUT_BUS_VIRTIO)
        validation_error(v, "@bus", "input-bus", "a device passed through sits on virtio");
    if ((input->type == INPUT_EVDEV) != (input_bus(input) == INPUT_BUS_NONE))
        validation_error(v, "@bus", "input-bus", "type 'evdev' and bus 'none' go together");
    if (is_host && !input->source)
        validation_error(v, "source", "missing-attribute", "the host's device is missing");
    if (input_bus(input) != INPUT_BUS_VIRTIO)
        validate_no_virtio_options(v, &input->virtio);
    if (input->type == INPUT_TABLET && input_bus(input) == INPUT_BUS_PS2)
        validation_error(v, "@bus", "input-bus", "a tablet can't sit on ps2");
    if (input->info.address && input_device_bus(v->domain, input) == BUS_NONE)
        validation_error(v, "address", "input-address", "what sits on no bus has no address");
    if (input->model && input_bus(input) != INPUT_BUS_VIRTIO)
        validation_error(v, "@model", "input-model", "only virtio inputs have a model");
}

static DeviceBus
input_device_bus(const Domain *domain, gconstpointer item)
{
    const Input *input = item;

    switch (input_bus(input)) {
    case INPUT_BUS_PS2:
    case INPUT_BUS_XEN:
    case INPUT_BUS_NONE:
        return BUS_NONE;
    case INPUT_BUS_USB:
        return BUS_USB;
    case INPUT_BUS_VIRTIO:
        return input->model == VIRTIO_MODEL_TRANSITIONAL ? BUS_PCI : BUS_PCIE;
    }
    return BUS_NONE;
}

static void
input_fill_defaults(const Domain *domain, gpointer device)
{
    Input *input = device;

    default_enum(&input->bus, input_bus(input));
}

static bool
input_plugs(gconstpointer device)
{
    InputBus bus = input_bus(device);

    return bus == INPUT_BUS_USB || bus == INPUT_BUS_VIRTIO;
}

const DeviceKind input_kind = {
    .name = "input",
    .list_offset = offsetof(Domain, inputs),
    .schema = &input_schema,
    .validate = input_validate,
    .fill_defaults = input_fill_defaults,
    .is_pluggable = input_plugs,
    .bus = input_device_bus,
    .pci_rank = 13,
    .usb_rank = 5,
    .alias_prefix = "input",
};
