/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/controller.h"

/*
 * PciMap: the PCI buses of one machine and which functions on them are in use. It knows what fits
 * where (address-assignment.md 2.1, 2.2) and nothing of domains or devices.
 */
typedef struct PciMap PciMap;

/* What a device is to the bus it is plugged into; a set of bits is what a bus takes. */
typedef enum {
    PCI_CONNECT_NONE = 0,
    PCI_CONNECT_PCI = 1 << 0,        /* conventional endpoint */
    PCI_CONNECT_PCIE = 1 << 1,       /* PCI Express endpoint */
    PCI_CONNECT_INTEGRATED = 1 << 2, /* endpoint that must sit on bus 0 */
    PCI_CONNECT_PCI_BRIDGE = 1 << 3,
    PCI_CONNECT_DMI_BRIDGE = 1 << 4,
    PCI_CONNECT_PCIE_BRIDGE = 1 << 5, /* pcie-to-pci-bridge */
    PCI_CONNECT_ROOT_PORT = 1 << 6,
    PCI_CONNECT_UPSTREAM = 1 << 7,
    PCI_CONNECT_DOWNSTREAM = 1 << 8,
    PCI_CONNECT_EXPANDER = 1 << 9,
    PCI_CONNECT_PCIE_EXPANDER = 1 << 10,
} PciConnect;

typedef struct PciPlace {
    guint bus, slot, function;
} PciPlace;

/* Bus 0 is pcie-root or pci-root; buses that are skipped, and those that grow, are root ports or
 * PCI bridges. */
PciMap *pci_map_new(bool is_q35);
void pci_map_free(PciMap *map);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PciMap, pci_map_free)

/* Makes bus @index a @model's; buses up to it are made when missing. */
void pci_map_set_bus(PciMap *map, guint index, ControllerModel model);
guint pci_map_n_buses(const PciMap *map);
ControllerModel pci_map_bus_model(const PciMap *map, guint index);

/* Takes @place, which someone asked for by name. On refusal nothing is taken and *ret_reason says
 * why (caller frees); the result tells conflicts from places that are none. @owner is kept for
 * such messages. */
typedef enum { PCI_TAKEN, PCI_IN_USE, PCI_UNFIT } PciResult;
PciResult pci_map_take(PciMap *map, PciPlace place, PciConnect connect, const char *owner,
                       char **ret_reason);

bool pci_map_is_slot_free(const PciMap *map, guint bus, guint slot);
bool pci_map_is_full(const PciMap *map); /* every slot of every bus has something */
guint pci_map_functions(const PciMap *map, guint bus, guint slot); /* bit set of those in use */

/* Takes the first place that fits, at @function (0 for most). False when no bus has room. */
bool pci_map_find(PciMap *map, PciConnect connect, guint function, const char *owner,
                  PciPlace *ret_place);

/* Adds the buses it takes for one more @connect to find a place. False when none can be added
 * that would help. */
bool pci_map_grow(PciMap *map, PciConnect connect);

/* Adds buses up to @index as conventional devices need them. Returns the bus that is meant: where
 * @index became the port of the bridge, the bridge. */
guint pci_map_grow_to(PciMap *map, guint index);

/* What a PCI controller is to the bus above it; PCI_CONNECT_NONE for the roots. */
PciConnect pci_controller_connect(ControllerModel model);
/* QEMU's name for it ("pcie-pci-bridge"); NULL for the roots. */
const char *pci_controller_device(ControllerModel model);
