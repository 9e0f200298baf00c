/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/schema.h"

/* <features><hyperv>: what Windows guests are told of the hypervisor. */
typedef enum { HYPERV_CUSTOM = 1, HYPERV_PASSTHROUGH } HypervMode;

/* Enlightenments that are on or off. */
typedef enum {
    HYPERV_RELAXED,
    HYPERV_VAPIC,
    HYPERV_SPINLOCKS,
    HYPERV_VPINDEX,
    HYPERV_RUNTIME,
    HYPERV_SYNIC,
    HYPERV_STIMER,
    HYPERV_RESET,
    HYPERV_VENDOR_ID,
    HYPERV_FREQUENCIES,
    HYPERV_REENLIGHTENMENT,
    HYPERV_TLBFLUSH,
    HYPERV_IPI,
    HYPERV_EVMCS,
    HYPERV_AVIC,
    HYPERV_EMSR_BITMAP,
    HYPERV_XMM_INPUT,
    HYPERV_N,
} Enlightenment;

typedef struct Hyperv {
    int mode;
    int state[HYPERV_N]; /* on/off */
    OptUint spinlock_retries;
    char *vendor_id;
    int stimer_direct, tlbflush_direct, tlbflush_extended; /* on/off */
} Hyperv;
