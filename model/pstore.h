/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

typedef struct Pstore {
    DeviceInfo info;
    int backend; /* 1: acpi-erst */
    char *path;
    OptUint size; /* bytes */
} Pstore;

extern const DeviceKind pstore_kind;
