/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Boot memory: how much, behind what, and on which of the guest's NUMA nodes. With cells each has
 * its own backend; without, there is one, and it has the name that the machine gives its memory
 * (`pc.ram`), since that name is in the migration stream.
 *
 * Sizes are rounded up to 1 MiB, as libvirt does: QEMU's machines want whole pages of the guest,
 * and two tools that round differently would give one guest two sizes.
 */
#include "qemu/numa.h"

#include "model/quantity.h"
#include "qemu/memory-backend.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

static guint64
round_up(guint64 bytes)
{
    return (bytes + MIB - 1) / MIB * MIB;
}

static guint64
boot_size(const Domain *domain)
{
    guint64 size = 0;

    for (guint i = 0; i < list_length(domain->cells); i++)
        size += round_up(list_at(domain->cells, i, NumaCell)->memory.value);
    return size ? size : round_up(domain_boot_memory(domain));
}

const char *
memory_boot_backend_id(const DeviceContext *context)
{
    const Domain *domain = context->at.domain;
    const CapabilitiesMachine *machine;

    if (list_length(domain->cells))
        return NULL;
    machine = domain->machine ? capabilities_machine(context->capabilities, domain->machine) : NULL;
    return machine && machine->default_ram_id ? machine->default_ram_id : "pc.ram";
}

void
memory_spell_boot(const DeviceContext *context, CommandLine *line)
{
    const Domain *domain = context->at.domain;
    g_autoptr(GString) text = g_string_new(NULL);
    const char *id = memory_boot_backend_id(context);

    g_string_append_printf(text, "size=%" G_GUINT64_FORMAT "k", boot_size(domain) / 1024);
    if (domain->max_memory.is_set) {
        if (domain->max_memory_slots.value)
            option_text_add_uint(text, "slots", domain->max_memory_slots.value);
        g_string_append_printf(text, ",maxmem=%" G_GUINT64_FORMAT "k",
                               round_up(domain->max_memory.value) / 1024);
    }
    command_line_add(line, "-m", text->str);
    if (id) {
        MemoryBackend backend = {
            .id = id,
            .size = boot_size(domain),
            .is_default = true,
            .field = "memoryBacking/hugepages",
        };

        command_line_add_tree(line, "-object", memory_backend_tree(context, &backend));
    }
    command_line_add(line, "-overcommit", domain->is_locked ? "mem-lock=on" : "mem-lock=off");
}

static guint64
cell_id(const Domain *domain, guint index)
{
    const NumaCell *cell = list_at(domain->cells, index, NumaCell);

    return cell->id.is_set ? cell->id.value : index;
}

/* "cpus=0-3,cpus=8": QEMU takes one range each. */
static void
add_cpus(GString *text, const char *cpus)
{
    g_auto(GStrv) ranges = cpus ? g_strsplit(cpus, ",", -1) : NULL;

    for (guint i = 0; ranges && ranges[i]; i++)
        option_text_add(text, "cpus", ranges[i]);
}

static void
spell_cell(const DeviceContext *context, guint index, CommandLine *line)
{
    const Domain *domain = context->at.domain;
    const NumaCell *cell = list_at(domain->cells, index, NumaCell);
    g_autofree char *id = g_strdup_printf("ram-node%" G_GUINT64_FORMAT, cell_id(domain, index));
    g_autoptr(GString) text = g_string_new("node");
    MemoryBackend backend = {
        .id = id,
        .size = round_up(cell->memory.value),
        .node = { .value = cell_id(domain, index), .is_set = true },
        .field = "memoryBacking/hugepages",
    };

    command_line_add_tree(line, "-object", memory_backend_tree(context, &backend));
    option_text_add_uint(text, "nodeid", cell_id(domain, index));
    add_cpus(text, cell->cpus);
    option_text_add(text, "memdev", id);
    command_line_add(line, "-numa", text->str);
}

static void
spell_distances(const Domain *domain, guint index, CommandLine *line)
{
    const NumaCell *cell = list_at(domain->cells, index, NumaCell);

    for (guint i = 0; i < list_length(cell->distances); i++) {
        const NumaDistance *distance = list_at(cell->distances, i, NumaDistance);

        command_line_addf(line, "-numa",
                          "dist,src=%" G_GUINT64_FORMAT ",dst=%" G_GUINT64_FORMAT
                          ",val=%" G_GUINT64_FORMAT,
                          cell_id(domain, index), distance->cell.value, distance->value.value);
    }
}

void
numa_spell(const DeviceContext *context, CommandLine *line)
{
    const Domain *domain = context->at.domain;

    for (guint i = 0; i < list_length(domain->cells); i++)
        spell_cell(context, i, line);
    for (guint i = 0; i < list_length(domain->cells); i++)
        spell_distances(domain, i, line);
}
