/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What runs, as a document.
 *
 * The applied document says what a QEMU was started with and told since. Devices can leave behind
 * its back: a guest ejects one long after it was asked to, or an operator's device_del is never
 * heard of. The ids that QEMU lists decide. Only devices that can be taken out count: what sits
 * on the board for good, or is no device of QEMU's with an id, says nothing by being absent.
 *
 * A medium can leave its drive as well: by an operator's hand, or in a change that failed when the
 * old one was out and the new one could not be opened.
 */
#include "reconcile/actual.h"

#include "model/controller.h"
#include "model/disk.h"
#include "model/memory.h"
#include "reconcile/device-order.h"
#include "reconcile/hot-plug.h"
#include "reconcile/resolution.h"

bool
observed_has_device(const Observed *observed, const char *id)
{
    for (guint i = 0; i < observed->device_ids->len; i++)
        if (!g_strcmp0(observed->device_ids->pdata[i], id))
            return true;
    return false;
}

static bool
is_missing(const Domain *domain, const DeviceRef *ref, const Observed *observed)
{
    const char *id = device_info(ref->device)->alias;

    return id && !observed_has_device(observed, id) &&
           device_is_unpluggable(domain, ref->kind, ref->device);
}

static bool
is_medium_gone(const Disk *disk, const Observed *observed)
{
    const ObservedDrive *drive =
        disk_takes_media(disk) ? observed_drive(observed, disk->info.alias) : NULL;

    return drive && !drive->node && disk_has_source(disk);
}

static void
take_medium_out(Disk *disk)
{
    static const Disk empty;

    for (const Field *field = disk_kind.schema->fields; field->path; field++)
        if (field->type == TYPE_STRUCT &&
            (field->offset == offsetof(Disk, source) || field->offset == offsetof(Disk, backing)))
            field_assign(field, disk, &empty);
}

/* NULL: none has left its drive. */
static Domain *
without_lost_media(const Domain *applied, const Observed *observed)
{
    Domain *actual = NULL;

    for (guint i = 0; i < list_length(applied->disks); i++) {
        const DeviceKind *kind;
        const Disk *disk = list_at(applied->disks, i, Disk);

        if (!is_medium_gone(disk, observed))
            continue;
        if (!actual)
            actual = domain_copy(applied);
        take_medium_out(domain_find_device(actual, disk->info.alias, &kind));
    }
    return actual;
}

Domain *
domain_actual(const Domain *applied, const Observed *observed, GPtrArray *ret_missing)
{
    g_autoptr(GArray) refs = NULL;
    g_autoptr(Domain) actual = NULL;

    if (!observed->device_ids->len)
        return NULL;
    actual = without_lost_media(applied, observed);
    refs = domain_device_refs(applied);
    for (guint i = 0; i < refs->len; i++) {
        const DeviceRef *ref = &g_array_index(refs, DeviceRef, i);

        if (!is_missing(applied, ref, observed))
            continue;
        if (!actual)
            actual = domain_copy(applied);
        domain_drop_device(actual, device_info(ref->device)->alias);
        if (ret_missing)
            g_ptr_array_add(ret_missing, g_strdup(device_info(ref->device)->alias));
    }
    return g_steal_pointer(&actual);
}

gpointer
domain_find_device(const Domain *domain, const char *id, const DeviceKind **ret_kind)
{
    g_autoptr(GArray) refs = domain_device_refs(domain);

    for (guint i = 0; id && i < refs->len; i++) {
        const DeviceRef *ref = &g_array_index(refs, DeviceRef, i);

        /* A console that is serial port 0 has that port's id, and stands behind it. */
        if (g_strcmp0(device_info(ref->device)->alias, id))
            continue;
        *ret_kind = ref->kind;
        return ref->device;
    }
    return NULL;
}

/* QEMU's balloon keeps its pages, so what it leaves the guest is as much more or less. (libvirt
 * moves <currentMemory> alike when it plugs a DIMM.) */
static void
move_balloon(Domain *domain, const DeviceKind *kind, gconstpointer device, bool is_more)
{
    const MemoryDevice *memory = kind == &memory_kind ? device : NULL;
    guint64 size = memory && memory->model == MEMORY_MODEL_DIMM ? memory->size.value : 0;

    if (!domain->current_memory.is_set)
        return;
    if (is_more)
        domain->current_memory.value += size;
    else if (size < domain->current_memory.value)
        domain->current_memory.value -= size;
}

void
domain_drop_device(Domain *domain, const char *id)
{
    const DeviceKind *kind;
    gpointer device = domain_find_device(domain, id, &kind);

    if (!device)
        return;
    move_balloon(domain, kind, device, false);
    g_ptr_array_remove(domain_devices(domain, kind), device);
    schema_free(kind->schema, device);
}

void
domain_forget_planned_ports(Domain *planned, const Domain *running)
{
    for (guint i = list_length(planned->controllers); i > 0; i--) {
        Controller *controller = planned->controllers->pdata[i - 1];

        if (controller->type != CONTROLLER_PCI ||
            controller_find(running, CONTROLLER_PCI, controller->index.value))
            continue;
        g_ptr_array_remove_index(planned->controllers, i - 1);
        schema_free(controller_kind.schema, controller);
    }
}

void
domain_take_device(Domain *domain, const DeviceKind *kind, gconstpointer device)
{
    GPtrArray **list = &G_STRUCT_MEMBER(GPtrArray *, domain, kind->list_offset);

    move_balloon(domain, kind, device, true);
    device_insert(list, G_MAXUINT, schema_copy(kind->schema, device));
}
