/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The order of resolving.
 *
 * Each step is a noun of its own file and fills in one part of a copy of the file's domain. The
 * order is libvirt's and carries meaning: list order comes before implied devices, since those
 * are appended; drive addresses before the controllers they need; virtio-serial ports before PCI,
 * since a full controller brings a further one; everything before aliases, since some say where
 * a device is.
 *
 *     uuid, sizes ─► order ─► default devices ─► drives ─► needed devices ─► defaults
 *         ─► ancestors (previous) ─► MACs, ports ─► virtio-serial ─► PCI ─► USB ─► aliases
 *
 * Ancestors tie the new domain to the one resolved before it, and are asked by the later steps
 * for what a device had. Nothing is copied from the previous domain except through them, and
 * except the PCI controllers that were added once: an empty root port is where the next device
 * can be plugged while the guest runs.
 */
#include "reconcile/resolve.h"

#include "model/chardev.h"
#include "model/controller.h"
#include "reconcile/alias.h"
#include "reconcile/chardev-port.h"
#include "reconcile/defaults.h"
#include "reconcile/device-match.h"
#include "reconcile/device-order.h"
#include "reconcile/dimm-slot.h"
#include "reconcile/drive-address.h"
#include "reconcile/firmware.h"
#include "reconcile/identity.h"
#include "reconcile/implied.h"
#include "reconcile/memory-size.h"
#include "reconcile/pci.h"
#include "reconcile/serial-address.h"
#include "reconcile/usb.h"

static const AddressType bus_addresses[] = {
    [BUS_NONE] = ADDRESS_ABSENT,
    [BUS_PCI] = ADDRESS_PCI,
    [BUS_PCIE] = ADDRESS_PCI,
    [BUS_INTEGRATED] = ADDRESS_PCI,
    [BUS_DRIVE] = ADDRESS_DRIVE,
    [BUS_USB] = ADDRESS_USB,
    [BUS_VIRTIO_SERIAL] = ADDRESS_VIRTIO_SERIAL,
    [BUS_CCID] = ADDRESS_CCID,
    [BUS_ISA] = ADDRESS_ISA,
    [BUS_DIMM] = ADDRESS_DIMM,
};

static bool
is_guest_bus(int type)
{
    return type == ADDRESS_PCI || type == ADDRESS_USB || type == ADDRESS_VIRTIO_SERIAL;
}

/* Controllers of the machine's own chips have the chip's address; the first console is a serial
 * port, and has that one's. */
static bool
is_placed_by_others(const DeviceKind *kind)
{
    return kind == &controller_kind || kind == &console_kind;
}

/* An address given in the file is of the bus the device needs. */
static void
check_address_types(const Resolution *resolution)
{
    g_autoptr(GArray) refs = domain_device_refs(resolution->domain);

    for (guint i = 0; i < refs->len; i++) {
        const DeviceRef *ref = &g_array_index(refs, DeviceRef, i);
        const Address *address = device_info(ref->device)->address;
        DeviceBus bus = device_bus(resolution->domain, ref->kind, ref->device);

        if (address && bus == BUS_NONE && !is_placed_by_others(ref->kind) &&
            is_guest_bus(address->type))
            resolution_error(resolution, ref->device, "address/@type", "address-type",
                             "this %s sits on no bus of the guest's", ref->kind->name);
        if (address && bus != BUS_NONE && address->type != (int) bus_addresses[bus])
            resolution_error(resolution, ref->device, "address/@type", "address-type",
                             "this %s sits on another bus than the address is of", ref->kind->name);
    }
}

/* Adds the previous domain's PCI controllers that are missing, without their addresses, which
 * they inherit like every device. */
static void
keep_pci_controllers(const Resolution *resolution)
{
    const GPtrArray *old = resolution->previous->controllers;

    for (guint i = 0; i < list_length(old); i++) {
        const Controller *controller = list_at(old, i, Controller);
        Controller *copy;

        if (controller->type != CONTROLLER_PCI || !controller->index.value ||
            controller_find(resolution->domain, CONTROLLER_PCI, controller->index.value))
            continue;
        copy = schema_copy(controller_kind.schema, controller);
        address_free(g_steal_pointer(&copy->info.address));
        g_clear_pointer(&copy->info.alias, g_free);
        controller_insert(resolution->domain, copy);
    }
}

static void
find_ancestors(Resolution *resolution)
{
    if (!resolution->previous)
        return;
    g_hash_table_unref(resolution->ancestors);
    resolution->ancestors = device_match(resolution->domain, resolution->previous);
}

/* The domain's own parts: what boots, and who it is. */
static void
resolve_own(Resolution *resolution, const ResolveContext *context)
{
    Domain *domain = resolution->domain;
    const Domain *previous = resolution->previous;
    GenerationId *generation = domain->generation;
    char root[] = "";
    Validation validation = { domain, resolution->positions, resolution->diagnostics, root };

    resolve_firmware(domain, previous, context, &validation);
    if (!generation || generation->guid)
        return;
    if (previous && previous->generation)
        generation->guid = g_strdup(previous->generation->guid);
    else
        generation->guid = uuid_from_name(domain->uuid, "genid");
}

static void
resolve_devices(Resolution *resolution)
{
    Domain *domain = resolution->domain;

    order_devices(domain, resolution->keeps_places ? resolution->previous : NULL);
    imply_default_devices(resolution);
    resolve_drive_addresses(resolution);
    imply_needed_devices(resolution);
    resolve_defaults(domain);
    check_address_types(resolution);
    if (resolution->keeps_places)
        keep_pci_controllers(resolution);
    if (diagnostics_has_errors(resolution->diagnostics))
        return;
    find_ancestors(resolution);
    resolve_macs(resolution);
    resolve_chardev_ports(resolution);
    resolve_serial_addresses(resolution);
    find_ancestors(resolution); /* again: that may have added controllers */
    resolve_pci_addresses(resolution);
    resolve_usb_addresses(resolution);
    resolve_dimm_slots(resolution);
    resolve_aliases(resolution);
}

static void
mark_implied(const Resolution *resolution)
{
    g_autoptr(GArray) refs = domain_device_refs(resolution->domain);

    for (guint i = 0; i < refs->len; i++) {
        DeviceInfo *info = device_info(g_array_index(refs, DeviceRef, i).device);

        info->is_implied = !g_hash_table_contains(resolution->paths, info);
    }
}

/* Where the file's positions are found by the paths of the result. */
static PositionMap *
renamed_positions(const Resolution *resolution)
{
    g_autoptr(GHashTable) renames = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    g_autoptr(GArray) refs = domain_device_refs(resolution->domain);

    for (guint i = 0; i < refs->len; i++) {
        const DeviceRef *ref = &g_array_index(refs, DeviceRef, i);
        char *path = g_hash_table_lookup(resolution->paths, ref->device);

        if (path)
            g_hash_table_insert(renames, path,
                                g_strdup_printf("devices/%s[%u]", ref->kind->name, ref->index));
    }
    return position_map_rename(resolution->positions, renames);
}

/* "q35" means a newer machine with every QEMU. Once a domain has run, the version it ran with is
 * its own, so that an upgrade of QEMU does not change the guest's hardware under it; a file that
 * names a version says otherwise. */
static void
keep_machine(Domain *domain, const Domain *previous)
{
    static const struct {
        const char *alias, *versions;
    } families[] = { { "q35", "pc-q35-" }, { "pc", "pc-i440fx-" } };

    const char *machine = domain->machine ? domain->machine : "pc";

    for (guint i = 0; previous && previous->machine && i < G_N_ELEMENTS(families); i++)
        if (g_str_equal(machine, families[i].alias) &&
            g_str_has_prefix(previous->machine, families[i].versions)) {
            g_free(domain->machine);
            domain->machine = g_strdup(previous->machine);
            return;
        }
}

Domain *
resolve_domain(const Domain *spec, const Domain *previous, const ResolveContext *context,
               const PositionMap *positions, Diagnostics *diagnostics)
{
    return resolve_domain_positions(spec, previous, context, positions, NULL, diagnostics);
}

Domain *
resolve_domain_positions(const Domain *spec, const Domain *previous, const ResolveContext *context,
                         const PositionMap *positions, PositionMap **ret_positions,
                         Diagnostics *diagnostics)
{
    g_autoptr(Domain) domain = NULL;
    g_autoptr(Resolution) resolution = NULL;
    const char *problem;

    if (diagnostics_has_errors(diagnostics))
        return NULL;
    domain = domain_copy(spec);
    drop_generated_aliases(domain);
    keep_machine(domain, previous);
    resolution = resolution_new(domain, positions, diagnostics);
    resolution->previous = previous;
    resolution->keeps_places = previous && domain_is_q35(previous) == domain_is_q35(domain);
    resolve_uuid(domain, previous, context->uuid_seed);
    resolve_own(resolution, context);
    problem = resolve_memory_sizes(domain);
    if (problem)
        diagnostics_add(diagnostics, SEVERITY_ERROR,
                        positions ? position_map_get(positions, "memory") : (Position){ 0, 0 },
                        "memory-total", "memory: %s", problem);
    resolve_devices(resolution);
    mark_implied(resolution);
    if (diagnostics_has_errors(diagnostics))
        return NULL;
    if (ret_positions)
        *ret_positions = positions ? renamed_positions(resolution) : NULL;
    return g_steal_pointer(&domain);
}
