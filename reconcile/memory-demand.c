/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a domain takes of the host's memory.
 *
 *     qemu              host.qemu-overhead; ordinary pages
 *     boot, boot-node0  the size of each NUMA cell, or of boot memory; `boot` where one cell is all
 *     dimm0, nvdimm0    the size, as soon as it is there: QEMU may touch all of it
 *     virtiomem0        max(requested, current), by blocks
 *
 * Pages and nodes are those of the backends (model/memory-backing.c); memory that is only preferred
 * or interleaved among nodes is bound to none, and counts in the whole host's pool. Sizes are whole
 * pages, since QEMU rounds up what it maps of huge ones. Not counted are virtio-pmem and NVDIMMs on
 * persistent memory, whose memory is there already, pages of SGX, which are the CPU's, and a host's
 * page cache.
 *
 * While QEMU runs it decides what is there: boot memory is what it was started with, whatever the
 * file says by now; a DIMM counts from the moment QEMU lists it until it lists it no more, a file
 * that has dropped it only makes it one to be given back; a virtio-mem device that the file has
 * dropped is emptied and leaves where QEMU can take one out, else it stays until the restart. So a
 * sum of these claims is what the process may take,
 * now, and `wanted` is where the file leads it.
 *
 * A balloon takes pages from boot memory, and QEMU does not say which. With `memory-balloon:
 * current` they are left out of boot memory's claims, but only where it can't matter which they
 * are (all cells count in the same pools), and where QEMU gives them back at all: not from huge
 * pages, and not while guest memory is pinned (locked, VFIO, vDPA, NVMe, encrypted). QEMU's
 * `actual` counts boot memory and DIMMs (model/balloon.h).
 */
#include "reconcile/memory-demand.h"

#include "model/balloon.h"
#include "model/disk.h"
#include "model/hostdev.h"
#include "model/interface.h"
#include "model/memory-backing.h"
#include "model/quantity.h"
#include "reconcile/actual.h"
#include "reconcile/plan-balloon.h"

#define N_NODE_BITS 64u

typedef struct Demand {
    const PlanInput *input;
    const MemoryDemandFacts *facts;
    const Domain *base; /* whose boot memory it is; NULL: not known */
    bool is_running;
    guint64 guarantee; /* that is not spread yet */
    GPtrArray *claims;
} Demand;

/* ---- one claim ---- */

/* Where @piece must come from, a bit a node; 0: anywhere, or from a node that has no bit. */
static guint64
bound_nodes(const Domain *domain, const MemoryPiece *piece)
{
    NumaMode mode;
    const char *mask = memory_piece_host_nodes(domain, piece, &mode);
    g_autoptr(GArray) members = mask && mode == NUMA_MODE_STRICT ? cpuset_members(mask) : NULL;
    guint64 nodes = 0;

    for (guint i = 0; members && i < members->len; i++) {
        guint number = g_array_index(members, guint, i);

        if (number >= N_NODE_BITS)
            return 0;
        nodes |= G_GUINT64_CONSTANT(1) << number;
    }
    return nodes;
}

static MemoryClaim *
add_claim(Demand *demand, const char *device)
{
    MemoryClaim *claim = g_new0(MemoryClaim, 1);

    claim->domain = g_strdup(demand->input->name);
    claim->device = g_strdup(device);
    claim->priority = demand->input->policy.memory_priority;
    claim->is_running = demand->is_running;
    g_ptr_array_add(demand->claims, claim);
    return claim;
}

static void
place_claim(const Demand *demand, MemoryClaim *claim, const Domain *domain,
            const MemoryPiece *piece)
{
    claim->page_size = memory_piece_huge_page(domain, piece, demand->facts->page_size,
                                              demand->facts->default_huge_page);
    claim->nodes = bound_nodes(domain, piece);
}

/* All of it or nothing; held if it is there, in whole pages. */
static void
set_whole(MemoryClaim *claim, guint64 size, bool is_there, bool is_wanted)
{
    guint64 page = MAX(claim->page_size, 1), whole = (size + page - 1) / page * page;

    claim->requested = claim->current = is_there ? whole : 0;
    claim->wanted = is_wanted ? whole : 0;
}

/* Of the guarantee as much as goes into @size. */
static void
take_guarantee(Demand *demand, MemoryClaim *claim, guint64 size)
{
    guint64 part = MIN(demand->guarantee, size);

    part -= claim->block ? part % claim->block : 0;
    claim->guaranteed = part;
    demand->guarantee -= part;
}

/* ---- QEMU's own and boot memory ---- */

static void
add_overhead(Demand *demand)
{
    static const MemoryPiece own; /* by numatune, as QEMU is started (qemu/placement.c) */
    MemoryClaim *claim;

    if (!demand->facts->qemu_overhead)
        return;
    claim = add_claim(demand, MEMORY_CLAIM_QEMU);
    claim->nodes = demand->base ? bound_nodes(demand->base, &own) : 0;
    set_whole(claim, demand->facts->qemu_overhead, demand->is_running, true);
}

static void
add_boot_claim(Demand *demand, const char *device, const MemoryPiece *piece, guint64 size)
{
    MemoryClaim *claim = add_claim(demand, device);

    if (demand->base)
        place_claim(demand, claim, demand->base, piece);
    set_whole(claim, size, demand->is_running, true);
    take_guarantee(demand, claim, claim->wanted);
}

static void
add_boot(Demand *demand)
{
    static const MemoryPiece without_nodes;
    const Domain *base = demand->base;
    guint n_cells = base ? list_length(base->cells) : 0;

    for (guint i = 0; i < n_cells; i++) {
        MemoryPiece piece = { .node = { .value = domain_cell_id(base, i), .is_set = true } };
        g_autofree char *device =
            n_cells == 1
                ? g_strdup(MEMORY_CLAIM_BOOT)
                : g_strdup_printf(MEMORY_CLAIM_BOOT "-node%" G_GUINT64_FORMAT, piece.node.value);

        add_boot_claim(demand, device, &piece, list_at(base->cells, i, NumaCell)->memory.value);
    }
    /* Of a QEMU whose record is lost the balloon alone says what it has. */
    if (!n_cells)
        add_boot_claim(demand, MEMORY_CLAIM_BOOT, &without_nodes,
                       base ? domain_boot_memory(base) : demand->input->observed->balloon_actual);
}

/* ---- the balloon ---- */

static bool
is_pinned(const Domain *domain)
{
    bool is = domain->is_locked || domain->launch_security;

    for (guint i = 0; i < list_length(domain->hostdevs); i++) {
        int type = list_at(domain->hostdevs, i, Hostdev)->type;

        is |= type == HOSTDEV_PCI || type == HOSTDEV_MDEV;
    }
    for (guint i = 0; i < list_length(domain->interfaces); i++) {
        int type = list_at(domain->interfaces, i, Interface)->type;

        is |= type == INTERFACE_HOSTDEV || type == INTERFACE_VDPA;
    }
    for (guint i = 0; i < list_length(domain->disks); i++) {
        int type = list_at(domain->disks, i, Disk)->type;

        is |= type == DISK_NVME || type == DISK_VHOST_VDPA;
    }
    return is;
}

/* Of ordinary pages, all in the same pools. */
static bool
is_boot_uniform(const Demand *demand, guint first)
{
    const MemoryClaim *boot = demand->claims->pdata[first];

    for (guint i = first; i < demand->claims->len; i++) {
        const MemoryClaim *claim = demand->claims->pdata[i];

        if (claim->page_size || claim->nodes != boot->nodes)
            return false;
    }
    return true;
}

static void
take_from(guint64 *size, guint64 *taken)
{
    guint64 part = MIN(*size, *taken);

    *size -= part;
    *taken -= part;
}

/* Leaves out of boot memory's claims, from @first on, what the balloon has of it. */
static void
subtract_balloon(Demand *demand, guint first)
{
    const PlanInput *input = demand->input;
    const Observed *observed = input->observed;
    guint64 counted, target, current, requested, wanted;

    if (input->policy.memory_balloon != BALLOON_CURRENT || !demand->is_running || !input->applied ||
        !observed->has_balloon || is_pinned(input->applied) || !is_boot_uniform(demand, first))
        return;
    counted = plan_balloon_counted(input);
    target = plan_balloon_target(input);
    current = counted - MIN(observed->balloon_actual, counted);
    requested = input->balloon_asked ? counted - MIN(input->balloon_asked, counted) : current;
    wanted = target ? counted - MIN(target, counted) : current;
    for (guint i = demand->claims->len; i-- > first;) {
        MemoryClaim *claim = demand->claims->pdata[i];

        take_from(&claim->current, &current);
        take_from(&claim->requested, &requested);
        take_from(&claim->wanted, &wanted);
    }
}

/* ---- memory devices ---- */

static MemoryPiece
piece_of(const MemoryDevice *memory)
{
    return (MemoryPiece){ .page_size = memory->page_size.is_set ? memory->page_size.value : 0,
                          .node = memory->node,
                          .node_mask = memory->node_mask };
}

static void
add_dimm(Demand *demand, const Domain *domain, const MemoryDevice *memory)
{
    const PlanInput *input = demand->input;
    const char *id = memory->info.alias;
    bool is_applied = domain_find_memory(input->applied, id) != NULL;
    bool is_there = demand->is_running && memory_device_is_there(input->observed, memory) &&
                    (is_applied || input->observed->device_ids->len);
    bool is_wanted = !input->desired || domain_find_memory(input->desired, id);
    MemoryPiece piece = piece_of(memory);
    MemoryClaim *claim;

    if (!is_there && !is_wanted)
        return;
    claim = add_claim(demand, id);
    place_claim(demand, claim, domain, &piece);
    claim->page_size = memory->path ? 0 : claim->page_size;
    set_whole(claim, memory->size.value, is_there, is_wanted);
    take_guarantee(demand, claim, claim->wanted);
}

/* A device that the file has dropped is let be until the restart. */
static guint64
virtio_mem_wanted(const MemoryDevice *desired, const ObservedMemory *observed, guint64 block)
{
    if (!desired)
        return observed->requested;
    if (observed)
        return plan_memory_target(desired, observed);
    return desired->requested.value - desired->requested.value % block;
}

static void
add_virtio_mem(Demand *demand, const Domain *domain, const MemoryDevice *memory)
{
    const PlanInput *input = demand->input;
    const MemoryDevice *desired = domain_find_memory(input->desired, memory->info.alias);
    const ObservedMemory *observed =
        demand->is_running ? observed_memory(input->observed, memory->info.alias) : NULL;
    MemoryPiece piece = piece_of(memory);
    MemoryClaim *claim;

    if (!observed && !desired)
        return;
    claim = add_claim(demand, memory->info.alias);
    place_claim(demand, claim, domain, &piece);
    claim->block = observed ? observed->block : MAX(memory->block.value, 1);
    claim->requested = observed ? observed->requested : 0;
    claim->current = observed ? observed->current : 0;
    claim->wanted = virtio_mem_wanted(desired, observed, claim->block);
    take_guarantee(demand, claim, observed ? observed->max : memory->size.value);
}

/* A device that runs, and that neither the file nor the record knows. */
static void
add_unknown(Demand *demand, const ObservedMemory *observed)
{
    MemoryClaim *claim = add_claim(demand, observed->id);

    claim->block = observed->block;
    claim->requested = claim->wanted = observed->requested;
    claim->current = observed->current;
}

static bool
is_counted_whole(const MemoryDevice *memory)
{
    return memory->model == MEMORY_MODEL_DIMM ||
           (memory->model == MEMORY_MODEL_NVDIMM && !memory->is_pmem);
}

/* The devices of @domain that are not in @except too. */
static void
add_devices(Demand *demand, const Domain *domain, const Domain *except, bool is_whole)
{
    for (guint i = 0; domain && i < list_length(domain->memories); i++) {
        const MemoryDevice *memory = list_at(domain->memories, i, MemoryDevice);

        if (domain_find_memory(except, memory->info.alias))
            continue;
        if (is_whole && is_counted_whole(memory))
            add_dimm(demand, domain, memory);
        else if (!is_whole && memory->model == MEMORY_MODEL_VIRTIO_MEM)
            add_virtio_mem(demand, domain, memory);
    }
}

/* What QEMU has by its own document's word, and what is to come by the file's. */
static void
add_all_devices(Demand *demand, bool is_whole)
{
    const Domain *applied = demand->is_running ? demand->input->applied : NULL;

    add_devices(demand, applied, NULL, is_whole);
    add_devices(demand, demand->input->desired, applied, is_whole);
}

GPtrArray *
memory_demand(const PlanInput *input, const MemoryDemandFacts *facts)
{
    bool is_running = input->observed->run_state != RUN_STATE_OFF;
    Demand demand = { .input = input,
                      .facts = facts,
                      .base = is_running && input->applied ? input->applied : input->desired,
                      .is_running = is_running,
                      .guarantee = input->policy.memory_guarantee };
    guint first;

    if (input->observed->run_state == RUN_STATE_UNREACHABLE)
        return NULL;
    demand.claims = memory_claims_new();
    if (!is_running && !input->desired)
        return demand.claims;
    add_overhead(&demand);
    first = demand.claims->len;
    add_boot(&demand);
    subtract_balloon(&demand, first);
    add_all_devices(&demand, true);
    add_all_devices(&demand, false);
    for (guint i = 0; is_running && i < input->observed->memories->len; i++) {
        const ObservedMemory *observed = input->observed->memories->pdata[i];

        if (!domain_find_memory(input->applied, observed->id) &&
            !domain_find_memory(input->desired, observed->id))
            add_unknown(&demand, observed);
    }
    return demand.claims;
}
