/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

typedef enum { IOMMU_INTEL = 1, IOMMU_VIRTIO, IOMMU_SMMUV3, IOMMU_AMD } IommuModel;

typedef struct Iommu {
    DeviceInfo info;
    int model;
    int intremap, caching_mode, eim, iotlb, dma_translation, xtsup, passthrough; /* on/off */
    OptUint aw_bits;
} Iommu;

/* More need an IOMMU with extended interrupt mode (eim); it is implied. */
#define MOST_VCPUS_OF_APIC 255

extern const DeviceKind iommu_kind;
