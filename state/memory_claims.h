/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ledger of the host's memory: its pools, and one row a claim (model/memory-claim.h). All of it
 * relaxed: power loss ends the QEMUs that it counts. `is_driven` is not kept, and reads false. */
#pragma once

#include "model/memory-claim.h"
#include "state/store.h"

/* MemoryClaim, by domain, then device. @domain NULL: of all domains. */
GPtrArray *store_memory_claim_list(Store *store, const char *domain, GError **error);

gboolean store_memory_claim_put(Store *store, const MemoryClaim *claim, GError **error);

/* Forget the claims of `domain` whose device is not in `keep` (NULL-terminated; NULL: none is). */
gboolean store_memory_claim_keep(Store *store, const char *domain, const char *const *keep,
                                 GError **error);

/* The claims of @domain are a QEMU's from now on: who finds it gone may drop them. */
gboolean store_memory_claim_set_qemu(Store *store, const char *domain, gint64 pid,
                                     guint64 start_time, GError **error);

/* Forget all of them: they were of another boot of the host. */
gboolean store_memory_claim_clear(Store *store, GError **error);

/* MemoryPool, by name. */
GPtrArray *store_memory_pool_list(Store *store, GError **error);

/* The pools are those of `pools` (MemoryPool), whatever they were. */
gboolean store_memory_pool_put_all(Store *store, const GPtrArray *pools, GError **error);
