/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/memory-claim.h"
#include "reconcile/plan.h"

/* What of this host and its configuration decides how memory counts; bytes. */
typedef struct MemoryDemandFacts {
    guint64 qemu_overhead;     /* host.qemu-overhead */
    guint64 page_size;         /* of ordinary pages */
    guint64 default_huge_page; /* 0 = the host has none */
} MemoryDemandFacts;

/*
 * The claims of one domain: what it has, and what it is to have. MemoryClaim*, in the order in
 * which memory-guarantee is spread over them: QEMU's own (which takes no part in that), boot
 * memory, DIMMs and NVDIMMs, virtio-mem devices. domain, device, page_size, nodes, block,
 * requested, current, wanted, guaranteed, priority and is_running are set, and the rest is the
 * ledger's.
 *
 * Of a domain without a QEMU: what a start of @input->desired takes, nothing of it held. Of a
 * running one: what its QEMU has (@input->applied, @input->observed), and what it is to come to.
 * NULL: its QEMU lives and does not answer, so what was last counted holds. Free with
 * g_ptr_array_unref().
 */
GPtrArray *memory_demand(const PlanInput *input, const MemoryDemandFacts *facts);
