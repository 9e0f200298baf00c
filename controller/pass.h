/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/subject.h"
#include "reconcile/memory-step.h"

/*
 * Pass: one short reconciliation of one domain: gather, plan, do what can be done now, record, and
 * say when to come back. Holds the domain's lock. Never waits for a guest: memory is stepped for
 * at most PASS_SLICE_US, then the pass ends and asks to be called again.
 */
#define PASS_SLICE_US (250 * 1000)
#define PASS_NEVER ((gint64) -1)

/* One device's place in a move, for progress bars. */
typedef struct PassMemory {
    char *device;
    guint64 from, current, requested, target;
    SyncState condition;
    char *message;
} PassMemory;

typedef struct PassResult {
    SyncState sync;
    char *reason_word, *reason;
    PlanVerdict verdict;  /* what it did */
    bool is_converged;    /* nothing is left to do, or nothing that virtkeep may do */
    bool is_running;      /* a QEMU process is there */
    bool is_failed;       /* an effect or a look went wrong: back off */
    bool is_hopeful;      /* it waits for memory that somebody is giving back */
    bool is_forgotten;    /* pruned, and nothing of it is left: its row is gone */
    gint64 requeue_after; /* us, PASS_NEVER: when something happens */
    GPtrArray *memories;  /* PassMemory* */
} PassResult;

void pass_result_free(PassResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PassResult, pass_result_free)

/* A result for a pass that could not even begin. */
PassResult *pass_result_failed(const char *reason);
/* Never NULL: what went wrong stands in the result. */
PassResult *pass_run(const Site *site, const char *name);
