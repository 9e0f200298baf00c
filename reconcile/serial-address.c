/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ports of virtio-serial controllers.
 *
 * Consoles come first: the guest's first virtio console wants port 0, which channels never take.
 * A console's port is only kept free: QEMU numbers consoles itself, from the lowest port. Then
 * given ports, inherited ones, and at last the new, each the lowest free port. When all controllers
 * are full another one is added; so this runs before PCI addresses are given out.
 */
#include "reconcile/serial-address.h"

#include "model/chardev.h"
#include "reconcile/device-order.h"
#include "reconcile/implied.h"

#define DEFAULT_PORTS 31
#define MAX_PORTS 256

typedef struct PortMap {
    const Resolution *resolution;
    GHashTable *used; /* controller * MAX_PORTS + port */
} PortMap;

static gpointer
port_key(guint controller, guint port)
{
    return GUINT_TO_POINTER(controller * MAX_PORTS + port + 1);
}

static guint
n_ports(const PortMap *map, guint index)
{
    const Controller *controller =
        controller_find(map->resolution->domain, CONTROLLER_VIRTIO_SERIAL, index);

    if (!controller)
        return 0;
    return controller->ports.is_set ? MIN(controller->ports.value, MAX_PORTS) : DEFAULT_PORTS;
}

/* The port an address gives, -1 when it leaves that open. 0 leaves it open, as in libvirt. */
static int
given_port(const Address *address)
{
    if (!address || address->type != ADDRESS_VIRTIO_SERIAL || !address->port)
        return -1;
    return (int) g_ascii_strtoull(address->port, NULL, 10) ?: -1;
}

static bool
reserve(PortMap *map, guint controller, guint port)
{
    return port < n_ports(map, controller) &&
           g_hash_table_add(map->used, port_key(controller, port));
}

static void
reserve_given(PortMap *map, const DeviceRef *ref)
{
    Address *address = device_info(ref->device)->address;
    int port = given_port(address);
    guint controller = address ? address->controller.value : 0;

    if (port < 0)
        return;
    address->controller = opt_uint(controller);
    address->bus = opt_uint(address->bus.value);
    if (reserve(map, controller, port))
        return;
    if ((guint) port >= n_ports(map, controller))
        resolution_error(map->resolution, ref->device, "address", "address-invalid",
                         "virtio-serial controller %u has no port %d", controller, port);
    else
        resolution_error(map->resolution, ref->device, "address", "address-conflict",
                         "port %d of virtio-serial controller %u is in use", port, controller);
}

static void
set_port(gpointer device, guint controller, guint port)
{
    DeviceInfo *info = device_info(device);

    if (!info->address)
        info->address = g_new0(Address, 1);
    info->address->type = ADDRESS_VIRTIO_SERIAL;
    info->address->controller = opt_uint(controller);
    info->address->bus = opt_uint(0);
    g_free(info->address->port);
    info->address->port = g_strdup_printf("%u", port);
}

static void
inherit(PortMap *map, const DeviceRef *ref)
{
    const DeviceInfo *ancestor = resolution_ancestor(map->resolution, ref->device);
    const Address *own = device_info(ref->device)->address;
    int port = ancestor ? given_port(ancestor->address) : -1;
    guint controller = port < 0 ? 0 : ancestor->address->controller.value;

    if (given_port(own) >= 0 || port < 0 ||
        (own && own->controller.is_set && own->controller.value != controller))
        return;
    imply_controller(map->resolution, CONTROLLER_VIRTIO_SERIAL, controller, 0);
    if (reserve(map, controller, port))
        set_port(ref->device, controller, port);
}

/* Lowest free port from @first on, on @controller alone. -1 when there is none. */
static int
find_port(PortMap *map, guint controller, guint first)
{
    for (guint port = first; port < n_ports(map, controller); port++)
        if (!g_hash_table_contains(map->used, port_key(controller, port)))
            return port;
    return -1;
}

/* Reserves the lowest free port; on which controller is in *@controller, fixed or not. */
static int
take_port(PortMap *map, bool is_fixed, guint *controller, guint first)
{
    int port = find_port(map, *controller, first);

    while (port < 0 && !is_fixed && *controller < 255) {
        (*controller)++;
        imply_controller(map->resolution, CONTROLLER_VIRTIO_SERIAL, *controller, 0);
        port = find_port(map, *controller, first);
    }
    if (port >= 0)
        reserve(map, *controller, port);
    return port;
}

static void
assign(PortMap *map, const DeviceRef *ref)
{
    const Address *own = device_info(ref->device)->address;
    bool is_fixed = own && own->controller.is_set;
    guint controller = is_fixed ? own->controller.value : 0;
    bool is_console = ref->kind == &console_kind;
    int port;

    if (given_port(own) >= 0)
        return;
    port = take_port(map, is_fixed, &controller, is_console ? 0 : 1);
    if (port < 0)
        resolution_error(map->resolution, ref->device, "address", "address-full",
                         "virtio-serial controller %u has no free port", controller);
    else if (!is_console)
        set_port(ref->device, controller, port);
}

static void
for_each(PortMap *map, const GArray *refs, bool want_consoles,
         void (*visit)(PortMap *, const DeviceRef *))
{
    for (guint i = 0; i < refs->len; i++) {
        const DeviceRef *ref = &g_array_index(refs, DeviceRef, i);

        if ((ref->kind == &console_kind) == want_consoles &&
            device_bus(map->resolution->domain, ref->kind, ref->device) == BUS_VIRTIO_SERIAL)
            visit(map, ref);
    }
}

void
resolve_serial_addresses(const Resolution *resolution)
{
    g_autoptr(GHashTable) used = g_hash_table_new(NULL, NULL);
    g_autoptr(GArray) refs = domain_device_refs(resolution->domain);
    PortMap map = { resolution, used };

    for_each(&map, refs, true, reserve_given);
    for_each(&map, refs, false, reserve_given);
    for_each(&map, refs, false, inherit);
    for_each(&map, refs, true, assign);
    for_each(&map, refs, false, assign);
}
