/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The numbers of PCI controllers. Bridges and ports are told apart by the guest by chassis and
 * port; both follow from what is fixed already (index and address), so they need no memory of
 * their own. An expander's bus number does not: it is the next lower of those in use, and so it
 * is inherited like an address.
 */
#include "reconcile/pci-numbers.h"

#include "model/controller.h"
#include "reconcile/pci-map.h"
#include "reconcile/pci-placement.h"

static void
set_if_absent(OptUint *member, guint64 value)
{
    if (!member->is_set)
        *member = opt_uint(value);
}

static bool
is_expander(const Controller *controller)
{
    return controller->model == CONTROLLER_MODEL_PCI_EXPANDER_BUS ||
           controller->model == CONTROLLER_MODEL_PCIE_EXPANDER_BUS;
}

static bool
is_bus_number_used(const Domain *domain, guint64 number)
{
    for (guint i = 0; i < domain->controllers->len; i++) {
        const Controller *other = list_at(domain->controllers, i, Controller);

        if (is_expander(other) && other->bus_nr.is_set && other->bus_nr.value == number)
            return true;
    }
    return false;
}

static void
number_expander(const Resolution *resolution, Controller *controller)
{
    const Domain *domain = resolution->domain;
    const Controller *ancestor = resolution_ancestor(resolution, controller);
    guint64 lowest = 256;

    if (controller->bus_nr.is_set)
        return;
    if (ancestor && is_expander(ancestor) && ancestor->bus_nr.is_set &&
        !is_bus_number_used(domain, ancestor->bus_nr.value)) {
        controller->bus_nr = ancestor->bus_nr;
        return;
    }
    for (guint i = 0; i < domain->controllers->len; i++) {
        const Controller *other = list_at(domain->controllers, i, Controller);

        if (is_expander(other) && other->bus_nr.is_set)
            lowest = MIN(lowest, other->bus_nr.value);
    }
    if (lowest <= 2)
        resolution_error(resolution, controller, "target/@busNr", "address-full",
                         "no PCI bus number is left for this controller");
    else
        controller->bus_nr = opt_uint(lowest - 2);
}

static void
number_controller(const Resolution *resolution, Controller *controller)
{
    PciPlace place = pci_place(&controller->info);
    const char *device = pci_controller_device(controller->model);

    if (!controller->model_name)
        controller->model_name = g_strdup(device);
    switch (pci_controller_connect(controller->model)) {
    case PCI_CONNECT_PCI_BRIDGE:
        set_if_absent(&controller->chassis_nr, controller->index.value);
        if (place.bus >= controller->index.value)
            resolution_error(
                resolution, controller, "address", "address-invalid",
                "a pci-bridge's index (%u) must exceed that of the bus it sits on (%u)",
                (guint) controller->index.value, place.bus);
        break;
    case PCI_CONNECT_ROOT_PORT:
        set_if_absent(&controller->chassis, controller->index.value);
        set_if_absent(&controller->port, place.slot * 8 + place.function);
        break;
    case PCI_CONNECT_DOWNSTREAM:
        set_if_absent(&controller->chassis, controller->index.value);
        set_if_absent(&controller->port, place.slot);
        break;
    case PCI_CONNECT_EXPANDER:
    case PCI_CONNECT_PCIE_EXPANDER:
        number_expander(resolution, controller);
        break;
    case PCI_CONNECT_NONE:
    case PCI_CONNECT_PCI:
    case PCI_CONNECT_PCIE:
    case PCI_CONNECT_INTEGRATED:
    case PCI_CONNECT_DMI_BRIDGE:
    case PCI_CONNECT_PCIE_BRIDGE:
    case PCI_CONNECT_UPSTREAM:
        break;
    }
}

void
resolve_pci_numbers(const Resolution *resolution)
{
    const GPtrArray *controllers = resolution->domain->controllers;

    for (guint i = 0; i < list_length(controllers); i++) {
        Controller *controller = controllers->pdata[i];

        if (controller->type == CONTROLLER_PCI && controller->index.value)
            number_controller(resolution, controller);
    }
}
