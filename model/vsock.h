/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

typedef struct Vsock {
    DeviceInfo info;
    int model;   /* VirtioModel of model/input.h */
    int is_auto; /* yes/no */
    OptUint cid;
    VirtioOptions virtio;
} Vsock;

extern const DeviceKind vsock_kind;
