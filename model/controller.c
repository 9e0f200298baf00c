/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Controllers: the buses that other devices sit on. Type and index are a controller's identity,
 * since addresses name them. The models of all types share one enumeration, so that a model says
 * by itself what a controller is; which type has which models is the table `model_types`.
 */
#include "model/controller.h"

#include "model/default.h"
#include "model/iothread.h"

const char *const controller_type_names[] = {
    [CONTROLLER_IDE] = "ide",
    [CONTROLLER_FDC] = "fdc",
    [CONTROLLER_SCSI] = "scsi",
    [CONTROLLER_SATA] = "sata",
    [CONTROLLER_VIRTIO_SERIAL] = "virtio-serial",
    [CONTROLLER_CCID] = "ccid",
    [CONTROLLER_USB] = "usb",
    [CONTROLLER_PCI] = "pci",
    NULL,
};

const char *const controller_model_names[] = {
    [CONTROLLER_MODEL_PCI_ROOT] = "pci-root",
    [CONTROLLER_MODEL_PCIE_ROOT] = "pcie-root",
    [CONTROLLER_MODEL_PCI_BRIDGE] = "pci-bridge",
    [CONTROLLER_MODEL_DMI_TO_PCI_BRIDGE] = "dmi-to-pci-bridge",
    [CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE] = "pcie-to-pci-bridge",
    [CONTROLLER_MODEL_PCIE_ROOT_PORT] = "pcie-root-port",
    [CONTROLLER_MODEL_SWITCH_UPSTREAM_PORT] = "pcie-switch-upstream-port",
    [CONTROLLER_MODEL_SWITCH_DOWNSTREAM_PORT] = "pcie-switch-downstream-port",
    [CONTROLLER_MODEL_PCI_EXPANDER_BUS] = "pci-expander-bus",
    [CONTROLLER_MODEL_PCIE_EXPANDER_BUS] = "pcie-expander-bus",
    [CONTROLLER_MODEL_PIIX3_UHCI] = "piix3-uhci",
    [CONTROLLER_MODEL_PIIX4_UHCI] = "piix4-uhci",
    [CONTROLLER_MODEL_EHCI] = "ehci",
    [CONTROLLER_MODEL_ICH9_EHCI1] = "ich9-ehci1",
    [CONTROLLER_MODEL_ICH9_UHCI1] = "ich9-uhci1",
    [CONTROLLER_MODEL_ICH9_UHCI2] = "ich9-uhci2",
    [CONTROLLER_MODEL_ICH9_UHCI3] = "ich9-uhci3",
    [CONTROLLER_MODEL_VT82C686B_UHCI] = "vt82c686b-uhci",
    [CONTROLLER_MODEL_PCI_OHCI] = "pci-ohci",
    [CONTROLLER_MODEL_NEC_XHCI] = "nec-xhci",
    [CONTROLLER_MODEL_QEMU_XHCI] = "qemu-xhci",
    [CONTROLLER_MODEL_NONE] = "none",
    [CONTROLLER_MODEL_PIIX3] = "piix3",
    [CONTROLLER_MODEL_PIIX4] = "piix4",
    [CONTROLLER_MODEL_ICH6] = "ich6",
    [CONTROLLER_MODEL_AUTO] = "auto",
    [CONTROLLER_MODEL_BUSLOGIC] = "buslogic",
    [CONTROLLER_MODEL_LSILOGIC] = "lsilogic",
    [CONTROLLER_MODEL_LSISAS1068] = "lsisas1068",
    [CONTROLLER_MODEL_LSISAS1078] = "lsisas1078",
    [CONTROLLER_MODEL_VIRTIO_SCSI] = "virtio-scsi",
    [CONTROLLER_MODEL_VMPVSCSI] = "vmpvscsi",
    [CONTROLLER_MODEL_AM53C974] = "am53c974",
    [CONTROLLER_MODEL_DC390] = "dc390",
    [CONTROLLER_MODEL_VIRTIO] = "virtio",
    [CONTROLLER_MODEL_VIRTIO_TRANSITIONAL] = "virtio-transitional",
    [CONTROLLER_MODEL_VIRTIO_NON_TRANSITIONAL] = "virtio-non-transitional",
    NULL,
};

/* Ranges of models a type can have. */
static const struct {
    ControllerType type;
    ControllerModel first, last;
} model_types[] = {
    { CONTROLLER_PCI, CONTROLLER_MODEL_PCI_ROOT, CONTROLLER_MODEL_PCIE_EXPANDER_BUS },
    { CONTROLLER_USB, CONTROLLER_MODEL_PIIX3_UHCI, CONTROLLER_MODEL_NONE },
    { CONTROLLER_IDE, CONTROLLER_MODEL_PIIX3, CONTROLLER_MODEL_ICH6 },
    { CONTROLLER_SCSI, CONTROLLER_MODEL_AUTO, CONTROLLER_MODEL_DC390 },
    { CONTROLLER_SCSI, CONTROLLER_MODEL_VIRTIO_TRANSITIONAL,
      CONTROLLER_MODEL_VIRTIO_NON_TRANSITIONAL },
    { CONTROLLER_VIRTIO_SERIAL, CONTROLLER_MODEL_VIRTIO, CONTROLLER_MODEL_VIRTIO_NON_TRANSITIONAL },
};

#define OF(types) WHEN(Controller, type, "@type", types)
#define PCI WHEN_IS(CONTROLLER_PCI)
#define USB WHEN_IS(CONTROLLER_USB)
#define SCSI WHEN_IS(CONTROLLER_SCSI)
#define VIRTIO_SERIAL WHEN_IS(CONTROLLER_VIRTIO_SERIAL)

static const Field controller_fields[] = {
    FIELD_ENUM(Controller, type, controller_type_names, .path = "@type", .is_required = true,
               .doc = "What sits on it."),
    FIELD_UINT(Controller, index, .path = "@index", .max = 255,
               .doc = "What addresses call it; the lowest free one by default."),
    FIELD_ENUM(Controller, model, controller_model_names, .path = "@model",
               .doc = "Which of the type's devices."),
    FIELD_UINT(Controller, ports, .path = "@ports", .min = 1, .max = 255, OF(USB | VIRTIO_SERIAL),
               .doc = "Number of ports."),
    FIELD_UINT(Controller, vectors, .path = "@vectors", .max = 2147483647, OF(VIRTIO_SERIAL),
               .doc = "Number of interrupt vectors."),
    FIELD_UINT(Controller, queues, .path = "driver/@queues", .min = 1, .max = 65535, OF(SCSI),
               .doc = "Number of virtqueues."),
    FIELD_UINT(Controller, cmd_per_lun, .path = "driver/@cmd_per_lun", OF(SCSI),
               .doc = "Commands that may be queued for a unit."),
    FIELD_UINT(Controller, max_sectors, .path = "driver/@max_sectors", OF(SCSI),
               .doc = "Most sectors of one transfer."),
    FIELD_ON_OFF(Controller, ioeventfd, .path = "driver/@ioeventfd", OF(SCSI),
                 .doc = "virtio's ioeventfd."),
    FIELD_UINT(Controller, iothread, .path = "driver/@iothread", .min = 1, OF(SCSI),
               .doc = "virtio-scsi: the I/O thread that serves it."),
    FIELD_LIST(Controller, iothreads, &iothread_mapping_schema, .path = "driver/iothreads/iothread",
               OF(SCSI), .doc = "virtio-scsi: the I/O threads that serve its queues."),
    DEVICE_VIRTIO_FIELDS(Controller),
    FIELD_STRING(Controller, model_name, .path = "model/@name", OF(PCI),
                 .doc = "QEMU's device behind a PCI controller; only its default is known."),
    FIELD_UINT(Controller, chassis_nr, .path = "target/@chassisNr", .min = 1, .max = 255, OF(PCI),
               .doc = "pci-bridge: chassis number; the index by default."),
    FIELD_UINT(Controller, chassis, .path = "target/@chassis", .max = 255, OF(PCI),
               .doc = "Root and downstream ports: chassis; the index by default."),
    FIELD_HEX(Controller, port, .path = "target/@port", .max = 255, OF(PCI),
              .doc = "Root and downstream ports: port number."),
    FIELD_UINT(Controller, bus_nr, .path = "target/@busNr", .min = 1, .max = 254, OF(PCI),
               .doc = "Expander buses: bus number."),
    FIELD_UINT(Controller, mem_reserve, .path = "target/@memReserve", .min = 1, .max = G_MAXUINT32,
               OF(PCI), .doc = "Root ports: memory kept for what is plugged later, in KiB."),
    FIELD_REFUSED("is for pseries machines", .path = "target/@index",
                  .doc = "A host bridge's number."),
    FIELD_ON_OFF(Controller, hotplug, .path = "target/@hotplug", OF(PCI),
                 .doc = "Root and downstream ports: whether devices can be plugged while running."),
    FIELD_UINT(Controller, node, .path = "target/node", .max = 127, OF(PCI),
               .doc = "Expander buses: guest NUMA node."),
    FIELD_SIZE(Controller, pcihole64, .path = "pcihole64", OF(PCI),
               .doc = "Roots: size of the 64-bit PCI hole."),
    FIELD_UINT(Controller, master_startport, .path = "master/@startport", .max = 15, OF(USB),
               .doc = "USB companions: first port of the master they serve."),
    FIELD_REFUSED("is for Xen", .path = "@maxGrantFrames", .doc = "Pages a xenbus shares."),
    FIELD_REFUSED("is for Xen", .path = "@maxEventChannels", .doc = "Event channels of a xenbus."),
    DEVICE_INFO_FIELDS(Controller),
    FIELD_END,
};

static char *
controller_key(gconstpointer item)
{
    const Controller *controller = item;

    if (!controller->index.is_set || !controller->type)
        return NULL;
    /* ICH9's USB 2 parts share an index. */
    if (controller->type == CONTROLLER_USB && controller->model)
        return g_strdup_printf("usb-%" G_GUINT64_FORMAT "-%s", controller->index.value,
                               controller_model_names[controller->model]);
    return g_strdup_printf("%s-%" G_GUINT64_FORMAT, controller_type_names[controller->type],
                           controller->index.value);
}

static const Schema controller_schema = {
    .element = "controller",
    .size = sizeof(Controller),
    .fields = controller_fields,
    .key = controller_key,
    .doc = "A bus for other devices. Those that are needed and not given are added.",
};

static bool
has_model(const Controller *controller)
{
    for (guint i = 0; i < G_N_ELEMENTS(model_types); i++)
        if (model_types[i].type == (ControllerType) controller->type &&
            controller->model >= (int) model_types[i].first &&
            controller->model <= (int) model_types[i].last)
            return true;
    return false;
}

#define MODEL(name) (G_GUINT64_CONSTANT(1) << CONTROLLER_MODEL_##name)
#define PORTS (MODEL(PCIE_ROOT_PORT) | MODEL(SWITCH_DOWNSTREAM_PORT))
#define EXPANDERS (MODEL(PCI_EXPANDER_BUS) | MODEL(PCIE_EXPANDER_BUS))

/* What only some PCI controllers have. */
static void
validate_pci_options(const Validation *v, const Controller *controller)
{
    const struct {
        const char *path;
        bool is_used;
        guint64 models;
    } rows[] = {
        { "pcihole64", controller->pcihole64.is_set, MODEL(PCI_ROOT) | MODEL(PCIE_ROOT) },
        { "target/@chassisNr", controller->chassis_nr.is_set, MODEL(PCI_BRIDGE) },
        { "target/@chassis", controller->chassis.is_set, PORTS },
        { "target/@port", controller->port.is_set, PORTS },
        { "target/@hotplug", controller->hotplug, PORTS | MODEL(PCI_ROOT) },
        { "target/@memReserve", controller->mem_reserve.is_set,
          MODEL(PCIE_ROOT_PORT) | MODEL(PCI_BRIDGE) | MODEL(PCIE_TO_PCI_BRIDGE) },
        { "target/@busNr", controller->bus_nr.is_set, EXPANDERS },
        { "target/node", controller->node.is_set, EXPANDERS },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].is_used && !(rows[i].models & G_GUINT64_CONSTANT(1) << controller->model))
            validation_error(v, rows[i].path, "controller-option", "a %s has no such thing",
                             controller_model_names[controller->model]);
    if (controller->node.is_set && controller->node.value >= list_length(v->domain->cells))
        validation_error(v, "target/node", "controller-node", "the guest has no NUMA cell %u",
                         (guint) controller->node.value);
}

/* QEMU's devices behind the models; the first is the default. */
static const char *const pci_devices[][3] = {
    [CONTROLLER_MODEL_PCI_BRIDGE] = { "pci-bridge" },
    [CONTROLLER_MODEL_DMI_TO_PCI_BRIDGE] = { "i82801b11-bridge" },
    [CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE] = { "pcie-pci-bridge" },
    [CONTROLLER_MODEL_PCIE_ROOT_PORT] = { "pcie-root-port", "ioh3420" },
    [CONTROLLER_MODEL_SWITCH_UPSTREAM_PORT] = { "x3130-upstream" },
    [CONTROLLER_MODEL_SWITCH_DOWNSTREAM_PORT] = { "xio3130-downstream" },
    [CONTROLLER_MODEL_PCI_EXPANDER_BUS] = { "pxb" },
    [CONTROLLER_MODEL_PCIE_EXPANDER_BUS] = { "pxb-pcie" },
};

static void
validate_pci_device(const Validation *v, const Controller *controller)
{
    const char *const *names = controller->model < (int) G_N_ELEMENTS(pci_devices)
                                   ? pci_devices[controller->model]
                                   : pci_devices[CONTROLLER_MODEL_PCI_ROOT];

    if (controller->model_name && !(*names && g_strv_contains(names, controller->model_name)))
        validation_error(v, "model/@name", "controller-model", "QEMU's %s is not '%s'",
                         controller_model_names[controller->model], controller->model_name);
}

static void
validate_pci(const Validation *v, const Controller *controller)
{
    bool is_root = controller->model == CONTROLLER_MODEL_PCI_ROOT ||
                   controller->model == CONTROLLER_MODEL_PCIE_ROOT;

    if (!controller->model)
        return validation_error(v, NULL, "controller-model", "a PCI controller needs a model");
    if (is_root && controller->index.value)
        validation_error(v, "@index", "controller-root", "the PCI root has index 0");
    if (!is_root && controller->index.is_set && !controller->index.value)
        validation_error(v, "@model", "controller-root",
                         "PCI controller 0 is the root of the machine");
    if (is_root && controller->info.address)
        validation_error(v, "address", "controller-root", "the PCI root has no address");
    validate_pci_options(v, controller);
    validate_pci_device(v, controller);
}

OptUint
controller_companion_port(const Controller *controller)
{
    guint64 n = (guint64) controller->model - CONTROLLER_MODEL_ICH9_UHCI1;

    return (OptUint){ .value = 2 * n, .is_set = n <= 2 };
}

static void
validate_usb(const Validation *v, const Controller *controller)
{
    if (controller->ports.is_set && controller->model != CONTROLLER_MODEL_NEC_XHCI &&
        controller->model != CONTROLLER_MODEL_QEMU_XHCI)
        validation_error(v, "@ports", "controller-option",
                         "only xHCI controllers have a number of ports");
    if (controller->master_startport.is_set && !controller_companion_port(controller).is_set)
        validation_error(v, "master", "controller-option",
                         "only ich9-uhci1, 2 and 3 have a master");
}

/* What only virtio controllers have. */
static void
validate_virtio(const Validation *v, const Controller *controller)
{
    bool is_virtio_scsi = controller->type == CONTROLLER_SCSI &&
                          (!controller->model || controller->model == CONTROLLER_MODEL_AUTO ||
                           controller->model == CONTROLLER_MODEL_VIRTIO_SCSI ||
                           controller->model == CONTROLLER_MODEL_VIRTIO_TRANSITIONAL ||
                           controller->model == CONTROLLER_MODEL_VIRTIO_NON_TRANSITIONAL);
    const struct {
        const char *path;
        bool is_used;
    } rows[] = {
        { "driver/@queues", controller->queues.is_set },
        { "driver/@cmd_per_lun", controller->cmd_per_lun.is_set },
        { "driver/@max_sectors", controller->max_sectors.is_set },
        { "driver/@ioeventfd", controller->ioeventfd },
        { "driver/@iothread", controller->iothread.is_set },
        { "driver/iothreads", list_length(controller->iothreads) },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows) && !is_virtio_scsi; i++)
        if (rows[i].is_used)
            validation_error(v, rows[i].path, "controller-virtio", "is for model 'virtio-scsi'");
    if (is_virtio_scsi)
        iothread_use_validate(v, &controller->iothread, controller->iothreads, &controller->queues);
    else if (controller->type != CONTROLLER_VIRTIO_SERIAL)
        validate_no_virtio_options(v, &controller->virtio);
}

/* Whether they would be one bus. USB companions share their master's. */
static bool
is_same(const Controller *controller, const Controller *other)
{
    bool is_companion =
        controller_companion_port(controller).is_set || controller_companion_port(other).is_set;

    return controller->type == other->type && controller->index.is_set && other->index.is_set &&
           controller->index.value == other->index.value &&
           (!is_companion || controller->model == other->model);
}

static void
controller_validate(const Validation *v, gconstpointer item)
{
    const Controller *controller = item;

    if (!controller->type)
        return;
    if (controller->model && !has_model(controller))
        return validation_error(
            v, "@model", "controller-model", "a controller of type '%s' has no model '%s'",
            controller_type_names[controller->type], controller_model_names[controller->model]);
    if (controller->model == CONTROLLER_MODEL_BUSLOGIC)
        validation_error(v, "@model", "controller-model", "QEMU has no BusLogic controller");
    if (controller->type == CONTROLLER_PCI)
        validate_pci(v, controller);
    if (controller->type == CONTROLLER_USB)
        validate_usb(v, controller);
    if (controller->type == CONTROLLER_FDC && controller->index.value)
        validation_error(v, "@index", "controller-index",
                         "there is one floppy controller, number 0");
    validate_virtio(v, controller);
    for (guint i = 0; i < list_length(v->domain->controllers); i++) {
        const Controller *other = list_at(v->domain->controllers, i, Controller);

        if (other == controller)
            break;
        if (is_same(controller, other))
            validation_error(v, "@index", "controller-duplicate",
                             "there is already a controller of type '%s' with index %u",
                             controller_type_names[controller->type],
                             (guint) controller->index.value);
    }
}

static DeviceBus
controller_bus(const Domain *domain, gconstpointer item)
{
    const Controller *controller = item;

    switch ((ControllerType) controller->type) {
    case CONTROLLER_PCI: /* placed by the PCI policy itself */
    case CONTROLLER_FDC:
        return BUS_NONE;
    case CONTROLLER_CCID:
        return BUS_USB;
    case CONTROLLER_IDE:
        return domain_is_q35(domain) || controller->index.value ? BUS_PCI : BUS_NONE;
    case CONTROLLER_SATA:
        return BUS_PCI;
    case CONTROLLER_USB:
        if (controller->model == CONTROLLER_MODEL_NONE)
            return BUS_NONE;
        return controller->model == CONTROLLER_MODEL_QEMU_XHCI ||
                       controller->model == CONTROLLER_MODEL_NEC_XHCI
                   ? BUS_PCIE
                   : BUS_PCI;
    case CONTROLLER_SCSI:
        return controller->model == CONTROLLER_MODEL_VIRTIO_SCSI ||
                       controller->model == CONTROLLER_MODEL_VIRTIO_NON_TRANSITIONAL
                   ? BUS_PCIE
                   : BUS_PCI;
    case CONTROLLER_VIRTIO_SERIAL:
        return controller->model == CONTROLLER_MODEL_VIRTIO_TRANSITIONAL ? BUS_PCI : BUS_PCIE;
    }
    return BUS_NONE;
}

/* address-assignment.md 5. */
static char *
controller_alias(const Domain *domain, gconstpointer item, guint index)
{
    const Controller *controller = item;
    guint number = controller->index.value;

    switch ((ControllerType) controller->type) {
    case CONTROLLER_PCI:
        if (controller->model == CONTROLLER_MODEL_PCIE_ROOT)
            return g_strdup("pcie.0");
        return g_strdup_printf("pci.%u", number);
    case CONTROLLER_IDE:
        if (!domain_is_q35(domain) && !number)
            return g_strdup("ide");
        break;
    case CONTROLLER_SATA:
        if (domain_is_q35(domain) && !number)
            return g_strdup("ide");
        break;
    case CONTROLLER_USB: {
        /* Companions share their master's index, and ids must differ: the first is the plain one.
         */
        guint n_before = 0;

        for (guint i = 0; i < list_length(domain->controllers); i++) {
            const Controller *other = list_at(domain->controllers, i, Controller);

            if (other == controller)
                break;
            n_before += other->type == CONTROLLER_USB && other->index.value == number;
        }
        if (n_before && controller->model != CONTROLLER_MODEL_ICH9_EHCI1)
            return g_strdup_printf("usb%u-%s", number, controller_model_names[controller->model]);
        return number ? g_strdup_printf("usb%u", number) : g_strdup("usb");
    }
    case CONTROLLER_FDC:
    case CONTROLLER_SCSI:
    case CONTROLLER_VIRTIO_SERIAL:
    case CONTROLLER_CCID:
        break;
    }
    return g_strdup_printf("%s%u", controller_type_names[controller->type], number);
}

static void
controller_fill_defaults(const Domain *domain, gpointer device)
{
    Controller *controller = device;

    if (controller->type == CONTROLLER_USB) {
        OptUint port = controller_companion_port(controller);

        default_enum(&controller->model, CONTROLLER_MODEL_PIIX3_UHCI);
        if (port.is_set)
            default_uint(&controller->master_startport, port.value);
    }
    if (controller->type != CONTROLLER_SCSI)
        return;
    if (controller->model == CONTROLLER_MODEL_AUTO)
        controller->model = 0;
    default_enum(&controller->model, CONTROLLER_MODEL_LSILOGIC);
}

/* Ports and bridges of pcie.0 can't be plugged, nor can what the chipset has. */
static bool
controller_plugs(gconstpointer device)
{
    const Controller *controller = device;

    return controller->type == CONTROLLER_SCSI || controller->type == CONTROLLER_VIRTIO_SERIAL ||
           (controller->type == CONTROLLER_USB && !controller->master_startport.is_set);
}

const DeviceKind controller_kind = {
    .name = "controller",
    .list_offset = offsetof(Domain, controllers),
    .schema = &controller_schema,
    .validate = controller_validate,
    .fill_defaults = controller_fill_defaults,
    .is_pluggable = controller_plugs,
    .bus = controller_bus,
    .pci_rank = 5,
    .usb_rank = 3,
    .alias_prefix = "controller",
    .alias = controller_alias,
};
