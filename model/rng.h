/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/chardev.h"

typedef enum { RNG_BACKEND_RANDOM = 1, RNG_BACKEND_EGD, RNG_BACKEND_BUILTIN } RngBackend;

typedef struct Rng {
    DeviceInfo info;
    int model;                       /* VirtioModel of model/input.h */
    int backend;                     /* RngBackend */
    char *path;                      /* text of <backend>: /dev/urandom */
    Chardev chardev;                 /* egd: where the source is; only the host side is used */
    OptUint rate_bytes, rate_period; /* bytes per ms */
    VirtioOptions virtio;
} Rng;

extern const DeviceKind rng_kind;
