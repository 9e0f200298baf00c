/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

typedef struct Hub {
    DeviceInfo info;
    int type; /* 1: usb */
} Hub;

extern const DeviceKind hub_kind;
#define HUB_TYPE_USB 1
#define HUB_PORTS 8 /* of QEMU's USB hub */
