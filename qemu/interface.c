/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Network interfaces: the card in the guest, and what its cable is plugged into.
 *
 * A bridge is reached through qemu-bridge-helper, which QEMU runs by itself and which needs no
 * privilege of ours (its ACL, /etc/qemu/bridge.conf, says who may join what). netdev_tree() is the
 * one place that decides this. Whether the cable is in (<link state=…>) is no property of the
 * command line: it is set over QMP before the guest's first instruction (qemu/verbs.h).
 */
#include "model/interface.h"

#include <string.h>

#include "qemu/device.h"
#include "qemu/verbs.h"

#define DEFAULT_MODEL "rtl8139" /* libvirt's, for a guest about which nothing is known */

static bool
is_virtio(const Interface *interface)
{
    return interface->model && g_str_has_prefix(interface->model, "virtio");
}

static Json *
netdev_tree(const DeviceContext *context, const Interface *interface, const char *id)
{
    Json *tree = json_new_object();
    const char *type = interface->type == INTERFACE_USER ? "user" : "bridge";

    if (interface->type != INTERFACE_USER && !interface->bridge)
        validation_error(&context->at, "@type", "not-supported",
                         "this type of interface is not supported yet; user and bridge are");
    if (!capabilities_has_netdev(context->capabilities, type))
        validation_error(&context->at, "@type", "not-in-qemu", "this QEMU has no netdev '%s'",
                         type);
    json_set_string(tree, "type", type);
    if (interface->type != INTERFACE_USER) {
        json_set_string(tree, "br", interface->bridge);
        json_set_string(tree, "helper", context->facts->bridge_helper);
    }
    json_set_string(tree, "id", id);
    return tree;
}

static void
interface_backends(const DeviceContext *context, gconstpointer device, GPtrArray *backends)
{
    const Interface *interface = device;
    g_autofree char *id = backend_name("host", &interface->info);

    if (interface->driver_name == NET_DRIVER_VHOST && interface->type != INTERFACE_USER)
        validation_error(&context->at, "driver/@name", "not-supported",
                         "vhost needs tap devices, which virtkeep doesn't make yet");
    if (interface->target_dev && interface->type == INTERFACE_BRIDGE)
        validation_warning(&context->at, "target/@dev", "no-effect",
                           "the tap's name is chosen by qemu-bridge-helper");
    backend_add(backends, BACKEND_NETDEV, netdev_tree(context, interface, id));
}

static char *
interface_driver(const Interface *interface)
{
    if (!is_virtio(interface))
        return g_strdup(interface->model ? interface->model : DEFAULT_MODEL);
    return g_strconcat("virtio-net-pci", interface->model + strlen("virtio"), NULL);
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
    if (interface->queues.value > 1)
        validation_error(&context->at, "driver/@queues", "not-supported",
                         "more than one queue needs tap devices, which virtkeep doesn't make yet");
    device_tree_add_uint(tree, "rx_queue_size", &interface->rx_queue_size);
    device_tree_add_uint(tree, "tx_queue_size", &interface->tx_queue_size);
    if (interface->mtu.is_set && device_needs_property(context, "mtu/@size", driver, "host_mtu"))
        json_set_uint(tree, "host_mtu", interface->mtu.value);
}

static Json *
interface_properties(const DeviceContext *context, gconstpointer device)
{
    const Interface *interface = device;
    g_autofree char *driver = interface_driver(interface);
    g_autofree char *backend = backend_name("host", &interface->info);
    Json *tree = device_tree_new(context, driver);

    if (is_virtio(interface))
        add_virtio(context, interface, driver, tree);
    json_set_string(tree, "netdev", backend);
    json_set_string(tree, "mac", interface->mac);
    device_tree_add_info(context, tree, &interface->info);
    return tree;
}

static bool
interface_prepare(Monitor *monitor, const Domain *domain, gconstpointer device, GError **error)
{
    const Interface *interface = device;

    return interface->link != LINK_DOWN ||
           verb_set_link(monitor, interface->info.alias, false, error);
}

const DeviceSpelling interface_spelling = {
    .kind = &interface_kind,
    .backends = interface_backends,
    .properties = interface_properties,
    .prepare = interface_prepare,
};
