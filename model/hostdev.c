/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices of the host that the guest is given: PCI and mediated devices through VFIO, USB devices,
 * and SCSI targets of vhost-scsi.
 *
 * They share QEMU ids with the interfaces of type hostdev, which come first: hostdev0, hostdev1, …
 * An address of type `unassigned` keeps the device away from the host without giving it to the
 * guest. SCSI units (type scsi) are named, so that a file that has them is refused by name.
 */
#include "model/hostdev.h"

#include "model/interface.h"

#define PCI_RANK 7

static const char *const mode_names[] = { NULL, "subsystem", "capabilities", NULL };
static const char *const type_names[] = {
    [HOSTDEV_PCI] = "pci",   [HOSTDEV_USB] = "usb",
    [HOSTDEV_SCSI] = "scsi", [HOSTDEV_SCSI_HOST] = "scsi_host",
    [HOSTDEV_MDEV] = "mdev", NULL,
};
static const char *const model_names[] = {
    [HOSTDEV_MODEL_VFIO_PCI] = "vfio-pci",
    [HOSTDEV_MODEL_VFIO_CCW] = "vfio-ccw",
    [HOSTDEV_MODEL_VFIO_AP] = "vfio-ap",
    [HOSTDEV_MODEL_VIRTIO] = "virtio",
    [HOSTDEV_MODEL_TRANSITIONAL] = "virtio-transitional",
    [HOSTDEV_MODEL_NON_TRANSITIONAL] = "virtio-non-transitional",
    NULL,
};
static const char *const reset_names[] = { NULL, "off", "uninitialized", "on", NULL };
static const char *const driver_names[] = { NULL, "vfio", NULL };
static const char *const address_names[] = { NULL, "pci", NULL };
static const char *const protocol_names[] = { NULL, "vhost", NULL };
static const char *const teaming_names[] = { NULL, "persistent", "transient", NULL };

#define FOR(types) WHEN(Hostdev, type, "@type", types)
#define PCI WHEN_IS(HOSTDEV_PCI)
#define USB WHEN_IS(HOSTDEV_USB)
#define MDEV WHEN_IS(HOSTDEV_MDEV)
#define VHOST WHEN_IS(HOSTDEV_SCSI_HOST)

static const Field hostdev_fields[] = {
    FIELD_ENUM(Hostdev, mode, mode_names, .path = "@mode", .doc = "`subsystem`."),
    FIELD_ENUM(Hostdev, type, type_names, .path = "@type", .is_required = true,
               .doc = "`pci`, `usb`, `scsi_host` or `mdev`."),
    FIELD_YES_NO(Hostdev, managed, .path = "@managed",
                 .doc = "pci: whether the host's driver is detached and attached again."),
    FIELD_ENUM(Hostdev, model, model_names, .path = "@model", FOR(MDEV | VHOST),
               .doc = "mdev: `vfio-pci`; scsi_host: `virtio`, also (non-)transitional."),
    FIELD_ON_OFF(Hostdev, display, .path = "@display", FOR(PCI | MDEV),
                 .doc = "Whether it is the guest's display."),
    FIELD_ON_OFF(Hostdev, ramfb, .path = "@ramfb", FOR(PCI | MDEV),
                 .doc = "Whether it shows something before its driver is loaded."),
    FIELD_ENUM(Hostdev, driver_name, driver_names, .path = "driver/@name", FOR(PCI),
               .doc = "`vfio`."),
    FIELD_REFUSED("virtkeep binds no drivers but vfio-pci", .path = "driver/@model",
                  .doc = "Driver of the host."),
    FIELD_ENUM(Hostdev, address_type, address_names, .path = "source/address/@type", FOR(PCI),
               .doc = "`pci`."),
    FIELD_HEX(Hostdev, domain, .path = "source/address/@domain", FOR(PCI), .doc = "PCI domain."),
    FIELD_HEX(Hostdev, bus, .path = "source/address/@bus", .max = 0xff, FOR(PCI),
              .doc = "Bus of the host."),
    FIELD_UINT(Hostdev, bus, .path = "source/address/@bus", .max = 999, FOR(USB),
               .doc = "Bus of the host."),
    FIELD_HEX(Hostdev, slot, .path = "source/address/@slot", .max = 0x1f, FOR(PCI), .doc = "Slot."),
    FIELD_HEX(Hostdev, function, .path = "source/address/@function", .max = 7, FOR(PCI),
              .doc = "Function."),
    FIELD_UINT(Hostdev, device, .path = "source/address/@device", .max = 999, FOR(USB),
               .doc = "Device on the bus."),
    FIELD_STRING(Hostdev, uuid, .path = "source/address/@uuid", FOR(MDEV),
                 .doc = "The mediated device."),
    FIELD_HEX(Hostdev, vendor, .path = "source/vendor/@id", .max = 0xffff, FOR(USB),
              .doc = "Vendor id."),
    FIELD_HEX(Hostdev, product, .path = "source/product/@id", .max = 0xffff, FOR(USB),
              .doc = "Product id."),
    FIELD_ENUM(Hostdev, guest_reset, reset_names, .path = "source/@guestReset", FOR(USB),
               .doc = "When the guest may reset the device."),
    FIELD_REFUSED("QEMU would wait for no such device", .path = "source/@startupPolicy",
                  .doc = "What to do when the device is missing."),
    FIELD_ENUM(Hostdev, protocol, protocol_names, .path = "source/@protocol", FOR(VHOST),
               .doc = "`vhost`."),
    FIELD_STRING(Hostdev, wwpn, .path = "source/@wwpn", FOR(VHOST), .doc = "The target's name."),
    FIELD_ENUM(Hostdev, teaming, teaming_names, .path = "teaming/@type", FOR(PCI),
               .doc = "`transient`."),
    FIELD_STRING(Hostdev, teaming_persistent, .path = "teaming/@persistent", FOR(PCI),
                 .doc = "Alias of the interface that stands in for it."),
    DEVICE_BOOT_FIELDS(Hostdev),
    DEVICE_ROM_FIELDS(Hostdev),
    DEVICE_INFO_FIELDS(Hostdev),
    FIELD_END,
};

static const Schema hostdev_schema = {
    .element = "hostdev",
    .size = sizeof(Hostdev),
    .fields = hostdev_fields,
    .doc = "A device of the host.",
};

static bool
is_same_source(const Hostdev *a, const Hostdev *b)
{
    if (a->type != b->type)
        return false;
    if (a->type == HOSTDEV_MDEV)
        return !g_strcmp0(a->uuid, b->uuid);
    if (a->type == HOSTDEV_SCSI_HOST)
        return !g_strcmp0(a->wwpn, b->wwpn);
    return a->domain.value == b->domain.value && a->bus.value == b->bus.value &&
           a->slot.value == b->slot.value && a->function.value == b->function.value &&
           a->device.value == b->device.value && a->vendor.value == b->vendor.value &&
           a->product.value == b->product.value;
}

static void
validate_source(const Validation *v, const Hostdev *hostdev)
{
    bool is_there[] = {
        [HOSTDEV_PCI] = hostdev->bus.is_set && hostdev->slot.is_set,
        [HOSTDEV_USB] = (hostdev->bus.is_set && hostdev->device.is_set) ||
                        (hostdev->vendor.is_set && hostdev->product.is_set),
        [HOSTDEV_SCSI] = true,
        [HOSTDEV_SCSI_HOST] =
            hostdev->protocol && hostdev->wwpn && g_str_has_prefix(hostdev->wwpn, "naa."),
        [HOSTDEV_MDEV] = hostdev->uuid,
    };

    if (!is_there[hostdev->type])
        validation_error(v, NULL, "hostdev-source", "<source> does not name a device of type '%s'",
                         type_names[hostdev->type]);
}

static void
hostdev_validate(const Validation *v, gconstpointer item)
{
    const Hostdev *hostdev = item;
    bool is_mdev = hostdev->type == HOSTDEV_MDEV;

    if (!hostdev->type)
        return;
    if (hostdev->mode == HOSTDEV_CAPABILITIES)
        return validation_error(v, "@mode", "not-supported", "'capabilities' is for containers");
    if (hostdev->type == HOSTDEV_SCSI)
        return validation_error(v, "@type", "not-supported",
                                "SCSI units of the host are not supported yet");
    validate_source(v, hostdev);
    if (is_mdev && hostdev->model != HOSTDEV_MODEL_VFIO_PCI)
        validation_error(v, "@model", "hostdev-model", "on x86 an mdev's model is 'vfio-pci'");
    if (!is_mdev && hostdev->model && hostdev->model < HOSTDEV_MODEL_VIRTIO)
        validation_error(v, "@model", "hostdev-model", "'%s' is for mdev",
                         model_names[hostdev->model]);
    if (hostdev->ramfb == TRISTATE_ON && hostdev->display != TRISTATE_ON)
        validation_error(v, "@ramfb", "hostdev-display", "ramfb needs display='on'");
    if (hostdev->display == TRISTATE_ON && !list_length(v->domain->graphics))
        validation_error(v, "@display", "hostdev-display", "display='on' needs <graphics>");
    if (hostdev->info.boot_order.is_set && hostdev->type == HOSTDEV_SCSI_HOST)
        validation_error(v, "boot/@order", "hostdev-boot", "no booting from vhost-scsi");
    for (guint i = 0; list_at(v->domain->hostdevs, i, Hostdev) != hostdev; i++)
        if (is_same_source(list_at(v->domain->hostdevs, i, Hostdev), hostdev))
            validation_error(v, "source", "hostdev-duplicate",
                             "another <hostdev> is the same device");
}

static DeviceBus
hostdev_bus(const Domain *domain, gconstpointer item)
{
    const Hostdev *hostdev = item;

    if (hostdev->type == HOSTDEV_USB)
        return BUS_USB;
    if (hostdev->type == HOSTDEV_SCSI ||
        (hostdev->info.address && hostdev->info.address->type == ADDRESS_UNASSIGNED))
        return BUS_NONE;
    return hostdev->model == HOSTDEV_MODEL_TRANSITIONAL ? BUS_PCI : BUS_PCIE;
}

static char *
hostdev_alias(const Domain *domain, gconstpointer item, guint number)
{
    guint n_before = 0, place = 0;

    for (guint i = 0; i < list_length(domain->interfaces); i++) {
        const Interface *interface = list_at(domain->interfaces, i, Interface);
        const char *alias = interface->info.alias;

        n_before +=
            interface->type == INTERFACE_HOSTDEV && !(alias && g_str_has_prefix(alias, "ua-"));
    }
    for (; domain->hostdevs->pdata[place] != item; place++) {
        const char *alias = list_at(domain->hostdevs, place, Hostdev)->info.alias;

        n_before += !(alias && g_str_has_prefix(alias, "ua-"));
    }
    return g_strdup_printf("hostdev%u", n_before + (number > place ? number - place : 0));
}

const DeviceKind hostdev_kind = {
    .name = "hostdev",
    .list_offset = offsetof(Domain, hostdevs),
    .schema = &hostdev_schema,
    .validate = hostdev_validate,
    .bus = hostdev_bus,
    .pci_rank = PCI_RANK,
    .alias_prefix = "hostdev",
    .alias = hostdev_alias,
};
