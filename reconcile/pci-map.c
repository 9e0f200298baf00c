/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PCI topology.
 *
 * One table says, for each kind of bus, what may be put there without asking, what may when the
 * user names the place, and which slots there are. The rest follows: finding a place is the
 * first free slot of the first bus that takes the kind, and growing is adding the bus that takes
 * it. Root ports are small and many, so they share slots: a slot that a root port opened takes
 * further ones on its other functions.
 *
 *     pcie.0 ── 01.0 video
 *            ── 02.0 root port = bus 1 ── 00.0 one PCIe device
 *            ── 02.1 root port = bus 2 ── 00.0 pcie-to-pci-bridge = bus 3 ── 01.0 a PCI device
 *
 * A conventional device on a pure PCIe machine so costs two buses: a bridge, and a root port
 * that nothing else may take.
 */
#include "reconcile/pci-map.h"

#define ENDPOINTS (PCI_CONNECT_PCI | PCI_CONNECT_PCIE)
#define N_SLOTS 32

typedef struct BusModel {
    ControllerModel model;
    const char *device; /* QEMU's */
    PciConnect connect; /* of the controller itself */
    guint takes;        /* automatically */
    guint takes_given;  /* also, at an address the user gave */
    guint first_slot, last_slot;
} BusModel;

static const BusModel bus_models[] = {
    { CONTROLLER_MODEL_PCI_ROOT, NULL, PCI_CONNECT_NONE,
      PCI_CONNECT_PCI | PCI_CONNECT_PCI_BRIDGE | PCI_CONNECT_EXPANDER | PCI_CONNECT_INTEGRATED,
      ENDPOINTS, 1, 31 },
    { CONTROLLER_MODEL_PCIE_ROOT, NULL, PCI_CONNECT_NONE,
      PCI_CONNECT_ROOT_PORT | PCI_CONNECT_DMI_BRIDGE | PCI_CONNECT_PCIE_EXPANDER |
          PCI_CONNECT_INTEGRATED,
      ENDPOINTS, 1, 31 },
    { CONTROLLER_MODEL_PCI_BRIDGE, "pci-bridge", PCI_CONNECT_PCI_BRIDGE,
      PCI_CONNECT_PCI | PCI_CONNECT_PCI_BRIDGE, ENDPOINTS, 1, 31 },
    { CONTROLLER_MODEL_DMI_TO_PCI_BRIDGE, "i82801b11-bridge", PCI_CONNECT_DMI_BRIDGE,
      PCI_CONNECT_PCI_BRIDGE, ENDPOINTS, 0, 31 },
    { CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE, "pcie-pci-bridge", PCI_CONNECT_PCIE_BRIDGE,
      PCI_CONNECT_PCI | PCI_CONNECT_PCI_BRIDGE, ENDPOINTS, 1, 31 },
    { CONTROLLER_MODEL_PCIE_ROOT_PORT, "pcie-root-port", PCI_CONNECT_ROOT_PORT,
      PCI_CONNECT_PCIE | PCI_CONNECT_UPSTREAM | PCI_CONNECT_PCIE_BRIDGE, ENDPOINTS, 0, 0 },
    { CONTROLLER_MODEL_SWITCH_UPSTREAM_PORT, "x3130-upstream", PCI_CONNECT_UPSTREAM,
      PCI_CONNECT_DOWNSTREAM, 0, 0, 31 },
    { CONTROLLER_MODEL_SWITCH_DOWNSTREAM_PORT, "xio3130-downstream", PCI_CONNECT_DOWNSTREAM,
      PCI_CONNECT_PCIE | PCI_CONNECT_UPSTREAM | PCI_CONNECT_PCIE_BRIDGE, ENDPOINTS, 0, 0 },
    { CONTROLLER_MODEL_PCI_EXPANDER_BUS, "pxb", PCI_CONNECT_EXPANDER,
      PCI_CONNECT_PCI | PCI_CONNECT_PCI_BRIDGE, ENDPOINTS, 0, 31 },
    { CONTROLLER_MODEL_PCIE_EXPANDER_BUS, "pxb-pcie", PCI_CONNECT_PCIE_EXPANDER,
      PCI_CONNECT_ROOT_PORT | PCI_CONNECT_DMI_BRIDGE, 0, 0, 31 },
};

typedef struct PciBus {
    const BusModel *model;
    guint8 functions[N_SLOTS]; /* bit set of those in use */
    bool is_shared[N_SLOTS];   /* opened by a root port */
} PciBus;

struct PciMap {
    bool is_q35;
    GArray *buses;      /* PciBus */
    GHashTable *owners; /* place: who took it */
};

static const BusModel *
bus_model(ControllerModel model)
{
    for (guint i = 0; i < G_N_ELEMENTS(bus_models); i++)
        if (bus_models[i].model == model)
            return &bus_models[i];
    return NULL;
}

PciConnect
pci_controller_connect(ControllerModel model)
{
    const BusModel *row = bus_model(model);

    return row ? row->connect : PCI_CONNECT_NONE;
}

const char *
pci_controller_device(ControllerModel model)
{
    const BusModel *row = bus_model(model);

    return row ? row->device : NULL;
}

static PciBus *
bus_at(const PciMap *map, guint index)
{
    return &g_array_index(map->buses, PciBus, index);
}

static void
add_bus(PciMap *map, ControllerModel model)
{
    PciBus bus = { .model = bus_model(model) };

    g_array_append_val(map->buses, bus);
}

static ControllerModel
default_model(const PciMap *map)
{
    return map->is_q35 ? CONTROLLER_MODEL_PCIE_ROOT_PORT : CONTROLLER_MODEL_PCI_BRIDGE;
}

PciMap *
pci_map_new(bool is_q35)
{
    PciMap *map = g_new0(PciMap, 1);

    map->is_q35 = is_q35;
    map->buses = g_array_new(FALSE, FALSE, sizeof(PciBus));
    map->owners = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    add_bus(map, is_q35 ? CONTROLLER_MODEL_PCIE_ROOT : CONTROLLER_MODEL_PCI_ROOT);
    return map;
}

void
pci_map_free(PciMap *map)
{
    if (!map)
        return;
    g_array_unref(map->buses);
    g_hash_table_unref(map->owners);
    g_free(map);
}

void
pci_map_set_bus(PciMap *map, guint index, ControllerModel model)
{
    const BusModel *row = bus_model(model);

    while (map->buses->len <= index)
        add_bus(map, default_model(map));
    if (row)
        bus_at(map, index)->model = row;
}

guint
pci_map_n_buses(const PciMap *map)
{
    return map->buses->len;
}

ControllerModel
pci_map_bus_model(const PciMap *map, guint index)
{
    return bus_at(map, index)->model->model;
}

/* ---- taking ---- */

static gpointer
place_key(PciPlace place)
{
    return GUINT_TO_POINTER((place.bus * N_SLOTS + place.slot) * 8 + place.function + 1);
}

static void
take(PciMap *map, PciPlace place, PciConnect connect, const char *owner)
{
    PciBus *bus = bus_at(map, place.bus);

    if (!bus->functions[place.slot])
        bus->is_shared[place.slot] = connect == PCI_CONNECT_ROOT_PORT;
    bus->functions[place.slot] |= 1 << place.function;
    g_hash_table_insert(map->owners, place_key(place), g_strdup(owner));
}

/* Whether @bus takes @connect at an address that was asked for. */
static bool
takes_given(const PciBus *bus, PciConnect connect)
{
    guint takes = bus->model->takes | bus->model->takes_given;

    if (connect == PCI_CONNECT_INTEGRATED)
        return bus->model->takes & PCI_CONNECT_INTEGRATED;
    if (connect == PCI_CONNECT_PCI_BRIDGE)
        return takes & (PCI_CONNECT_PCI_BRIDGE | PCI_CONNECT_PCI);
    return takes & connect;
}

PciResult
pci_map_take(PciMap *map, PciPlace place, PciConnect connect, const char *owner, char **ret_reason)
{
    const PciBus *bus = place.bus < map->buses->len ? bus_at(map, place.bus) : NULL;
    const char *name;

    if (!bus) {
        *ret_reason = g_strdup_printf("there is no PCI controller with index %u", place.bus);
        return PCI_UNFIT;
    }
    name = controller_model_names[bus->model->model];
    if (!takes_given(bus, connect)) {
        *ret_reason = g_strdup_printf("PCI controller %u, a %s, does not take such a device",
                                      place.bus, name);
        return PCI_UNFIT;
    }
    if (place.slot < bus->model->first_slot || place.slot > bus->model->last_slot) {
        *ret_reason =
            g_strdup_printf("PCI controller %u, a %s, has slots %u to %u, not %u", place.bus, name,
                            bus->model->first_slot, bus->model->last_slot, place.slot);
        return PCI_UNFIT;
    }
    if (bus->functions[place.slot] & (1 << place.function)) {
        const char *other = g_hash_table_lookup(map->owners, place_key(place));

        *ret_reason = g_strdup_printf("PCI address 0000:%02x:%02x.%x is already that of %s",
                                      place.bus, place.slot, place.function, other);
        return PCI_IN_USE;
    }
    take(map, place, connect, owner);
    return PCI_TAKEN;
}

bool
pci_map_is_slot_free(const PciMap *map, guint bus, guint slot)
{
    return bus < map->buses->len && !bus_at(map, bus)->functions[slot];
}

guint
pci_map_functions(const PciMap *map, guint bus, guint slot)
{
    return bus < map->buses->len ? bus_at(map, bus)->functions[slot] : 0;
}

bool
pci_map_is_full(const PciMap *map)
{
    for (guint i = 0; i < map->buses->len; i++) {
        const PciBus *bus = bus_at(map, i);

        for (guint slot = bus->model->first_slot; slot <= bus->model->last_slot; slot++)
            if (!bus->functions[slot])
                return false;
    }
    return true;
}

/* ---- finding ---- */

/* The function to take on @slot, -1 when it has no room. */
static int
free_function(const PciBus *bus, guint slot, PciConnect connect, guint function)
{
    if (!bus->functions[slot])
        return function;
    if (connect != PCI_CONNECT_ROOT_PORT || !bus->is_shared[slot])
        return -1;
    for (guint f = 0; f < 8; f++)
        if (!(bus->functions[slot] & (1 << f)))
            return f;
    return -1;
}

bool
pci_map_find(PciMap *map, PciConnect connect, guint function, const char *owner,
             PciPlace *ret_place)
{
    for (guint i = 0; i < map->buses->len; i++) {
        const PciBus *bus = bus_at(map, i);

        if (!(bus->model->takes & connect) || (connect == PCI_CONNECT_INTEGRATED && i))
            continue;
        for (guint slot = bus->model->first_slot; slot <= bus->model->last_slot; slot++) {
            int f = free_function(bus, slot, connect, function);

            if (f < 0)
                continue;
            *ret_place = (PciPlace){ i, slot, f };
            take(map, *ret_place, connect, owner);
            return true;
        }
    }
    return false;
}

static bool
takes_bridges(const PciMap *map)
{
    for (guint i = 0; i < map->buses->len; i++)
        if (bus_at(map, i)->model->takes & PCI_CONNECT_PCI_BRIDGE)
            return true;
    return false;
}

bool
pci_map_grow(PciMap *map, PciConnect connect)
{
    if (map->buses->len > 254)
        return false;
    if (connect & (PCI_CONNECT_PCIE | PCI_CONNECT_UPSTREAM)) {
        if (!map->is_q35)
            return false;
        add_bus(map, CONTROLLER_MODEL_PCIE_ROOT_PORT);
        return true;
    }
    if (!(connect & (PCI_CONNECT_PCI | PCI_CONNECT_PCI_BRIDGE)))
        return false;
    if (takes_bridges(map)) {
        add_bus(map, CONTROLLER_MODEL_PCI_BRIDGE);
        return true;
    }
    add_bus(map, CONTROLLER_MODEL_PCIE_ROOT_PORT);
    take(map, (PciPlace){ map->buses->len - 1, 0, 0 }, PCI_CONNECT_PCIE_BRIDGE, "the PCI bridge");
    add_bus(map, CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE);
    return true;
}

guint
pci_map_grow_to(PciMap *map, guint index)
{
    bool is_port = index == map->buses->len && !takes_bridges(map);

    while (map->buses->len <= index && pci_map_grow(map, PCI_CONNECT_PCI))
        ;
    return index + is_port;
}
