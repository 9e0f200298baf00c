/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which devices come and go while the guest runs.
 *
 * The kind says whether QEMU plugs such a device at all; the rest is its bus:
 *
 *     pc: bus 0, PCI bridges            q35: root ports, downstream ports, bridges below them
 *     USB, SCSI, virtio-serial: any     IDE, SATA, floppy, ISA, CCID, pcie.0: none
 *
 * On pc both need ACPI to tell the guest. A device that must sit on the root complex or shares its slot with others (functions) stays. If
 * the bus is not there yet, since its controller is new too, the controller decides: a new SCSI
 * controller brings its disks with it, a new root port needs a new QEMU (no slot of pcie.0 can be
 * plugged), and so does all that would sit on it.
 */
#include "reconcile/hot-plug.h"

#include "model/controller.h"
#include "reconcile/device-order.h"
#include "reconcile/resolution.h"

#define DEEPEST 8 /* buses upon buses; validation allows no loops, this makes sure */

static bool is_pluggable_below(const Domain *domain, const Domain *running, const DeviceKind *kind,
                               gconstpointer device, guint depth);

static bool
is_pci_bus_pluggable(const Domain *domain, const Controller *controller)
{
    switch ((ControllerModel) controller->model) {
    case CONTROLLER_MODEL_PCI_ROOT:
        return !domain_is_q35(domain) && domain->acpi; /* its only way to tell the guest */
    case CONTROLLER_MODEL_PCI_BRIDGE:
        return domain_is_q35(domain) || domain->acpi;
    case CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE:
        return true;
    case CONTROLLER_MODEL_PCIE_ROOT_PORT:
    case CONTROLLER_MODEL_SWITCH_DOWNSTREAM_PORT:
        return controller->hotplug != TRISTATE_OFF;
    default: /* other models are no buses that plug, and those of other types no PCI buses */
        return false;
    }
}

/* The controller is there, or comes with the device. */
static bool
is_there(const Domain *domain, const Domain *running, const Controller *controller, guint depth)
{
    if (controller_find(running, controller->type, controller->index.value))
        return true;
    return is_pluggable_below(domain, running, &controller_kind, controller, depth + 1);
}

static bool
is_pci_place_pluggable(const Domain *domain, const Domain *running, const Address *address,
                       guint depth)
{
    const Controller *bus;

    if (!address || address->type != ADDRESS_PCI || address->function.value ||
        address->multifunction == TRISTATE_ON)
        return false;
    bus = controller_find(domain, CONTROLLER_PCI, address->bus.value);
    return bus && is_pci_bus_pluggable(domain, bus) && is_there(domain, running, bus, depth);
}

static bool
is_on(const Domain *domain, const Domain *running, ControllerType type, const OptUint *index,
      guint depth)
{
    const Controller *controller = controller_find(domain, type, index->value);

    return controller && is_there(domain, running, controller, depth);
}

static bool
is_pluggable_below(const Domain *domain, const Domain *running, const DeviceKind *kind,
                   gconstpointer device, guint depth)
{
    const Address *address = ((const DeviceInfo *) device)->address;

    if (!kind->is_pluggable || !kind->is_pluggable(device) || depth > DEEPEST)
        return false;
    switch (device_bus(domain, kind, device)) {
    case BUS_PCI:
    case BUS_PCIE:
        return is_pci_place_pluggable(domain, running, address, depth);
    case BUS_DRIVE:
        return address && address->type == ADDRESS_DRIVE &&
               is_on(domain, running, CONTROLLER_SCSI, &address->controller, depth);
    case BUS_USB:
        return address && address->type == ADDRESS_USB &&
               is_on(domain, running, CONTROLLER_USB, &address->bus, depth);
    case BUS_VIRTIO_SERIAL:
        return address && address->type == ADDRESS_VIRTIO_SERIAL &&
               is_on(domain, running, CONTROLLER_VIRTIO_SERIAL, &address->controller, depth);
    case BUS_DIMM:
        return running->acpi; /* QEMU: "missing acpi device" */
    case BUS_NONE:
    case BUS_INTEGRATED:
    case BUS_CCID:
    case BUS_ISA:
        return false;
    }
    g_assert_not_reached();
}

bool
device_is_unpluggable(const Domain *domain, const DeviceKind *kind, gconstpointer device)
{
    return (!kind->is_unpluggable || kind->is_unpluggable(device)) &&
           is_pluggable_below(domain, domain, kind, device, 0);
}

bool
device_is_pluggable(const Domain *domain, const Domain *running, const DeviceKind *kind,
                    gconstpointer device)
{
    return is_pluggable_below(domain, running, kind, device, 0);
}
