/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices of the host that the guest is given: PCI and mediated devices through VFIO, USB devices,
 * SCSI units (of the host's adapters or of an iSCSI server), and SCSI targets of vhost-scsi.
 *
 * They share QEMU ids with the interfaces of type hostdev, which come first: hostdev0, hostdev1, …
 * An address of type `unassigned` keeps the device away from the host without giving it to the
 * guest. A SCSI unit sits on a drive address, which it must not share with a disk.
 */
#include "model/hostdev.h"

#include <string.h>

#include "model/disk.h"
#include "model/interface.h"

#define PCI_RANK 7
#define HEX_DIGITS G_CSET_DIGITS "abcdefABCDEF"

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
static const char *const startup_policy_names[] = { NULL, "mandatory", "requisite", "optional",
                                                    NULL };
static const char *const driver_names[] = { NULL, "vfio", NULL };
static const char *const address_names[] = { NULL, "pci", NULL };
static const char *const protocol_names[] = { NULL, "vhost", NULL };
static const char *const scsi_protocol_names[] = { NULL, "iscsi", NULL };
static const char *const sgio_names[] = { NULL, "filtered", "unfiltered", NULL };
static const char *const teaming_names[] = { NULL, "persistent", "transient", NULL };

#define FOR(types) WHEN(Hostdev, type, "@type", types)
#define PCI WHEN_IS(HOSTDEV_PCI)
#define USB WHEN_IS(HOSTDEV_USB)
#define MDEV WHEN_IS(HOSTDEV_MDEV)
#define VHOST WHEN_IS(HOSTDEV_SCSI_HOST)
#define SCSI WHEN_IS(HOSTDEV_SCSI)

static const Field hostdev_fields[] = {
    FIELD_ENUM(Hostdev, mode, mode_names, .path = "@mode", .doc = "`subsystem`."),
    FIELD_ENUM(Hostdev, type, type_names, .path = "@type", .is_required = true,
               .doc = "`pci`, `usb`, `scsi`, `scsi_host` or `mdev`."),
    FIELD_YES_NO(Hostdev, managed, .path = "@managed",
                 .doc = "pci: whether the host's driver is detached and attached again."),
    FIELD_ENUM(Hostdev, model, model_names, .path = "@model", FOR(MDEV | VHOST),
               .doc = "mdev: `vfio-pci` (`vfio-ccw` and `vfio-ap` are s390's: shown, not started); "
                      "scsi_host: `virtio`, also (non-)transitional."),
    FIELD_ON_OFF(Hostdev, display, .path = "@display", FOR(PCI | MDEV),
                 .doc = "Whether it is the guest's display."),
    FIELD_ON_OFF(Hostdev, ramfb, .path = "@ramfb", FOR(PCI | MDEV),
                 .doc = "Whether it shows something before its driver is loaded."),
    FIELD_YES_NO(Hostdev, raw_io, .path = "@rawio", FOR(SCSI),
                 .no_effect = "QEMU has the rights of the user that runs virtkeep",
                 .doc = "scsi: the right to send any SCSI command."),
    FIELD_ENUM(Hostdev, sgio, sgio_names, .path = "@sgio", FOR(SCSI),
               .doc = "scsi: `filtered`; kernels have no other way."),
    FIELD_ENUM(Hostdev, driver_name, driver_names, .path = "driver/@name", FOR(PCI),
               .doc = "`vfio`."),
    FIELD_STRING(Hostdev, driver_model, .path = "driver/@model", FOR(PCI),
                 .no_effect = "whoever binds the device to a driver of the host chooses it",
                 .doc = "pci: the variant of the host's driver."),
    FIELD_ENUM(Hostdev, address_type, address_names, .path = "source/address/@type", FOR(PCI),
               .doc = "`pci`."),
    FIELD_HEX(Hostdev, domain, .path = "source/address/@domain", FOR(PCI), .doc = "PCI domain."),
    FIELD_HEX(Hostdev, bus, .path = "source/address/@bus", .max = 0xff, FOR(PCI),
              .doc = "Bus of the host."),
    FIELD_UINT(Hostdev, bus, .path = "source/address/@bus", .max = 999, FOR(USB),
               .doc = "Bus of the host."),
    FIELD_UINT(Hostdev, bus, .path = "source/address/@bus", .max = G_MAXUINT32, FOR(SCSI),
               .doc = "Channel of the adapter."),
    FIELD_UINT(Hostdev, target, .path = "source/address/@target", .max = G_MAXUINT32, FOR(SCSI),
               .doc = "Target."),
    FIELD_UINT(Hostdev, unit, .path = "source/address/@unit", FOR(SCSI), .doc = "Unit."),
    FIELD_STRING(Hostdev, adapter, .path = "source/adapter/@name", FOR(SCSI),
                 .doc = "Adapter of the host: `scsi_host0`."),
    FIELD_ENUM(Hostdev, is_iscsi, scsi_protocol_names, .path = "source/@protocol", FOR(SCSI),
               .doc = "`iscsi`: a unit of a server's."),
    FIELD_STRING(Hostdev, name, .path = "source/@name", FOR(SCSI),
                 .doc = "iscsi: TARGET or TARGET/UNIT."),
    FIELD_LIST(Hostdev, hosts, &storage_host_schema, .path = "source/host", FOR(SCSI),
               .doc = "iscsi: the server."),
    FIELD_STRUCT(Hostdev, auth, &storage_auth_schema, .path = "source/auth", FOR(SCSI),
                 .doc = "iscsi: the login."),
    FIELD_STRING(Hostdev, initiator, .path = "source/initiator/iqn/@name", FOR(SCSI),
                 .doc = "iscsi: whom QEMU says it is."),
    FIELD_FLAG(Hostdev, is_read_only, .path = "readonly", FOR(SCSI),
               .doc = "scsi: the guest can't write."),
    FIELD_FLAG(Hostdev, is_shareable, .path = "shareable", FOR(SCSI),
               .no_effect = "QEMU takes no lock on a SCSI unit",
               .doc = "scsi: other guests have it too."),
    FIELD_HEX(Hostdev, slot, .path = "source/address/@slot", .max = 0x1f, FOR(PCI), .doc = "Slot."),
    FIELD_HEX(Hostdev, function, .path = "source/address/@function", .max = 7, FOR(PCI),
              .doc = "Function."),
    FIELD_UINT(Hostdev, device, .path = "source/address/@device", .max = 999, FOR(USB),
               .doc = "Device on the bus."),
    FIELD_STRING(Hostdev, uuid, .path = "source/address/@uuid", FOR(MDEV),
                 .doc = "The mediated device."),
    FIELD_HEX(Hostdev, vendor, .path = "source/vendor/@id", .min = 1, .max = 0xffff, FOR(USB),
              .doc = "Vendor id."),
    FIELD_HEX(Hostdev, product, .path = "source/product/@id", .max = 0xffff, FOR(USB),
              .doc = "Product id."),
    FIELD_ENUM(Hostdev, guest_reset, reset_names, .path = "source/@guestReset", FOR(USB),
               .doc = "When the guest may reset the device."),
    FIELD_ENUM(Hostdev, startup_policy, startup_policy_names, .path = "source/@startupPolicy",
               FOR(USB), .no_effect = "QEMU starts without the device, and takes it when it comes",
               .doc = "What to do when the device is missing."),
    FIELD_REFUSED("QEMU filters all writes", .path = "source/@writeFiltering",
                  .doc = "pci: writes to the configuration space."),
    FIELD_ENUM(Hostdev, protocol, protocol_names, .path = "source/@protocol", FOR(VHOST),
               .doc = "`vhost`."),
    FIELD_STRING(Hostdev, wwpn, .path = "source/@wwpn", FOR(VHOST), .doc = "The target's name."),
    FIELD_ENUM(Hostdev, teaming, teaming_names, .path = "teaming/@type", .is_needed = true,
               FOR(PCI), .doc = "`transient`."),
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

bool
hostdev_is_s390(const Hostdev *hostdev)
{
    return hostdev->model == HOSTDEV_MODEL_VFIO_CCW || hostdev->model == HOSTDEV_MODEL_VFIO_AP;
}

bool
hostdev_adapter_number(const Hostdev *hostdev, guint *ret_number)
{
    static const char prefix[] = "scsi_host";
    guint64 number;

    if (!hostdev->adapter || !g_str_has_prefix(hostdev->adapter, prefix) ||
        !g_ascii_string_to_unsigned(hostdev->adapter + strlen(prefix), 10, 0, G_MAXUINT, &number,
                                    NULL))
        return false;
    *ret_number = number;
    return true;
}

StorageSource
hostdev_iscsi_source(const Hostdev *hostdev)
{
    return (StorageSource){
        .protocol = PROTOCOL_ISCSI,
        .name = hostdev->name,
        .hosts = hostdev->hosts,
        .initiator = hostdev->initiator,
        .auth = hostdev->auth,
    };
}

/* Where two iscsi sources lead: the server's name is a matter of spelling, the port is not. */
static bool
is_same_server(const Hostdev *a, const Hostdev *b)
{
    const StorageHost *x = list_length(a->hosts) ? list_at(a->hosts, 0, StorageHost) : NULL;
    const StorageHost *y = list_length(b->hosts) ? list_at(b->hosts, 0, StorageHost) : NULL;

    return x && y && !g_strcmp0(x->name, y->name) && x->port.value == y->port.value;
}

static bool
is_same_unit(const Hostdev *a, const Hostdev *b)
{
    if (a->is_iscsi || b->is_iscsi)
        return a->is_iscsi && b->is_iscsi && !g_strcmp0(a->name, b->name) && is_same_server(a, b);
    return !g_strcmp0(a->adapter, b->adapter) && a->bus.value == b->bus.value &&
           a->target.value == b->target.value && a->unit.value == b->unit.value;
}

static bool
is_same_source(const Hostdev *a, const Hostdev *b)
{
    if (a->type != b->type)
        return false;
    if (a->type == HOSTDEV_MDEV)
        return !g_strcmp0(a->uuid, b->uuid);
    if (a->type == HOSTDEV_SCSI_HOST)
        return !g_strcmp0(a->wwpn, b->wwpn);
    if (a->type == HOSTDEV_SCSI)
        return is_same_unit(a, b);
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
        [HOSTDEV_SCSI] = hostdev->is_iscsi || (hostdev->adapter && hostdev->bus.is_set &&
                                               hostdev->target.is_set && hostdev->unit.is_set),
        [HOSTDEV_SCSI_HOST] =
            hostdev->protocol && hostdev->wwpn && g_str_has_prefix(hostdev->wwpn, "naa.") &&
            strlen(hostdev->wwpn) == 20 && strspn(hostdev->wwpn + 4, HEX_DIGITS) == 16,
        [HOSTDEV_MDEV] = hostdev->uuid && g_uuid_string_is_valid(hostdev->uuid),
    };

    if (!is_there[hostdev->type])
        validation_error(v, NULL, "hostdev-source", "<source> does not name a device of type '%s'",
                         type_names[hostdev->type]);
}

/* A drive address in the bounds of its controller, as libvirt has it for disks. */
static void
validate_scsi_address(const Validation *v, const Hostdev *hostdev)
{
    const Address *address = hostdev->info.address;
    bool is_narrow;

    if (!address)
        return;
    if (address->type != ADDRESS_DRIVE)
        return validation_error(v, "address/@type", "hostdev-address",
                                "a SCSI unit has an address of type 'drive'");
    is_narrow = domain_scsi_is_narrow(v->domain, address->controller.value);
    if (address->bus.value)
        validation_error(v, "address/@bus", "address-drive", "bus must be 0 here");
    if (is_narrow && address->target.value)
        validation_error(v, "address/@target", "address-drive", "target must be 0 here");
    if (is_narrow && address->unit.value > 7)
        validation_error(v, "address/@unit", "address-drive",
                         "an lsilogic controller has units 0 to 7");
}

static void
validate_scsi(const Validation *v, const Hostdev *hostdev)
{
    const StorageSource source = hostdev_iscsi_source(hostdev);
    const StorageCheck check = {
        .validation = v, .path = "", .type = DISK_NETWORK, .source = &source, .auth = hostdev->auth
    };
    guint number;

    if (hostdev->sgio == SGIO_UNFILTERED)
        validation_error(v, "@sgio", "not-supported", "no kernel passes unfiltered commands");
    if (hostdev->is_iscsi && (hostdev->adapter || hostdev->unit.is_set))
        validation_error(v, "source", "hostdev-source",
                         "it is either a server's unit or an adapter's");
    else if (hostdev->is_iscsi)
        storage_check(&check);
    else if (hostdev->name || list_length(hostdev->hosts) || hostdev->auth || hostdev->initiator)
        validation_error(v, "source", "hostdev-source", "is for protocol='iscsi'");
    else if (hostdev->adapter && !hostdev_adapter_number(hostdev, &number))
        validation_error(v, "source/adapter/@name", "hostdev-source",
                         "an adapter's name is 'scsi_host' and its number");
    validate_scsi_address(v, hostdev);
}

static void
hostdev_validate(const Validation *v, gconstpointer item)
{
    const Hostdev *hostdev = item;
    const Address *address = hostdev->info.address;
    bool is_mdev = hostdev->type == HOSTDEV_MDEV;

    if (!hostdev->type)
        return;
    if (hostdev->mode == HOSTDEV_CAPABILITIES)
        return validation_error(v, "@mode", "not-supported", "'capabilities' is for containers");
    validate_source(v, hostdev);
    if (hostdev->type == HOSTDEV_SCSI)
        validate_scsi(v, hostdev);
    if (is_mdev && !hostdev->model)
        validation_error(v, "@model", "hostdev-model", "an mdev needs a model: 'vfio-pci' on x86");
    if (is_mdev && hostdev->model >= HOSTDEV_MODEL_VIRTIO)
        validation_error(v, "@model", "hostdev-model", "'%s' is for scsi_host",
                         model_names[hostdev->model]);
    if (address && (address->type == ADDRESS_CCW) != (hostdev->model == HOSTDEV_MODEL_VFIO_CCW) &&
        (address->type == ADDRESS_CCW || address->type == ADDRESS_PCI))
        validation_error(v, "address/@type", "address-type", "this device is on another bus");
    if (!is_mdev && hostdev->model && hostdev->model < HOSTDEV_MODEL_VIRTIO)
        validation_error(v, "@model", "hostdev-model", "'%s' is for mdev",
                         model_names[hostdev->model]);
    if (hostdev->ramfb == TRISTATE_ON && hostdev->display != TRISTATE_ON)
        validation_error(v, "@ramfb", "hostdev-display", "ramfb needs display='on'");
    if (hostdev->display == TRISTATE_ON && !list_length(v->domain->graphics))
        validation_error(v, "@display", "hostdev-display", "display='on' needs <graphics>");
    if (hostdev->info.boot_order.is_set && hostdev->type == HOSTDEV_SCSI_HOST)
        validation_error(v, "boot/@order", "hostdev-boot", "no booting from vhost-scsi");
    if (hostdev->teaming == TEAMING_PERSISTENT)
        validation_error(v, "teaming/@type", "hostdev-teaming",
                         "a host's device is the transient one");
    if (hostdev->teaming && !hostdev->teaming_persistent)
        validation_error(v, "teaming", "hostdev-teaming", "persistent='ALIAS' is missing");
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
    if (hostdev->type == HOSTDEV_SCSI)
        return BUS_DRIVE;
    if (hostdev_is_s390(hostdev) ||
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
    .is_pluggable = device_plugs,
    .bus = hostdev_bus,
    .pci_rank = PCI_RANK,
    .alias_prefix = "hostdev",
    .alias = hostdev_alias,
};
