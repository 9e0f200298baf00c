/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * List order. libvirt inserts as it parses, so its lists are the outcome of insertions into a
 * growing list, not of a sort: a disk stands before the first disk of its bus with a higher target,
 * and the buses keep the order in which they first came. The same is done here by taking a list
 * apart and inserting item by item. A list that is in order comes out as it was, which is what
 * makes resolving a resolved domain change nothing.
 */
#include "reconcile/device-order.h"

#include "model/disk.h"
#include "model/video.h"
#include "reconcile/resolution.h"

bool
controller_is_usb2(const Controller *controller)
{
    return controller->type == CONTROLLER_USB && controller->model >= CONTROLLER_MODEL_ICH9_EHCI1 &&
           controller->model <= CONTROLLER_MODEL_ICH9_UHCI3;
}

static bool
is_companion(const Controller *controller)
{
    return controller_is_usb2(controller) && controller->model != CONTROLLER_MODEL_ICH9_EHCI1;
}

Controller *
controller_find(const Domain *domain, ControllerType type, guint index)
{
    for (guint i = 0; i < list_length(domain->controllers); i++) {
        Controller *controller = domain->controllers->pdata[i];

        if (controller->type == (int) type && controller->index.is_set &&
            controller->index.value == index)
            return controller;
    }
    return NULL;
}

/* Whether @new_ goes before @old of the same type. */
static bool
goes_before(const Controller *new_, const Controller *old)
{
    if (!old->index.is_set)
        return false;
    if (old->index.value != new_->index.value)
        return old->index.value > new_->index.value;
    return new_->type == CONTROLLER_USB && is_companion(old) && !is_companion(new_);
}

void
controller_insert(Domain *domain, Controller *controller)
{
    int at = -1;

    for (int i = (int) list_length(domain->controllers) - 1; i >= 0; i--) {
        const Controller *old = list_at(domain->controllers, i, Controller);

        if (old->type != controller->type)
            continue;
        if (!controller->index.is_set) {
            at = i + 1;
            break;
        }
        if (goes_before(controller, old))
            at = i;
        else if (at < 0)
            at = i + 1;
    }
    device_insert(&domain->controllers, at < 0 ? G_MAXUINT : (guint) at, controller);
}

static void
disk_insert(Domain *domain, Disk *disk)
{
    int at = -1, index = disk_target_index(disk->target_dev);

    for (int i = (int) list_length(domain->disks) - 1; i >= 0; i--) {
        const Disk *old = list_at(domain->disks, i, Disk);

        if (disk_bus(old) != disk_bus(disk))
            continue;
        if (disk_target_index(old->target_dev) > index)
            at = i;
        else if (at < 0)
            at = i + 1;
    }
    device_insert(&domain->disks, at < 0 ? G_MAXUINT : (guint) at, disk);
}

/* The one marked primary is the first. */
static void
video_insert(Domain *domain, Video *video)
{
    device_insert(&domain->videos, video->primary == TRISTATE_ON ? 0 : G_MAXUINT, video);
}

static void
insert_anew(Domain *domain, GPtrArray **list, void (*insert)(Domain *, gpointer))
{
    g_autoptr(GPtrArray) items = g_steal_pointer(list);

    for (guint i = 0; i < list_length(items); i++)
        insert(domain, items->pdata[i]);
}

static bool
has_part(const Domain *domain, guint64 index, int model)
{
    for (guint i = 0; i < list_length(domain->controllers); i++) {
        const Controller *other = list_at(domain->controllers, i, Controller);

        if (other->type == CONTROLLER_USB && other->index.is_set && other->index.value == index &&
            other->model == model)
            return true;
    }
    return false;
}

/* The index of the USB 2 controller that @controller, at @position, is a part of: that of the USB
 * controller before it, if that is one and lacks this part. */
static OptUint
shared_index(const Domain *domain, guint position, const Controller *controller)
{
    if (!controller_is_usb2(controller))
        return (OptUint){ 0 };
    for (guint i = position; i > 0; i--) {
        const Controller *before = list_at(domain->controllers, i - 1, Controller);

        if (before->type != CONTROLLER_USB)
            continue;
        if (controller_is_usb2(before) && before->index.is_set &&
            !has_part(domain, before->index.value, controller->model))
            return before->index;
        break;
    }
    return (OptUint){ 0 };
}

/* The index of the first controller of @previous that @controller can be. */
static OptUint
previous_index(const Domain *domain, const Domain *previous, const Controller *controller)
{
    for (guint i = 0; previous && i < list_length(previous->controllers); i++) {
        const Controller *old = list_at(previous->controllers, i, Controller);

        if (old->type == controller->type && old->index.is_set &&
            (!controller->model || old->model == controller->model) &&
            !controller_find(domain, old->type, old->index.value))
            return old->index;
    }
    return (OptUint){ 0 };
}

/* Whether an address of the file asks for a slot of PCI bus @index that a port has not. */
static bool
has_slot_wanted(const Domain *domain, guint64 index)
{
    g_autoptr(GArray) refs = domain_device_refs(domain);

    for (guint i = 0; i < refs->len; i++) {
        const Address *address = device_info(g_array_index(refs, DeviceRef, i).device)->address;

        if (address && address->type == ADDRESS_PCI && address->bus.value == index &&
            address->slot.value)
            return true;
    }
    return false;
}

static OptUint
free_index(const Domain *domain, const Domain *previous, const Controller *controller)
{
    bool is_port = controller->model == CONTROLLER_MODEL_PCIE_ROOT_PORT ||
                   controller->model == CONTROLLER_MODEL_SWITCH_DOWNSTREAM_PORT;
    guint index = 0;

    while (controller_find(domain, controller->type, index) ||
           (previous && controller_find(previous, controller->type, index)) ||
           (is_port && has_slot_wanted(domain, index)))
        index++;
    return opt_uint(index);
}

static void
assign_indexes(Domain *domain, const Domain *previous)
{
    for (guint i = 0; i < list_length(domain->controllers); i++) {
        Controller *controller = domain->controllers->pdata[i];

        if (controller->index.is_set)
            continue;
        controller->index = shared_index(domain, i, controller);
        if (!controller->index.is_set)
            controller->index = previous_index(domain, previous, controller);
        if (!controller->index.is_set)
            controller->index = free_index(domain, previous, controller);
    }
}

void
order_devices(Domain *domain, const Domain *previous)
{
    insert_anew(domain, &domain->disks, (void (*)(Domain *, gpointer)) disk_insert);
    insert_anew(domain, &domain->controllers, (void (*)(Domain *, gpointer)) controller_insert);
    assign_indexes(domain, previous);
    insert_anew(domain, &domain->controllers, (void (*)(Domain *, gpointer)) controller_insert);
    insert_anew(domain, &domain->videos, (void (*)(Domain *, gpointer)) video_insert);
}
