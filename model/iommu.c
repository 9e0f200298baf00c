/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * IOMMUs of the guest. Intel's is part of a q35 board and has no address; virtio's is a PCI
 * function of bus 0. A q35 guest with more than 255 CPUs gets one by itself (reconcile/implied),
 * since only interrupt remapping reaches the others.
 */
#include "model/iommu.h"

static const char *const model_names[] = {
    [IOMMU_INTEL] = "intel",
    [IOMMU_VIRTIO] = "virtio",
    [IOMMU_SMMUV3] = "smmuv3",
    [IOMMU_AMD] = "amd",
    NULL,
};

static const Field iommu_fields[] = {
    FIELD_ENUM(Iommu, model, model_names, .path = "@model", .is_required = true,
               .doc = "`intel`, `amd` or `virtio`."),
    FIELD_ON_OFF(Iommu, intremap, .path = "driver/@intremap", .doc = "Interrupt remapping."),
    FIELD_ON_OFF(Iommu, caching_mode, .path = "driver/@caching_mode",
                 .doc = "intel: caching mode, for devices passed through."),
    FIELD_ON_OFF(Iommu, eim, .path = "driver/@eim", .doc = "intel: extended interrupt mode."),
    FIELD_ON_OFF(Iommu, iotlb, .path = "driver/@iotlb", .doc = "intel: IOTLB of the devices."),
    FIELD_UINT(Iommu, aw_bits, .path = "driver/@aw_bits", .max = 64,
               .doc = "intel: width of addresses."),
    FIELD_ON_OFF(Iommu, dma_translation, .path = "driver/@dma_translation",
                 .doc = "intel: whether DMA is translated."),
    FIELD_ON_OFF(Iommu, xtsup, .path = "driver/@xtsup", .doc = "amd: 128 bit remapping entries."),
    FIELD_ON_OFF(Iommu, passthrough, .path = "driver/@passthrough", .doc = "amd: passthrough."),
    DEVICE_INFO_FIELDS(Iommu),
    FIELD_END,
};

static const Schema iommu_schema = {
    .element = "iommu",
    .size = sizeof(Iommu),
    .fields = iommu_fields,
    .doc = "An IOMMU for the guest.",
};

static void
validate_options(const Validation *v, const Iommu *iommu)
{
    bool has_intel = iommu->caching_mode || iommu->eim || iommu->iotlb || iommu->aw_bits.is_set ||
                     iommu->dma_translation;
    bool has_amd = iommu->xtsup || iommu->passthrough;

    if (iommu->model == IOMMU_VIRTIO && (has_intel || has_amd || iommu->intremap))
        validation_error(v, "driver", "not-here", "a virtio IOMMU has no such options");
    if (iommu->model == IOMMU_AMD && has_intel)
        validation_error(v, "driver", "not-here", "these options are of the Intel IOMMU");
    if (iommu->model == IOMMU_INTEL && has_amd)
        validation_error(v, "driver", "not-here", "these options are of the AMD IOMMU");
    if (iommu->eim == TRISTATE_ON && iommu->intremap != TRISTATE_ON &&
        (iommu->intremap || v->domain->vcpus.value <= MOST_VCPUS_OF_APIC))
        validation_error(v, "driver/@eim", "iommu-eim", "eim needs intremap='on'");
    if (iommu->model == IOMMU_INTEL && iommu->intremap == TRISTATE_ON &&
        v->domain->type == DOMAIN_TYPE_KVM && v->domain->ioapic_driver == IOAPIC_KVM)
        validation_error(v, "driver/@intremap", "iommu-ioapic",
                         "interrupt remapping needs <ioapic driver='qemu'/>");
}

static void
iommu_validate(const Validation *v, gconstpointer item)
{
    const Iommu *iommu = item;
    const Address *address = iommu->info.address;

    if (!iommu->model)
        return;
    if (list_at(v->domain->iommus, 0, Iommu) != iommu)
        validation_error(v, NULL, "duplicate-element", "a guest has one IOMMU");
    if (iommu->model == IOMMU_SMMUV3)
        return validation_error(v, "@model", "not-supported", "smmuv3 is of Arm machines");
    if (!domain_is_q35(v->domain))
        validation_error(v, "@model", "iommu-machine", "only q35 machines have an IOMMU");
    if (iommu->model == IOMMU_VIRTIO && !v->domain->acpi)
        validation_error(v, "@model", "iommu-acpi", "a virtio IOMMU needs <acpi/>");
    if (iommu->model == IOMMU_VIRTIO && address && address->type != ADDRESS_PCI)
        validation_error(v, "address/@type", "address-type", "a virtio IOMMU sits on PCI");
    if (iommu->model != IOMMU_VIRTIO && address)
        validation_error(v, "address", "address-type", "this IOMMU has no address");
    validate_options(v, iommu);
}

static DeviceBus
iommu_bus(const Domain *domain, gconstpointer item)
{
    return ((const Iommu *) item)->model == IOMMU_VIRTIO ? BUS_INTEGRATED : BUS_NONE;
}

const DeviceKind iommu_kind = {
    .name = "iommu",
    .list_offset = offsetof(Domain, iommus),
    .schema = &iommu_schema,
    .validate = iommu_validate,
    .bus = iommu_bus,
    .pci_rank = 15,
    .alias_prefix = "iommu",
};
