/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

typedef enum {
    BALLOON_VIRTIO = 1,
    BALLOON_VIRTIO_TRANSITIONAL,
    BALLOON_VIRTIO_NON_TRANSITIONAL,
    BALLOON_NONE,
    BALLOON_XEN
} BalloonModel;

typedef struct Balloon {
    DeviceInfo info;
    int model;
    int auto_deflate, free_page_reporting; /* on/off */
    OptUint stats_period;                  /* s */
    VirtioOptions virtio;
} Balloon;

extern const DeviceKind balloon_kind;
