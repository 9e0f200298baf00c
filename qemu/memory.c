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

#include "qemu/device.h"
#include "qemu/memory-backend.h"

/* A DIMM's size in whole huge pages of the guest, as libvirt does. virtio-mem's is a multiple of
 * its blocks already. */
static guint64
backend_size(const MemoryDevice *memory)
{
    guint64 unit = memory->model == MEMORY_MODEL_DIMM ? 2u << 20 : 1;

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
        .access = memory->access,
        .discard = memory->discard,
        .node_mask = memory->node_mask,
        .is_virtio_mem = memory->model == MEMORY_MODEL_VIRTIO_MEM,
        .field = memory->page_size.is_set ? "source/pagesize" : NULL,
    };
}

static void
memory_backends(const DeviceContext *context, gconstpointer device, GPtrArray *backends)
{
    const MemoryDevice *memory = device;
    g_autofree char *id = backend_name("mem", &memory->info);
    MemoryBackend backend = backend_of(memory, id);

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

static Json *
dimm_properties(const DeviceContext *context, const MemoryDevice *memory)
{
    Json *tree = device_tree_new(context, "pc-dimm");
    g_autofree char *id = backend_name("mem", &memory->info);

    device_tree_add_uint(tree, "node", &memory->node);
    json_set_string(tree, "memdev", id);
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
        return dimm_properties(context, memory);
    case MEMORY_MODEL_NVDIMM:
    case MEMORY_MODEL_VIRTIO_PMEM:
    case MEMORY_MODEL_SGX_EPC:
        break;
    }
    validation_error(&context->at, "@model", "not-supported",
                     "this memory model is not supported yet; virtio-mem and dimm are");
    return NULL;
}

const DeviceSpelling memory_spelling = {
    .kind = &memory_kind,
    .backends = memory_backends,
    .properties = memory_properties,
};
