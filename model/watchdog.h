/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

typedef enum {
    WATCHDOG_I6300ESB = 1,
    WATCHDOG_IB700,
    WATCHDOG_ITCO,
    WATCHDOG_DIAG288
} WatchdogModel;
typedef enum {
    WATCHDOG_RESET = 1,
    WATCHDOG_SHUTDOWN,
    WATCHDOG_POWEROFF,
    WATCHDOG_PAUSE,
    WATCHDOG_DUMP,
    WATCHDOG_INJECT_NMI,
    WATCHDOG_NONE
} WatchdogAction;

typedef struct Watchdog {
    DeviceInfo info;
    int model, action; /* WatchdogModel, WatchdogAction */
} Watchdog;

extern const DeviceKind watchdog_kind;
