/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

typedef enum { CRYPTO_BUILTIN = 1, CRYPTO_LKCF } CryptoBackend;

typedef struct Crypto {
    DeviceInfo info;
    int model, type, backend;
    OptUint queues;
    VirtioOptions virtio;
} Crypto;

extern const DeviceKind crypto_kind;
