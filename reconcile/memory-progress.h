/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/memory-guard.h"
#include "reconcile/memory-step.h"

/*
 * MemoryPass: what one memory_step() works with. MemoryProgress: what happened since the last
 * one, and how patient to be. Private to reconcile/memory-step.c; bytes and microseconds as there.
 */
typedef struct {
    MemoryStepInput in; /* target, max and grant put in order */
    const Policy *policy;
    MemoryStepState next;
    MemoryGuard guard; /* while shrinking */
    guint64 lo, hi;    /* requested may lie from here to there now */
    guint64 goal;      /* where it is led; lo <= goal <= hi */
    bool is_poking;
} MemoryPass;

#define MEMORY_PROGRESS_POLL ((gint64) 1000) /* shortest poll, and least of all timeouts */

/* Makes @pass->next of @state, NULL for none, and what @pass->in says: the stall clock, the
 * window, what freezes them. */
void memory_progress_observe(MemoryPass *pass, const MemoryStepState *state);

/* The stall clock begins anew, the latch is off. */
void memory_progress_restart(MemoryPass *pass);

/* Latches a stall that is due, with its likely reason. */
void memory_progress_judge(MemoryPass *pass);

/* Sets is_poking if it is time to ask again, which also adapts the window of a guest that lags. */
void memory_progress_poke(MemoryPass *pass);

/* 128 MiB, or a block if that is more. */
guint64 memory_progress_section(const MemoryStepInput *in);
