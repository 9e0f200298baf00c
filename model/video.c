/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Video cards. The first (or the one marked primary) has a chipset place of its own, which is
 * reconcile/pci's to know.
 *
 * Memory sizes are bare KiB in the XML and bytes in the struct, like every size. What a model does
 * not have is refused at its attribute; what the file leaves open is filled in as libvirt does it,
 * so that the guest sees the same card.
 */
#include "model/video.h"

#include "model/default.h"

static const char *const model_names[] = {
    [VIDEO_VGA] = "vga",     [VIDEO_CIRRUS] = "cirrus", [VIDEO_VMVGA] = "vmvga",
    [VIDEO_QXL] = "qxl",     [VIDEO_VIRTIO] = "virtio", [VIDEO_BOCHS] = "bochs",
    [VIDEO_RAMFB] = "ramfb", [VIDEO_NONE] = "none",     [VIDEO_XEN] = "xen",
    [VIDEO_VBOX] = "vbox",   [VIDEO_GOP] = "gop",       NULL,
};

static const char *const backend_names[] = {
    [VIDEO_BACKEND_QEMU] = "qemu",
    [VIDEO_BACKEND_VHOST_USER] = "vhostuser",
    NULL,
};

#define MIB ((guint64) 1 << 20)
#define MODEL(set) WHEN(Video, model, "model/@type", set)

static const Field video_fields[] = {
    FIELD_ENUM(Video, model, model_names, .path = "model/@type",
               .doc = "Kind of card; `cirrus` by default."),
    FIELD_SIZE(Video, ram, .path = "model/@ram", MODEL(WHEN_IS(VIDEO_QXL)),
               .doc = "qxl: size of the primary memory bar."),
    FIELD_SIZE(Video, vram, .path = "model/@vram", .doc = "Size of the video memory."),
    FIELD_SIZE(Video, vram64, .path = "model/@vram64", MODEL(WHEN_IS(VIDEO_QXL)),
               .doc = "qxl: size of the 64-bit memory bar."),
    FIELD_SIZE(Video, vgamem, .path = "model/@vgamem", MODEL(WHEN_IS(VIDEO_QXL)),
               .doc = "qxl: size of the VGA frame buffer."),
    FIELD_UINT(Video, heads, .path = "model/@heads", .min = 1, .max = 16, .doc = "Screens."),
    FIELD_YES_NO(Video, primary, .path = "model/@primary", .doc = "The card the firmware uses."),
    FIELD_ON_OFF(Video, blob, .path = "model/@blob", MODEL(WHEN_IS(VIDEO_VIRTIO)),
                 .doc = "virtio: blob resources."),
    FIELD_YES_NO(Video, accel3d, .path = "model/acceleration/@accel3d",
                 MODEL(WHEN_IS(VIDEO_VIRTIO)), .doc = "virtio: 3D acceleration."),
    FIELD_YES_NO(Video, accel2d, .path = "model/acceleration/@accel2d",
                 .refuse = "no QEMU device has it", .doc = "2D acceleration."),
    FIELD_STRING(Video, render_node, .path = "model/acceleration/@rendernode",
                 WHEN(Video, backend, "driver/@name", WHEN_IS(VIDEO_BACKEND_VHOST_USER)),
                 .doc = "vhostuser: the host's GPU."),
    FIELD_ENUM(Video, backend, backend_names, .path = "driver/@name",
               .doc = "`qemu` (default) or `vhostuser`."),
    FIELD_REFUSED("it is bhyve's", .path = "driver/@vgaconf", .doc = "bhyve's VGA."),
    DEVICE_VIRTIO_FIELDS(Video),
    FIELD_UINT(Video, x, .path = "model/resolution/@x", .doc = "Preferred width."),
    FIELD_UINT(Video, y, .path = "model/resolution/@y", .doc = "Preferred height."),
    DEVICE_INFO_FIELDS(Video),
    FIELD_END,
};

static const Schema video_schema = {
    .element = "video",
    .size = sizeof(Video),
    .fields = video_fields,
    .doc = "A video card.",
};

#define MODELS(a, b, c, d) (WHEN_IS(a) | WHEN_IS(b) | WHEN_IS(c) | WHEN_IS(d))

static void
validate_memory(const Validation *v, const Video *video)
{
    const struct {
        const char *path;
        const OptUint *size;
    } rows[] = { { "model/@ram", &video->ram },
                 { "model/@vram", &video->vram },
                 { "model/@vgamem", &video->vgamem } };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].size->value > G_MAXUINT32)
            validation_error(v, rows[i].path, "video-memory", "must be below 4 GiB");
        if (rows[i].size->is_set && rows[i].size->value < MIB && video->model != VIDEO_VIRTIO &&
            video->model != VIDEO_CIRRUS)
            validation_error(v, rows[i].path, "video-memory", "must be at least 1 MiB");
    }
}

static void
validate_resolution(const Validation *v, const Video *video)
{
    const guint64 models = MODELS(VIDEO_VGA, VIDEO_QXL, VIDEO_VIRTIO, VIDEO_BOCHS);
    bool is_used = video->x.is_set || video->y.is_set;

    if (is_used && !(models & WHEN_IS(video->model)))
        validation_error(v, "model/resolution", "video-resolution",
                         "this card prefers no resolution");
    if (video->x.is_set != video->y.is_set)
        validation_error(v, "model/resolution", "video-resolution", "a resolution has x and y");
    if (video->x.is_set && video->y.is_set && (!video->x.value || !video->y.value))
        validation_error(v, "model/resolution", "video-resolution", "x and y are above 0");
}

/* Beside the primary card only those go that libvirt takes there: with registers of their own. */
static void
validate_place(const Validation *v, const Video *video)
{
    const guint64 secondary = WHEN_IS(VIDEO_QXL) | WHEN_IS(VIDEO_VIRTIO);
    const Video *primary = list_at(v->domain->videos, 0, Video);

    for (guint i = 0; i < list_length(v->domain->videos); i++)
        if (list_at(v->domain->videos, i, Video)->primary == TRISTATE_ON)
            primary = list_at(v->domain->videos, i, Video);
    if (video != primary && !(secondary & WHEN_IS(video->model)))
        validation_error(v, "model/@type", "video-primary",
                         "a '%s' can only be the primary card", model_names[video->model]);
}

static void
video_validate(const Validation *v, gconstpointer item)
{
    const Video *video = item;

    if (video->model > VIDEO_NONE)
        validation_error(v, "model/@type", "not-supported",
                         "QEMU has no such card on this machine");
    if (video->heads.value > 1 && video->model != VIDEO_VIRTIO && video->model != VIDEO_QXL)
        validation_error(v, "model/@heads", "video-heads", "this card has one screen");
    if (video->model != VIDEO_VIRTIO)
        validate_no_virtio_options(v, &video->virtio);
    if (video->backend == VIDEO_BACKEND_VHOST_USER && video->model != VIDEO_VIRTIO)
        validation_error(v, "driver/@name", "video-backend",
                         "only a virtio card can be vhost-user");
    if (video->primary == TRISTATE_ON)
        for (guint i = 0; i < list_length(v->domain->videos); i++) {
            const Video *other = list_at(v->domain->videos, i, Video);

            if (other == video)
                break;
            if (other->primary == TRISTATE_ON)
                validation_error(v, "model/@primary", "video-primary", "only one card is primary");
        }
    if (video->model == VIDEO_NONE && list_length(v->domain->videos) > 1)
        validation_error(v, "model/@type", "video-none",
                         "video 'none' excludes every other video card");
    validate_memory(v, video);
    validate_resolution(v, video);
    validate_place(v, video);
}

static DeviceBus
video_bus(const Domain *domain, gconstpointer item)
{
    switch ((VideoModel) ((const Video *) item)->model) {
    case VIDEO_NONE:
    case VIDEO_RAMFB:
    case VIDEO_XEN:
    case VIDEO_VBOX:
    case VIDEO_GOP:
        return BUS_NONE;
    case VIDEO_VIRTIO:
    case VIDEO_BOCHS:
        return BUS_PCIE;
    case VIDEO_VGA:
    case VIDEO_CIRRUS:
    case VIDEO_VMVGA:
    case VIDEO_QXL:
        return BUS_PCI;
    }
    return BUS_PCI;
}

static void
round_to_power_of_two(OptUint *size)
{
    guint64 power = 1;

    if (!size->value || size->value > G_MAXINT64)
        return;
    while (power < size->value)
        power *= 2;
    size->value = power;
}

static void
video_fill_defaults(const Domain *domain, gpointer device)
{
    static const guint vram[] = { [VIDEO_VGA] = 16,
                                  [VIDEO_CIRRUS] = 16,
                                  [VIDEO_VMVGA] = 16,
                                  [VIDEO_QXL] = 64,
                                  [VIDEO_BOCHS] = 16 };
    Video *video = device;

    default_enum(&video->model, VIDEO_CIRRUS);
    if (list_at(domain->videos, 0, Video) == video && video->model != VIDEO_NONE)
        default_enum(&video->primary, TRISTATE_ON);
    if (video->model != VIDEO_NONE)
        default_uint(&video->heads, 1);
    if (video->model < (int) G_N_ELEMENTS(vram) && vram[video->model])
        default_uint(&video->vram, vram[video->model] * MIB);
    if (video->model != VIDEO_QXL)
        return;
    default_uint(&video->ram, 64 * MIB);
    default_uint(&video->vgamem, 16 * MIB);
    round_to_power_of_two(&video->ram);
    round_to_power_of_two(&video->vram);
    round_to_power_of_two(&video->vgamem);
}

const DeviceKind video_kind = {
    .name = "video",
    .list_offset = offsetof(Domain, videos),
    .schema = &video_schema,
    .validate = video_validate,
    .fill_defaults = video_fill_defaults,
    .bus = video_bus,
    .pci_rank = 11,
    .alias_prefix = "video",
};
