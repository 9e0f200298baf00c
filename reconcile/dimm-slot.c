/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Slots of memory modules: numbers below <maxMemory slots='…'>. As with every bus, given ones are
 * taken first, then what was a device's before, and at last the lowest free ones by list order.
 * Their alias is the slot, so keeping the slot keeps the id. virtio-mem sits on PCI and takes
 * none, which is why a domain with only such devices needs no slots at all.
 */
#include "reconcile/dimm-slot.h"

typedef struct SlotMap {
    const Resolution *resolution;
    GHashTable *used;
} SlotMap;

static bool
has_slot(const Address *address)
{
    return address && address->type == ADDRESS_DIMM && address->slot.is_set;
}

static bool
reserve(SlotMap *map, guint64 slot)
{
    return slot < map->resolution->domain->max_memory_slots.value &&
           g_hash_table_add(map->used, GUINT_TO_POINTER((guint) slot + 1));
}

static void
set_slot(gpointer device, guint64 slot)
{
    DeviceInfo *info = device_info(device);

    if (!info->address)
        info->address = g_new0(Address, 1);
    info->address->type = ADDRESS_DIMM;
    info->address->slot = opt_uint(slot);
}

static void
reserve_given(SlotMap *map, gpointer device)
{
    const Address *address = device_info(device)->address;
    guint64 n_slots = map->resolution->domain->max_memory_slots.value;

    if (!has_slot(address) || reserve(map, address->slot.value))
        return;
    if (address->slot.value >= n_slots)
        resolution_error(map->resolution, device, "address/@slot", "address-invalid",
                         "<maxMemory> has %u slots, none with number %u", (guint) n_slots,
                         (guint) address->slot.value);
    else
        resolution_error(map->resolution, device, "address/@slot", "address-conflict",
                         "memory slot %u is in use", (guint) address->slot.value);
}

static void
inherit(SlotMap *map, gpointer device)
{
    const DeviceInfo *ancestor = resolution_ancestor(map->resolution, device);

    if (!has_slot(device_info(device)->address) && ancestor && has_slot(ancestor->address) &&
        reserve(map, ancestor->address->slot.value))
        set_slot(device, ancestor->address->slot.value);
}

static void
assign(SlotMap *map, gpointer device)
{
    guint64 n_slots = map->resolution->domain->max_memory_slots.value;

    if (has_slot(device_info(device)->address))
        return;
    for (guint64 slot = 0; slot < n_slots; slot++)
        if (reserve(map, slot))
            return set_slot(device, slot);
    resolution_error(map->resolution, device, NULL, "address-full",
                     "<maxMemory> has %u slots, and all are in use", (guint) n_slots);
}

void
resolve_dimm_slots(const Resolution *resolution)
{
    static void (*const steps[])(SlotMap *, gpointer) = { reserve_given, inherit, assign };
    g_autoptr(GHashTable) used = g_hash_table_new(NULL, NULL);
    g_autoptr(GArray) refs = domain_device_refs(resolution->domain);
    SlotMap map = { resolution, used };

    for (guint s = 0; s < G_N_ELEMENTS(steps); s++)
        for (guint i = 0; i < refs->len; i++) {
            const DeviceRef *ref = &g_array_index(refs, DeviceRef, i);

            if (device_bus(resolution->domain, ref->kind, ref->device) == BUS_DIMM)
                steps[s](&map, ref->device);
        }
}
