/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory balloon. One is there unless the file says `none`.
 *
 * <currentMemory> counts as libvirt has it: what the guest keeps of the memory that QEMU's balloon
 * knows of. So what is above that is memory devices', which say themselves what they want.
 *
 * For virtkeep it is an instrument more than a device: its statistics are what the shrink guard of
 * virtio-mem stands on, so a guest that is to be shrunk safely has one. How often the guest reports
 * while nothing moves is the file's to say (stats/@period); while memory moves the controller asks
 * by itself.
 */
#include "model/balloon.h"

#include "model/memory.h"

#define BALLOON_PAGE 4096 /* virtio 1.2, 5.5: pages of the balloon, whatever the guest's */

static const char *const model_names[] = {
    [BALLOON_VIRTIO] = "virtio",
    [BALLOON_VIRTIO_TRANSITIONAL] = "virtio-transitional",
    [BALLOON_VIRTIO_NON_TRANSITIONAL] = "virtio-non-transitional",
    [BALLOON_NONE] = "none",
    [BALLOON_XEN] = "xen",
    NULL,
};

static const Field balloon_fields[] = {
    FIELD_ENUM(Balloon, model, model_names, .path = "@model", .is_required = true,
               .doc = "`virtio`, or `none` for no balloon."),
    FIELD_ON_OFF(Balloon, auto_deflate, .path = "@autodeflate",
                 .doc = "Deflate before the guest runs out of memory."),
    FIELD_ON_OFF(Balloon, free_page_reporting, .path = "@freePageReporting",
                 .doc = "The guest tells the host which pages are free."),
    FIELD_UINT(Balloon, stats_period, .path = "stats/@period", .change = CHANGE_LIVE,
               .doc = "Seconds between the guest's statistics while nothing moves."),
    DEVICE_VIRTIO_FIELDS(Balloon),
    DEVICE_INFO_FIELDS(Balloon),
    FIELD_END,
};

static const Schema balloon_schema = {
    .element = "memballoon",
    .size = sizeof(Balloon),
    .fields = balloon_fields,
    .doc = "The memory balloon; one virtio balloon by default.",
};

static void
balloon_validate(const Validation *v, gconstpointer item)
{
    const Balloon *balloon = item;

    if (balloon->model == BALLOON_NONE && balloon->info.address)
        validation_error(v, "address", "balloon-none", "what is not there has no address");
    if (balloon->model == BALLOON_XEN)
        validation_error(v, "@model", "not-supported", "this balloon is Xen's");
    if (list_at(v->domain->balloons, 0, Balloon) != balloon)
        validation_error(v, NULL, "duplicate-element", "a guest has one balloon");
}

static DeviceBus
balloon_bus(const Domain *domain, gconstpointer item)
{
    switch ((BalloonModel) ((const Balloon *) item)->model) {
    case BALLOON_NONE:
    case BALLOON_XEN:
        return BUS_NONE;
    case BALLOON_VIRTIO_TRANSITIONAL:
        return BUS_PCI;
    case BALLOON_VIRTIO:
    case BALLOON_VIRTIO_NON_TRANSITIONAL:
        return BUS_PCIE;
    }
    return BUS_PCIE;
}

const DeviceKind balloon_kind = {
    .name = "memballoon",
    .list_offset = offsetof(Domain, balloons),
    .schema = &balloon_schema,
    .validate = balloon_validate,
    .bus = balloon_bus,
    .pci_rank = 8,
    .alias_prefix = "balloon",
};

const Balloon *
domain_balloon(const Domain *domain)
{
    const Balloon *balloon =
        list_length(domain->balloons) ? list_at(domain->balloons, 0, Balloon) : NULL;

    return balloon && balloon->model != BALLOON_NONE && balloon->model != BALLOON_XEN ? balloon
                                                                                      : NULL;
}

const char *
balloon_id(const Balloon *balloon)
{
    return balloon->info.alias ? balloon->info.alias : "balloon0";
}

guint64
domain_balloon_counted(const Domain *domain)
{
    guint64 counted = domain_boot_memory(domain);

    for (guint i = 0; i < list_length(domain->memories); i++) {
        const MemoryDevice *memory = list_at(domain->memories, i, MemoryDevice);

        counted += memory->model == MEMORY_MODEL_DIMM ? memory->size.value : 0;
    }
    return counted;
}

guint64
domain_balloon_taken(const Domain *domain, guint64 counted)
{
    guint64 taken = 0;

    if (domain_balloon(domain) && domain->current_memory.is_set &&
        domain->current_memory.value < counted)
        taken = counted - domain->current_memory.value;
    return taken - taken % BALLOON_PAGE;
}
