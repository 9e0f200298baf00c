/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Controllers: what provides the buses that the other devices sit on, so they come first on the
 * command line, and PCI ones before all others.
 *
 * Some are the machine's own and spell nothing: the PCI root, the IDE controller 0 of pc, the SATA
 * controller 0 of q35, the floppy controller of pc. Their settings, if any, are globals. A q35 has
 * no IDE controller and libvirt adds none; QEMU's PIIX3 one works there, at the legacy ports.
 */
#include "model/controller.h"

#include "model/disk.h"
#include "qemu/device.h"
#include "qemu/iothread.h"

/* Drivers of models that need no more than their name. */
static const char *const drivers[] = {
    [CONTROLLER_MODEL_PCI_BRIDGE] = "pci-bridge",
    [CONTROLLER_MODEL_DMI_TO_PCI_BRIDGE] = "i82801b11-bridge",
    [CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE] = "pcie-pci-bridge",
    [CONTROLLER_MODEL_PCIE_ROOT_PORT] = "pcie-root-port",
    [CONTROLLER_MODEL_SWITCH_UPSTREAM_PORT] = "x3130-upstream",
    [CONTROLLER_MODEL_SWITCH_DOWNSTREAM_PORT] = "xio3130-downstream",
    [CONTROLLER_MODEL_PCI_EXPANDER_BUS] = "pxb",
    [CONTROLLER_MODEL_PCIE_EXPANDER_BUS] = "pxb-pcie",
    [CONTROLLER_MODEL_PIIX3_UHCI] = "piix3-usb-uhci",
    [CONTROLLER_MODEL_PIIX4_UHCI] = "piix4-usb-uhci",
    [CONTROLLER_MODEL_EHCI] = "usb-ehci",
    [CONTROLLER_MODEL_ICH9_EHCI1] = "ich9-usb-ehci1",
    [CONTROLLER_MODEL_ICH9_UHCI1] = "ich9-usb-uhci1",
    [CONTROLLER_MODEL_ICH9_UHCI2] = "ich9-usb-uhci2",
    [CONTROLLER_MODEL_ICH9_UHCI3] = "ich9-usb-uhci3",
    [CONTROLLER_MODEL_VT82C686B_UHCI] = "vt82c686b-usb-uhci",
    [CONTROLLER_MODEL_PCI_OHCI] = "pci-ohci",
    [CONTROLLER_MODEL_NEC_XHCI] = "nec-usb-xhci",
    [CONTROLLER_MODEL_QEMU_XHCI] = "qemu-xhci",
    [CONTROLLER_MODEL_LSILOGIC] = "lsi53c895a",
    [CONTROLLER_MODEL_LSISAS1068] = "mptsas1068",
    [CONTROLLER_MODEL_LSISAS1078] = "megasas",
    [CONTROLLER_MODEL_VIRTIO_SCSI] = "virtio-scsi-pci",
    [CONTROLLER_MODEL_VMPVSCSI] = "pvscsi",
    [CONTROLLER_MODEL_AM53C974] = "am53c974",
    [CONTROLLER_MODEL_DC390] = "dc390",
    [CONTROLLER_MODEL_VIRTIO] = "virtio-scsi-pci",
    [CONTROLLER_MODEL_VIRTIO_TRANSITIONAL] = "virtio-scsi-pci-transitional",
    [CONTROLLER_MODEL_VIRTIO_NON_TRANSITIONAL] = "virtio-scsi-pci-non-transitional",
};

static const char *
model_driver(const Controller *controller)
{
    if (controller->model >= (int) G_N_ELEMENTS(drivers))
        return NULL;
    return drivers[controller->model];
}

static bool
is_root(const Controller *controller)
{
    return controller->model == CONTROLLER_MODEL_PCI_ROOT ||
           controller->model == CONTROLLER_MODEL_PCIE_ROOT;
}

static Json *
pci_properties(const DeviceContext *context, const Controller *controller)
{
    const char *driver = controller->model_name ? controller->model_name : model_driver(controller);
    Json *tree;

    if (is_root(controller) || !driver)
        return NULL;
    tree = device_tree_new(context, driver);
    device_tree_add_uint(tree, "chassis_nr", &controller->chassis_nr);
    device_tree_add_uint(tree, "port", &controller->port);
    device_tree_add_uint(tree, "chassis", &controller->chassis);
    device_tree_add_uint(tree, "bus_nr", &controller->bus_nr);
    device_tree_add_uint(tree, "numa_node", &controller->node);
    if (controller->mem_reserve.is_set)
        json_set_uint(tree, "mem-reserve", controller->mem_reserve.value << 10);
    if (controller->hotplug && device_needs_property(context, "target/@hotplug", driver, "hotplug"))
        device_tree_add_tristate(tree, "hotplug", controller->hotplug);
    device_tree_add_info(context, tree, &controller->info);
    return tree;
}

static Json *
usb_properties(const DeviceContext *context, const Controller *controller)
{
    const char *driver = model_driver(controller);
    Json *tree;

    if (!driver)
        return NULL; /* model none */
    tree = device_tree_new(context, driver);
    if (controller->model == CONTROLLER_MODEL_NEC_XHCI ||
        controller->model == CONTROLLER_MODEL_QEMU_XHCI) {
        device_tree_add_uint(tree, "p2", &controller->ports);
        device_tree_add_uint(tree, "p3", &controller->ports);
    }
    device_tree_add_info(context, tree, &controller->info);
    if (controller->master_startport.is_set) {
        const char *master =
            controller_id(context->at.domain, CONTROLLER_USB, controller->index.value);
        g_autofree char *bus = g_strdup_printf("%s.0", master ? master : "");

        json_set_string(tree, "masterbus", bus);
        json_set_uint(tree, "firstport", controller->master_startport.value);
        if (!g_strcmp0(master, controller->info.alias))
            json_remove(tree, "id");
    }
    return tree;
}

static Json *
scsi_properties(const DeviceContext *context, const Controller *controller)
{
    const char *driver = model_driver(controller);
    Json *tree;

    if (!driver) {
        validation_error(&context->at, "@model", "not-in-qemu", "QEMU has no such SCSI controller");
        return NULL;
    }
    tree = device_tree_new(context, driver);
    device_tree_add_uint(tree, "num_queues", &controller->queues);
    device_tree_add_uint(tree, "cmd_per_lun", &controller->cmd_per_lun);
    device_tree_add_uint(tree, "max_sectors", &controller->max_sectors);
    device_tree_add_tristate(tree, "ioeventfd", controller->ioeventfd);
    device_tree_add_virtio(tree, &controller->virtio);
    device_tree_add_iothreads(context, tree, driver, &controller->iothread, controller->iothreads);
    device_tree_add_info(context, tree, &controller->info);
    return tree;
}

static Json *
virtio_serial_properties(const DeviceContext *context, const Controller *controller)
{
    static const char *const suffixes[] = {
        [CONTROLLER_MODEL_VIRTIO_TRANSITIONAL] = "-transitional",
        [CONTROLLER_MODEL_VIRTIO_NON_TRANSITIONAL] = "-non-transitional",
    };
    const char *suffix =
        controller->model < (int) G_N_ELEMENTS(suffixes) ? suffixes[controller->model] : NULL;
    g_autofree char *driver = g_strconcat("virtio-serial-pci", suffix, NULL);
    Json *tree = device_tree_new(context, driver);

    device_tree_add_uint(tree, "max_ports", &controller->ports);
    device_tree_add_uint(tree, "vectors", &controller->vectors);
    device_tree_add_virtio(tree, &controller->virtio);
    device_tree_add_info(context, tree, &controller->info);
    return tree;
}

static Json *
plain_properties(const DeviceContext *context, const Controller *controller, const char *driver)
{
    Json *tree = device_tree_new(context, driver);

    device_tree_add_info(context, tree, &controller->info);
    return tree;
}

/* Boot order of the floppy in drive A (unit 0) or B: the controller's property, not the drive's. */
static bool
floppy_boot_index(const Domain *domain, const Controller *controller, guint unit,
                  guint64 *ret_index)
{
    for (guint i = 0; i < list_length(domain->disks); i++) {
        const Disk *disk = list_at(domain->disks, i, Disk);
        const Address *address = disk->info.address;

        if (disk_bus(disk) == DISK_BUS_FDC && address &&
            address->controller.value == controller->index.value && address->unit.value == unit)
            return device_boot_index(domain, &disk->info, ret_index);
    }
    return false;
}

static bool
has_floppies(const Domain *domain)
{
    for (guint i = 0; i < list_length(domain->disks); i++)
        if (disk_bus(list_at(domain->disks, i, Disk)) == DISK_BUS_FDC)
            return true;
    return false;
}

static const char *const floppy_boot_properties[] = { "bootindexA", "bootindexB" };

static Json *
fdc_properties(const DeviceContext *context, const Controller *controller)
{
    Json *tree;
    guint64 index;

    if (!domain_is_q35(context->at.domain) || !has_floppies(context->at.domain))
        return NULL;
    tree = plain_properties(context, controller, "isa-fdc");
    for (guint unit = 0; unit < G_N_ELEMENTS(floppy_boot_properties); unit++)
        if (floppy_boot_index(context->at.domain, controller, unit, &index))
            json_set_uint(tree, floppy_boot_properties[unit], index);
    return tree;
}

static Json *
ide_properties(const DeviceContext *context, const Controller *controller)
{
    if (controller->index.value)
        validation_error(&context->at, "@index", "not-in-qemu",
                         "a machine has I/O ports for one IDE controller, number 0");
    return domain_is_q35(context->at.domain) ? plain_properties(context, controller, "piix3-ide")
                                             : NULL;
}

static Json *
controller_properties(const DeviceContext *context, gconstpointer device)
{
    const Controller *controller = device;

    switch ((ControllerType) controller->type) {
    case CONTROLLER_PCI:
        return pci_properties(context, controller);
    case CONTROLLER_USB:
        return usb_properties(context, controller);
    case CONTROLLER_SCSI:
        return scsi_properties(context, controller);
    case CONTROLLER_IDE:
        return ide_properties(context, controller);
    case CONTROLLER_SATA:
        if (domain_is_q35(context->at.domain) && !controller->index.value)
            return NULL;
        return plain_properties(context, controller, "ich9-ahci");
    case CONTROLLER_VIRTIO_SERIAL:
        return virtio_serial_properties(context, controller);
    case CONTROLLER_CCID:
        return plain_properties(context, controller, "usb-ccid");
    case CONTROLLER_FDC:
        return fdc_properties(context, controller);
    }
    return NULL;
}

static void
controller_options(const DeviceContext *context, gconstpointer device, CommandLine *line)
{
    const Controller *controller = device;
    bool is_q35 = domain_is_q35(context->at.domain);
    guint64 index;

    if (controller->type == CONTROLLER_PCI && is_root(controller) && controller->pcihole64.is_set)
        command_line_addf(line, "-global", "%s.pci-hole64-size=%" G_GUINT64_FORMAT "K",
                          is_q35 ? "q35-pcihost" : "i440FX-pcihost",
                          controller->pcihole64.value / 1024);
    /* The root's hot-plugging is the power management chip's. */
    if (controller->model == CONTROLLER_MODEL_PCI_ROOT && controller->hotplug)
        command_line_addf(line, "-global", "PIIX4_PM.acpi-root-pci-hotplug=%s",
                          controller->hotplug == TRISTATE_ON ? "on" : "off");
    if (controller->type != CONTROLLER_FDC || is_q35)
        return;
    for (guint unit = 0; unit < G_N_ELEMENTS(floppy_boot_properties); unit++)
        if (floppy_boot_index(context->at.domain, controller, unit, &index))
            command_line_addf(line, "-global", "isa-fdc.%s=%" G_GUINT64_FORMAT,
                              floppy_boot_properties[unit], index);
}

static guint
controller_rank(const Domain *domain, gconstpointer device)
{
    static const guint ranks[] = {
        [CONTROLLER_PCI] = 0,  [CONTROLLER_USB] = 1,  [CONTROLLER_SCSI] = 2,
        [CONTROLLER_IDE] = 3,  [CONTROLLER_SATA] = 4, [CONTROLLER_VIRTIO_SERIAL] = 5,
        [CONTROLLER_CCID] = 6, [CONTROLLER_FDC] = 7,
    };

    return ranks[((const Controller *) device)->type];
}

const DeviceSpelling controller_spelling = {
    .kind = &controller_kind,
    .properties = controller_properties,
    .options = controller_options,
    .rank = controller_rank,
};
