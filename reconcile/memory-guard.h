/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/memory-step.h"

/* Between two unguarded steps: time to see the guest alive. */
#define MEMORY_GUARD_PAUSE ((gint64) 1 * G_USEC_PER_SEC)

/*
 * MemoryGuard: the lowest size a shrink may ask for at present, and why. Private to
 * reconcile/memory-step.c; bytes and microseconds as there.
 */
typedef struct {
    guint64 low;             /* requested must not be below it (it may exceed current) */
    MemoryStepReason reason; /* why low is not 0: AWAITING_STATISTICS, NO_STATISTICS,
                              * GUEST_RESERVE, or NONE */
    bool is_holding;         /* by policy nothing is to be asked at all */
    bool is_fresh;           /* statistics count: available, reserve and low as floor hold */
    guint64 reserve;
    bool want_statistics;
    gint64 poll_after; /* when to look again if nothing is asked */
} MemoryGuard;

/* Notes in @state's peaks what @input says current is. Before anything else of a pass. */
void memory_guard_observe(MemoryStepState *state, const MemoryStepInput *input);

/* The highest current since @at, as far as the observed peaks tell. */
guint64 memory_guard_peak(const MemoryStepState *state, gint64 at);

/* Whether @input's statistics may be relied on. */
bool memory_guard_is_fresh(const MemoryStepState *state, const MemoryStepInput *input);

/* The bound for a shrink. Advances @state's waiting for statistics and unguarded steps. */
MemoryGuard memory_guard_bound(MemoryStepState *state, const MemoryStepInput *input,
                               const Policy *policy);

/* No shrink without statistics is under way any more: forgets about waiting and steps, all but the
 * pause after a step, which the guest's other devices keep too. */
void memory_guard_leave(MemoryStepState *state, gint64 now);
