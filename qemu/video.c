/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Video cards. QEMU has two devices for most models: one that speaks VGA too, for the card the
 * firmware uses (the primary), and one without, for the others. Memory sizes that the file leaves
 * out are libvirt's defaults, not QEMU's, since guests notice them.
 */
#include "model/video.h"

#include "qemu/chardev.h"
#include "qemu/device.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

static const struct {
    const char *primary, *secondary, *primary_3d, *secondary_3d;
    guint64 vram;           /* default, bytes */
    const char *vram_mb;    /* property that takes MiB */
    const char *vram_bytes; /* property that takes bytes */
    bool has_heads, has_resolution;
} models[] = {
    [VIDEO_VGA] = { "VGA", "VGA", NULL, NULL, 16 * MIB, "vgamem_mb", NULL, false, true },
    [VIDEO_CIRRUS] = { "cirrus-vga", "cirrus-vga", NULL, NULL, 16 * MIB, NULL, NULL, false, false },
    [VIDEO_VMVGA] = { "vmware-svga", "vmware-svga", NULL, NULL, 16 * MIB, "vgamem_mb", NULL, false,
                      false },
    [VIDEO_QXL] = { "qxl-vga", "qxl", NULL, NULL, 64 * MIB, NULL, "vram_size", true, true },
    [VIDEO_VIRTIO] = { "virtio-vga", "virtio-gpu-pci", "virtio-vga-gl", "virtio-gpu-gl-pci", 0,
                       NULL, NULL, true, true },
    [VIDEO_BOCHS] = { "bochs-display", "bochs-display", NULL, NULL, 16 * MIB, NULL, "vgamem", false,
                      true },
    [VIDEO_RAMFB] = { "ramfb", "ramfb", NULL, NULL, 0, NULL, NULL, false, false },
};

static bool
is_primary(const Domain *domain, const Video *video)
{
    for (guint i = 0; i < list_length(domain->videos); i++)
        if (list_at(domain->videos, i, Video)->primary == TRISTATE_ON)
            return list_at(domain->videos, i, Video) == video;
    return list_at(domain->videos, 0, Video) == video;
}

/* QEMU wants powers of two; libvirt rounds up. */
static guint64
power_of_two(guint64 bytes)
{
    guint64 power = MIB;

    while (power < bytes)
        power *= 2;
    return power;
}

static guint64
size_or(const OptUint *size, guint64 fallback)
{
    return power_of_two(size->is_set ? size->value : fallback);
}

static void
add_qxl(const Video *video, Json *tree)
{
    json_set_uint(tree, "ram_size", size_or(&video->ram, 64 * MIB));
    json_set_uint(tree, "vram64_size_mb", video->vram64.value / MIB);
    json_set_uint(tree, "vgamem_mb", size_or(&video->vgamem, 16 * MIB) / MIB);
}

static const char *
video_driver(const Domain *domain, const Video *video)
{
    bool primary = is_primary(domain, video);

    if (video->backend == VIDEO_BACKEND_VHOST_USER)
        return primary ? "vhost-user-vga" : "vhost-user-gpu-pci";
    if (video->accel3d == TRISTATE_ON && models[video->model].primary_3d)
        return primary ? models[video->model].primary_3d : models[video->model].secondary_3d;
    return primary ? models[video->model].primary : models[video->model].secondary;
}

static Json *
video_properties(const DeviceContext *context, gconstpointer device)
{
    const Video *video = device;
    guint64 vram;
    Json *tree;

    if (video->model >= VIDEO_NONE || !video->model)
        return NULL;
    tree = device_tree_new(context, video_driver(context->at.domain, video));
    vram = size_or(&video->vram, models[video->model].vram);
    if (models[video->model].has_heads)
        json_set_uint(tree, "max_outputs", video->heads.is_set ? video->heads.value : 1);
    if (models[video->model].vram_mb)
        json_set_uint(tree, models[video->model].vram_mb, vram / MIB);
    if (models[video->model].vram_bytes)
        json_set_uint(tree, models[video->model].vram_bytes, vram);
    if (video->model == VIDEO_QXL)
        add_qxl(video, tree);
    device_tree_add_tristate(tree, "blob", video->blob);
    if (models[video->model].has_resolution) {
        device_tree_add_uint(tree, "xres", &video->x);
        device_tree_add_uint(tree, "yres", &video->y);
    }
    if (video->backend == VIDEO_BACKEND_VHOST_USER) {
        g_autofree char *id = backend_name("chr-vu-", &video->info);

        json_set_string(tree, "chardev", id);
    }
    /* The card with VGA takes none of them, as under libvirt. */
    if (!g_str_has_suffix(json_get_string(tree, "driver"), "-vga"))
        device_tree_add_virtio(tree, &video->virtio);
    device_tree_add_info(context, tree, &video->info);
    return tree;
}

/* vhost-user-gpu, a process of its own. */
static void
video_backends(const DeviceContext *context, gconstpointer device, GPtrArray *backends)
{
    const Video *video = device;
    g_autofree char *id = backend_name("chr-vu-", &video->info);
    g_autofree char *path = g_strdup_printf("%s/%s-vhost-user.sock",
                                            context->facts->socket_directory, video->info.alias);

    if (video->backend == VIDEO_BACKEND_VHOST_USER)
        backend_add(backends, BACKEND_CHARDEV, socket_client_tree(id, path));
}

static char *
video_launch_refusal(const Domain *domain, gconstpointer device)
{
    return ((const Video *) device)->backend == VIDEO_BACKEND_VHOST_USER
               ? g_strdup("virtkeep does not start vhost-user-gpu yet")
               : NULL;
}

const DeviceSpelling video_spelling = {
    .kind = &video_kind,
    .launch_refusal = video_launch_refusal,
    .backends = video_backends,
    .properties = video_properties,
};
