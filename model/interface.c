/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Network interfaces. The MAC address is the identity: it pairs an interface of the file with one
 * of the running guest, and one is derived and kept where the file gives none.
 *
 * What the host sets up around an interface (bandwidth, VLANs, virtual ports) is kept as text: it
 * changes nothing in QEMU's words and is for the launch to do or to refuse.
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
    [NET_DRIVER_VFIO] = "vfio",
    NULL,
};
const char *const macvtap_mode_names[] = {
    [MACVTAP_VEPA] = "vepa",
    [MACVTAP_BRIDGE] = "bridge",
    [MACVTAP_PRIVATE] = "private",
    [MACVTAP_PASSTHROUGH] = "passthrough",
    NULL,
};
static const char *const vhost_user_names[] = {
    [VHOST_USER_CLIENT] = "client",
    [VHOST_USER_SERVER] = "server",
    NULL,
};
static const char *const source_type_names[] = { NULL, "unix", NULL };
static const char *const pci_names[] = { NULL, "pci", NULL };
static const char *const backend_names[] = {
    [NET_BACKEND_DEFAULT] = "default",
    [NET_BACKEND_PASST] = "passt",
    NULL,
};
static const char *const teaming_names[] = {
    [TEAMING_PERSISTENT] = "persistent",
    [TEAMING_TRANSIENT] = "transient",
    NULL,
};
static const char *const family_names[] = { [IP_V4] = "ipv4", [IP_V6] = "ipv6", NULL };
static const char *const transport_names[] = { NULL, "tcp", "udp", NULL };
static const char *const native_names[] = {
    [VLAN_NATIVE_TAGGED] = "tagged",
    [VLAN_NATIVE_UNTAGGED] = "untagged",
    NULL,
};
static const char *const tx_mode_names[] = { NULL, "iothread", "timer", NULL };

static const Field ip_fields[] = {
    FIELD_STRING(InterfaceIp, address, .path = "@address", .is_required = true, .doc = "Address."),
    FIELD_ENUM(InterfaceIp, family, family_names, .path = "@family", .doc = "`ipv4` by default."),
    FIELD_UINT(InterfaceIp, prefix, .path = "@prefix", .max = 128, .doc = "Bits of the network."),
    FIELD_STRING(InterfaceIp, peer, .path = "@peer", .doc = "Address of the other end."),
    FIELD_END,
};
static const Schema ip_schema = {
    .element = "ip", .size = sizeof(InterfaceIp), .fields = ip_fields, .doc = "An IP address."
};
static const Field route_fields[] = {
    FIELD_ENUM(InterfaceRoute, family, family_names, .path = "@family",
               .doc = "`ipv4` by default."),
    FIELD_STRING(InterfaceRoute, address, .path = "@address", .is_required = true,
                 .doc = "Network."),
    FIELD_STRING(InterfaceRoute, netmask, .path = "@netmask", .doc = "Its mask."),
    FIELD_UINT(InterfaceRoute, prefix, .path = "@prefix", .max = 128, .doc = "Or its bits."),
    FIELD_STRING(InterfaceRoute, gateway, .path = "@gateway", .is_required = true,
                 .doc = "Where it is reached through."),
    FIELD_UINT(InterfaceRoute, metric, .path = "@metric", .min = 1, .doc = "Metric."),
    FIELD_END,
};
static const Schema route_schema = {
    .element = "route", .size = sizeof(InterfaceRoute), .fields = route_fields, .doc = "A route."
};
static const Field range_fields[] = {
    FIELD_UINT(PortRange, start, .path = "@start", .min = 1, .max = 65535, .is_required = true,
               .doc = "First port of the host."),
    FIELD_UINT(PortRange, end, .path = "@end", .min = 1, .max = 65535, .doc = "Last one."),
    FIELD_UINT(PortRange, to, .path = "@to", .min = 1, .max = 65535,
               .doc = "First port of the guest."),
    FIELD_YES_NO(PortRange, exclude, .path = "@exclude", .doc = "These are left out."),
    FIELD_END,
};
static const Schema range_schema = {
    .element = "range", .size = sizeof(PortRange), .fields = range_fields, .doc = "Ports."
};
static const Field port_forward_fields[] = {
    FIELD_ENUM(PortForward, protocol, transport_names, .path = "@proto", .is_required = true,
               .doc = "`tcp` or `udp`."),
    FIELD_STRING(PortForward, address, .path = "@address", .doc = "Address of the host."),
    FIELD_STRING(PortForward, dev, .path = "@dev", .doc = "Interface of the host."),
    FIELD_LIST(PortForward, ranges, &range_schema, .path = "range", .doc = "Which ports; all."),
    FIELD_END,
};
static const Field vlan_tag_fields[] = {
    FIELD_UINT(VlanTag, id, .path = "@id", .max = 4095, .is_required = true, .change = CHANGE_LIVE,
               .doc = "The VLAN."),
    FIELD_ENUM(VlanTag, native_mode, native_names, .path = "@nativeMode", .change = CHANGE_LIVE,
               .doc = "Whose traffic without tag is: `tagged` or `untagged` for the guest."),
    FIELD_END,
};
static const Schema vlan_tag_schema = {
    .element = "tag", .size = sizeof(VlanTag), .fields = vlan_tag_fields, .doc = "A VLAN tag."
};
static const Schema port_forward_schema = {
    .element = "portForward",
    .size = sizeof(PortForward),
    .fields = port_forward_fields,
    .doc = "Ports of the host that lead into the guest (passt).",
};

#define FOR(types) WHEN(Interface, type, "@type", types)
#define DIRECT WHEN_IS(INTERFACE_DIRECT)
#define VHOST_USER WHEN_IS(INTERFACE_VHOSTUSER)
#define HOSTDEV WHEN_IS(INTERFACE_HOSTDEV)
#define ETHERNET WHEN_IS(INTERFACE_ETHERNET)
#define SOCKETS                                                                                    \
    (WHEN_IS(INTERFACE_SERVER) | WHEN_IS(INTERFACE_CLIENT) | WHEN_IS(INTERFACE_MCAST) |            \
     WHEN_IS(INTERFACE_UDP))
#define DEVICES (DIRECT | VHOST_USER | WHEN_IS(INTERFACE_VDPA) | WHEN_IS(INTERFACE_USER) | ETHERNET)

#define OF_VMWARE "is VMware's"
#define NO_USB "a host's USB card is given as <hostdev type='usb'>"

/* How the host side is reached. */
#define SOURCE_FIELDS                                                                              \
    FIELD_STRING(Interface, bridge, .path = "source/@bridge", FOR(WHEN_IS(INTERFACE_BRIDGE)),      \
                 .change = CHANGE_LIVE, .doc = "The host's bridge."),                              \
        FIELD_STRING(Interface, network, .path = "source/@network",                                \
                     FOR(WHEN_IS(INTERFACE_NETWORK)), .change = CHANGE_LIVE,                       \
                     .doc = "One of the configuration's `networks`."),                             \
        FIELD_STRING(Interface, portgroup, .path = "source/@portgroup",                            \
                     FOR(WHEN_IS(INTERFACE_NETWORK)), .doc = "Port group of the network."),        \
        { .type = TYPE_NONE,                                                                       \
          .path = "source/@portid",                                                                \
          .is_output = true,                                                                       \
          .doc = "libvirt's note of the port." },                                                  \
        FIELD_STRING(Interface, source_dev, .path = "source/@dev", FOR(DEVICES),                   \
                     .doc = "The host's device."),                                                 \
        FIELD_ENUM(Interface, source_mode, macvtap_mode_names, .path = "source/@mode",             \
                   FOR(DIRECT), .doc = "macvtap's mode; `vepa`."),                                 \
        FIELD_ENUM(Interface, vhost_user_mode, vhost_user_names, .path = "source/@mode",           \
                   FOR(VHOST_USER), .doc = "Whether QEMU listens (`server`)."),                    \
        FIELD_ENUM(Interface, source_type, source_type_names, .path = "source/@type",              \
                   FOR(VHOST_USER), .doc = "`unix`."),                                             \
        FIELD_PATH(Interface, source_path, .path = "source/@path", FOR(VHOST_USER),                \
                   .doc = "The socket."),                                                          \
        FIELD_YES_NO(Interface, reconnect, .path = "source/reconnect/@enabled", FOR(VHOST_USER),   \
                     .doc = "Whether a lost connection is made anew."),                            \
        FIELD_UINT(Interface, reconnect_timeout, .path = "source/reconnect/@timeout",              \
                   FOR(VHOST_USER), .doc = "After how many seconds."),                             \
        FIELD_STRING(Interface, address, .path = "source/@address", FOR(SOCKETS),                  \
                     .doc = "Address to listen on or to connect to."),                             \
        FIELD_UINT(Interface, port, .path = "source/@port", .max = 65535, FOR(SOCKETS),            \
                   .doc = "Its port."),                                                            \
        FIELD_STRING(Interface, local_address, .path = "source/local/@address",                    \
                     FOR(WHEN_IS(INTERFACE_UDP)), .doc = "Own address."),                          \
        FIELD_UINT(Interface, local_port, .path = "source/local/@port", .max = 65535,              \
                   FOR(WHEN_IS(INTERFACE_UDP)), .doc = "Own port."),                               \
        FIELD_ENUM(Interface, source_address_type, pci_names, .path = "source/address/@type",      \
                   FOR(HOSTDEV), .doc = "`pci`."),                                                 \
        FIELD_HEX(Interface, pci_domain, .path = "source/address/@domain", FOR(HOSTDEV),           \
                  .doc = "The host's PCI device: domain."),                                        \
        FIELD_HEX(Interface, pci_bus, .path = "source/address/@bus", .max = 0xff, FOR(HOSTDEV),    \
                  .doc = "Bus."),                                                                  \
        FIELD_HEX(Interface, pci_slot, .path = "source/address/@slot", .max = 0x1f, FOR(HOSTDEV),  \
                  .doc = "Slot."),                                                                 \
        FIELD_HEX(Interface, pci_function, .path = "source/address/@function", .max = 7,           \
                  FOR(HOSTDEV), .doc = "Function."),                                               \
        { .type = TYPE_NONE,                                                                       \
          .path = "source/@macTableManager",                                                       \
          .is_output = true,                                                                       \
          .doc = "libvirt's note of the network's setting." },                                     \
        FIELD_REFUSED(OF_VMWARE, .path = "source/@switchid", .doc = "vds: switch."),               \
        FIELD_REFUSED(OF_VMWARE, .path = "source/@portgroupid", .doc = "vds: port group."),        \
        FIELD_REFUSED(OF_VMWARE, .path = "source/@connectionid", .doc = "vds: connection."),       \
        FIELD_REFUSED("QEMU has no interfaces of type 'internal'", .path = "source/@name",         \
                      .doc = "internal: network."),                                                \
        FIELD_REFUSED(NO_USB, .path = "source/vendor", .doc = "hostdev: vendor of a USB card."),   \
        FIELD_REFUSED(NO_USB, .path = "source/product", .doc = "hostdev: product of one."),        \
        FIELD_REFUSED(NO_USB, .path = "source/@missing", .doc = "hostdev: what if it is away."),   \
        FIELD_REFUSED(NO_USB, .path = "source/address/@device", .doc = "hostdev: USB device."),    \
        FIELD_NO_EFFECT("the host's device is one function",                                       \
                        .path = "source/address/@multifunction",                                   \
                        .doc = "hostdev: not read of a host's address."),                          \
        FIELD_LIST(Interface, host_ips, &ip_schema, .path = "source/ip", FOR(ETHERNET),            \
                   .doc = "An address of the tap on the host."),                                   \
        FIELD_LIST(Interface, host_routes, &route_schema, .path = "source/route", FOR(ETHERNET),   \
                   .doc = "A route through the tap on the host.")

#define DRIVER_FIELDS                                                                              \
    FIELD_ENUM(Interface, driver_name, driver_names, .path = "driver/@name",                       \
               .doc = "virtio: `vhost` in the kernel, or `qemu`; hostdev: `vfio`."),               \
        FIELD_UINT(Interface, queues, .path = "driver/@queues", .min = 1, .max = 256,              \
                   .doc = "virtio: number of queue pairs."),                                       \
        FIELD_UINT(Interface, rx_queue_size, .path = "driver/@rx_queue_size",                      \
                   .doc = "virtio: size of a receive queue."),                                     \
        FIELD_UINT(Interface, tx_queue_size, .path = "driver/@tx_queue_size",                      \
                   .doc = "virtio: size of a transmit queue."),                                    \
        FIELD_ENUM(Interface, tx_mode, tx_mode_names, .path = "driver/@txmode",                    \
                   .doc = "virtio: how transmission is batched."),                                 \
        FIELD_ON_OFF(Interface, ioeventfd, .path = "driver/@ioeventfd",                            \
                     .doc = "virtio's ioeventfd."),                                                \
        FIELD_ON_OFF(Interface, event_idx, .path = "driver/@event_idx",                            \
                     .doc = "virtio's event_idx."),                                                \
        FIELD_ON_OFF(Interface, rss, .path = "driver/@rss", .doc = "virtio: receive steering."),   \
        FIELD_ON_OFF(Interface, rss_hash, .path = "driver/@rss_hash_report",                       \
                     .doc = "virtio: the guest is told packets' hashes."),                         \
        DEVICE_VIRTIO_FIELDS(Interface), OFFLOAD(host_csum, "host/@csum"),                         \
        OFFLOAD(host_gso, "host/@gso"), OFFLOAD(host_tso4, "host/@tso4"),                          \
        OFFLOAD(host_tso6, "host/@tso6"), OFFLOAD(host_ecn, "host/@ecn"),                          \
        OFFLOAD(host_ufo, "host/@ufo"), OFFLOAD(mrg_rxbuf, "host/@mrg_rxbuf"),                     \
        OFFLOAD(guest_csum, "guest/@csum"), OFFLOAD(guest_tso4, "guest/@tso4"),                    \
        OFFLOAD(guest_tso6, "guest/@tso6"), OFFLOAD(guest_ecn, "guest/@ecn"),                      \
        OFFLOAD(guest_ufo, "guest/@ufo")
#define OFFLOAD(member, name)                                                                      \
    FIELD_ON_OFF(Interface, member, .path = "driver/" name, .doc = "virtio: this offload.")

static const Field interface_fields[] = {
    FIELD_ENUM(Interface, type, type_names, .path = "@type", .is_required = true,
               .doc = "What it is connected to."),
    FIELD_YES_NO(Interface, managed, .path = "@managed", FOR(HOSTDEV),
                 .doc = "Whether the host's driver is detached and attached again."),
    FIELD_NO_EFFECT("virtkeep makes no macvtap filters follow the guest",
                    .path = "@trustGuestRxFilters", .doc = "Guest's MAC filters reach the host."),
    FIELD_MAC(Interface, mac, .path = "mac/@address",
              .doc = "MAC address; derived from the domain and kept when left out."),
    FIELD_NO_EFFECT("it is VMware's", .path = "mac/@type", .doc = "Who gave the address."),
    FIELD_NO_EFFECT("it is VMware's", .path = "mac/@check", .doc = "Whether it is checked."),
    SOURCE_FIELDS,
    FIELD_STRING(Interface, target_dev, .path = "target/@dev", .doc = "Name of the tap device."),
    FIELD_YES_NO(Interface, managed, .path = "target/@managed", FOR(ETHERNET),
                 .doc = "`no`: the tap is there already."),
    FIELD_REFUSED("renaming inside the guest is for containers", .path = "guest/@dev",
                  .doc = "Name in the guest."),
    FIELD_REFUSED("renaming inside the guest is for containers", .path = "guest/@actual",
                  .doc = "Name it got there."),
    FIELD_STRING(
        Interface, model, .path = "model/@type",
        .doc = "Network card: `virtio`, `e1000e`, `e1000`, `rtl8139`, …; `rtl8139` by default."),
    FIELD_ENUM(Interface, link, link_names, .path = "link/@state", .change = CHANGE_LIVE,
               .doc = "Whether the cable is in."),
    FIELD_UINT(Interface, mtu, .path = "mtu/@size", .min = 68, .max = 65535, .doc = "MTU."),
    DRIVER_FIELDS,
    FIELD_UINT(Interface, sndbuf, .path = "tune/sndbuf", .doc = "Send buffer of the tap; bytes."),
    FIELD_ENUM(Interface, backend, backend_names, .path = "backend/@type",
               .doc = "user, vhostuser: `passt`."),
    FIELD_STRING(Interface, backend_tap, .path = "backend/@tap", .doc = "The host's tun device."),
    FIELD_STRING(Interface, backend_vhost, .path = "backend/@vhost",
                 .doc = "The host's vhost-net device."),
    FIELD_STRING(Interface, backend_log, .path = "backend/@logFile", .doc = "passt's log."),
    FIELD_LIST(Interface, ips, &ip_schema, .path = "ip", .doc = "user: the guest's network."),
    FIELD_LIST(Interface, routes, &route_schema, .path = "route", .doc = "A route in the guest."),
    FIELD_LIST(Interface, port_forwards, &port_forward_schema, .path = "portForward",
               .doc = "passt: ports that lead into the guest."),
    FIELD_STRING(Interface, script, .path = "script/@path", .doc = "Run when the tap is made."),
    FIELD_STRING(Interface, downscript, .path = "downscript/@path",
                 .doc = "Run when it is removed."),
    FIELD_ENUM(Interface, teaming, teaming_names, .path = "teaming/@type", .is_needed = true,
               .doc = "Failover: `persistent` or `transient`."),
    FIELD_STRING(Interface, teaming_persistent, .path = "teaming/@persistent",
                 .doc = "transient: alias of the persistent one."),
    FIELD_RAW(Interface, bandwidth, .path = "bandwidth", .doc = "Limits of its traffic."),
    FIELD_YES_NO(Interface, vlan_trunk, .path = "vlan/@trunk", .change = CHANGE_LIVE,
                 .doc = "Whether the guest sees the tags; with several it does."),
    FIELD_LIST(Interface, vlan_tags, &vlan_tag_schema, .path = "vlan/tag", .change = CHANGE_LIVE,
               .doc = "bridge: a VLAN of its port; the bridge filters VLANs."),
    FIELD_RAW(Interface, virtual_port, .path = "virtualport", .doc = "Port of a virtual switch."),
    FIELD_YES_NO(Interface, is_isolated, .path = "port/@isolated", .change = CHANGE_LIVE,
                 .doc = "Kept apart from other isolated ports of its bridge."),
    FIELD_REFUSED("virtkeep has no network filters", .path = "filterref",
                  .doc = "A filter of libvirt's."),
    FIELD_UINT(Interface, coalesced_frames, .path = "coalesce/rx/frames/@max", .max = G_MAXUINT32,
               .no_effect = "the tap keeps the kernel's own value",
               .doc = "How many packets wait for one interrupt."),
    FIELD_REFUSED("is for Xen", .path = "backenddomain", .doc = "Domain that has the other end."),
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

bool
interface_is_virtio(const Interface *interface)
{
    return interface->model && !g_ascii_strncasecmp(interface->model, "virtio", 6);
}

bool
interface_has_tap(const Interface *interface)
{
    return interface->type == INTERFACE_NETWORK || interface->type == INTERFACE_BRIDGE ||
           interface->type == INTERFACE_ETHERNET || interface->type == INTERFACE_DIRECT;
}

const char *
interface_target(const Interface *interface)
{
    static const char *const reserved[] = { "vnet", "vif", "macvtap", "macvlan" };
    const char *name = interface->target_dev;

    for (guint i = 0; name && i < G_N_ELEMENTS(reserved); i++)
        if (g_str_has_prefix(name, reserved[i]) && interface->managed != TRISTATE_OFF)
            return NULL;
    return name;
}

static bool
is_queue_size(const OptUint *size)
{
    return !size->is_set || (size->value && !(size->value & (size->value - 1)));
}

static void
validate_driver(const Validation *v, const Interface *interface)
{
    bool has_queues = interface_has_tap(interface) || interface->type == INTERFACE_VHOSTUSER ||
                      interface->type == INTERFACE_VDPA;

    if (interface->driver_name == NET_DRIVER_VFIO && interface->type != INTERFACE_HOSTDEV)
        validation_error(v, "driver/@name", "interface-driver", "'vfio' is for type 'hostdev'");
    if (interface->type == INTERFACE_HOSTDEV)
        return;
    if (!interface_is_virtio(interface)) {
        if (interface->driver_name || interface->queues.is_set || interface->tx_mode ||
            interface->rx_queue_size.is_set || interface->tx_queue_size.is_set || interface->rss ||
            interface->rss_hash || interface->ioeventfd || interface->event_idx)
            validation_warning(v, "driver", "no-effect", "<driver> is for virtio models");
        return;
    }
    if (!is_queue_size(&interface->rx_queue_size))
        validation_error(v, "driver/@rx_queue_size", "interface-queue-size",
                         "the size of a queue must be a power of two");
    if (!is_queue_size(&interface->tx_queue_size))
        validation_error(v, "driver/@tx_queue_size", "interface-queue-size",
                         "the size of a queue must be a power of two");
    if (interface->queues.value > 1 && !has_queues)
        validation_error(v, "driver/@queues", "interface-queues",
                         "interfaces of type '%s' have one queue", type_names[interface->type]);
}

/* What each type's <source> must say. */
static void
validate_source(const Validation *v, const Interface *interface)
{
    bool is_passt = interface->backend == NET_BACKEND_PASST;
    const struct {
        InterfaceType type;
        bool is_there;
        const char *code, *text;
    } rules[] = {
        { INTERFACE_BRIDGE, interface->bridge, "interface-bridge", "bridge='…'" },
        { INTERFACE_NETWORK, interface->network, "interface-network", "network='…'" },
        { INTERFACE_DIRECT, interface->source_dev, "interface-source", "dev='…'" },
        { INTERFACE_VDPA, interface->source_dev, "interface-source", "dev='…'" },
        { INTERFACE_VHOSTUSER, interface->source_path || is_passt, "interface-source",
          "path='…' mode='…'" },
        { INTERFACE_SERVER, interface->port.is_set, "interface-source", "port='…'" },
        { INTERFACE_CLIENT, interface->port.is_set && interface->address, "interface-source",
          "address='…' port='…'" },
        { INTERFACE_MCAST, interface->port.is_set && interface->address, "interface-source",
          "address='…' port='…'" },
        { INTERFACE_UDP,
          interface->port.is_set && interface->address && interface->local_port.is_set,
          "interface-source", "address='…' port='…'><local port='…'" },
        { INTERFACE_HOSTDEV, interface->pci_bus.is_set && interface->pci_slot.is_set,
          "interface-source", "><address type='pci' …" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rules); i++)
        if (interface->type == (int) rules[i].type && !rules[i].is_there)
            validation_error(v, NULL, rules[i].code, "<source %s/> is missing", rules[i].text);
    if (interface->type == INTERFACE_VHOSTUSER && !is_passt && interface->source_path &&
        !interface->vhost_user_mode)
        validation_error(v, "source", "interface-source", "mode is missing: 'client' or 'server'");
    if (interface->type == INTERFACE_VHOSTUSER && interface->vhost_user_mode == VHOST_USER_SERVER &&
        interface->reconnect)
        validation_error(v, "source/reconnect", "interface-reconnect",
                         "only clients connect again");
    if (interface->reconnect == TRISTATE_ON && !interface->reconnect_timeout.is_set)
        validation_error(v, "source/reconnect", "interface-reconnect", "timeout is missing");
}

static void
validate_host_side(const Validation *v, const Interface *interface)
{
    bool is_passt = interface->backend == NET_BACKEND_PASST;

    if (is_passt && interface->type != INTERFACE_USER && interface->type != INTERFACE_VHOSTUSER)
        validation_error(v, "backend/@type", "interface-passt",
                         "passt is for types 'user' and 'vhostuser'");
    if (!is_passt && list_length(interface->port_forwards))
        validation_error(v, "portForward[0]", "interface-passt",
                         "<portForward> needs <backend type='passt'/>");
    if (!is_passt && interface->backend_log)
        validation_error(v, "backend/@logFile", "interface-passt",
                         "logFile needs <backend type='passt'/>");
    if (list_length(interface->ips) && interface->type != INTERFACE_USER && !is_passt)
        validation_error(v, "ip[0]", "interface-ip",
                         "the guest's addresses are its own affair: "
                         "<ip> is for user networking");
    if (list_length(interface->routes))
        validation_error(v, "route[0]", "interface-ip", "routes in the guest are its own affair");
}

static void
validate_vlan(const Validation *v, const Interface *interface)
{
    bool has_native = false;

    if (interface->vlan_trunk && !list_length(interface->vlan_tags))
        validation_error(v, "vlan", "interface-vlan", "<tag id='…'/> is missing");
    if (interface->vlan_trunk == TRISTATE_OFF && list_length(interface->vlan_tags) > 1)
        validation_error(v, "vlan/@trunk", "interface-vlan",
                         "several tags need a trunk: trunk='yes'");
    for (guint i = 0; i < list_length(interface->vlan_tags); i++) {
        const VlanTag *tag = list_at(interface->vlan_tags, i, VlanTag);

        if (!tag->native_mode)
            continue;
        if (interface->vlan_trunk == TRISTATE_OFF)
            validation_error(v, "vlan/@trunk", "interface-vlan",
                             "a native VLAN needs a trunk: trunk='yes'");
        if (has_native)
            validation_error(v, "vlan", "interface-vlan", "there can be only one native VLAN");
        has_native = true;
    }
}

static void
validate_teaming(const Validation *v, const Interface *interface)
{
    if (!interface->teaming)
        return;
    if (interface->teaming == TEAMING_TRANSIENT && !interface->teaming_persistent)
        validation_error(v, "teaming", "interface-teaming", "persistent='ALIAS' is missing");
    if (interface->teaming == TEAMING_PERSISTENT && interface->teaming_persistent)
        validation_error(v, "teaming", "interface-teaming",
                         "the persistent one names no other interface");
    if (interface->teaming == TEAMING_PERSISTENT && !interface_is_virtio(interface))
        validation_error(v, "teaming", "interface-teaming",
                         "the persistent one must be a virtio card");
    if (interface->teaming == TEAMING_TRANSIENT && interface->type == INTERFACE_USER)
        validation_error(v, "teaming", "interface-teaming", "the transient one must be a hostdev");
}

static void
interface_validate(const Validation *v, gconstpointer item)
{
    const Interface *interface = item;

    if (!interface->type)
        return;
    if (interface->type == INTERFACE_INTERNAL || interface->type == INTERFACE_NULL ||
        interface->type == INTERFACE_VDS)
        return validation_error(v, "@type", "not-supported", "QEMU has no interfaces of type '%s'",
                                type_names[interface->type]);
    validate_driver(v, interface);
    validate_source(v, interface);
    validate_host_side(v, interface);
    validate_vlan(v, interface);
    validate_teaming(v, interface);
    interface_check(v, interface);
    if (!interface_is_virtio(interface) && interface->type != INTERFACE_HOSTDEV)
        validate_no_virtio_options(v, &interface->virtio);
    for (guint i = 0; interface->mac && i < list_length(v->domain->interfaces); i++) {
        const Interface *other = list_at(v->domain->interfaces, i, Interface);

        if (other == interface)
            break;
        if (!g_strcmp0(other->mac, interface->mac))
            validation_warning(v, "mac/@address", "interface-mac-duplicate",
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

    if (interface->type == INTERFACE_HOSTDEV)
        return BUS_PCIE;
    if (interface->model && g_str_equal(interface->model, "usb-net"))
        return BUS_USB;
    return interface->model && g_strv_contains(express, interface->model) ? BUS_PCIE : BUS_PCI;
}

static void
interface_fill_defaults(const Domain *domain, gpointer device)
{
    Interface *interface = device;
    g_autofree char *lower = NULL;

    if (interface->type == INTERFACE_HOSTDEV)
        return;
    if (interface->type == INTERFACE_VDPA || interface->type == INTERFACE_VHOSTUSER)
        default_string(&interface->model, "virtio");
    default_string(&interface->model, "rtl8139");
    lower = g_ascii_strdown(interface->model, -1);
    if (g_str_has_prefix(lower, "virtio")) { /* known in any spelling */
        g_free(interface->model);
        interface->model = g_steal_pointer(&lower);
    }
}

/* Host devices count with <hostdev>, not with network cards; names of the file's own do not. */
static char *
interface_alias(const Domain *domain, gconstpointer item, guint number)
{
    const Interface *interface = item;
    bool is_hostdev = interface->type == INTERFACE_HOSTDEV;
    guint place = 0, n_before = 0;

    for (; domain->interfaces->pdata[place] != item; place++) {
        const Interface *other = list_at(domain->interfaces, place, Interface);
        bool is_named = other->info.alias && g_str_has_prefix(other->info.alias, "ua-");

        n_before += !is_named && (other->type == INTERFACE_HOSTDEV) == is_hostdev;
    }
    return g_strdup_printf("%s%u", is_hostdev ? "hostdev" : "net",
                           n_before + (number > place ? number - place : 0));
}

static guint
interface_pci_rank(gconstpointer item)
{
    return ((const Interface *) item)->type == INTERFACE_HOSTDEV ? 7 : 3;
}

/* The cable of a host's own card is not ours, and what is no bridge's port can't become another's.
 */
static ChangeClass
interface_change_class(gconstpointer before, gconstpointer after, const Field *field)
{
    const Interface *a = before, *b = after;
    bool is_port =
        a->type == b->type && (a->type == INTERFACE_BRIDGE || a->type == INTERFACE_NETWORK);
    bool is_card = a->type == b->type && a->type != INTERFACE_HOSTDEV;

    if (field->change != CHANGE_LIVE || field->offset == offsetof(Interface, info.boot_order))
        return field->change;
    if (field->offset == offsetof(Interface, link))
        return is_card ? CHANGE_LIVE : CHANGE_RESTART;
    return is_port ? CHANGE_LIVE : CHANGE_RESTART;
}

const DeviceKind interface_kind = {
    .name = "interface",
    .list_offset = offsetof(Domain, interfaces),
    .schema = &interface_schema,
    .validate = interface_validate,
    .fill_defaults = interface_fill_defaults,
    .is_pluggable = device_plugs,
    .change_class = interface_change_class,
    .bus = interface_bus,
    .pci_rank = 3,
    .device_pci_rank = interface_pci_rank,
    .alias_prefix = "net",
    .alias = interface_alias,
};
