/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory devices in QEMU's spelling: a backend of the device's full size, and the device with what
 * the guest is asked to have of it.
 *
 * virtio-mem: requested-size is left out when it is 0, so that a device started empty and one
 * shrunk to nothing look alike. `prealloc` belongs to the device, not to the backend: it touches
 * blocks as they are plugged, so a host out of huge pages refuses a plug instead of killing the
 * guest (QEMU's virtio-mem documentation, "preallocation").
 */
#include "model/memory.h"

#include "model/quantity.h"

#include "qemu/device.h"
#include "qemu/memory-backend.h"

/* A DIMM's size in whole huge pages of the guest, as libvirt does. virtio-mem's is a multiple of
 * its blocks already. */
static guint64
backend_size(const MemoryDevice *memory)
{
    guint64 unit = memory->model == MEMORY_MODEL_VIRTIO_MEM ? 1 : 2u << 20;

    return (memory->size.value + unit - 1) / unit * unit;
}

static MemoryBackend
backend_of(const MemoryDevice *memory, const char *id)
{
    return (MemoryBackend){
        .id = id,
        .size = backend_size(memory),
        .page_size = memory->page_size.is_set ? memory->page_size.value : 0,
        .node = memory->node,
        .access = memory->model == MEMORY_MODEL_VIRTIO_PMEM ? MEMORY_ACCESS_SHARED : memory->access,
        .file = memory->path,
        .align = memory->align.value,
        .is_pmem = memory->is_pmem,
        .is_nvdimm = memory->model == MEMORY_MODEL_NVDIMM,
        .discard = memory->discard,
        .node_mask = memory->node_mask,
        .is_virtio_mem = memory->model == MEMORY_MODEL_VIRTIO_MEM,
        .field = memory->page_size.is_set ? "source/pagesize" : NULL,
    };
}

/* Pages of SGX come from the CPU, not from memory. */
static void
add_enclave_backend(const DeviceContext *context, const MemoryDevice *memory, const char *id,
                    GPtrArray *backends)
{
    static const char type[] = "memory-backend-epc";
    g_autoptr(GArray) nodes = memory->node_mask ? cpuset_members(memory->node_mask) : NULL;
    Json *tree = json_new_object();

    if (!capabilities_has_object(context->capabilities, type))
        validation_error(&context->at, "@model", "not-in-qemu", "this QEMU has no object '%s'", type);
    json_set_string(tree, "qom-type", type);
    json_set_string(tree, "id", id);
    json_set_bool(tree, "prealloc", true);
    json_set_uint(tree, "size", backend_size(memory));
    if (nodes) {
        Json *list = json_new_array();

        for (guint i = 0; i < nodes->len; i++)
            json_append(list, json_new_uint(g_array_index(nodes, guint, i)));
        json_set(tree, "host-nodes", list);
        json_set_string(tree, "policy", "bind");
    }
    backend_add(backends, BACKEND_OBJECT, tree);
}

static void
memory_backends(const DeviceContext *context, gconstpointer device, GPtrArray *backends)
{
    const MemoryDevice *memory = device;
    g_autofree char *id = backend_name("mem", &memory->info);
    MemoryBackend backend = backend_of(memory, id);

    if (memory->model == MEMORY_MODEL_SGX_EPC)
        return add_enclave_backend(context, memory, id, backends);
    backend_add(backends, BACKEND_OBJECT, memory_backend_tree(context, &backend));
}

static Json *
virtio_mem_properties(const DeviceContext *context, const MemoryDevice *memory)
{
    static const char driver[] = "virtio-mem-pci";
    Json *tree = device_tree_new(context, driver);
    g_autofree char *id = backend_name("mem", &memory->info);
    MemoryBackend backend = backend_of(memory, id);
    const Domain *domain = context->at.domain;

    device_tree_add_uint(tree, "node", &memory->node);
    device_tree_add_uint(tree, "block-size", &memory->block);
    if (memory->requested.value)
        json_set_uint(tree, "requested-size", memory->requested.value);
    json_set_string(tree, "memdev", id);
    if ((memory_backend_huge_page(context, &backend) ||
         domain->memory_allocation == ALLOCATION_IMMEDIATE) &&
        device_needs_property(context, NULL, driver, "prealloc"))
        json_set_bool(tree, "prealloc", true);
    if (memory->base.value)
        json_set_uint(tree, "memaddr", memory->base.value);
    if (memory->dynamic_memslots &&
        device_needs_property(context, "target/@dynamicMemslots", driver, "dynamic-memslots"))
        device_tree_add_tristate(tree, "dynamic-memslots", memory->dynamic_memslots);
    device_tree_add_info(context, tree, &memory->info);
    return tree;
}

/* A DIMM, of RAM or of a file's content. */
static Json *
dimm_properties(const DeviceContext *context, const MemoryDevice *memory)
{
    Json *tree =
        device_tree_new(context, memory->model == MEMORY_MODEL_NVDIMM ? "nvdimm" : "pc-dimm");
    g_autofree char *id = backend_name("mem", &memory->info);

    device_tree_add_uint(tree, "node", &memory->node);
    device_tree_add_uint(tree, "label-size", &memory->label_size);
    if (memory->is_readonly)
        json_set_bool(tree, "unarmed", true);
    json_set_string(tree, "memdev", id);
    device_tree_add_info(context, tree, &memory->info);
    return tree;
}

static Json *
virtio_pmem_properties(const DeviceContext *context, const MemoryDevice *memory)
{
    Json *tree = device_tree_new(context, "virtio-pmem-pci");
    g_autofree char *id = backend_name("mem", &memory->info);

    json_set_string(tree, "memdev", id);
    if (memory->base.value)
        json_set_uint(tree, "memaddr", memory->base.value);
    device_tree_add_info(context, tree, &memory->info);
    return tree;
}

static Json *
memory_properties(const DeviceContext *context, gconstpointer device)
{
    const MemoryDevice *memory = device;

    switch ((MemoryModel) memory->model) {
    case MEMORY_MODEL_VIRTIO_MEM:
        return virtio_mem_properties(context, memory);
    case MEMORY_MODEL_DIMM:
    case MEMORY_MODEL_NVDIMM:
        return dimm_properties(context, memory);
    case MEMORY_MODEL_VIRTIO_PMEM:
        return virtio_pmem_properties(context, memory);
    case MEMORY_MODEL_SGX_EPC:
        break; /* the machine's, not a device */
    }
    return NULL;
}

const DeviceSpelling memory_spelling = {
    .kind = &memory_kind,
    .backends = memory_backends,
    .properties = memory_properties,
};
