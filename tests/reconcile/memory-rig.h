/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/memory-step.h"

#define MIB ((guint64) 1 << 20)
#define GIB ((guint64) 1 << 30)
#define SECOND ((gint64) G_USEC_PER_SEC)
#define assert_size(a, b) assert_int_equal((a) / MIB, (b) / MIB)

/* One device: what was observed, what the last pass kept and decided. */
typedef struct {
    MemoryStepInput in;
    Policy policy;
    MemoryStepState state;
    MemoryStepDecision out;
    guint n_sets, n_pokes;
} Rig;

/* 512 MiB and a device of 4 GiB with 2 MiB blocks, an idle guest with statistics. */
Rig rig_new(guint64 current, guint64 target);
/* The same without a balloon. */
Rig rig_without_statistics(guint64 current, guint64 target);
/* One pass now, or later. */
const MemoryStepDecision *pass(Rig *rig);
const MemoryStepDecision *pass_after(Rig *rig, gint64 us);
/* Passes as often as they ask for it, for @us. */
const MemoryStepDecision *passes(Rig *rig, gint64 us);
/* The guest does what it was asked for @n_passes passes; statistics keep coming. */
const MemoryStepDecision *follow_for(Rig *rig, guint n_passes);
/* Requires what the pass called it. */
void assert_reason(const MemoryStepDecision *out, SyncState condition, MemoryStepReason reason);
