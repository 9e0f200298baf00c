/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

typedef enum {
    VIDEO_VGA = 1,
    VIDEO_CIRRUS,
    VIDEO_VMVGA,
    VIDEO_QXL,
    VIDEO_VIRTIO,
    VIDEO_BOCHS,
    VIDEO_RAMFB,
    VIDEO_NONE,
    VIDEO_XEN,
    VIDEO_VBOX,
    VIDEO_GOP
} VideoModel;

typedef enum { VIDEO_BACKEND_QEMU = 1, VIDEO_BACKEND_VHOST_USER } VideoBackend;

typedef struct Video {
    DeviceInfo info;
    int model;                         /* VideoModel */
    OptUint ram, vram, vram64, vgamem; /* bytes in the struct; KiB bare in XML */
    OptUint heads;
    int primary; /* yes/no */
    int blob;    /* on/off */
    int accel3d; /* yes/no */
    int accel2d; /* yes/no */
    char *render_node;
    int backend; /* VideoBackend */
    VirtioOptions virtio;
    OptUint x, y; /* resolution */
} Video;

extern const DeviceKind video_kind;
