/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Network interfaces: the card in the guest, and what its cable is plugged into.
 *
 * What the cable is plugged into on this host is said by qemu/attachment.h, and made before QEMU by
 * qemu/host-link.h: taps and macvtap devices come as descriptors. Where we may not make any, QEMU
 * runs qemu-bridge-helper by itself, which needs no privilege of ours (its ACL,
 * /etc/qemu/bridge.conf, says who may join what). Where the line is only shown, placeholders stand
 * for descriptors.
 *
 * Whether the cable is in (<link state=…>) is no property of the command line: it is set over QMP
 * before the guest's first instruction (qemu/verbs.h).
 */
#include "model/interface.h"

#include <string.h>

#include "qemu/attachment.h"
#include "qemu/device.h"
#include "qemu/passt.h"
#include "qemu/verbs.h"

#define DEFAULT_MODEL "rtl8139" /* libvirt's, for a guest about which nothing is known */
#define PASST_RECONNECT 5       /* s */
#define SHOWN_FD 3              /* the first placeholder */

/* "3", or "3:4:5" as fds; by name where they were passed so. */
static void
add_fds(Json *tree, const char *one, const char *several, const char *prefix, guint first, guint n)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < n; i++)
        g_string_append_printf(text, "%s%s%u", i ? ":" : "", prefix ? prefix : "", first + i);
    json_set_string(tree, n > 1 ? several : one, text->str);
}

/* For a tap whose descriptors nobody has opened: what QEMU can open by itself. (Also what is built
 * only to know the ids by which it is removed.) */
static void
add_unopened(const DeviceContext *context, const Interface *interface, const Attachment *attachment,
             Json *tree)
{
    bool has_vhost = attachment->is_vhost_needed;

    if (!attachment->bridge) {
        json_set_string(tree, "ifname", interface->target_dev);
        json_set_string(tree, "script", "no");
        json_set_string(tree, "downscript", "no");
    } else {
        if (!has_vhost && !interface->sndbuf.is_set)
            json_set_string(tree, "type", "bridge");
        if (attachment->target)
            validation_warning(&context->at, "target/@dev", "no-effect",
                               "the tap's name is chosen by qemu-bridge-helper");
        json_set_string(tree, "br", attachment->bridge);
        json_set_string(tree, "helper", context->facts->bridge_helper);
    }
    if (has_vhost)
        json_set_bool(tree, "vhost", true);
}

/* What was opened for the interface; where the line is only shown, what would be. */
static const HostLink *
find_link(const DeviceContext *context, const Interface *interface, const Attachment *attachment,
          HostLink *shown)
{
    const HostFacts *facts = context->facts;

    if (facts->is_for_show) {
        *shown = (HostLink){ .first = SHOWN_FD,
                             .n_queues = attachment->n_queues,
                             .has_vhost = attachment->vhost != NULL };
        return shown;
    }
    for (guint i = 0; i < facts->n_links; i++)
        if (!g_strcmp0(facts->links[i].alias, interface->info.alias))
            return &facts->links[i];
    return NULL;
}

static void
add_tap(const DeviceContext *context, const Interface *interface, const Attachment *attachment,
        Json *tree)
{
    HostLink shown;
    const HostLink *link = find_link(context, interface, attachment, &shown);

    json_set_string(tree, "type", "tap");
    if (!link)
        add_unopened(context, interface, attachment, tree);
    else
        add_fds(tree, "fd", "fds", link->prefix, link->first, link->n_queues);
    if (link && link->has_vhost) {
        json_set_bool(tree, "vhost", true);
        add_fds(tree, "vhostfd", "vhostfds", link->prefix, link->first + link->n_queues,
                link->n_queues);
    }
    device_tree_add_uint(tree, "sndbuf", &interface->sndbuf);
}

static void
add_user(const Interface *interface, Json *tree)
{
    json_set_string(tree, "type", "user");
    for (guint i = 0; i < list_length(interface->ips); i++) {
        const InterfaceIp *ip = list_at(interface->ips, i, InterfaceIp);
        g_autofree char *net = g_strdup(ip->address);

        if (ip->family == IP_V6) {
            json_set_string(tree, "ipv6-prefix", ip->address);
            device_tree_add_uint(tree, "ipv6-prefixlen", &ip->prefix);
            continue;
        }
        if (ip->prefix.is_set) {
            g_free(net);
            net = g_strdup_printf("%s/%u", ip->address, (guint) ip->prefix.value);
        }
        json_set_string(tree, "net", net);
    }
}

static void
add_passt(const DeviceContext *context, const Interface *interface, Json *tree)
{
    g_autofree char *path = passt_socket(context, interface);
    Json *address = json_new_object();

    json_set_string(address, "type", "unix");
    json_set_string(address, "path", path);
    json_set_string(tree, "type", "stream");
    json_set(tree, "addr", address);
    json_set_bool(tree, "server", false);
}

static void
add_socket(const Interface *interface, Json *tree)
{
    static const char *const keys[] = {
        [INTERFACE_SERVER] = "listen",
        [INTERFACE_CLIENT] = "connect",
        [INTERFACE_MCAST] = "mcast",
        [INTERFACE_UDP] = "udp",
    };
    g_autofree char *to = g_strdup_printf("%s:%u", interface->address ? interface->address : "",
                                          (guint) interface->port.value);
    g_autofree char *local =
        g_strdup_printf("%s:%u", interface->local_address ? interface->local_address : "",
                        (guint) interface->local_port.value);

    json_set_string(tree, "type", "socket");
    json_set_string(tree, keys[interface->type], to);
    if (interface->type == INTERFACE_UDP)
        json_set_string(tree, "localaddr", local);
}

static void
add_vhost_user(const Interface *interface, Json *tree)
{
    g_autofree char *chardev = backend_name("char", &interface->info);

    json_set_string(tree, "type", "vhost-user");
    json_set_string(tree, "chardev", chardev);
    if (interface->queues.value > 1)
        json_set_uint(tree, "queues", interface->queues.value);
}

static Json *
netdev_tree(const DeviceContext *context, const Interface *interface)
{
    g_autofree char *id = backend_name("host", &interface->info);
    Attachment attachment = attachment_of(interface, context->facts);
    Json *tree = json_new_object();

    if (interface->type == INTERFACE_USER && interface->backend == NET_BACKEND_PASST) {
        add_passt(context, interface, tree);
    } else if (attachment.type == INTERFACE_USER) {
        add_user(interface, tree);
    } else if (interface->type == INTERFACE_VHOSTUSER) {
        add_vhost_user(interface, tree);
    } else if (interface->type == INTERFACE_VDPA) {
        json_set_string(tree, "type", "vhost-vdpa");
        json_set_string(tree, "vhostdev", interface->source_dev);
        if (interface->queues.value > 1)
            json_set_uint(tree, "queues", interface->queues.value);
    } else if (attachment.kind != ATTACHMENT_NONE) {
        add_tap(context, interface, &attachment, tree);
    } else {
        add_socket(interface, tree);
    }
    json_set_string(tree, "id", id);
    if (!capabilities_has_netdev(context->capabilities, json_get_string(tree, "type")))
        validation_error(&context->at, "@type", "not-in-qemu", "this QEMU has no netdev '%s'",
                         json_get_string(tree, "type"));
    return tree;
}

static void
add_vhost_user_chardev(const DeviceContext *context, const Interface *interface,
                       GPtrArray *backends)
{
    bool is_passt = interface->backend == NET_BACKEND_PASST;
    bool is_server = !is_passt && interface->vhost_user_mode == VHOST_USER_SERVER;
    g_autofree char *id = backend_name("char", &interface->info);
    g_autofree char *passt = passt_socket(context, interface);
    Json *properties = json_new_object(), *backend = json_new_object();
    Json *data = json_new_object(), *address = json_new_object(), *at = json_new_object();

    json_set_string(at, "path", is_passt ? passt : interface->source_path);
    json_set_string(address, "type", "unix");
    json_set(address, "data", at);
    json_set(data, "addr", address);
    json_set_bool(data, "server", is_server);
    if (is_passt)
        json_set_uint(data, "reconnect", PASST_RECONNECT);
    else if (interface->reconnect)
        json_set_uint(data, "reconnect",
                      interface->reconnect == TRISTATE_ON ? interface->reconnect_timeout.value : 0);
    json_set_string(backend, "type", "socket");
    json_set(backend, "data", data);
    json_set_string(properties, "id", id);
    json_set(properties, "backend", backend);
    backend_add(backends, BACKEND_CHARDEV, properties);
}

static void
interface_backends(const DeviceContext *context, gconstpointer device, GPtrArray *backends)
{
    const Interface *interface = device;

    if (interface->type == INTERFACE_HOSTDEV)
        return;
    if (interface->type == INTERFACE_VHOSTUSER)
        add_vhost_user_chardev(context, interface, backends);
    backend_add(backends, BACKEND_NETDEV, netdev_tree(context, interface));
}

static char *
interface_driver(const Interface *interface)
{
    if (!interface_is_virtio(interface))
        return g_strdup(interface->model ? interface->model : DEFAULT_MODEL);
    return g_strconcat("virtio-net-pci", interface->model + strlen("virtio"), NULL);
}

static void
add_offloads(const Interface *interface, Json *tree)
{
    device_tree_add_tristate(tree, "csum", interface->host_csum);
    device_tree_add_tristate(tree, "gso", interface->host_gso);
    device_tree_add_tristate(tree, "host_tso4", interface->host_tso4);
    device_tree_add_tristate(tree, "host_tso6", interface->host_tso6);
    device_tree_add_tristate(tree, "host_ecn", interface->host_ecn);
    device_tree_add_tristate(tree, "host_ufo", interface->host_ufo);
    device_tree_add_tristate(tree, "mrg_rxbuf", interface->mrg_rxbuf);
    device_tree_add_tristate(tree, "guest_csum", interface->guest_csum);
    device_tree_add_tristate(tree, "guest_tso4", interface->guest_tso4);
    device_tree_add_tristate(tree, "guest_tso6", interface->guest_tso6);
    device_tree_add_tristate(tree, "guest_ecn", interface->guest_ecn);
    device_tree_add_tristate(tree, "guest_ufo", interface->guest_ufo);
}

static void
add_virtio(const DeviceContext *context, const Interface *interface, const char *driver, Json *tree)
{
    enum { TX_IOTHREAD = 1, TX_TIMER };
    static const char *const tx_modes[] = {
        [0] = NULL,
        [TX_IOTHREAD] = "bh",
        [TX_TIMER] = "timer",
    };

    json_set_string(tree, "tx", tx_modes[interface->tx_mode]);
    device_tree_add_tristate(tree, "ioeventfd", interface->ioeventfd);
    device_tree_add_tristate(tree, "event_idx", interface->event_idx);
    device_tree_add_virtio(tree, &interface->virtio);
    device_tree_add_tristate(tree, "rss", interface->rss);
    device_tree_add_tristate(tree, "hash", interface->rss_hash);
    add_offloads(interface, tree);
    if (interface->queues.value > 1) {
        json_set_bool(tree, "mq", true);
        json_set_uint(tree, "vectors", 2 * interface->queues.value + 2);
    }
    device_tree_add_uint(tree, "rx_queue_size", &interface->rx_queue_size);
    device_tree_add_uint(tree, "tx_queue_size", &interface->tx_queue_size);
    if (interface->mtu.is_set && device_needs_property(context, "mtu/@size", driver, "host_mtu"))
        json_set_uint(tree, "host_mtu", interface->mtu.value);
    if (interface->teaming == TEAMING_PERSISTENT)
        json_set_bool(tree, "failover", true);
}

static Json *
hostdev_properties(const DeviceContext *context, const Interface *interface)
{
    Json *tree = device_tree_new(context, "vfio-pci");
    g_autofree char *host = g_strdup_printf(
        "%04x:%02x:%02x.%x", (guint) interface->pci_domain.value, (guint) interface->pci_bus.value,
        (guint) interface->pci_slot.value, (guint) interface->pci_function.value);

    json_set_string(tree, "host", host);
    if (interface->teaming == TEAMING_TRANSIENT)
        json_set_string(tree, "failover_pair_id", interface->teaming_persistent);
    device_tree_add_info(context, tree, &interface->info);
    return tree;
}

static Json *
interface_properties(const DeviceContext *context, gconstpointer device)
{
    const Interface *interface = device;
    g_autofree char *driver = interface_driver(interface);
    g_autofree char *backend = backend_name("host", &interface->info);
    Json *tree;

    if (interface->type == INTERFACE_HOSTDEV)
        return hostdev_properties(context, interface);
    tree = device_tree_new(context, driver);
    if (interface_is_virtio(interface))
        add_virtio(context, interface, driver, tree);
    json_set_string(tree, "netdev", backend);
    json_set_string(tree, "mac", interface->mac);
    device_tree_add_info(context, tree, &interface->info);
    return tree;
}

/* prepare() takes it down. */
static bool
interface_update(const DeviceContext *context, Monitor *monitor, gconstpointer before,
                 gconstpointer after, GError **error)
{
    const Interface *interface = after;

    return interface->link == ((const Interface *) before)->link || interface->link == LINK_DOWN ||
           verb_set_link(monitor, interface->info.alias, true, error);
}

static bool
interface_prepare(Monitor *monitor, const Domain *domain, gconstpointer device, GError **error)
{
    const Interface *interface = device;

    return interface->link != LINK_DOWN || interface->type == INTERFACE_HOSTDEV ||
           verb_set_link(monitor, interface->info.alias, false, error);
}

const DeviceSpelling interface_spelling = {
    .kind = &interface_kind,
    .backends = interface_backends,
    .properties = interface_properties,
    .prepare = interface_prepare,
    .update = interface_update,
    .companions = passt_companions,
};
