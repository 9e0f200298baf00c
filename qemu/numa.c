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

/* "cpus=0-3,cpus=8": QEMU takes one range each. */
static void
add_cpus(GString *text, const char *cpus)
{
    g_auto(GStrv) ranges = cpus ? g_strsplit(cpus, ",", -1) : NULL;

    for (guint i = 0; ranges && ranges[i]; i++)
        option_text_add(text, "cpus", ranges[i]);
}

static bool
is_in_some_cell(const Domain *domain, guint cpu)
{
    for (guint i = 0; i < list_length(domain->cells); i++) {
        const char *cpus = list_at(domain->cells, i, NumaCell)->cpus;

        if (cpus && cpuset_contains(cpus, cpu))
            return true;
    }
    return false;
}

/* CPUs that are in no cell: QEMU would put them on node 0, and warns that one day it won't. */
static void
add_stray_cpus(GString *text, const Domain *domain)
{
    guint n = domain->vcpus.is_set ? (guint) domain->vcpus.value : 1;

    for (guint cpu = 0, first; cpu < n; cpu++) {
        if (is_in_some_cell(domain, cpu))
            continue;
        for (first = cpu; cpu + 1 < n && !is_in_some_cell(domain, cpu + 1); cpu++)
            continue;
        g_string_append_printf(text, cpu > first ? ",cpus=%u-%u" : ",cpus=%u", first, cpu);
    }
}

/* Of the links to @target the one with the least, or the largest, value; NULL when there is none. */
static const NumaInterconnect *
best_link(const GPtrArray *links, guint64 target, bool is_more_better)
{
    const NumaInterconnect *best = NULL;

    for (guint i = 0; i < list_length(links); i++) {
        const NumaInterconnect *link = list_at(links, i, NumaInterconnect);

        if (link->target.value == target &&
            (!best || (is_more_better ? link->value.value > best->value.value
                                      : link->value.value < best->value.value)))
            best = link;
    }
    return best;
}

/* The cell whose CPUs reach a cell's memory best: its own where it has any; else by the latencies
 * told, else by the bandwidths; else the first that has CPUs. */
static guint64
best_initiator(const Domain *domain, guint index)
{
    guint64 target = domain_cell_id(domain, index);
    const NumaInterconnect *link;

    if (list_at(domain->cells, index, NumaCell)->cpus)
        return target;
    link = best_link(domain->latencies, target, false);
    if (!link)
        link = best_link(domain->bandwidths, target, true);
    if (link)
        return link->initiator.value;
    for (guint i = 0; i < list_length(domain->cells); i++)
        if (list_at(domain->cells, i, NumaCell)->cpus)
            return domain_cell_id(domain, i);
    return target;
}

static void
spell_cell(const DeviceContext *context, guint index, CommandLine *line)
{
    const Domain *domain = context->at.domain;
    const NumaCell *cell = list_at(domain->cells, index, NumaCell);
    g_autofree char *id = g_strdup_printf("ram-node%" G_GUINT64_FORMAT, domain_cell_id(domain, index));
    g_autoptr(GString) text = g_string_new("node");
    MemoryBackend backend = {
        .id = id,
        .size = round_up(cell->memory.value),
        .node = { .value = domain_cell_id(domain, index), .is_set = true },
        .field = "memoryBacking/hugepages",
    };

    command_line_add_tree(line, "-object", memory_backend_tree(context, &backend));
    option_text_add_uint(text, "nodeid", domain_cell_id(domain, index));
    add_cpus(text, cell->cpus);
    if (!domain_cell_id(domain, index))
        add_stray_cpus(text, domain);
    if (domain_has_hmat(domain))
        option_text_add_uint(text, "initiator", best_initiator(domain, index));
    option_text_add(text, "memdev", id);
    command_line_add(line, "-numa", text->str);
}

/* What the file says of the way from one cell to another; 0: nothing. */
static guint64
given_distance(const Domain *domain, guint source, guint destination)
{
    const NumaCell *cell = list_at(domain->cells, source, NumaCell);

    for (guint i = 0; i < list_length(cell->distances); i++) {
        const NumaDistance *distance = list_at(cell->distances, i, NumaDistance);

        if (distance->cell.value == domain_cell_id(domain, destination))
            return distance->value.value;
    }
    return 0;
}

/* All of them, where the file has any: a way is as long as the way back, 10 within a cell and 20
 * to another one (ACPI's values). */
static void
spell_distances(const Domain *domain, CommandLine *line)
{
    guint n_cells = list_length(domain->cells);
    bool has_any = false;

    for (guint i = 0; i < n_cells; i++)
        has_any |= list_length(list_at(domain->cells, i, NumaCell)->distances) > 0;
    for (guint i = 0; has_any && i < n_cells * n_cells; i++) {
        guint source = i / n_cells, destination = i % n_cells;
        guint64 value = given_distance(domain, source, destination);

        if (!value)
            value = given_distance(domain, destination, source);
        if (!value)
            value = source == destination ? 10 : 20;
        command_line_addf(line, "-numa",
                          "dist,src=%" G_GUINT64_FORMAT ",dst=%" G_GUINT64_FORMAT
                          ",val=%" G_GUINT64_FORMAT,
                          domain_cell_id(domain, source), domain_cell_id(domain, destination),
                          value);
    }
}

/* --- HMAT --- */

static const char *const hierarchies[] = { "memory", "first-level", "second-level", "third-level" };
static const char *const data_types[] = { NULL, "access", "read", "write" };

static void
spell_interconnects(const GPtrArray *links, const char *what, CommandLine *line)
{
    bool is_bandwidth = g_str_equal(what, "bandwidth");

    for (guint i = 0; i < list_length(links); i++) {
        const NumaInterconnect *link = list_at(links, i, NumaInterconnect);

        command_line_addf(line, "-numa",
                          "hmat-lb,initiator=%" G_GUINT64_FORMAT ",target=%" G_GUINT64_FORMAT
                          ",hierarchy=%s,data-type=%s-%s,%s=%" G_GUINT64_FORMAT "%s",
                          link->initiator.value, link->target.value,
                          hierarchies[MIN(link->cache.value, 3)], data_types[link->type], what,
                          what, is_bandwidth ? link->value.value / 1024 : link->value.value,
                          is_bandwidth ? "K" : "");
    }
}

static void
spell_caches(const Domain *domain, guint index, CommandLine *line)
{
    static const char *const associativities[] = { NULL, "none", "direct", "complex" };
    static const char *const policies[] = { NULL, "none", "write-back", "write-through" };
    const NumaCell *cell = list_at(domain->cells, index, NumaCell);

    for (guint i = 0; i < list_length(cell->caches); i++) {
        const NumaCache *cache = list_at(cell->caches, i, NumaCache);

        command_line_addf(line, "-numa",
                          "hmat-cache,node-id=%" G_GUINT64_FORMAT ",size=%" G_GUINT64_FORMAT
                          "K,level=%" G_GUINT64_FORMAT ",associativity=%s,policy=%s,line=%"
                          G_GUINT64_FORMAT,
                          domain_cell_id(domain, index), cache->size.value / 1024,
                          cache->level.value, associativities[cache->associativity],
                          policies[cache->policy], cache->line.value);
    }
}

void
numa_spell(const DeviceContext *context, CommandLine *line)
{
    const Domain *domain = context->at.domain;

    for (guint i = 0; i < list_length(domain->cells); i++)
        spell_cell(context, i, line);
    spell_distances(domain, line);
    spell_interconnects(domain->latencies, "latency", line);
    spell_interconnects(domain->bandwidths, "bandwidth", line);
    for (guint i = 0; i < list_length(domain->cells); i++)
        spell_caches(domain, i, line);
}
