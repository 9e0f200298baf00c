/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * USB ports.
 *
 * Given ports are reserved, then inherited ones, then the rest go to the lowest free port of the
 * first controller that has one, in the order of libvirt's walk over the kinds. A device that
 * names only its bus stays on it. ICH9's companions share their master's ports and have none.
 *
 * Ports are kept as paths ("1", "1.2"): a hub on port 1 opens "1.1" to "1.8", down to four steps.
 * Hubs get their ports before the other devices, and where there are more devices than ports,
 * hubs are added first, each of which takes one port and gives eight.
 */
#include "reconcile/usb.h"

#include <string.h>

#include "model/hub.h"
#include "reconcile/device-order.h"

#define MAX_PORTS 15 /* QEMU's xHCI */
#define MAX_DEPTH 4  /* steps of a port path */

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
    GHashTable *hubs; /* "bus:port" of those that hubs sit on */
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
reserve(UsbMap *map, const DeviceRef *ref, guint bus, const char *port)
{
    if (!g_hash_table_add(map->used, g_strdup_printf("%u:%s", bus, port)))
        return false;
    if (ref->kind == &hub_kind)
        g_hash_table_add(map->hubs, g_strdup_printf("%u:%s", bus, port));
    return true;
}

static bool
has_port(const Address *address)
{
    return address && address->type == ADDRESS_USB && address->port && *address->port;
}

static guint
depth(const char *port)
{
    guint steps = 1;

    for (const char *c = port; *c; c++)
        steps += *c == '.';
    return steps;
}

static bool
is_number_up_to(const char *text, guint64 max)
{
    guint64 number;

    return max && g_ascii_string_to_unsigned(text, 10, 1, max, &number, NULL);
}

/* Whether there is a controller or hub that has @port. */
static bool
is_port(const UsbMap *map, guint bus, const char *port)
{
    g_autofree char *key = g_strdup_printf("%u:%s", bus, port);
    const char *dot = strrchr(port, '.');

    if (!dot)
        return is_number_up_to(port, bus_ports(map, bus));
    key[strlen(key) - strlen(dot)] = '\0';
    return depth(port) <= MAX_DEPTH && is_number_up_to(dot + 1, HUB_PORTS) &&
           g_hash_table_contains(map->hubs, key);
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
    if (!is_port(map, bus, address->port))
        resolution_error(map->resolution, ref->device, "address", "address-invalid",
                         "USB controller %u has no port %s", bus, address->port);
    else if (!reserve(map, ref, bus, address->port))
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

    if (has_port(own) || !has_port(old) || !is_port(map, old->bus.value, old->port) ||
        (own && own->bus.is_set && own->bus.value != old->bus.value))
        return;
    if (reserve(map, ref, old->bus.value, old->port))
        set_port(ref->device, old->bus.value, old->port);
}

/* The lowest free port of @bus below @parent ("" = the controllers'), which has @n_ports, then of
 * the hubs on them. */
static bool
assign_below(UsbMap *map, const DeviceRef *ref, guint bus, const char *parent, guint n_ports)
{
    for (guint i = 1; i <= n_ports; i++) {
        g_autofree char *port = g_strdup_printf("%s%u", parent, i);

        if (!reserve(map, ref, bus, port))
            continue;
        set_port(ref->device, bus, port);
        return true;
    }
    for (guint i = 1; i <= n_ports; i++) {
        g_autofree char *hub = g_strdup_printf("%u:%s%u", bus, parent, i);
        g_autofree char *below = g_strdup_printf("%s%u.", parent, i);

        if (depth(below) <= MAX_DEPTH && g_hash_table_contains(map->hubs, hub) &&
            assign_below(map, ref, bus, below, HUB_PORTS))
            return true;
    }
    return false;
}

static bool
assign_on(UsbMap *map, const DeviceRef *ref, guint bus)
{
    return assign_below(map, ref, bus, "", bus_ports(map, bus));
}

static void
assign(UsbMap *map, const DeviceRef *ref)
{
    const Address *own = device_info(ref->device)->address;
    bool is_fixed = own && own->bus.is_set;

    if (has_port(own))
        return;
    for (guint bus = is_fixed ? own->bus.value : 0; bus <= 255; bus++) {
        if (assign_on(map, ref, bus))
            return;
        if (is_fixed)
            break;
    }
    resolution_error(map->resolution, ref->device, NULL, "address-full",
                     "no USB controller has a free port for this device");
}

static void
check_master(const Resolution *resolution, const Controller *companion)
{
    const GPtrArray *controllers = resolution->domain->controllers;

    for (guint i = 0; i < list_length(controllers); i++) {
        const Controller *other = list_at(controllers, i, Controller);

        if (other->type == CONTROLLER_USB && other->index.value == companion->index.value &&
            !controller_companion_port(other).is_set)
            return;
    }
    resolution_error(resolution, companion, NULL, "controller-master",
                     "there is no USB controller %u to be a companion of",
                     (guint) companion->index.value);
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
        if (controller_companion_port(controller).is_set)
            check_master(resolution, controller);
    }
}

static gint
compare_ranks(gconstpointer a, gconstpointer b)
{
    const DeviceRef *x = a, *y = b;

    return (gint) x->kind->usb_rank - (gint) y->kind->usb_rank;
}

static bool
is_usb(const Resolution *resolution, const DeviceRef *ref)
{
    return device_bus(resolution->domain, ref->kind, ref->device) == BUS_USB;
}

static bool
has_no_usb(const Domain *domain)
{
    for (guint i = 0; i < list_length(domain->controllers); i++)
        if (list_at(domain->controllers, i, Controller)->model == CONTROLLER_MODEL_NONE)
            return true;
    return false;
}

/* Adds hubs where there are more devices than ports. */
static void
add_hubs(const Resolution *resolution)
{
    g_autoptr(GArray) refs = domain_device_refs(resolution->domain);
    Domain *domain = resolution->domain;
    UsbMap map = { .resolution = resolution };
    guint n_devices = 0, n_ports = HUB_PORTS * list_length(domain->hubs);

    for (guint i = 0; i < refs->len; i++)
        n_devices += is_usb(resolution, &g_array_index(refs, DeviceRef, i));
    for (guint i = 0; i < list_length(domain->controllers); i++) {
        const Controller *controller = list_at(domain->controllers, i, Controller);

        if (controller->type == CONTROLLER_USB)
            n_ports += controller_ports(controller);
    }
    if (n_devices <= n_ports || has_no_usb(domain) || !bus_ports(&map, 0))
        return;
    for (guint n = (n_devices - n_ports + 1 + HUB_PORTS - 2) / (HUB_PORTS - 1); n; n--) {
        Hub *hub = g_new0(Hub, 1);

        hub->type = HUB_TYPE_USB;
        device_insert(&domain->hubs, G_MAXUINT, hub);
    }
}

static void
check_disabled(const Resolution *resolution, const DeviceRef *ref)
{
    resolution_error(resolution, ref->device, NULL, "usb-none",
                     "this device needs USB, which controller model 'none' says there is none of");
}

typedef void (*Step)(UsbMap *map, const DeviceRef *ref);

/* @step for the hubs alone, or for the others alone. */
static void
run_step(UsbMap *map, const GArray *refs, bool want_hubs, Step step)
{
    for (guint i = 0; i < refs->len; i++) {
        const DeviceRef *ref = &g_array_index(refs, DeviceRef, i);

        if (is_usb(map->resolution, ref) && (ref->kind == &hub_kind) == want_hubs)
            step(map, ref);
    }
}

static gint
compare_depths(gconstpointer a, gconstpointer b)
{
    const DeviceRef *x = a, *y = b;
    const Address *one = device_info(x->device)->address, *other = device_info(y->device)->address;

    return (has_port(one) ? (gint) depth(one->port) : 0) -
           (has_port(other) ? (gint) depth(other->port) : 0);
}

void
resolve_usb_addresses(const Resolution *resolution)
{
    g_autoptr(GHashTable) used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) hubs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GArray) refs = NULL, by_depth = NULL;
    UsbMap map = { resolution, used, hubs };

    check_controllers(resolution);
    add_hubs(resolution);
    refs = domain_device_refs(resolution->domain);
    g_array_sort(refs, compare_ranks); /* stable: equal ranks stay in table order */
    for (guint i = 0; has_no_usb(resolution->domain) && i < refs->len; i++)
        if (is_usb(resolution, &g_array_index(refs, DeviceRef, i)))
            return check_disabled(resolution, &g_array_index(refs, DeviceRef, i));
    by_depth = g_array_copy(refs); /* a hub before what sits on it */
    g_array_sort(by_depth, compare_depths);
    run_step(&map, by_depth, true, reserve_given);
    run_step(&map, refs, false, reserve_given);
    run_step(&map, by_depth, true, inherit);
    run_step(&map, refs, true, assign);
    run_step(&map, refs, false, inherit);
    run_step(&map, refs, false, assign);
}
