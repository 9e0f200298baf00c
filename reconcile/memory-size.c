/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The arithmetic of guest memory, in one place.
 *
 * A file's <memory> is a sum: boot memory (the NUMA cells', where there are cells) and the full
 * size of every memory device, virtio-mem included. What QEMU takes are the summands, each in its
 * own granularity, so the sum is made anew from the rounded summands and never the other way
 * round. Cells win over the total, as they do in libvirt.
 *
 * `requested` and `block` are not touched: a virtio-mem device's size is checked to be a multiple
 * of its block, and a block is at least 1 MiB and mostly 2 MiB, so rounding a valid size up
 * changes it only where block is 1 MiB; then a larger size is still a multiple.
 */
#include "reconcile/memory-size.h"

#include "model/memory.h"
#include "reconcile/resolution.h"

#define MIB ((guint64) 1 << 20)
#define CELL_UNIT MIB
#define DEVICE_UNIT (2 * MIB)

/* More than any machine has, and far enough from 2^64 to be added up and rounded. */
#define LARGEST ((guint64) 1 << 58)

static guint64
round_up(guint64 size, guint64 unit)
{
    return (size + unit - 1) / unit * unit;
}

static guint64
devices_size(const Domain *domain)
{
    guint64 size = 0;

    for (guint i = 0; i < list_length(domain->memories); i++)
        size += list_at(domain->memories, i, MemoryDevice)->size.value;
    return size;
}

/* Adds without wrapping around: what is above LARGEST stays above it. */
static guint64
add_bounded(guint64 sum, guint64 size)
{
    return sum > LARGEST ? sum : sum + MIN(size, LARGEST + 1);
}

static bool
is_too_large(const Domain *domain)
{
    guint64 cells = 0, devices = 0;

    for (guint i = 0; i < list_length(domain->cells); i++)
        cells = add_bounded(cells, list_at(domain->cells, i, NumaCell)->memory.value);
    for (guint i = 0; i < list_length(domain->memories); i++)
        devices = add_bounded(devices, list_at(domain->memories, i, MemoryDevice)->size.value);
    return cells > LARGEST || devices > LARGEST || domain->memory.value > LARGEST ||
           domain->max_memory.value > LARGEST;
}

static void
add_cell(Domain *domain, guint64 size)
{
    NumaCell *cell = g_new0(NumaCell, 1);
    guint64 n_vcpus = domain->vcpus.is_set ? domain->vcpus.value : 1;

    cell->id = opt_uint(0);
    cell->memory = opt_uint(size);
    cell->cpus = n_vcpus > 1 ? g_strdup_printf("0-%" G_GUINT64_FORMAT, n_vcpus - 1) : g_strdup("0");
    device_insert(&domain->cells, 0, cell);
    for (guint i = 0; i < list_length(domain->memories); i++) {
        MemoryDevice *memory = domain->memories->pdata[i];

        if (!memory->node.is_set)
            memory->node = opt_uint(0);
    }
}

/* Rounds the summands; the boot memory. */
static guint64
round_boot_memory(Domain *domain, guint64 boot)
{
    guint64 sum = 0;

    if (!list_length(domain->cells))
        return round_up(boot, CELL_UNIT);
    for (guint i = 0; i < domain->cells->len; i++) {
        NumaCell *cell = domain->cells->pdata[i];

        if (!cell->id.is_set)
            cell->id = opt_uint(i);
        cell->memory = opt_uint(round_up(cell->memory.value, CELL_UNIT));
        sum += cell->memory.value;
    }
    return sum;
}

/* The balloon is asked for where the file has less of <currentMemory> than of <memory> (libvirt,
 * formatdomain). What NUMA cells say beyond <memory>, and what rounding adds, nobody asks it to
 * take. */
static bool
has_all_memory(const Domain *domain)
{
    return !domain->current_memory.is_set ||
           (domain->memory.is_set && domain->current_memory.value >= domain->memory.value);
}

const char *
resolve_memory_sizes(Domain *domain)
{
    bool has_cells = list_length(domain->cells), has_all = has_all_memory(domain);
    guint64 devices, boot;

    if (is_too_large(domain))
        return "sizes overflow";
    devices = devices_size(domain);
    if (!has_cells && domain->memory.value <= devices)
        return "the memory devices alone take all of it; nothing is left to boot";
    boot = has_cells ? 0 : domain->memory.value - devices;
    if (!has_cells && domain->max_memory.is_set)
        add_cell(domain, boot);
    boot = round_boot_memory(domain, boot);
    for (guint i = 0; i < list_length(domain->memories); i++) {
        MemoryDevice *memory = domain->memories->pdata[i];

        memory->size = opt_uint(round_up(memory->size.value, DEVICE_UNIT));
        if (memory->model == MEMORY_MODEL_VIRTIO_MEM && !memory->requested.is_set)
            memory->requested = opt_uint(0);
    }
    domain->memory = opt_uint(boot + devices_size(domain));
    if (domain->max_memory.is_set)
        domain->max_memory = opt_uint(round_up(domain->max_memory.value, CELL_UNIT));
    if (has_all)
        domain->current_memory = domain->memory;
    else
        domain->current_memory.value = MIN(domain->current_memory.value, domain->memory.value);
    return NULL;
}
