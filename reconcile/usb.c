/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * USB ports.
 *
 * Given ports are reserved, then inherited ones, then the rest go to the lowest free port of the
 * first controller that has one, in the order of libvirt's walk over the kinds. A device that
 * names only its bus stays on it. ICH9's companions share their master's ports and have none.
 *
 * Ports are kept as paths ("1", "1.2"): a hub on port 1 would open "1.1" to "1.8". Hubs are not
 * a device kind yet, so paths of more than one step are refused, and devices beyond the
 * controllers' ports are an error where libvirt would add a hub.
 */
#include "reconcile/usb.h"

#include "reconcile/device-order.h"

#define MAX_PORTS 15 /* QEMU's xHCI */

/* Root ports by model; `ports` of the element counts for xHCI alone. */
static const struct {
    ControllerModel model;
    guint n_ports;
    bool is_variable;
} hosts[] = {
    { CONTROLLER_MODEL_PIIX3_UHCI, 2 },     { CONTROLLER_MODEL_PIIX4_UHCI, 2 },
    { CONTROLLER_MODEL_VT82C686B_UHCI, 2 }, { CONTROLLER_MODEL_EHCI, 6 },
    { CONTROLLER_MODEL_ICH9_EHCI1, 6 },     { CONTROLLER_MODEL_PCI_OHCI, 3 },
    { CONTROLLER_MODEL_NEC_XHCI, 4, true }, { CONTROLLER_MODEL_QEMU_XHCI, 4, true },
};

typedef struct UsbMap {
    const Resolution *resolution;
    GHashTable *used; /* "bus:port" */
} UsbMap;

static guint
controller_ports(const Controller *controller)
{
    for (guint i = 0; i < G_N_ELEMENTS(hosts); i++)
        if ((int) hosts[i].model == controller->model)
            return hosts[i].is_variable && controller->ports.is_set
                       ? MIN(controller->ports.value, MAX_PORTS)
                       : hosts[i].n_ports;
    return 0;
}

/* Ports of all USB controllers with @bus as index; 0 when there are none. */
static guint
bus_ports(const UsbMap *map, guint bus)
{
    const GPtrArray *controllers = map->resolution->domain->controllers;
    guint n_ports = 0;

    for (guint i = 0; i < list_length(controllers); i++) {
        const Controller *controller = list_at(controllers, i, Controller);

        if (controller->type == CONTROLLER_USB && controller->index.value == bus)
            n_ports += controller_ports(controller);
    }
    return n_ports;
}

static bool
reserve(UsbMap *map, guint bus, const char *port)
{
    return g_hash_table_add(map->used, g_strdup_printf("%u:%s", bus, port));
}

static bool
has_port(const Address *address)
{
    return address && address->type == ADDRESS_USB && address->port && *address->port;
}

static bool
is_root_port(const UsbMap *map, guint bus, const char *port)
{
    guint64 number;

    return g_ascii_string_to_unsigned(port, 10, 1, 255, &number, NULL) &&
           number <= bus_ports(map, bus);
}

static void
reserve_given(UsbMap *map, const DeviceRef *ref)
{
    Address *address = device_info(ref->device)->address;
    guint bus;

    if (!has_port(address))
        return;
    bus = address->bus.value;
    address->bus = opt_uint(bus);
    if (!is_root_port(map, bus, address->port))
        resolution_error(map->resolution, ref->device, "address", "address-invalid",
                         "USB controller %u has no port %s", bus, address->port);
    else if (!reserve(map, bus, address->port))
        resolution_error(map->resolution, ref->device, "address", "address-conflict",
                         "port %s of USB controller %u is in use", address->port, bus);
}

static void
set_port(gpointer device, guint bus, const char *port)
{
    DeviceInfo *info = device_info(device);

    if (!info->address)
        info->address = g_new0(Address, 1);
    info->address->type = ADDRESS_USB;
    info->address->bus = opt_uint(bus);
    g_free(info->address->port);
    info->address->port = g_strdup(port);
}

static void
inherit(UsbMap *map, const DeviceRef *ref)
{
    const DeviceInfo *ancestor = resolution_ancestor(map->resolution, ref->device);
    const Address *own = device_info(ref->device)->address;
    const Address *old = ancestor ? ancestor->address : NULL;

    if (has_port(own) || !has_port(old) || !is_root_port(map, old->bus.value, old->port) ||
        (own && own->bus.is_set && own->bus.value != old->bus.value))
        return;
    if (reserve(map, old->bus.value, old->port))
        set_port(ref->device, old->bus.value, old->port);
}

static bool
assign_on(UsbMap *map, gpointer device, guint bus)
{
    guint n_ports = bus_ports(map, bus);

    for (guint i = 1; i <= n_ports; i++) {
        g_autofree char *port = g_strdup_printf("%u", i);

        if (!reserve(map, bus, port))
            continue;
        set_port(device, bus, port);
        return true;
    }
    return false;
}

static void
assign(UsbMap *map, const DeviceRef *ref)
{
    const Address *own = device_info(ref->device)->address;
    bool is_fixed = own && own->bus.is_set;

    if (has_port(own))
        return;
    for (guint bus = is_fixed ? own->bus.value : 0; bus <= 255; bus++) {
        if (assign_on(map, ref->device, bus))
            return;
        if (is_fixed)
            break;
    }
    resolution_error(map->resolution, ref->device, NULL, "address-full",
                     "no USB controller has a free port for this device");
}

/* What makes no sense of USB controllers, whatever sits on them. */
static void
check_controllers(const Resolution *resolution)
{
    const GPtrArray *controllers = resolution->domain->controllers;
    bool has_none = false;

    for (guint i = 0; i < list_length(controllers); i++)
        has_none |= list_at(controllers, i, Controller)->model == CONTROLLER_MODEL_NONE;
    for (guint i = 0; i < list_length(controllers); i++) {
        const Controller *controller = list_at(controllers, i, Controller);

        if (controller->type != CONTROLLER_USB)
            continue;
        if (has_none && controller->model != CONTROLLER_MODEL_NONE)
            resolution_error(resolution, controller, NULL, "controller-usb-none",
                             "model 'none' says there is no USB: no other controller can be there");
        if (controller->ports.value > MAX_PORTS)
            resolution_error(resolution, controller, "@ports", "out-of-range",
                             "a USB controller has at most %d ports", MAX_PORTS);
    }
}

static gint
compare_ranks(gconstpointer a, gconstpointer b)
{
    const DeviceRef *x = a, *y = b;

    return (gint) x->kind->usb_rank - (gint) y->kind->usb_rank;
}

void
resolve_usb_addresses(const Resolution *resolution)
{
    static void (*const steps[])(UsbMap *, const DeviceRef *) = { reserve_given, inherit, assign };
    g_autoptr(GHashTable) used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GArray) refs = domain_device_refs(resolution->domain);
    UsbMap map = { resolution, used };

    check_controllers(resolution);
    g_array_sort(refs, compare_ranks); /* stable: equal ranks stay in table order */
    for (guint s = 0; s < G_N_ELEMENTS(steps); s++)
        for (guint i = 0; i < refs->len; i++) {
            const DeviceRef *ref = &g_array_index(refs, DeviceRef, i);

            if (device_bus(resolution->domain, ref->kind, ref->device) == BUS_USB)
                steps[s](&map, ref);
        }
}
