/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What all kinds of devices share in QEMU's spelling: the registry and the walk over it, and the
 * properties that come from DeviceInfo (id, bus, address, boot order, ROM).
 *
 *     Domain ──kind's spelling──► backends (host side)   device tree (guest side)
 *                 at boot:        -object -blockdev …    -device '{…}'
 *                 later:          object-add …           device_add {…}
 *
 * The ids of backends are made of the device's alias and a prefix that says what they are, so that
 * a leftover of a failed plug is recognized as ours and removed.
 *
 * An address names its bus by a controller's number; QEMU wants the id of the device that provides
 * the bus. That translation is here, once (controller_id()).
 */
#include "qemu/device.h"

#include <gio/gio.h>

#include "model/disk.h"
#include "model/input.h"
#include "model/interface.h"
#include "qemu/balloon.h"
#include "qemu/chardev.h"
#include "qemu/qemu-namespace.h"

#define DEVICE_SPELLING_ROW(name) &name##_spelling,
const DeviceSpelling *const device_spellings[] = { DEVICE_SPELLINGS(DEVICE_SPELLING_ROW) NULL };

static const struct {
    const char *option, *command, *id;
} backend_words[] = {
    [BACKEND_OBJECT] = { "-object", "object-add", "id" },
    [BACKEND_BLOCKDEV] = { "-blockdev", "blockdev-add", "node-name" },
    [BACKEND_NETDEV] = { "-netdev", "netdev_add", "id" },
    [BACKEND_CHARDEV] = { "-chardev", "chardev-add", "id" },
};

const DeviceSpelling *
device_spelling_find(const DeviceKind *kind)
{
    for (guint i = 0; device_spellings[i]; i++)
        if (device_spellings[i]->kind == kind)
            return device_spellings[i];
    return NULL;
}

void
backend_free(Backend *backend)
{
    if (!backend)
        return;
    json_free(backend->properties);
    g_free(backend);
}

const char *
backend_command(BackendKind kind)
{
    return backend_words[kind].command;
}

const char *
backend_id(const Backend *backend)
{
    return json_get_string(backend->properties, backend_words[backend->kind].id);
}

void
backend_add(GPtrArray *backends, BackendKind kind, Json *properties)
{
    Backend *backend = g_new0(Backend, 1);

    backend->kind = kind;
    backend->properties = properties;
    g_ptr_array_add(backends, backend);
}

char *
backend_name(const char *prefix, const DeviceInfo *info)
{
    return g_strconcat(prefix, info->alias, NULL);
}

static GPtrArray *
backends_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify) backend_free);
}

void
backends_spell(const GPtrArray *backends, CommandLine *line)
{
    for (guint i = 0; i < backends->len; i++) {
        const Backend *backend = backends->pdata[i];
        const char *option = backend_words[backend->kind].option;

        if (backend->kind == BACKEND_CHARDEV) {
            g_autofree char *text = chardev_option_text(backend->properties);

            command_line_add(line, option, text); /* no JSON before QEMU 10.1 */
        } else {
            command_line_add_tree(line, option, json_copy(backend->properties));
        }
    }
}

/* --- walking --- */

static void
spell_device(const DeviceContext *context, const DeviceSpelling *spelling, gconstpointer device,
             CommandLine *line)
{
    g_autoptr(GPtrArray) backends = backends_new();
    Json *tree = NULL;

    if (spelling->backends)
        spelling->backends(context, device, backends);
    backends_spell(backends, line);
    if (spelling->properties)
        tree = spelling->properties(context, device);
    if (tree)
        qemu_namespace_override(context, tree);
    if (tree)
        command_line_add_tree(line, "-device", tree);
    if (spelling->options)
        spelling->options(context, device, line);
}

/* The least rank above @rank among the kind's devices; G_MAXUINT when there is none. */
static guint
next_rank(const DeviceSpelling *spelling, const Domain *domain, const GPtrArray *devices,
          gint64 rank)
{
    guint next = G_MAXUINT;

    for (guint i = 0; i < list_length(devices); i++) {
        guint own = spelling->rank ? spelling->rank(domain, devices->pdata[i]) : 0;

        if (own > rank && own < next)
            next = own;
    }
    return next;
}

static void
spell_kind(const DeviceContext *context, const DeviceSpelling *spelling, CommandLine *line)
{
    const Domain *domain = context->at.domain;
    const GPtrArray *devices = domain_devices(domain, spelling->kind);
    gint64 rank = -1;

    while ((rank = next_rank(spelling, domain, devices, rank)) != G_MAXUINT) {
        for (guint i = 0; i < devices->len; i++) {
            g_autofree char *path = g_strdup_printf("devices/%s[%u]", spelling->kind->name, i);
            DeviceContext own = *context;

            if (spelling->rank && spelling->rank(domain, devices->pdata[i]) != rank)
                continue;
            own.at.path = path;
            spell_device(&own, spelling, devices->pdata[i], line);
        }
    }
}

void
device_spell_all(const DeviceContext *context, CommandLine *line)
{
    for (guint i = 0; device_spellings[i]; i++)
        spell_kind(context, device_spellings[i], line);
}

bool
device_prepare_all(Monitor *monitor, const Domain *domain, GError **error)
{
    for (guint k = 0; device_spellings[k]; k++) {
        const DeviceSpelling *spelling = device_spellings[k];
        const GPtrArray *devices = domain_devices(domain, spelling->kind);

        for (guint i = 0; spelling->prepare && i < list_length(devices); i++)
            if (!spelling->prepare(monitor, domain, devices->pdata[i], error)) {
                const char *alias = list_at(devices, i, DeviceInfo)->alias;

                g_prefix_error(error, "%s %s: ", spelling->kind->name, alias ? alias : "");
                return false;
            }
    }
    return balloon_inflate(monitor, domain, error);
}

bool
device_check_launch(const Domain *domain, GError **error)
{
    for (guint k = 0; device_spellings[k]; k++) {
        const DeviceSpelling *spelling = device_spellings[k];
        const GPtrArray *devices = domain_devices(domain, spelling->kind);

        for (guint i = 0; spelling->launch_refusal && i < list_length(devices); i++) {
            g_autofree char *reason = spelling->launch_refusal(domain, devices->pdata[i]);

            if (!reason)
                continue;
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "%s %u: %s",
                        spelling->kind->name, i, reason);
            return false;
        }
    }
    return true;
}

DeviceTrees *
device_trees_build(const Domain *domain, const DeviceKind *kind, gconstpointer device,
                   const char *path, const Capabilities *capabilities, const HostFacts *facts,
                   const PositionMap *positions, Diagnostics *diagnostics)
{
    const DeviceSpelling *spelling = device_spelling_find(kind);
    g_autoptr(DeviceTrees) trees = g_new0(DeviceTrees, 1);
    guint n_errors = diagnostics->n_errors;
    DeviceContext context = {
        .at = { .domain = domain,
                .positions = positions,
                .diagnostics = diagnostics,
                .path = (char *) path },
        .capabilities = capabilities,
        .facts = facts,
        .is_plugged = true,
    };

    trees->backends = backends_new();
    if (spelling && spelling->backends)
        spelling->backends(&context, device, trees->backends);
    if (spelling && spelling->properties)
        trees->device = spelling->properties(&context, device);
    if (trees->device)
        qemu_namespace_override(&context, trees->device);
    return diagnostics->n_errors > n_errors ? NULL : g_steal_pointer(&trees);
}

void
device_trees_free(DeviceTrees *trees)
{
    if (!trees)
        return;
    g_clear_pointer(&trees->backends, g_ptr_array_unref);
    json_free(trees->device);
    g_free(trees);
}

/* --- building one tree --- */

Json *
device_tree_new(const DeviceContext *context, const char *driver)
{
    Json *tree = json_new_object();

    if (!capabilities_has_device(context->capabilities, driver))
        validation_error(&context->at, NULL, "not-in-qemu", "this QEMU has no device '%s'", driver);
    json_set_string(tree, "driver", driver);
    return tree;
}

bool
device_needs_property(const DeviceContext *context, const char *field, const char *driver,
                      const char *property)
{
    if (capabilities_has_device_property(context->capabilities, driver, property))
        return true;
    validation_error(&context->at, field, "not-in-qemu",
                     "this QEMU's device '%s' has no property '%s'", driver, property);
    return false;
}

void
device_tree_add_tristate(Json *tree, const char *name, int value)
{
    if (value)
        json_set_bool(tree, name, value == TRISTATE_ON);
}

void
device_tree_add_uint(Json *tree, const char *name, const OptUint *value)
{
    if (value->is_set)
        json_set_uint(tree, name, value->value);
}

void
device_tree_add_scsi(const DeviceContext *context, Json *tree, const Address *address)
{
    guint64 index = address ? address->controller.value : 0;
    const char *id = address ? needed_controller(context, CONTROLLER_SCSI, index) : NULL;
    g_autofree char *bus = id ? g_strconcat(id, ".0", NULL) : NULL;

    if (!address)
        return;
    json_set_string(tree, "bus", bus);
    if (domain_scsi_is_narrow(context->at.domain, index)) {
        json_set_uint(tree, "scsi-id", address->unit.value);
        return;
    }
    json_set_uint(tree, "channel", address->bus.value);
    json_set_uint(tree, "scsi-id", address->target.value);
    json_set_uint(tree, "lun", address->unit.value);
}

void
device_tree_add_virtio(Json *tree, const VirtioOptions *options)
{
    device_tree_add_tristate(tree, "iommu_platform", options->iommu);
    device_tree_add_tristate(tree, "ats", options->ats);
    device_tree_add_tristate(tree, "packed", options->packed);
    device_tree_add_tristate(tree, "page-per-vq", options->page_per_vq);
}

char *
virtio_driver(const char *prefix, int virtio_model)
{
    static const char *const suffixes[] = {
        [0] = "",
        [VIRTIO_MODEL_VIRTIO] = "",
        [VIRTIO_MODEL_TRANSITIONAL] = "-transitional",
        [VIRTIO_MODEL_NON_TRANSITIONAL] = "-non-transitional",
    };

    return g_strdup_printf("%s-pci%s", prefix, suffixes[virtio_model]);
}

static bool
is_companion(const Controller *controller)
{
    return controller->model == CONTROLLER_MODEL_ICH9_UHCI1 ||
           controller->model == CONTROLLER_MODEL_ICH9_UHCI2 ||
           controller->model == CONTROLLER_MODEL_ICH9_UHCI3;
}

/* The machine names its own buses, whatever alias the file gives their controllers. */
static const char *
built_in_id(const Domain *domain, ControllerType type, guint64 index)
{
    bool is_q35 = domain_is_q35(domain);

    if (index)
        return NULL;
    if (type == CONTROLLER_PCI)
        return is_q35 ? "pcie.0" : "pci.0";
    if (type == (is_q35 ? CONTROLLER_SATA : CONTROLLER_IDE))
        return "ide";
    return NULL;
}

const char *
controller_id(const Domain *domain, ControllerType type, guint64 index)
{
    const char *built_in = built_in_id(domain, type, index);
    const Controller *found = NULL;

    if (built_in)
        return built_in;
    for (guint i = 0; i < list_length(domain->controllers); i++) {
        const Controller *controller = list_at(domain->controllers, i, Controller);

        if (controller->type != (int) type || controller->index.value != index)
            continue;
        /* ICH9's USB 2 parts share an index; the bus is their master's. */
        if (!found || (is_companion(found) && !is_companion(controller)))
            found = controller;
    }
    return found ? found->info.alias : NULL;
}

const char *
needed_controller(const DeviceContext *context, ControllerType type, guint64 index)
{
    const char *id = controller_id(context->at.domain, type, index);

    if (!id)
        validation_error(&context->at, "address", "no-controller",
                         "there is no controller of type '%s' with index %" G_GUINT64_FORMAT,
                         controller_type_names[type], index);
    return id;
}

static void
add_pci_address(const DeviceContext *context, Json *tree, const Address *address)
{
    g_autofree char *addr = NULL;

    if (address->function.value)
        addr = g_strdup_printf("0x%x.0x%x", (guint) address->slot.value,
                               (guint) address->function.value);
    else
        addr = g_strdup_printf("0x%x", (guint) address->slot.value);
    json_set_string(tree, "bus", needed_controller(context, CONTROLLER_PCI, address->bus.value));
    if (address->multifunction == TRISTATE_ON)
        json_set_bool(tree, "multifunction", true);
    json_set_string(tree, "addr", addr);
}

static void
add_bus(Json *tree, const DeviceContext *context, ControllerType type, guint64 index)
{
    const char *id = needed_controller(context, type, index);
    g_autofree char *bus = id ? g_strdup_printf("%s.0", id) : NULL;

    json_set_string(tree, "bus", bus);
}

/* fe.0.0001: channel subsystem, subchannel set, device. Without a device QEMU chooses one. */
static void
add_channel(Json *tree, const Address *address)
{
    g_autofree char *devno =
        g_strdup_printf("%x.%x.%04x", (guint) address->cssid.value, (guint) address->ssid.value,
                        (guint) address->devno.value);

    if (address->devno.is_set)
        json_set_string(tree, "devno", devno);
}

/* Drive addresses mean something else on each bus: qemu/disk.c spells them. */
static void
add_address(const DeviceContext *context, Json *tree, const Address *address)
{
    switch ((AddressType) address->type) {
    case ADDRESS_PCI:
        add_pci_address(context, tree, address);
        break;
    case ADDRESS_USB:
        add_bus(tree, context, CONTROLLER_USB, address->bus.value);
        json_set_string(tree, "port", address->port);
        break;
    case ADDRESS_VIRTIO_SERIAL:
        add_bus(tree, context, CONTROLLER_VIRTIO_SERIAL, address->controller.value);
        if (address->port)
            json_set_uint(tree, "nr", g_ascii_strtoull(address->port, NULL, 0));
        break;
    case ADDRESS_CCID:
        add_bus(tree, context, CONTROLLER_CCID, address->controller.value);
        break;
    case ADDRESS_ISA:
        device_tree_add_uint(tree, "iobase", &address->iobase);
        device_tree_add_uint(tree, "irq", &address->irq);
        break;
    case ADDRESS_DIMM:
        device_tree_add_uint(tree, "slot", &address->slot);
        device_tree_add_uint(tree, "addr", &address->base);
        break;
    case ADDRESS_CCW:
        add_channel(tree, address);
        break;
    case ADDRESS_DRIVE:
    case ADDRESS_ABSENT:
    case ADDRESS_UNASSIGNED:
        break;
    }
}

void
device_tree_add_info(const DeviceContext *context, Json *tree, const DeviceInfo *info)
{
    guint64 boot_index;

    json_set_string(tree, "id", info->alias);
    if (info->address)
        add_address(context, tree, info->address);
    /* QEMU 7.2: "The bootindex 1 has already been used". What <os><boot> means was given away at
     * the start, to the first disk there was then. */
    if ((!context->is_plugged || info->boot_order.is_set) &&
        device_boot_index(context->at.domain, info, &boot_index))
        json_set_uint(tree, "bootindex", boot_index);
    device_tree_add_uint(tree, "acpi-index", &info->acpi_index);
    if (info->rom_bar)
        json_set_uint(tree, "rombar", info->rom_bar == TRISTATE_ON);
    if (info->rom_enabled == TRISTATE_OFF)
        json_set_string(tree, "romfile", "");
    else
        json_set_string(tree, "romfile", info->rom_file);
}

/* --- boot order --- */

static bool
is_of_class(const DeviceInfo *info, const Domain *domain, const GPtrArray *list, BootDevice class)
{
    const Disk *disk = (const Disk *) info;

    if (list != domain->disks)
        return class == BOOT_NETWORK;
    switch (disk_device(disk)) {
    case DISK_DEVICE_DISK:
    case DISK_DEVICE_LUN:
        return class == BOOT_HD;
    case DISK_DEVICE_CDROM:
        return class == BOOT_CDROM;
    case DISK_DEVICE_FLOPPY:
        return class == BOOT_FD;
    }
    return false;
}

/* Whether @info is the first device of a class that <os><boot dev=…> names. */
static bool
is_first_of_class(const Domain *domain, const DeviceInfo *info, BootDevice class)
{
    const GPtrArray *lists[] = { domain->disks, domain->interfaces };

    for (guint l = 0; l < G_N_ELEMENTS(lists); l++)
        for (guint i = 0; i < list_length(lists[l]); i++)
            if (is_of_class(lists[l]->pdata[i], domain, lists[l], class))
                return lists[l]->pdata[i] == info;
    return false;
}

/* Whether any device has a place of its own, a host's USB stick as well as a disk. */
static bool
has_device_order(const Domain *domain)
{
    for (guint k = 0; device_kinds[k]; k++) {
        const GPtrArray *devices = domain_devices(domain, device_kinds[k]);

        for (guint i = 0; i < list_length(devices); i++)
            if (list_at(devices, i, DeviceInfo)->boot_order.is_set)
                return true;
    }
    return false;
}

bool
device_boot_index(const Domain *domain, const DeviceInfo *info, guint64 *ret_index)
{
    if (info->boot_order.is_set) {
        *ret_index = info->boot_order.value;
        return true;
    }
    if (has_device_order(domain))
        return false;
    if (!list_length(domain->boots)) { /* libvirt's default: the first hard disk */
        *ret_index = 1;
        return is_first_of_class(domain, info, BOOT_HD);
    }
    for (guint i = domain->boots->len; i; i--) /* of a class that is named twice the last holds */
        if (is_first_of_class(domain, info, list_at(domain->boots, i - 1, Boot)->device)) {
            *ret_index = i;
            return true;
        }
    return false;
}
