/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * IOMMUs. They come before every other device on the command line: a device takes the address space
 * that is there when it is made.
 *
 * Interrupt remapping and extended interrupts are words in QEMU (on, off, auto), not switches,
 * which is why they are strings here.
 */
#include "model/iommu.h"

#include "qemu/device.h"

static Json *
iommu_properties(const DeviceContext *context, gconstpointer device)
{
    static const char *const drivers[] = { [IOMMU_INTEL] = "intel-iommu",
                                           [IOMMU_VIRTIO] = "virtio-iommu-pci",
                                           [IOMMU_SMMUV3] = NULL,
                                           [IOMMU_AMD] = "amd-iommu" };
    const Iommu *iommu = device;
    Json *tree;

    if (!drivers[iommu->model])
        return NULL;
    tree = device_tree_new(context, drivers[iommu->model]);
    if (iommu->intremap) /* on, off or auto: a word in QEMU */
        json_set_string(tree, "intremap", on_off_names[iommu->intremap]);
    device_tree_add_tristate(tree, "caching-mode", iommu->caching_mode);
    if (iommu->eim)
        json_set_string(tree, "eim", on_off_names[iommu->eim]);
    device_tree_add_tristate(tree, "device-iotlb", iommu->iotlb);
    device_tree_add_uint(tree, "aw-bits", &iommu->aw_bits);
    if (iommu->dma_translation && device_needs_property(context, "driver/@dma_translation",
                                                        drivers[iommu->model], "dma-translation"))
        device_tree_add_tristate(tree, "dma-translation", iommu->dma_translation);
    device_tree_add_tristate(tree, "xtsup", iommu->xtsup);
    device_tree_add_tristate(tree, "pt", iommu->passthrough);
    device_tree_add_info(context, tree, &iommu->info);
    return tree;
}

const DeviceSpelling iommu_spelling = {
    .kind = &iommu_kind,
    .properties = iommu_properties,
};
