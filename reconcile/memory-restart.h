/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/memory-claim.h"

/*
 * A restart in the ledger of the host's memory: one QEMU gives way to another, and nobody may take
 * in between what the other one needs. Values in, values out; arrays are of MemoryPool* and of
 * MemoryClaim* of one domain.
 */

/* Adds to @claims, of the running QEMU, what @start, of the one that is to replace it, takes of
 * each of @pools beyond them: claims that are extra (MEMORY_CLAIM_RESTART). Blocks keep what they
 * have of what they shall have; the rest passes to what is whole. Once nothing whole of @claims is
 * missing, there is room for all of @start that is whole. */
void memory_restart_extend(GPtrArray *claims, const GPtrArray *start, const GPtrArray *pools);

/* What is granted to @before, of all domains, of this one's and not needed by @claims, which follow
 * them and have inherited from them, passes to those of @claims that are to start or extra: to all
 * of these, or to none where it is not enough. No sum over a pool of @pools rises. */
void memory_restart_pass_on(GPtrArray *claims, const GPtrArray *before, const GPtrArray *pools);
