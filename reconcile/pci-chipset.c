/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The chipsets' own places: PIIX3 on pc, ICH9 on q35.
 *
 * Fixed are the parts of the southbridge: QEMU makes them itself, and no property moves them.
 * Preferred are the places where real hardware has a device and where guests look for it: firmware
 * wants the first video card at 00:02.0 on pc and 00:01.0 on q35. Preferred places are taken
 * after all given ones and before the general search, so they hold unless the file says
 * otherwise.
 */
#include "reconcile/pci-chipset.h"

#include "model/sound.h"

#include "model/video.h"
#include "reconcile/device-order.h"

static const struct {
    bool is_q35;
    ControllerType type;
    ControllerModel model; /* 0 = any */
    guint slot, function;
} fixed[] = {
    { false, CONTROLLER_IDE, 0, 1, 1 },
    { false, CONTROLLER_USB, CONTROLLER_MODEL_PIIX3_UHCI, 1, 2 },
    { true, CONTROLLER_SATA, 0, 0x1f, 2 },
};

static const struct {
    bool is_q35;
    guint slot, function;
    const char *owner;
} reserved[] = {
    { false, 1, 0, "the chipset's ISA bridge" },
    { false, 1, 3, "the chipset's power management" },
    { true, 0x1f, 0, "the chipset's ISA bridge" },
    { true, 0x1f, 3, "the chipset's SMBus controller" },
};

static void
fix_controller(const Resolution *resolution, Controller *controller, guint slot, guint function)
{
    PciPlace place;

    if (pci_is_wanted(&controller->info)) {
        address_free(controller->info.address);
        controller->info.address = address_new_pci(0, slot, function);
        return;
    }
    place = pci_place(&controller->info);
    if (controller->info.address->type != ADDRESS_PCI || place.bus || place.slot != slot ||
        place.function != function)
        resolution_error(
            resolution, controller, "address", "address-invalid",
            "%s controller 0 is part of the chipset: its PCI address is 0000:00:%02x.%x",
            controller_type_names[controller->type], slot, function);
}

void
chipset_fix(const Resolution *resolution)
{
    bool is_q35 = domain_is_q35(resolution->domain);

    for (guint i = 0; i < G_N_ELEMENTS(fixed); i++) {
        Controller *controller = controller_find(resolution->domain, fixed[i].type, 0);

        if (controller && fixed[i].is_q35 == is_q35 &&
            (!fixed[i].model || controller->model == (int) fixed[i].model))
            fix_controller(resolution, controller, fixed[i].slot, fixed[i].function);
    }
}

void
chipset_reserve(PciMap *map, bool is_q35)
{
    for (guint i = 0; i < G_N_ELEMENTS(reserved); i++) {
        PciPlace place = { 0, reserved[i].slot, reserved[i].function };
        g_autofree char *reason = NULL;

        if (reserved[i].is_q35 == is_q35)
            pci_map_take(map, place, PCI_CONNECT_PCI, reserved[i].owner, &reason);
    }
}

static bool
take_slot(PciPlacement *placement, PciDevice *device, guint slot)
{
    return pci_map_is_slot_free(placement->map, 0, slot) &&
           pci_take_place(placement, device, (PciPlace){ 0, slot, 0 });
}

static void
prefer_controller(PciPlacement *placement, PciDevice *device)
{
    const Controller *controller = device->ref.device;

    if (controller->model == CONTROLLER_MODEL_DMI_TO_PCI_BRIDGE)
        take_slot(placement, device, 0x1e);
    if (controller->model == CONTROLLER_MODEL_ICH9_UHCI1 && !take_slot(placement, device, 0x1d))
        take_slot(placement, device, 0x1a);
}

void
chipset_prefer(PciPlacement *placement)
{
    const Domain *domain = placement->resolution->domain;
    gconstpointer video = list_length(domain->videos) ? domain->videos->pdata[0] : NULL;

    for (guint i = 0; i < placement->devices->len; i++) {
        PciDevice *device = &g_array_index(placement->devices, PciDevice, i);

        if (device->is_placed)
            continue;
        if (placement->is_q35 && device->ref.kind == &controller_kind)
            prefer_controller(placement, device);
        if (placement->is_q35 && device->ref.kind == &sound_kind &&
            ((const Sound *) device->ref.device)->model == SOUND_ICH9)
            take_slot(placement, device, 0x1b); /* free for the first of them alone */
        if (device->ref.device == video && !take_slot(placement, device, placement->is_q35 ? 1 : 2))
            pci_find_place(placement, device, 0);
    }
}
