/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices of the host, as QEMU opens them by itself: VFIO by PCI address or sysfs directory, USB
 * by device node or by ids, vhost-scsi by the target's name. A SCSI unit of an adapter is a block
 * node over its generic device: which one that is (/dev/sg3) changes with every boot of the host,
 * so whoever launches looks it up, and a command line for show has /dev/sg0. A unit of an iSCSI
 * server is a node like an iSCSI disk's.
 *
 * QEMU takes a PCI device only from vfio-pci. Binding it (managed='yes') is for the launch, which
 * can't yet: such a domain is shown but not started. A display that is there before its driver
 * (ramfb) is a device type of its own, since it can't be unplugged.
 */
#include "model/hostdev.h"

#include "model/input.h"
#include "qemu/device.h"
#include "qemu/need.h"
#include "qemu/storage.h"

static Json *
vfio_tree(const DeviceContext *context, const Hostdev *hostdev)
{
    bool has_ramfb = hostdev->ramfb == TRISTATE_ON;
    Json *tree = device_tree_new(context, has_ramfb ? "vfio-pci-nohotplug" : "vfio-pci");
    g_autofree char *sysfs = g_strconcat("/sys/bus/mdev/devices/", hostdev->uuid, NULL);
    g_autofree char *host = g_strdup_printf("%04x:%02x:%02x.%x", (guint) hostdev->domain.value,
                                            (guint) hostdev->bus.value, (guint) hostdev->slot.value,
                                            (guint) hostdev->function.value);

    if (hostdev->type == HOSTDEV_MDEV)
        json_set_string(tree, "sysfsdev", sysfs);
    else
        json_set_string(tree, "host", host);
    if (hostdev->display)
        json_set_string(tree, "display", on_off_names[hostdev->display]);
    if (has_ramfb)
        json_set_bool(tree, "ramfb", true);
    json_set_string(tree, "failover_pair_id", hostdev->teaming_persistent);
    return tree;
}

static Json *
usb_tree(const DeviceContext *context, const Hostdev *hostdev)
{
    Json *tree = device_tree_new(context, "usb-host");
    g_autofree char *node = g_strdup_printf("/dev/bus/usb/%03u/%03u", (guint) hostdev->bus.value,
                                            (guint) hostdev->device.value);

    if (hostdev->device.is_set) {
        json_set_string(tree, "hostdevice", node);
    } else {
        json_set_uint(tree, "vendorid", hostdev->vendor.value);
        json_set_uint(tree, "productid", hostdev->product.value);
    }
    if (hostdev->guest_reset) {
        json_set_bool(tree, "guest-reset", hostdev->guest_reset != GUEST_RESET_OFF);
        if (hostdev->guest_reset != GUEST_RESET_OFF)
            json_set_bool(tree, "guest-resets-all", hostdev->guest_reset == GUEST_RESET_ON);
    }
    return tree;
}

static Json *
vhost_scsi_tree(const DeviceContext *context, const Hostdev *hostdev)
{
    static const int models[] = {
        [HOSTDEV_MODEL_VIRTIO] = VIRTIO_MODEL_VIRTIO,
        [HOSTDEV_MODEL_TRANSITIONAL] = VIRTIO_MODEL_TRANSITIONAL,
        [HOSTDEV_MODEL_NON_TRANSITIONAL] = VIRTIO_MODEL_NON_TRANSITIONAL,
    };
    g_autofree char *driver = virtio_driver("vhost-scsi", models[hostdev->model]);
    Json *tree = device_tree_new(context, driver);

    json_set_string(tree, "wwpn", hostdev->wwpn);
    return tree;
}

/* Devices of s390's channel subsystem and its crypto cards: no QEMU for x86 has them. */
static Json *
s390_tree(const Hostdev *hostdev)
{
    Json *tree = json_new_object();
    g_autofree char *sysfs = g_strconcat("/sys/bus/mdev/devices/", hostdev->uuid, NULL);

    json_set_string(tree, "driver",
                    hostdev->model == HOSTDEV_MODEL_VFIO_CCW ? "vfio-ccw" : "vfio-ap");
    json_set_string(tree, "sysfsdev", sysfs);
    return tree;
}

static char *
hostdev_launch_refusal(const Domain *domain, gconstpointer device)
{
    return hostdev_is_s390(device)
               ? g_strdup("only s390 machines have such devices: no QEMU for x86 knows them")
               : NULL;
}

/* ---- SCSI units ---- */

#define GENERIC_FOR_SHOW "/dev/sg0"

static char *
generic_device(const DeviceContext *context, const Hostdev *hostdev)
{
    const HostFacts *facts = context->facts;
    guint adapter = 0;
    char *path = NULL;

    if (!facts->find_scsi_generic)
        return g_strdup(GENERIC_FOR_SHOW);
    if (hostdev_adapter_number(hostdev, &adapter))
        path = facts->find_scsi_generic(facts->scsi, adapter, hostdev->bus.value,
                                        hostdev->target.value, hostdev->unit.value);
    if (!path)
        validation_error(&context->at, "source", "host-lacks",
                         "this host has no SCSI unit %u:%u:%u:%" G_GUINT64_FORMAT, adapter,
                         (guint) hostdev->bus.value, (guint) hostdev->target.value,
                         hostdev->unit.value);
    return path;
}

/* Its place is short and its own; ids are the user's to choose, and may be neither. */
static char *
node_name(const Hostdev *hostdev)
{
    const Address *address = hostdev->info.address;

    return address ? g_strdup_printf("lun%u-%u-%u", (guint) address->controller.value,
                                     (guint) address->target.value, (guint) address->unit.value)
                   : g_strdup("lun");
}

/* @name: node_name(). */
static StorageNode
scsi_node(const Hostdev *hostdev, const char *name, const StorageSource *source)
{
    return (StorageNode){
        .name = name,
        .type = hostdev->is_iscsi ? DISK_NETWORK : DISK_BLOCK,
        .source = source,
        .auth = hostdev->auth,
        .is_read_only = hostdev->is_read_only,
    };
}

static Json *
scsi_tree(const DeviceContext *context, const Hostdev *hostdev)
{
    const StorageSource source = { 0 };
    g_autofree char *name = node_name(hostdev);
    const StorageNode node = scsi_node(hostdev, name, &source);
    g_autofree char *drive = storage_top_node(&node);
    Json *tree = device_tree_new(context, "scsi-generic");

    json_set_string(tree, "drive", drive);
    device_tree_add_scsi(context, tree, hostdev->info.address);
    return tree;
}

static void
hostdev_backends(const DeviceContext *context, gconstpointer device, GPtrArray *backends)
{
    const Hostdev *hostdev = device;
    StorageSource source = hostdev_iscsi_source(hostdev);
    g_autofree char *name = node_name(hostdev), *generic = NULL, *top = NULL;
    StorageNode node = scsi_node(hostdev, name, &source);

    if (hostdev->type != HOSTDEV_SCSI)
        return;
    if (!hostdev->is_iscsi)
        generic = source.dev = generic_device(context, hostdev);
    top = storage_add(context, &node, backends);
}

static Json *
hostdev_properties(const DeviceContext *context, gconstpointer device)
{
    const Hostdev *hostdev = device;
    const Address *address = hostdev->info.address;
    Json *tree;

    if (address && address->type == ADDRESS_UNASSIGNED)
        return NULL;
    if (!context->facts->is_for_show && hostdev->type == HOSTDEV_PCI &&
        hostdev->managed == TRISTATE_ON)
        validation_error(&context->at, "@managed", "not-launchable",
                         "virtkeep does not bind devices to vfio-pci yet: do it yourself and "
                         "say managed='no'");
    if (hostdev->type == HOSTDEV_USB)
        tree = usb_tree(context, hostdev);
    else if (hostdev->type == HOSTDEV_SCSI_HOST)
        tree = vhost_scsi_tree(context, hostdev);
    else if (hostdev->type == HOSTDEV_SCSI)
        tree = scsi_tree(context, hostdev);
    else if (hostdev_is_s390(hostdev))
        tree = s390_tree(hostdev);
    else
        tree = vfio_tree(context, hostdev);
    device_tree_add_info(context, tree, &hostdev->info);
    return tree;
}

/* ---- what must be there ---- */

static void
add_unit_needs(const DeviceContext *context, const Hostdev *hostdev, GPtrArray *needs)
{
    guint adapter = 0;
    g_autofree char *unit = NULL, *generic = NULL;

    if (hostdev->is_iscsi) {
        if (hostdev->auth)
            need_add_secret(context, needs, "source/auth/secret", &hostdev->auth->secret);
        return;
    }
    (void) hostdev_adapter_number(hostdev, &adapter);
    unit = g_strdup_printf("/sys/bus/scsi/devices/%u:%u:%u:%" G_GUINT64_FORMAT "/scsi_generic",
                           adapter, (guint) hostdev->bus.value, (guint) hostdev->target.value,
                           hostdev->unit.value);
    need_add(context, needs, HOST_ENTRY, "source", unit);
    if (context->facts->find_scsi_generic)
        generic =
            context->facts->find_scsi_generic(context->facts->scsi, adapter, hostdev->bus.value,
                                              hostdev->target.value, hostdev->unit.value);
    if (!generic)
        return;
    need_add(context, needs, HOST_CHARACTER, "source", generic);
    if (!hostdev->is_read_only)
        need_set_written(needs);
}

static void
add_usb_needs(const DeviceContext *context, const Hostdev *hostdev, GPtrArray *needs)
{
    g_autofree char *node = g_strdup_printf("/dev/bus/usb/%03u/%03u", (guint) hostdev->bus.value,
                                            (guint) hostdev->device.value);

    /* By its ids QEMU takes it whenever it is plugged in. */
    if (!hostdev->device.is_set)
        return;
    need_add(context, needs, HOST_CHARACTER, "source/address", node);
    need_set_written(needs);
}

static void
hostdev_needs(const DeviceContext *context, gconstpointer device, GPtrArray *needs)
{
    const Hostdev *hostdev = device;
    g_autofree char *path = NULL;

    if (hostdev->info.address && hostdev->info.address->type == ADDRESS_UNASSIGNED)
        return;
    switch ((HostdevType) hostdev->type) {
    case HOSTDEV_PCI:
        if (hostdev->managed == TRISTATE_ON)
            validation_error(&context->at, "@managed", "not-launchable",
                             "virtkeep does not bind devices to vfio-pci: do it yourself, and say "
                             "managed='no'");
        return need_add_pci(context, needs, "source/address", hostdev->domain.value,
                            hostdev->bus.value, hostdev->slot.value, hostdev->function.value);
    case HOSTDEV_USB:
        return add_usb_needs(context, hostdev, needs);
    case HOSTDEV_SCSI:
        return add_unit_needs(context, hostdev, needs);
    case HOSTDEV_SCSI_HOST:
        path = g_strconcat("/sys/kernel/config/target/vhost/", hostdev->wwpn, NULL);
        need_add(context, needs, HOST_ENTRY, "source/@wwpn", path);
        return need_add(context, needs, HOST_CHARACTER, "source/@protocol", "/dev/vhost-scsi");
    case HOSTDEV_MDEV:
        path = g_strconcat("/sys/bus/mdev/devices/", hostdev->uuid, NULL);
        return need_add(context, needs, HOST_ENTRY, "source/address/@uuid", path);
    }
}

const DeviceSpelling hostdev_spelling = {
    .kind = &hostdev_kind,
    .backends = hostdev_backends,
    .properties = hostdev_properties,
    .launch_refusal = hostdev_launch_refusal,
    .needs = hostdev_needs,
};
