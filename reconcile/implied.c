/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices that nobody wrote down.
 *
 * They come in two kinds. Default devices belong to the machine: an x86 guest has a PS/2 mouse
 * and keyboard and a USB controller, a q35 has its SATA controller, whether the file says so or
 * not. Needed devices follow from others: a SCSI disk needs the SCSI controller its address names.
 * Both are appended to their lists (controllers at their place), default devices first, since
 * the order decides who gets which address.
 *
 * A console of type serial is no device of its own in libvirt's format: the first one is another
 * name for serial port 0. Whichever of the two the file has, the resolved domain has both, the
 * console a mirror of the port.
 */
#include "reconcile/implied.h"

#include "model/audio.h"
#include "model/balloon.h"
#include "model/chardev.h"
#include "model/default.h"
#include "model/disk.h"
#include "model/graphics.h"
#include "model/hostdev.h"
#include "model/input.h"
#include "model/iommu.h"
#include "model/video.h"
#include "model/watchdog.h"
#include "reconcile/device-order.h"

void
imply_controller(const Resolution *resolution, ControllerType type, guint index,
                 ControllerModel model)
{
    Controller *controller;

    if (controller_find(resolution->domain, type, index))
        return;
    controller = g_new0(Controller, 1);
    controller->type = type;
    controller->index = opt_uint(index);
    controller->model = model;
    controller_insert(resolution->domain, controller);
}

static void
imply_input(Domain *domain, InputType type)
{
    Input *input;

    for (guint i = 0; i < list_length(domain->inputs); i++) {
        const Input *other = list_at(domain->inputs, i, Input);

        if (other->type == (int) type && input_bus(other) == INPUT_BUS_PS2)
            return;
    }
    input = g_new0(Input, 1);
    input->type = type;
    input->bus = INPUT_BUS_PS2;
    device_insert(&domain->inputs, G_MAXUINT, input);
}

/* A root is where addresses begin, and has none itself. */
static void
refuse_other_roots(const Resolution *resolution)
{
    const GPtrArray *controllers = resolution->domain->controllers;

    for (guint i = 0; i < list_length(controllers); i++) {
        const Controller *controller = list_at(controllers, i, Controller);

        if (controller->index.value && (controller->model == CONTROLLER_MODEL_PCI_ROOT ||
                                        controller->model == CONTROLLER_MODEL_PCIE_ROOT))
            resolution_error(resolution, controller, "@model", "controller-root",
                             "only PCI controller 0 is a root, and this is number %u",
                             (guint) controller->index.value);
    }
}

static void
imply_pci_root(const Resolution *resolution, ControllerModel model)
{
    const Controller *root = controller_find(resolution->domain, CONTROLLER_PCI, 0);

    if (root && root->model != (int) model)
        resolution_error(resolution, root, "@model", "controller-root",
                         "PCI controller 0 must be '%s' on this machine, not '%s'",
                         controller_model_names[model],
                         root->model ? controller_model_names[root->model] : "");
    refuse_other_roots(resolution);
    imply_controller(resolution, CONTROLLER_PCI, 0, model);
}

/* ICH9's watchdog is in every q35, and armed. */
static void
imply_watchdog(Domain *domain)
{
    Watchdog *watchdog;
    int action = WATCHDOG_RESET;

    for (guint i = 0; i < list_length(domain->watchdogs); i++) {
        const Watchdog *other = list_at(domain->watchdogs, i, Watchdog);

        if (other->model == WATCHDOG_ITCO)
            return;
        if (!i && other->action)
            action = other->action;
    }
    watchdog = g_new0(Watchdog, 1);
    watchdog->model = WATCHDOG_ITCO;
    watchdog->action = action;
    device_insert(&domain->watchdogs, G_MAXUINT, watchdog);
}

/* CPUs beyond the 255th are reached only by remapped interrupts, and KVM remaps only where the I/O
 * APIC is QEMU's. */
static void
imply_iommu(Domain *domain)
{
    bool needs_eim = domain->vcpus.value > MOST_VCPUS_OF_APIC;
    Iommu *iommu;

    if (needs_eim && !list_length(domain->iommus)) {
        iommu = g_new0(Iommu, 1);
        iommu->model = IOMMU_INTEL;
        device_insert(&domain->iommus, 0, iommu);
    }
    if (!list_length(domain->iommus))
        return;
    iommu = domain->iommus->pdata[0];
    if (needs_eim && iommu->model == IOMMU_INTEL) {
        default_enum(&iommu->intremap, TRISTATE_ON);
        default_enum(&iommu->eim, TRISTATE_ON);
    }
    if (iommu->model == IOMMU_INTEL && iommu->intremap == TRISTATE_ON &&
        domain->type == DOMAIN_TYPE_KVM)
        default_enum(&domain->ioapic_driver, IOAPIC_QEMU);
}

/* A backend that fits the displays: SPICE's where there is one; silence for VNC and for guests
 * without display. Other displays say themselves what they play to. */
static void
imply_audio(Domain *domain)
{
    int type = list_length(domain->graphics) ? 0 : AUDIO_NONE;
    Audio *audio;

    if (list_length(domain->audios))
        return;
    for (guint i = 0; i < list_length(domain->graphics); i++) {
        int display = list_at(domain->graphics, i, Graphics)->type;

        if (display == GRAPHICS_SPICE)
            type = AUDIO_SPICE;
        else if (display == GRAPHICS_VNC && !type)
            type = AUDIO_NONE;
    }
    if (!type && !list_length(domain->sounds))
        return;
    audio = g_new0(Audio, 1);
    audio->id = opt_uint(1);
    audio->type = type ? type : AUDIO_NONE;
    device_insert(&domain->audios, 0, audio);
}

void
imply_default_devices(const Resolution *resolution)
{
    Domain *domain = resolution->domain;
    bool is_q35 = domain_is_q35(domain);

    if (domain->ps2 != TRISTATE_OFF) {
        imply_input(domain, INPUT_MOUSE);
        imply_input(domain, INPUT_KEYBOARD);
    }
    if (domain_has_pci(domain))
        imply_controller(resolution, CONTROLLER_USB, 0,
                         is_q35 ? CONTROLLER_MODEL_QEMU_XHCI : CONTROLLER_MODEL_PIIX3_UHCI);
    if (is_q35)
        imply_controller(resolution, CONTROLLER_SATA, 0, 0);
    if (domain_has_pci(domain))
        imply_pci_root(resolution, is_q35 ? CONTROLLER_MODEL_PCIE_ROOT : CONTROLLER_MODEL_PCI_ROOT);
    if (!list_length(domain->balloons)) {
        Balloon *balloon = g_new0(Balloon, 1);

        balloon->model = BALLOON_VIRTIO;
        device_insert(&domain->balloons, 0, balloon);
    }
    if (is_q35) {
        imply_watchdog(domain);
        imply_iommu(domain);
    }
    imply_audio(domain);
}

/* ---- serial port 0 and its console ---- */

/* Makes @console say what @serial says, its own alias and address apart. True if it already did. */
static bool
mirror(Chardev *console, const Chardev *serial)
{
    Chardev *copy = schema_copy(serial_kind.schema, serial);
    Chardev old = *console;
    bool is_same;

    *console = *copy;
    console->info = old.info;
    old.info = copy->info;
    g_free(copy);
    g_clear_pointer(&console->target_model, g_free);
    console->target_type = CHARDEV_TARGET_SERIAL;
    console->target_port = opt_uint(0);
    is_same = old.type == console->type &&
              list_length(old.sources) == list_length(console->sources) &&
              (!chardev_source(&old) ||
               !g_strcmp0(chardev_source(&old)->path, chardev_source(console)->path));
    schema_clear(serial_kind.schema, &old);
    return is_same;
}

static bool
is_console_of_serial(const Chardev *serial)
{
    return !serial->target_type || serial->target_type == CHARDEV_TARGET_ISA_SERIAL;
}

static void
imply_serial_console(const Resolution *resolution)
{
    Domain *domain = resolution->domain;
    Chardev *console = list_length(domain->consoles) ? domain->consoles->pdata[0] : NULL;
    bool is_serial_console = console && console->target_type != CHARDEV_TARGET_VIRTIO;

    if (is_serial_console && !list_length(domain->serials)) {
        Chardev *serial = schema_copy(console_kind.schema, console);
        DeviceInfo none = { 0 };

        g_free(serial->info.alias);
        address_free(serial->info.address);
        serial->info = none;
        serial->target_type = 0;
        serial->info.is_address_assigned = true;
        device_insert(&domain->serials, 0, serial);
        g_hash_table_insert(resolution->paths, serial, /* the file says <console> */
                            g_strdup(g_hash_table_lookup(resolution->paths, console)));
    } else if (!is_serial_console && list_length(domain->serials) &&
               is_console_of_serial(list_at(domain->serials, 0, Chardev))) {
        console = g_new0(Chardev, 1);
        device_insert(&domain->consoles, 0, console);
        mirror(console, list_at(domain->serials, 0, Chardev));
        return;
    }
    if (is_serial_console && !mirror(console, list_at(domain->serials, 0, Chardev)))
        resolution_warning(
            resolution, console, NULL, "console-serial",
            "the first serial console is serial port 0: what its <serial> says holds");
}

/* ---- controllers ---- */

/* One row a drive bus, in the order in which controllers are added. */
static const struct {
    DiskBus bus;
    ControllerType type;
} drive_buses[] = {
    { DISK_BUS_SCSI, CONTROLLER_SCSI },
    { DISK_BUS_FDC, CONTROLLER_FDC },
    { DISK_BUS_IDE, CONTROLLER_IDE },
    { DISK_BUS_SATA, CONTROLLER_SATA },
};

static void
imply_drive_controllers(const Resolution *resolution, DiskBus bus, ControllerType type)
{
    const GPtrArray *disks = resolution->domain->disks;
    guint n_needed = 0;

    for (guint i = 0; i < list_length(disks); i++) {
        const Disk *disk = list_at(disks, i, Disk);
        const Address *address = disk->info.address;

        if (disk_bus(disk) != bus || !address || address->type != ADDRESS_DRIVE)
            continue;
        if (type == CONTROLLER_FDC && address->controller.value)
            resolution_error(resolution, disk, "target/@dev", "address-full",
                             "there is one floppy controller, for the drives fda and fdb");
        n_needed = MAX(n_needed, MIN(address->controller.value, 255) + 1);
    }
    for (guint i = 0; i < n_needed; i++)
        imply_controller(resolution, type, i, 0);
}

static void
imply_virtio_serial(const Resolution *resolution, const GPtrArray *chardevs)
{
    for (guint i = 0; i < list_length(chardevs); i++) {
        const Chardev *chardev = list_at(chardevs, i, Chardev);
        const Address *address = chardev->info.address;
        bool is_placed = address && address->type == ADDRESS_VIRTIO_SERIAL;

        if (chardev->target_type == CHARDEV_TARGET_VIRTIO)
            imply_controller(resolution, CONTROLLER_VIRTIO_SERIAL,
                             is_placed ? MIN(address->controller.value, 255) : 0, 0);
    }
}

/* A smartcard without address sits in reader 0. */
static void
imply_reader(const Resolution *resolution)
{
    DeviceInfo *info;

    if (!list_length(resolution->domain->smartcards))
        return;
    info = resolution->domain->smartcards->pdata[0];
    if (!info->address) {
        info->address = g_new0(Address, 1);
        info->address->type = ADDRESS_CCID;
        info->address->controller = opt_uint(0);
        info->address->slot = opt_uint(0);
        info->is_address_assigned = true;
    }
    imply_controller(resolution, CONTROLLER_CCID, MIN(info->address->controller.value, 255), 0);
}

/* One that is added is like those that the units before it sit on. */
static void
imply_scsi_controllers(const Resolution *resolution)
{
    const Domain *domain = resolution->domain;
    guint n_needed = 0;
    int model = 0;

    for (guint i = 0; i < list_length(domain->hostdevs); i++) {
        const Hostdev *hostdev = list_at(domain->hostdevs, i, Hostdev);
        const Address *address = hostdev->info.address;
        const Controller *controller;

        if (hostdev->type != HOSTDEV_SCSI || !address || address->type != ADDRESS_DRIVE ||
            address->controller.value < n_needed)
            continue;
        n_needed = MIN(address->controller.value, 255) + 1;
        controller = controller_find(domain, CONTROLLER_SCSI, n_needed - 1);
        if (controller && controller->model)
            model = controller->model;
    }
    for (guint i = 0; i < n_needed; i++)
        imply_controller(resolution, CONTROLLER_SCSI, i, model);
}

void
imply_needed_devices(const Resolution *resolution)
{
    Domain *domain = resolution->domain;

    imply_serial_console(resolution);
    for (guint i = 0; i < G_N_ELEMENTS(drive_buses); i++)
        imply_drive_controllers(resolution, drive_buses[i].bus, drive_buses[i].type);
    imply_virtio_serial(resolution, domain->channels);
    imply_virtio_serial(resolution, domain->consoles);
    imply_reader(resolution);
    imply_scsi_controllers(resolution);
    if (list_length(domain->graphics) && !list_length(domain->videos))
        device_insert(&domain->videos, 0, g_new0(Video, 1)); /* its model: defaults.c */
}
