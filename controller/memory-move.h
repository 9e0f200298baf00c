/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/pass.h"

/*
 * Memory move: the part of a pass that steps a running guest's virtio-mem devices toward their
 * targets, for one slice of time: decides by reconcile/memory-step, writes requested-size, looks
 * again. One action in the journal covers a whole move, however many passes it takes.
 */
typedef struct MemoryMove {
    SyncState condition;        /* the worst of the devices; SYNC_SYNCED when there are none */
    char *reason_word, *reason; /* of that device */
    gint64 poll_after;          /* us, PASS_NEVER */
    bool is_contested;          /* one is fought over (reconcile/contest) and left alone */
} MemoryMove;

void memory_move_clear(MemoryMove *move);
/* Whichever of both needs someone's attention more becomes @move, polled as often as either asks.
 * Clears @other. */
void memory_move_join(MemoryMove *move, MemoryMove *other);

/* False with @error when QEMU or the state refused; what was done until then is recorded. Fills
 * @memories (PassMemory*). */
bool memory_move_run(Subject *subject, const Site *site, MemoryMove *ret_move, GPtrArray *memories,
                     GError **error);
