/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * <memory> and <memoryBacking>: how much there is, and what the host backs it with.
 *
 * libvirt's <memory> counts boot memory and all memory devices; where there are NUMA cells their
 * sum is the boot memory, whatever <memory> says. Backing holds for the whole domain unless a cell
 * or a memory device says otherwise; huge pages can be told by guest NUMA node.
 */
#include "model/balloon.h"
#include "model/domain-section.h"
#include "model/memory.h"
#include "model/quantity.h"

static const char *const memory_source_names[] = {
    [MEMORY_SOURCE_ANONYMOUS] = "anonymous",
    [MEMORY_SOURCE_FILE] = "file",
    [MEMORY_SOURCE_MEMFD] = "memfd",
    NULL,
};
const char *const memory_access_names[] = {
    [MEMORY_ACCESS_SHARED] = "shared",
    [MEMORY_ACCESS_PRIVATE] = "private",
    NULL,
};
static const char *const allocation_names[] = {
    [ALLOCATION_IMMEDIATE] = "immediate",
    [ALLOCATION_ONDEMAND] = "ondemand",
    NULL,
};

static const Field huge_page_fields[] = {
    FIELD_SIZE(HugePage, size, .path = "@size", .is_required = true, .doc = "Page size."),
    FIELD_CPUSET(HugePage, nodeset, .path = "@nodeset", .doc = "Guest NUMA nodes it is for."),
    FIELD_END,
};
static const Schema huge_page_schema = { .element = "page",
                                         .size = sizeof(HugePage),
                                         .fields = huge_page_fields,
                                         .doc = "A huge page size." };

static const Field memory_fields[] = {
    FIELD_SIZE(Domain, max_memory, .path = "maxMemory",
               .doc = "What memory can grow to with memory devices."),
    FIELD_UINT(Domain, max_memory_slots, .path = "maxMemory/@slots", .max = 256,
               .doc = "Slots for DIMMs; virtio-mem needs none."),
    FIELD_SIZE(Domain, memory, .path = "memory", .change = CHANGE_NONE,
               .doc = "Boot memory and all memory devices together; the sum of NUMA cells and "
                      "devices if left out."),
    FIELD_ON_OFF(Domain, dump_core, .path = "memory/@dumpCore",
                 .doc = "Guest memory in QEMU's core dumps."),
    FIELD_SIZE(Domain, current_memory, .path = "currentMemory", .change = CHANGE_LIVE,
               .doc = "The balloon's target: what the guest keeps of boot memory and DIMMs. Where it is "
                      "not less than `memory` as written, the guest keeps all, whatever NUMA cells "
                      "and rounding make of that."),
    FIELD_FLAG(Domain, has_huge_pages, .path = "memoryBacking/hugepages",
               .doc = "Back memory with huge pages."),
    FIELD_LIST(Domain, huge_pages, &huge_page_schema, .path = "memoryBacking/hugepages/page",
               .doc = "Page sizes, each for some guest NUMA nodes."),
    FIELD_FLAG(Domain, no_share_pages, .path = "memoryBacking/nosharepages",
               .doc = "Keep the host from merging pages."),
    FIELD_FLAG(Domain, is_locked, .path = "memoryBacking/locked",
               .doc = "Lock memory in RAM; excludes virtio-mem."),
    FIELD_ENUM(Domain, memory_source, memory_source_names, .path = "memoryBacking/source/@type",
               .doc = "`anonymous`, `file` or `memfd`."),
    FIELD_ENUM(Domain, memory_access, memory_access_names, .path = "memoryBacking/access/@mode",
               .doc = "`shared` or `private`."),
    FIELD_ENUM(Domain, memory_allocation, allocation_names,
               .path = "memoryBacking/allocation/@mode", .doc = "`immediate` or `ondemand`."),
    FIELD_UINT(Domain, allocation_threads, .path = "memoryBacking/allocation/@threads", .min = 1,
               .doc = "Threads that preallocate."),
    FIELD_FLAG(Domain, is_discard, .path = "memoryBacking/discard",
               .doc = "Drop the backing file's content when QEMU ends."),
    FIELD_END,
};

static void
validate_maximum(const Validation *v, guint64 boot, guint64 devices)
{
    const Domain *domain = v->domain;

    if (!domain->max_memory.is_set)
        return;
    if (devices > 0 &&
        (boot > domain->max_memory.value || devices > domain->max_memory.value - boot)) {
        g_autofree char *sum = size_text(boot + devices);
        g_autofree char *max = size_text(domain->max_memory.value);

        validation_error(v, "maxMemory", "memory-maximum",
                         "boot memory and memory devices (%s) exceed maxMemory (%s)", sum, max);
    }
    if (domain->max_memory.value < boot)
        validation_error(v, "maxMemory", "memory-maximum", "maxMemory is below the boot memory");
    if (domain->max_memory_slots.value && !list_length(domain->cells) &&
        !list_length(domain->memories))
        validation_error(v, "maxMemory/@slots", "memory-no-cell",
                         "slots for DIMMs need a guest NUMA cell (<cpu><numa>)");
}

static void
validate_sizes(const Validation *v)
{
    const Domain *domain = v->domain;
    guint64 devices = 0, boot = domain_boot_memory(domain), n_dimms = 0;
    bool is_written = v->positions && position_map_has(v->positions, "memory");

    for (guint i = 0; i < list_length(domain->memories); i++) {
        const MemoryDevice *memory = list_at(domain->memories, i, MemoryDevice);

        if (memory->size.value > G_MAXUINT64 - devices)
            return validation_error(v, "devices/memory", "memory-size", "memory sizes overflow");
        devices += memory->size.value;
        n_dimms += memory->model == MEMORY_MODEL_DIMM || memory->model == MEMORY_MODEL_NVDIMM;
        if (domain->is_locked && memory->model == MEMORY_MODEL_VIRTIO_MEM)
            validation_error(v, "memoryBacking/locked", "memory-locked",
                             "locked memory and virtio-mem exclude each other");
    }
    /* What could not be read has been told of. */
    if (!domain->memory.is_set && !boot && !is_written)
        validation_error(v, NULL, "missing-element", "<domain> needs <memory>");
    if (domain->memory.is_set && !boot)
        validation_error(v, "memory", "memory-boot",
                         "no boot memory is left: <memory> counts the memory devices too");
    if (boot > (guint64) G_MAXINT64 / 1024 * 1023)
        validation_error(v, "memory", "memory-size", "the memory's size is out of range");
    validate_maximum(v, boot, devices);
    if (n_dimms > domain->max_memory_slots.value)
        validation_error(v, "maxMemory", "memory-slots", "%u DIMMs need as many slots",
                         (guint) n_dimms);
}

/* Every node a page size is for must be there, and have one page size only. */
static void
validate_huge_pages(const Validation *v)
{
    const Domain *domain = v->domain;
    guint n_cells = list_length(domain->cells);
    bool seen[128] = { false }, has_general = false;

    for (guint i = 0; i < list_length(domain->huge_pages); i++) {
        const HugePage *page = list_at(domain->huge_pages, i, HugePage);
        g_autofree char *path = g_strdup_printf("memoryBacking/hugepages/page[%u]", i);
        g_autoptr(GArray) nodes = page->nodeset ? cpuset_members(page->nodeset) : NULL;

        if (!page->nodeset && has_general)
            validation_error(v, path, "memory-huge-pages",
                             "there is a page size for all nodes already");
        has_general |= !page->nodeset;
        if (page->size.is_set && (!page->size.value || page->size.value & (page->size.value - 1)))
            validation_error(v, path, "memory-huge-pages", "a page size is a power of two");
        for (guint k = 0; nodes && k < nodes->len; k++) {
            guint node = g_array_index(nodes, guint, k);

            if (node >= MAX(n_cells, 1u))
                validation_error(v, path, "memory-huge-pages", "the guest has no NUMA node %u",
                                 node);
            else if (node < G_N_ELEMENTS(seen) && seen[node])
                validation_error(v, path, "memory-huge-pages", "node %u has two page sizes", node);
            if (node < G_N_ELEMENTS(seen))
                seen[node] = true;
        }
    }
}

/* libvirt passes over it as well. Without <memballoon> there is one. */
static void
validate_current(const Validation *v)
{
    const Domain *domain = v->domain;

    if (domain->current_memory.is_set && list_length(domain->balloons) && !domain_balloon(domain) &&
        domain->current_memory.value < domain_balloon_counted(domain))
        validation_warning(v, "currentMemory", "no-effect",
                           "there is no balloon (<memballoon model='none'/>) to take the rest: the "
                           "guest has all of its memory");
}

static void
memory_validate(const Validation *v)
{
    const Domain *domain = v->domain;

    validate_sizes(v);
    validate_current(v);
    validate_huge_pages(v);
    if (domain->allocation_threads.is_set && domain->memory_allocation != ALLOCATION_IMMEDIATE)
        validation_warning(v, "memoryBacking/allocation/@threads", "no-effect",
                           "threads preallocate with mode='immediate' only");
    if (domain->memory_source == MEMORY_SOURCE_ANONYMOUS &&
        domain->memory_access == MEMORY_ACCESS_SHARED && domain->has_huge_pages)
        validation_warning(v, "memoryBacking/source/@type", "no-effect",
                           "shared huge pages come from files");
}

const DomainSection domain_memory_section = { memory_fields, memory_validate };
