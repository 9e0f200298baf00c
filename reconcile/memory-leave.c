/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Taking virtio-mem devices out of a running guest.
 *
 *     dropped by the file ─► requested 0, as if the file said so ─► size 0 ─► device_del ─► gone
 *                            (stepping, shrink guard, budget)                (the guest's PCI)
 *
 * QEMU 7.2 takes none out ("virtio based memory devices cannot be unplugged"), so by the schema it
 * is a change for a restart; newer ones do, while the guest has nothing of the device. That class
 * is lifted by what the running QEMU says of itself, never by its version. Only a device whose bus
 * plugs can leave.
 */
#include "reconcile/memory-leave.h"

#include "model/memory.h"
#include "model/schema.h"
#include "reconcile/hot-plug.h"
#include "reconcile/resolution.h"

static bool
is_leaving(const Domain *desired, const MemoryDevice *memory)
{
    return memory->model == MEMORY_MODEL_VIRTIO_MEM &&
           !domain_find_memory(desired, memory->info.alias);
}

bool
memory_is_leaving(const Domain *applied, const Domain *desired)
{
    for (guint i = 0; i < list_length(applied->memories); i++)
        if (is_leaving(desired, list_at(applied->memories, i, MemoryDevice)))
            return true;
    return false;
}

static bool
can_leave(const Domain *applied, const MemoryDevice *memory, const Observed *observed)
{
    return observed->can_unplug_memory && memory->model == MEMORY_MODEL_VIRTIO_MEM &&
           device_is_pluggable(applied, applied, &memory_kind, memory);
}

static void
keep_empty(Domain *domain, const MemoryDevice *memory)
{
    MemoryDevice *copy = schema_copy(memory_kind.schema, memory);

    copy->requested = opt_uint(0);
    domain->memory.value += copy->size.value;
    domain->current_memory.value += copy->size.value;
    device_insert(&domain->memories, G_MAXUINT, copy);
}

Domain *
memory_emptied(const Domain *applied, const Domain *desired, const Observed *observed)
{
    Domain *emptied = NULL;

    for (guint i = 0; i < list_length(applied->memories); i++) {
        const MemoryDevice *memory = list_at(applied->memories, i, MemoryDevice);
        const ObservedMemory *seen = observed_memory(observed, memory->info.alias);

        if (!seen || (!seen->current && !seen->requested) || !is_leaving(desired, memory) ||
            !can_leave(applied, memory, observed))
            continue;
        if (!emptied)
            emptied = domain_copy(desired);
        keep_empty(emptied, memory);
    }
    return emptied;
}

void
memory_lift(GPtrArray *changes, const Domain *applied, const Observed *observed)
{
    for (guint i = 0; i < changes->len; i++) {
        Change *change = changes->pdata[i];

        if (change->item_schema == memory_kind.schema && change->from_item && !change->to_item &&
            can_leave(applied, change->from_item, observed))
            change->class_ = CHANGE_LIVE;
    }
}
