/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The PCI address policy: libvirt's, with memory.
 *
 * Addresses are given out twice. The dry run counts: it starts from the given addresses and the
 * chipset's, walks the other devices in a fixed order of kinds, and adds a bus to its map whenever
 * none has room. The buses added become controllers of the domain, and the real run starts
 * over with them, controllers first. So a new controller's own address is chosen before the
 * devices', and the same input always ends in the same places.
 *
 *     given + inherited ─► dry run ─► controllers added ─► real run ─► multifunction, chassis, port
 *
 * Memory is what libvirt gets from keeping its normalised XML: a device that was there before has
 * its address taken over from its ancestor before the runs, where it counts as given. It is
 * dropped when the file now gives that address to another device or the bus has changed. That
 * is all it takes for new devices never to move old ones.
 *
 * Nothing here knows a kind of device beyond its bus and rank, except ICH9's USB 2 controllers,
 * whose four parts are functions of one slot.
 */
#include "reconcile/pci.h"

#include "reconcile/device-order.h"
#include "reconcile/implied.h"
#include "reconcile/pci-chipset.h"
#include "reconcile/pci-numbers.h"
#include "reconcile/pci-placement.h"

#define RANK_PCI_CONTROLLER 1

/* ---- devices ---- */

bool
pci_is_wanted(const DeviceInfo *info)
{
    const Address *address = info->address;

    return !address || (address->type == ADDRESS_PCI && !address->domain.value &&
                        !address->bus.value && !address->slot.value);
}

PciPlace
pci_place(const DeviceInfo *info)
{
    const Address *address = info->address;

    return (PciPlace){ address->bus.value, address->slot.value, address->function.value };
}

static PciConnect
device_connect(const Domain *domain, const DeviceRef *ref, bool is_q35)
{
    const Controller *controller = ref->kind == &controller_kind ? ref->device : NULL;

    if (controller && controller->type == CONTROLLER_PCI)
        return pci_controller_connect(controller->model);
    if (controller && controller->type == CONTROLLER_IDE && !controller->index.value && !is_q35)
        return domain_has_pci(domain) ? PCI_CONNECT_PCI : PCI_CONNECT_NONE;
    switch (device_bus(domain, ref->kind, ref->device)) {
    case BUS_PCI:
        return PCI_CONNECT_PCI;
    case BUS_PCIE:
        return is_q35 ? PCI_CONNECT_PCIE : PCI_CONNECT_PCI;
    case BUS_INTEGRATED:
        return PCI_CONNECT_INTEGRATED;
    case BUS_NONE:
    case BUS_DRIVE:
    case BUS_USB:
    case BUS_VIRTIO_SERIAL:
    case BUS_CCID:
    case BUS_ISA:
    case BUS_DIMM:
        return PCI_CONNECT_NONE;
    }
    return PCI_CONNECT_NONE;
}

static guint
device_rank(const DeviceRef *ref)
{
    const Controller *controller = ref->kind == &controller_kind ? ref->device : NULL;

    if (controller && controller->type == CONTROLLER_PCI)
        return RANK_PCI_CONTROLLER;
    if (ref->kind->device_pci_rank)
        return ref->kind->device_pci_rank(ref->device);
    return ref->kind->pci_rank ? ref->kind->pci_rank : G_MAXUINT;
}

static gint
compare_ranks(gconstpointer a, gconstpointer b)
{
    const PciDevice *x = a, *y = b;

    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static GArray *
collect_devices(const Domain *domain, bool is_q35)
{
    g_autoptr(GArray) refs = domain_device_refs(domain);
    GArray *devices = g_array_new(FALSE, FALSE, sizeof(PciDevice));

    for (guint i = 0; i < refs->len; i++) {
        const DeviceRef *ref = &g_array_index(refs, DeviceRef, i);
        const Address *address = device_info(ref->device)->address;
        PciDevice device = { .ref = *ref,
                             .connect = device_connect(domain, ref, is_q35),
                             .rank = device_rank(ref),
                             .is_given = !pci_is_wanted(ref->device) };

        if (device.connect && (!address || address->type == ADDRESS_PCI))
            g_array_append_val(devices, device);
    }
    g_array_sort(devices, compare_ranks); /* stable */
    return devices;
}

/* ---- one run ---- */

static void
placement_begin(PciPlacement *placement, const Resolution *resolution, bool is_dry)
{
    const Domain *domain = resolution->domain;
    bool is_q35 = domain_is_q35(domain);

    *placement = (PciPlacement){ resolution, pci_map_new(is_q35), collect_devices(domain, is_q35),
                                 is_q35, is_dry };
    for (guint i = 0; i < list_length(domain->controllers); i++) {
        const Controller *controller = list_at(domain->controllers, i, Controller);

        if (controller->type == CONTROLLER_PCI && controller->index.value)
            pci_map_set_bus(placement->map, controller->index.value, controller->model);
    }
    chipset_reserve(placement->map, is_q35);
}

static void
placement_end(PciPlacement *placement)
{
    g_clear_pointer(&placement->map, pci_map_free);
    g_clear_pointer(&placement->devices, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PciPlacement, placement_end)

static PciDevice *
device_at(const PciPlacement *placement, guint index)
{
    return &g_array_index(placement->devices, PciDevice, index);
}

/* Whether PCI controller @index is of @model and nobody wrote it. */
static bool
is_added(const PciPlacement *placement, guint index, ControllerModel model)
{
    const Resolution *resolution = placement->resolution;
    const Controller *controller = controller_find(resolution->domain, CONTROLLER_PCI, index);

    return controller && controller->model == (int) model &&
           !g_hash_table_contains(resolution->paths, controller);
}

/* A bus that only an address speaks of is added, as in libvirt: a port for a PCIe device, bridges
 * for others. The first bridge stands on a port, and that may have got the index that the address
 * has. What is more than libvirt has: a bridge for a PCIe device whose slot no port has. */
static void
add_bus_of(PciPlacement *placement, PciDevice *device)
{
    Address *address = device_info(device->ref.device)->address;
    guint bus = address->bus.value;
    bool is_written = controller_find(placement->resolution->domain, CONTROLLER_PCI, bus);
    bool is_bridged = placement->is_q35 && device->connect == PCI_CONNECT_PCI;

    if (is_bridged && bus >= pci_map_n_buses(placement->map))
        address->bus = opt_uint(pci_map_grow_to(placement->map, bus));
    else if (is_bridged && is_added(placement, bus, CONTROLLER_MODEL_PCIE_ROOT_PORT) &&
             is_added(placement, bus + 1, CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE))
        address->bus = opt_uint(bus + 1); /* so it was when they were added */
    else if (placement->is_q35 && !is_bridged && !is_written && bus && address->slot.value)
        pci_map_set_bus(placement->map, bus, CONTROLLER_MODEL_DMI_TO_PCI_BRIDGE);
    else
        pci_map_set_bus(placement->map, bus, 0);
}

/* Takes the addresses that stand in the domain. Only the dry run complains. */
static void
take_given(PciPlacement *placement)
{
    for (guint i = 0; i < placement->devices->len; i++) {
        PciDevice *device = device_at(placement, i);
        const DeviceInfo *info = device->ref.device;
        g_autofree char *owner = NULL, *reason = NULL;
        PciResult result;

        if (!device->is_given)
            continue;
        if (placement->is_dry)
            add_bus_of(placement, device);
        device->is_placed = true;
        device->place = pci_place(info);
        owner = resolution_describe(placement->resolution, info);
        result = pci_map_take(placement->map, device->place, device->connect, owner, &reason);
        if (placement->is_dry && info->address->domain.value)
            resolution_error(placement->resolution, info, "address", "address-invalid",
                             "the PCI domain can only be 0");
        else if (placement->is_dry && result != PCI_TAKEN)
            resolution_error(placement->resolution, info, "address",
                             result == PCI_IN_USE ? "address-conflict" : "address-invalid", "%s",
                             reason);
    }
}

bool
pci_take_place(PciPlacement *placement, PciDevice *device, PciPlace place)
{
    g_autofree char *owner = resolution_describe(placement->resolution, device->ref.device);
    g_autofree char *reason = NULL;

    if (pci_map_take(placement->map, place, device->connect, owner, &reason) != PCI_TAKEN)
        return false;
    device->place = place;
    device->is_placed = true;
    return true;
}

/* A place for one more @connect. */
static bool
find_or_grow(PciPlacement *placement, PciConnect connect, guint function, const char *owner,
             PciPlace *ret_place)
{
    if (pci_map_find(placement->map, connect, function, owner, ret_place))
        return true;
    return placement->is_dry && pci_map_grow(placement->map, connect) &&
           pci_map_find(placement->map, connect, function, owner, ret_place);
}

bool
pci_find_place(PciPlacement *placement, PciDevice *device, guint function)
{
    g_autofree char *owner = resolution_describe(placement->resolution, device->ref.device);

    device->is_placed = find_or_grow(placement, device->connect, function, owner, &device->place);
    if (!device->is_placed)
        resolution_error(placement->resolution, device->ref.device, NULL, "address-full",
                         "no PCI bus has room for this device, and none that has can be added");
    return device->is_placed;
}

static bool
is_usb2(const PciDevice *device)
{
    return device->ref.kind == &controller_kind && controller_is_usb2(device->ref.device);
}

/* The parts of an ICH9 USB 2 controller are functions of the slot of whichever came first. */
static bool
place_usb2_part(PciPlacement *placement, PciDevice *device)
{
    static const guint functions[] = { [CONTROLLER_MODEL_ICH9_EHCI1] = 7,
                                       [CONTROLLER_MODEL_ICH9_UHCI1] = 0,
                                       [CONTROLLER_MODEL_ICH9_UHCI2] = 1,
                                       [CONTROLLER_MODEL_ICH9_UHCI3] = 2 };
    const Controller *part = device->ref.device;
    guint function = functions[part->model];

    for (guint i = 0; i < placement->devices->len; i++) {
        const PciDevice *other = device_at(placement, i);
        PciPlace place = other->place;

        if (!other->is_placed || !is_usb2(other) ||
            ((const Controller *) other->ref.device)->index.value != part->index.value)
            continue;
        place.function = function;
        if (!pci_take_place(placement, device, place))
            resolution_error(placement->resolution, part, NULL, "address-conflict",
                             "its function %u beside the other parts is taken", function);
        return device->is_placed;
    }
    return pci_find_place(placement, device, function);
}

static void
place_others(PciPlacement *placement)
{
    for (guint i = 0; i < placement->devices->len; i++) {
        PciDevice *device = device_at(placement, i);
        bool is_placed = device->is_placed;

        if (!is_placed)
            is_placed = is_usb2(device) ? place_usb2_part(placement, device)
                                        : pci_find_place(placement, device, 0);
        if (!is_placed)
            return; /* the next ones would only say the same */
    }
}

/* ---- both runs ---- */

/* Takes over what ancestors had, where that is still possible. */
static void
inherit_places(const Resolution *resolution)
{
    g_auto(PciPlacement) placement = { 0 };

    placement_begin(&placement, resolution, false);
    take_given(&placement);
    for (guint i = 0; i < placement.devices->len; i++) {
        PciDevice *device = device_at(&placement, i);
        DeviceInfo *info = device->ref.device;
        const DeviceInfo *ancestor = resolution_ancestor(resolution, info);

        if (device->is_given || !ancestor || !ancestor->address ||
            ancestor->address->type != ADDRESS_PCI || pci_is_wanted(ancestor) ||
            !pci_take_place(&placement, device, pci_place(ancestor)))
            continue;
        address_free(info->address);
        info->address = address_copy(ancestor->address);
    }
}

static bool
has_ports(const Domain *domain)
{
    for (guint i = 0; i < list_length(domain->controllers); i++) {
        const Controller *controller = list_at(domain->controllers, i, Controller);

        if (controller->type == CONTROLLER_PCI && controller->index.value)
            return true;
    }
    return false;
}

/* The dry run, and the controllers it found wanting. */
static void
add_buses(const Resolution *resolution)
{
    g_auto(PciPlacement) placement = { 0 };
    bool had_ports = has_ports(resolution->domain);
    guint n_before;
    PciPlace place;

    placement_begin(&placement, resolution, true);
    n_before = pci_map_n_buses(placement.map);
    take_given(&placement);
    chipset_prefer(&placement);
    if (!placement.is_q35 && !pci_map_is_full(placement.map))
        find_or_grow(&placement, PCI_CONNECT_PCI, 0, "a future bridge", &place);
    place_others(&placement);
    if (placement.is_q35 && !had_ports && pci_map_n_buses(placement.map) > n_before)
        find_or_grow(&placement, PCI_CONNECT_PCIE, 0, "a future device", &place);
    for (guint i = 1; i < pci_map_n_buses(placement.map); i++)
        imply_controller(resolution, CONTROLLER_PCI, i, pci_map_bus_model(placement.map, i));
}

static void
write_place(const PciPlacement *placement, const PciDevice *device)
{
    DeviceInfo *info = device->ref.device;
    PciPlace place = device->place;
    guint functions = pci_map_functions(placement->map, place.bus, place.slot);

    if (!info->address)
        info->address = address_new_pci(place.bus, place.slot, place.function);
    else if (pci_is_wanted(info)) /* nothing of an address that names no slot holds */
        info->address->multifunction = 0;
    info->address->domain = opt_uint(0);
    info->address->bus = opt_uint(place.bus);
    info->address->slot = opt_uint(place.slot);
    info->address->function = opt_uint(place.function);
    if (!info->address->multifunction && !place.function &&
        ((functions & (functions - 1)) || (is_usb2(device) && !device->is_given)))
        info->address->multifunction = TRISTATE_ON;
}

/* An isapc machine: whatever would sit on PCI has no place. */
static void
refuse_pci(const Resolution *resolution)
{
    g_autoptr(GArray) devices = collect_devices(resolution->domain, false);

    for (guint i = 0; i < devices->len; i++)
        resolution_error(resolution, g_array_index(devices, PciDevice, i).ref.device, NULL,
                         "address-invalid", "this machine has no PCI bus");
}

void
resolve_pci_addresses(const Resolution *resolution)
{
    g_auto(PciPlacement) placement = { 0 };

    if (!domain_has_pci(resolution->domain))
        return refuse_pci(resolution);
    chipset_fix(resolution);
    if (resolution->keeps_places)
        inherit_places(resolution);
    add_buses(resolution);
    if (diagnostics_has_errors(resolution->diagnostics))
        return;
    placement_begin(&placement, resolution, false);
    take_given(&placement);
    chipset_prefer(&placement);
    place_others(&placement);
    if (!diagnostics_has_errors(resolution->diagnostics)) {
        for (guint i = 0; i < placement.devices->len; i++)
            write_place(&placement, device_at(&placement, i));
        resolve_pci_numbers(resolution);
    }
}
