/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory devices. A virtio-mem device is a range of guest memory cut into blocks of equal size;
 * `requested` is how much of it the guest is asked to have plugged, and the only member that a
 * running QEMU lets us change. `size` is the cap, `block` is fixed for the device's life, and
 * `current` is what the guest really has: observed, printed by `export`, never read from a file.
 *
 * The rules are libvirt's (formatdomain, "Memory devices"; its validation of virtio-mem), and those
 * that libvirt leaves to QEMU, which would refuse only when a guest is already being started:
 * size a multiple of block, block at least the backend's page size, size above zero. They depend
 * on the document alone, except the transparent huge page size of the host, which is
 * memory_validate_host()'s.
 */
#include "model/memory.h"

#include <string.h>

#include "model/quantity.h"

static const char *const memory_model_names[] = {
    [MEMORY_MODEL_VIRTIO_MEM] = "virtio-mem", [MEMORY_MODEL_DIMM] = "dimm",
    [MEMORY_MODEL_NVDIMM] = "nvdimm",         [MEMORY_MODEL_VIRTIO_PMEM] = "virtio-pmem",
    [MEMORY_MODEL_SGX_EPC] = "sgx-epc",       NULL,
};
static const char *const access_names[] = {
    [MEMORY_ACCESS_SHARED] = "shared",
    [MEMORY_ACCESS_PRIVATE] = "private",
    NULL,
};

#define VIRTIO_MEM WHEN(MemoryDevice, model, "@model", WHEN_IS(MEMORY_MODEL_VIRTIO_MEM))
#define NVDIMM WHEN(MemoryDevice, model, "@model", WHEN_IS(MEMORY_MODEL_NVDIMM))
#define FILE_BACKED                                                                                \
    WHEN(MemoryDevice, model, "@model",                                                            \
         WHEN_IS(MEMORY_MODEL_NVDIMM) | WHEN_IS(MEMORY_MODEL_VIRTIO_PMEM))
#define ON_HOST_NODES                                                                              \
    WHEN(MemoryDevice, model, "@model",                                                            \
         WHEN_IS(MEMORY_MODEL_VIRTIO_MEM) | WHEN_IS(MEMORY_MODEL_DIMM) |                           \
             WHEN_IS(MEMORY_MODEL_SGX_EPC))
#define AT_ADDRESS                                                                                 \
    WHEN(MemoryDevice, model, "@model",                                                            \
         WHEN_IS(MEMORY_MODEL_VIRTIO_MEM) | WHEN_IS(MEMORY_MODEL_VIRTIO_PMEM))
#define PLUGGABLE                                                                                  \
    WHEN(MemoryDevice, model, "@model",                                                            \
         WHEN_IS(MEMORY_MODEL_VIRTIO_MEM) | WHEN_IS(MEMORY_MODEL_DIMM))

static const Field memory_fields[] = {
    FIELD_ENUM(MemoryDevice, model, memory_model_names, .path = "@model", .is_required = true,
               .doc = "Kind of memory device."),
    FIELD_ENUM(MemoryDevice, access, access_names, .path = "@access",
               .doc = "Whether the backing memory can be shared with other processes."),
    FIELD_YES_NO(MemoryDevice, discard, .path = "@discard",
                 .doc = "Drop the backing file's content when QEMU ends."),
    FIELD_PATH(MemoryDevice, path, .path = "source/path", FILE_BACKED,
               .doc = "The file or device behind it."),
    FIELD_SIZE(MemoryDevice, align, .path = "source/alignsize", NVDIMM,
               .doc = "Alignment of the mapping."),
    FIELD_FLAG(MemoryDevice, is_pmem, .path = "source/pmem", NVDIMM,
               .doc = "The file is on persistent memory."),
    FIELD_SIZE(MemoryDevice, page_size, .path = "source/pagesize", PLUGGABLE,
               .doc = "Huge page size that backs the device."),
    FIELD_CPUSET(MemoryDevice, node_mask, .path = "source/nodemask", ON_HOST_NODES,
                 .doc = "Host NUMA nodes the memory comes from."),
    FIELD_SIZE(MemoryDevice, size, .path = "target/size", .is_required = true,
               .doc = "Size of the device; for virtio-mem the most it can ever give."),
    FIELD_UINT(MemoryDevice, node, .path = "target/node", .max = 127, .doc = "Guest NUMA node."),
    FIELD_SIZE(MemoryDevice, block, .path = "target/block", VIRTIO_MEM,
               .doc = "Block size: a power of two, at least the host's transparent huge page."),
    FIELD_SIZE(MemoryDevice, requested, .path = "target/requested", .change = CHANGE_LIVE,
               VIRTIO_MEM,
               .doc = "How much the guest shall have: a multiple of block, at most size."),
    { .type = TYPE_NONE,
      .path = "target/current",
      .is_output = true,
      .doc = "How much the guest has; printed by `export`, never read." },
    FIELD_YES_NO(MemoryDevice, dynamic_memslots, .path = "target/@dynamicMemslots", VIRTIO_MEM,
                 .doc = "Split the device into several memory slots (QEMU 8.2 and later)."),
    FIELD_HEX(MemoryDevice, base, .path = "target/address/@base", .is_bare_hex = true, AT_ADDRESS,
              .doc = "Guest physical address, a multiple of block."),
    FIELD_SIZE(MemoryDevice, label_size, .path = "target/label/size", NVDIMM,
               .doc = "Size of the label area; at least 128 KiB."),
    FIELD_FLAG(MemoryDevice, is_readonly, .path = "target/readonly", NVDIMM,
               .doc = "The guest can't write to it for good."),
    FIELD_UUID(MemoryDevice, uuid, .path = "uuid", NVDIMM,
               .no_effect = "QEMU's x86 NVDIMMs have no uuid", .doc = "Its uuid (pseries)."),
    DEVICE_INFO_FIELDS(MemoryDevice),
    FIELD_END,
};

static const Schema memory_schema = {
    .element = "memory",
    .size = sizeof(MemoryDevice),
    .fields = memory_fields,
    .doc = "A memory device. `virtio-mem` is resized while the guest runs.",
};

static bool
is_power_of_two(guint64 value)
{
    return value && !(value & (value - 1));
}

guint64
memory_device_page_size(const Domain *domain, const MemoryDevice *memory)
{
    guint64 fallback = 0;

    if (memory->page_size.is_set)
        return memory->page_size.value;
    for (guint i = 0; i < list_length(domain->huge_pages); i++) {
        const HugePage *page = list_at(domain->huge_pages, i, HugePage);

        if (!page->nodeset)
            fallback = page->size.value;
        else if (memory->node.is_set && cpuset_contains(page->nodeset, memory->node.value))
            return page->size.value;
    }
    return fallback;
}

const MemoryDevice *
domain_find_memory(const Domain *domain, const char *id)
{
    for (guint i = 0; domain && i < list_length(domain->memories); i++) {
        const MemoryDevice *memory = list_at(domain->memories, i, MemoryDevice);

        if (!g_strcmp0(memory->info.alias, id))
            return memory;
    }
    return NULL;
}

static void
validate_block(const Validation *v, const MemoryDevice *memory)
{
    guint64 block = memory->block.value, page = memory_device_page_size(v->domain, memory);
    g_autofree char *block_text = size_text(block), *page_text = size_text(page);

    if (!memory->block.is_set)
        return validation_error(v, "target", "missing-element",
                                "<block> is missing: the block size, 2 MiB for instance");
    if (!is_power_of_two(block))
        return validation_error(v, "target/block", "memory-block",
                                "block must be a power of two, not %s", block_text);
    if (block < (1u << 20))
        return validation_error(v, "target/block", "memory-block",
                                "block must be at least 1 MiB, not %s", block_text);
    if (page > block)
        validation_error(v, "target/block", "memory-block-page",
                         "block (%s) is smaller than the pages of %s that back the device",
                         block_text, page_text);
    if (memory->size.value % block)
        validation_error(v, "target/size", "memory-size-multiple",
                         "size is not a multiple of block (%s)", block_text);
    if (memory->requested.value % block) {
        g_autofree char *requested = size_text(memory->requested.value);

        validation_error(v, "target/requested", "memory-requested-multiple",
                         "requested (%s) is not a multiple of block (%s)", requested, block_text);
    }
    if (memory->base.is_set && memory->base.value % block)
        validation_error(v, "target/address/@base", "memory-address-multiple",
                         "address base is not a multiple of block (%s)", block_text);
}

static void
validate_virtio_mem(const Validation *v, const MemoryDevice *memory)
{
    if (!memory->requested.is_set)
        validation_error(v, "target", "missing-element",
                         "<requested> is missing: how much the guest shall have");
    if (memory->requested.value > memory->size.value) {
        g_autofree char *requested = size_text(memory->requested.value);
        g_autofree char *size = size_text(memory->size.value);

        validation_error(v, "target/requested", "memory-requested-size",
                         "requested (%s) exceeds size (%s)", requested, size);
    }
    if (memory->info.address && memory->info.address->type != ADDRESS_PCI)
        validation_error(v, "address/@type", "memory-address-type",
                         "a virtio-mem device sits on PCI");
    validate_block(v, memory);
}

/* [base, base + size) of two devices must not overlap; an address of 0 is not one. */
static void
validate_overlap(const Validation *v, const MemoryDevice *memory)
{
    const Domain *domain = v->domain;

    if (!memory->base.value)
        return;
    for (guint i = 0; i < list_length(domain->memories); i++) {
        const MemoryDevice *other = list_at(domain->memories, i, MemoryDevice);

        if (other == memory)
            return; /* each pair once, at the later device */
        if (other->base.value && memory->base.value < other->base.value + other->size.value &&
            other->base.value < memory->base.value + memory->size.value)
            validation_error(v, "target/address/@base", "memory-address-overlap",
                             "address range overlaps that of memory device %u", i);
    }
}

static void
validate_node(const Validation *v, const MemoryDevice *memory)
{
    guint n_cells = list_length(v->domain->cells);

    if (memory->model == MEMORY_MODEL_SGX_EPC)
        n_cells = memory->node.is_set ? n_cells : 0; /* no part of what can be plugged */
    else if (!v->domain->max_memory.is_set)
        return validation_error(v, NULL, "memory-no-maximum",
                                "a memory device needs <maxMemory> in the domain");
    if (n_cells && !memory->node.is_set && memory->model != MEMORY_MODEL_VIRTIO_PMEM)
        return validation_error(v, "target", "memory-node-missing",
                                "<node> is missing: the guest NUMA node the memory belongs to");
    if (n_cells && memory->node.value >= n_cells)
        validation_error(v, "target/node", "memory-node", "the guest has no NUMA node %u",
                         (guint) memory->node.value);
    if (!n_cells && memory->node.value)
        validation_error(v, "target/node", "memory-node",
                         "the guest has no NUMA cells besides the implied cell 0");
}

static void
validate_file_backed(const Validation *v, const MemoryDevice *memory)
{
    if (!memory->path)
        validation_error(v, NULL, "missing-element",
                         "<source><path> is missing: the file behind it");
    if (memory->discard == TRISTATE_ON)
        validation_error(v, "@discard", "memory-discard", "the content of a file is to stay");
    if (memory->access == MEMORY_ACCESS_PRIVATE && memory->model == MEMORY_MODEL_VIRTIO_PMEM)
        validation_error(v, "@access", "memory-access", "virtio-pmem shares its file's content");
    if (memory->model == MEMORY_MODEL_VIRTIO_PMEM && memory->node.is_set)
        validation_error(v, "target/node", "memory-node", "virtio-pmem belongs to no NUMA node");
    if (memory->label_size.is_set && memory->label_size.value < (128u << 10))
        validation_error(v, "target/label/size", "memory-label",
                         "a label area has at least 128 KiB");
    if (memory->label_size.is_set && memory->label_size.value >= memory->size.value)
        validation_error(v, "target/label/size", "memory-label",
                         "the label area is larger than the device");
}

/* A <target> without <size> is said where rows are checked, which is not done of an element that is
 * not there. */
static void
refuse_no_target(const Validation *v)
{
    g_autofree char *path = g_strconcat(v->path, "/target", NULL);

    if (v->positions && !position_map_has(v->positions, path))
        validation_error(v, NULL, "missing-element", "<memory> needs <target>");
}

static void
memory_validate(const Validation *v, gconstpointer device)
{
    const MemoryDevice *memory = device;

    if (!memory->model)
        return; /* said already */
    if (!memory->size.is_set)
        return refuse_no_target(v);
    if (!memory->size.value)
        validation_error(v, "target/size", "memory-size", "size must be above zero");
    if (memory->node_mask && !*memory->node_mask)
        validation_error(v, "source/nodemask", "memory-nodemask", "nodemask is empty");
    validate_node(v, memory);
    if (memory->model == MEMORY_MODEL_VIRTIO_MEM)
        validate_virtio_mem(v, memory);
    if (memory->model == MEMORY_MODEL_NVDIMM || memory->model == MEMORY_MODEL_VIRTIO_PMEM)
        validate_file_backed(v, memory);
    validate_overlap(v, memory);
}

void
memory_validate_host(const Domain *domain, const PositionMap *positions, guint64 thp_size,
                     Diagnostics *diagnostics)
{
    for (guint i = 0; i < list_length(domain->memories); i++) {
        const MemoryDevice *memory = list_at(domain->memories, i, MemoryDevice);
        g_autofree char *path = g_strdup_printf("devices/memory[%u]", i);
        Validation v = { domain, positions, diagnostics, path };
        g_autofree char *thp = size_text(thp_size), *block = size_text(memory->block.value);

        if (memory->model == MEMORY_MODEL_VIRTIO_MEM && is_power_of_two(memory->block.value) &&
            memory->block.value < thp_size)
            validation_error(&v, "target/block", "memory-block-thp",
                             "block (%s) is smaller than this host's transparent huge page (%s)",
                             block, thp);
    }
}

static DeviceBus
memory_bus(const Domain *domain, gconstpointer device)
{
    const MemoryDevice *memory = device;

    switch ((MemoryModel) memory->model) {
    case MEMORY_MODEL_VIRTIO_MEM:
    case MEMORY_MODEL_VIRTIO_PMEM:
        return BUS_PCIE;
    case MEMORY_MODEL_DIMM:
    case MEMORY_MODEL_NVDIMM:
        return BUS_DIMM;
    case MEMORY_MODEL_SGX_EPC:
        return BUS_NONE;
    }
    return BUS_NONE;
}

/* libvirt numbers each model of its own: virtiomem0, virtiopmem0, epc0; DIMMs take their slot. */
static char *
memory_alias(const Domain *domain, gconstpointer device, guint index)
{
    static const char *const prefixes[] = {
        [MEMORY_MODEL_VIRTIO_MEM] = "virtiomem", [MEMORY_MODEL_DIMM] = "dimm",
        [MEMORY_MODEL_NVDIMM] = "nvdimm",        [MEMORY_MODEL_VIRTIO_PMEM] = "virtiopmem",
        [MEMORY_MODEL_SGX_EPC] = "epc",
    };
    const MemoryDevice *memory = device;
    guint64 number = 0;

    if (memory_bus(domain, device) == BUS_DIMM && memory->info.address)
        return g_strdup_printf("%s%u", prefixes[memory->model],
                               (guint) memory->info.address->slot.value);
    /* One above the highest that is taken: the ids of devices that are there never move. */
    for (guint i = 0; i < list_length(domain->memories); i++) {
        const MemoryDevice *other = list_at(domain->memories, i, MemoryDevice);
        const char *prefix = prefixes[memory->model];

        if (other->model == memory->model && other->info.alias &&
            g_str_has_prefix(other->info.alias, prefix))
            number =
                MAX(number, 1 + g_ascii_strtoull(other->info.alias + strlen(prefix), NULL, 10));
    }
    return g_strdup_printf("%s%" G_GUINT64_FORMAT, prefixes[memory->model], number);
}

/* QEMU 7.2: "virtio based memory devices cannot be unplugged". For those that can see
 * reconcile/memory-leave. */
static bool
memory_unplugs(gconstpointer device)
{
    int model = ((const MemoryDevice *) device)->model;

    return model == MEMORY_MODEL_DIMM || model == MEMORY_MODEL_NVDIMM;
}

static bool
memory_plugs(gconstpointer device)
{
    return ((const MemoryDevice *) device)->model != MEMORY_MODEL_SGX_EPC;
}

/* They have little more in common than the element. */
static bool
memory_can_become(gconstpointer before, gconstpointer after)
{
    return ((const MemoryDevice *) before)->model == ((const MemoryDevice *) after)->model;
}

const DeviceKind memory_kind = {
    .name = "memory",
    .list_offset = offsetof(Domain, memories),
    .schema = &memory_schema,
    .validate = memory_validate,
    .is_pluggable = memory_plugs,
    .is_unpluggable = memory_unplugs,
    .bus = memory_bus,
    .can_become = memory_can_become,
    .pci_rank = 17,
    .alias_prefix = "virtiomem",
    .alias = memory_alias,
};
