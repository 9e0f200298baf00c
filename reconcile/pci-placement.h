/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/pci-map.h"
#include "reconcile/resolution.h"

/* One run of giving out PCI addresses. Internal to reconcile/pci.h. */
typedef struct PciPlacement {
    const Resolution *resolution;
    PciMap *map;
    GArray *devices; /* PciDevice, in the order of assignment */
    bool is_q35;
    bool is_dry; /* counts buses: the map grows, and what is wrong is reported */
} PciPlacement;

typedef struct PciDevice {
    DeviceRef ref;
    PciConnect connect;
    guint rank;
    bool is_given; /* its address stands in the domain */
    bool is_placed;
    PciPlace place;
} PciDevice;

/* Finds a place, growing in a dry run. False after reporting that there is none. */
bool pci_find_place(PciPlacement *placement, PciDevice *device, guint function);
/* Takes @place for @device if it is free and fits. */
bool pci_take_place(PciPlacement *placement, PciDevice *device, PciPlace place);

/* Whether the device still needs an address: it has none, or an empty PCI one. */
bool pci_is_wanted(const DeviceInfo *info);
/* Where a device with a PCI address is. */
PciPlace pci_place(const DeviceInfo *info);
