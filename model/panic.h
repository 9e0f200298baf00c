/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

typedef enum { PANIC_ISA = 1, PANIC_HYPERV, PANIC_PVPANIC, PANIC_PSERIES, PANIC_S390 } PanicModel;

typedef struct Panic {
    DeviceInfo info;
    int model; /* PanicModel; 0: isa */
} Panic;

extern const DeviceKind panic_kind;
bool domain_has_panic(const Domain *domain, PanicModel model);
