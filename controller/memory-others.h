/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/host.h"
#include "model/memory-claim.h"

/*
 * MemoryOthers: the claims of the other domains in the ledger of the host's memory, as far as
 * somebody is left to hold them.
 */

/* Those of @claims (MemoryClaim) that are not @domain's (NULL: all), with is_driven filled in;
 * borrowed. The names of the domains of those left out, which nobody holds any more, are added to
 * @dead (NULL or an array of borrowed char*), each once. Free with g_ptr_array_unref(). */
GPtrArray *memory_others(GPtrArray *claims, const char *domain, const Host *host, GPtrArray *dead);
