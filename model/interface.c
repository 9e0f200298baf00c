/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Network interfaces. The MAC address is the identity: it pairs an interface of the file with one
 * of the running guest, and one is derived and kept where the file gives none.
 *
 * User networking and bridges are done; the other kinds are named, so that a file that has them is
 * refused by name and not as unknown.
 */
#include "model/interface.h"

#include "model/default.h"

static const char *const type_names[] = {
    [INTERFACE_USER] = "user",       [INTERFACE_BRIDGE] = "bridge",
    [INTERFACE_NETWORK] = "network", [INTERFACE_ETHERNET] = "ethernet",
    [INTERFACE_DIRECT] = "direct",   [INTERFACE_VHOSTUSER] = "vhostuser",
    [INTERFACE_HOSTDEV] = "hostdev", [INTERFACE_SERVER] = "server",
    [INTERFACE_CLIENT] = "client",   [INTERFACE_MCAST] = "mcast",
    [INTERFACE_UDP] = "udp",         [INTERFACE_INTERNAL] = "internal",
    [INTERFACE_VDPA] = "vdpa",       [INTERFACE_NULL] = "null",
    [INTERFACE_VDS] = "vds",         NULL,
};
static const char *const link_names[] = { [LINK_UP] = "up", [LINK_DOWN] = "down", NULL };
static const char *const driver_names[] = {
    [NET_DRIVER_QEMU] = "qemu",
    [NET_DRIVER_VHOST] = "vhost",
    NULL,
};
static const char *const tx_mode_names[] = { NULL, "iothread", "timer", NULL };

static const Field interface_fields[] = {
    FIELD_ENUM(Interface, type, type_names, .path = "@type", .is_required = true,
               .doc = "What it is connected to; `user` and `bridge` are supported."),
    FIELD_MAC(Interface, mac, .path = "mac/@address",
              .doc = "MAC address; derived from the domain and kept when left out."),
    FIELD_STRING(Interface, bridge, .path = "source/@bridge",
                 WHEN(Interface, type, "@type", WHEN_IS(INTERFACE_BRIDGE)),
                 .doc = "The host's bridge."),
    FIELD_STRING(Interface, target_dev, .path = "target/@dev", .doc = "Name of the tap device."),
    FIELD_STRING(
        Interface, model, .path = "model/@type",
        .doc = "Network card: `virtio`, `e1000e`, `e1000`, `rtl8139`, …; `rtl8139` by default."),
    FIELD_ENUM(Interface, link, link_names, .path = "link/@state",
               .doc = "Whether the cable is in."),
    FIELD_UINT(Interface, mtu, .path = "mtu/@size", .min = 68, .max = 65535, .doc = "MTU."),
    FIELD_ENUM(Interface, driver_name, driver_names, .path = "driver/@name",
               .doc = "virtio: `vhost` in the kernel, or `qemu`."),
    FIELD_UINT(Interface, queues, .path = "driver/@queues", .min = 1, .max = 256,
               .doc = "virtio: number of queue pairs."),
    FIELD_UINT(Interface, rx_queue_size, .path = "driver/@rx_queue_size", .min = 256, .max = 1024,
               .doc = "virtio: size of a receive queue."),
    FIELD_UINT(Interface, tx_queue_size, .path = "driver/@tx_queue_size", .min = 256, .max = 1024,
               .doc = "virtio: size of a transmit queue."),
    FIELD_ENUM(Interface, tx_mode, tx_mode_names, .path = "driver/@txmode",
               .doc = "virtio: how transmission is batched."),
    FIELD_ON_OFF(Interface, ioeventfd, .path = "driver/@ioeventfd", .doc = "virtio's ioeventfd."),
    FIELD_ON_OFF(Interface, event_idx, .path = "driver/@event_idx", .doc = "virtio's event_idx."),
    DEVICE_BOOT_FIELDS(Interface),
    DEVICE_ROM_FIELDS(Interface),
    DEVICE_INFO_FIELDS(Interface),
    FIELD_END,
};

static char *
interface_key(gconstpointer item)
{
    return g_strdup(((const Interface *) item)->mac);
}

static const Schema interface_schema = {
    .element = "interface",
    .size = sizeof(Interface),
    .fields = interface_fields,
    .key = interface_key,
    .doc = "A network card and what it is connected to.",
};

static bool
is_virtio(const Interface *interface)
{
    return interface->model && g_str_has_prefix(interface->model, "virtio");
}

static void
interface_validate(const Validation *v, gconstpointer item)
{
    const Interface *interface = item;

    if (!interface->type)
        return;
    if (interface->type != INTERFACE_USER && interface->type != INTERFACE_BRIDGE)
        return validation_error(v, "@type", "not-supported",
                                "interface type '%s' is not supported yet; user and bridge are",
                                type_names[interface->type]);
    if (interface->type == INTERFACE_BRIDGE && !interface->bridge)
        validation_error(v, NULL, "interface-bridge", "<source bridge='…'/> is missing");
    if (interface->model && g_str_equal(interface->model, "usb-net"))
        validation_error(v, "model/@type", "not-supported", "usb-net is not supported yet");
    if (!is_virtio(interface) &&
        (interface->driver_name || interface->queues.is_set || interface->rx_queue_size.is_set ||
         interface->tx_queue_size.is_set || interface->tx_mode))
        validation_error(v, "driver", "interface-driver", "<driver> is for virtio models");
    for (guint i = 0; interface->mac && i < list_length(v->domain->interfaces); i++) {
        const Interface *other = list_at(v->domain->interfaces, i, Interface);

        if (other == interface)
            break;
        if (!g_strcmp0(other->mac, interface->mac))
            validation_error(v, "mac/@address", "interface-mac-duplicate",
                             "another interface has the MAC address %s", interface->mac);
    }
}

/* address-assignment.md 2.1: the PCIe ones; every other card is conventional PCI. */
static DeviceBus
interface_bus(const Domain *domain, gconstpointer item)
{
    static const char *const express[] = { "virtio", "virtio-non-transitional", "e1000e", "igb",
                                           NULL };
    const Interface *interface = item;

    return interface->model && g_strv_contains(express, interface->model) ? BUS_PCIE : BUS_PCI;
}

static void
interface_fill_defaults(const Domain *domain, gpointer device)
{
    Interface *interface = device;

    default_string(&interface->model, "rtl8139");
}

const DeviceKind interface_kind = {
    .name = "interface",
    .list_offset = offsetof(Domain, interfaces),
    .schema = &interface_schema,
    .validate = interface_validate,
    .fill_defaults = interface_fill_defaults,
    .bus = interface_bus,
    .pci_rank = 3,
    .alias_prefix = "net",
};
