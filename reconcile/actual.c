/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What runs, as a document.
 *
 * The applied document says what a QEMU was started with and told since. Devices can leave behind
 * its back: a guest ejects one long after it was asked to, or an operator's device_del is never
 * heard of. The ids that QEMU lists decide. Only devices that can be taken out count: what sits
 * on the board for good, or is no device of QEMU's with an id, says nothing by being absent.
 *
 * Fields can change behind it as well, where QEMU shows them. A medium leaves its drive, or another
 * one takes its place, by an operator's hand. A link is taken down or put up, or loses its bridge.
 * Such a field is here as it was seen, and so differs from the file (plan-drift.c says by whose
 * doing).
 */
#include "reconcile/actual.h"

#include "model/controller.h"
#include "model/disk.h"
#include "model/interface.h"
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

bool
memory_device_is_there(const Observed *observed, const MemoryDevice *memory)
{
    return !observed->device_ids->len || observed_has_device(observed, memory->info.alias);
}

static bool
is_missing(const Domain *domain, const DeviceRef *ref, const Observed *observed)
{
    const char *id = device_info(ref->device)->alias;

    return id && !observed_has_device(observed, id) &&
           (device_is_unpluggable(domain, ref->kind, ref->device) ||
            (ref->kind == &memory_kind &&
             device_is_pluggable(domain, domain, ref->kind, ref->device)));
}

/* ---- fields ---- */

static bool
is_medium_other(const Disk *disk, const ObservedDrive *drive)
{
    return drive && disk_takes_media(disk) &&
           (drive->is_foreign || (!drive->node && disk_has_source(disk)));
}

/* @file: of what is in the drive; NULL = nothing, or it is not known of what. */
static void
set_medium(Disk *disk, char *file)
{
    StorageSource source = { .file = file };
    const Disk other = { .source = file ? &source : NULL };

    for (const Field *field = disk_kind.schema->fields; field->path; field++)
        if (field->type == TYPE_STRUCT &&
            (field->offset == offsetof(Disk, source) || field->offset == offsetof(Disk, backing)))
            field_assign(field, disk, &other);
}

static bool
see_medium(gpointer device, gconstpointer before, const Observed *observed)
{
    const Disk *disk = before;
    const ObservedDrive *drive = observed_drive(observed, disk->info.alias);

    if (!is_medium_other(disk, drive))
        return false;
    if (device)
        set_medium(device, drive->is_foreign ? drive->file : NULL);
    return true;
}

/* A vhost-user or vDPA back end puts its card's link up and down by itself. */
static bool
is_link_told(const Interface *interface)
{
    return interface->type != INTERFACE_VHOSTUSER && interface->type != INTERFACE_VDPA &&
           interface->type != INTERFACE_HOSTDEV && interface->backend != NET_BACKEND_PASST;
}

static bool
see_link(gpointer device, gconstpointer before, const Observed *observed)
{
    const Interface *interface = before;
    const ObservedLink *link = observed_link(observed, interface->info.alias);

    if (!link || !is_link_told(interface) || link->is_up == (interface->link != LINK_DOWN))
        return false;
    if (device)
        ((Interface *) device)->link = link->is_up ? LINK_UP : LINK_DOWN;
    return true;
}

/* What the link on the host was tied to, by the word that the file has for it. */
static char **
port_field(Interface *interface)
{
    if (interface->type == INTERFACE_BRIDGE)
        return &interface->bridge;
    if (interface->type == INTERFACE_NETWORK)
        return &interface->network;
    return &interface->source_dev;
}

static bool
see_port(gpointer device, gconstpointer before, const Observed *observed)
{
    const ObservedPort *port = observed_port(observed, ((const Interface *) before)->info.alias);
    char **field = port && device ? port_field(device) : NULL;

    if (field) {
        g_free(*field);
        *field = g_strdup(port->of);
    }
    return port != NULL;
}

/* What of a kind's devices QEMU shows: whether it is otherwise than @before has it, and then put
 * into @device, a copy of it (NULL: only asked). */
static const struct {
    const DeviceKind *kind;
    bool (*see)(gpointer device, gconstpointer before, const Observed *observed);
} shown[] = {
    { &disk_kind, see_medium },
    { &interface_kind, see_link },
    { &interface_kind, see_port },
};

/* NULL: every field that is shown is as it was told. */
static Domain *
with_shown_fields(const Domain *applied, const Observed *observed)
{
    Domain *actual = NULL;

    for (guint k = 0; k < G_N_ELEMENTS(shown); k++) {
        const GPtrArray *devices = domain_devices(applied, shown[k].kind);

        for (guint i = 0; i < list_length(devices); i++) {
            if (!shown[k].see(NULL, devices->pdata[i], observed))
                continue;
            if (!actual)
                actual = domain_copy(applied);
            shown[k].see(domain_devices(actual, shown[k].kind)->pdata[i], devices->pdata[i],
                         observed);
        }
    }
    return actual;
}

/* ---- all of it ---- */

Domain *
domain_actual(const Domain *applied, const Observed *observed, GPtrArray *ret_missing)
{
    g_autoptr(GArray) refs = NULL;
    g_autoptr(Domain) actual = NULL;

    if (!observed->device_ids->len)
        return NULL;
    actual = with_shown_fields(applied, observed);
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
