/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state file: what virtkeep knows that neither the XML files nor QEMU can tell it.
 *
 * This header opens it. What is in it is split by noun, each header self-contained:
 *   state/domains.h         one row a domain: desired, allocations, applied, process, sync
 *   state/memory_devices.h  one row a virtio-mem device, with the stepping machine's memory
 *   state/companions.h      one row a helper process beside a QEMU
 *   state/journal.h         intents and outcomes of actions
 *   state/history.h         changes, events, samples, and how they are bounded
 *   state/memory_claims.h   the ledger of the host's memory: pools, and who holds how much
 *   state/facts.h           key-value facts about the host, and the capability cache
 *   state/error.h           STATE_ERROR and its codes
 *
 * Rules that hold for every function:
 *   - A Store is used by one thread at a time and never across fork(); open one a thread.
 *     Any number of processes and threads may hold the same file open, and write, at once:
 *     writers wait for one another for at most 30 s, readers never wait.
 *   - Time comes in as `now_us`: wall clock, microseconds since the epoch (g_get_real_time()).
 *     0 means "no time".
 *   - Sizes are bytes. Strings may be NULL where absent makes sense. Struct members are
 *     `char *` and owned by the record; a record that is passed in is only read.
 *   - gboolean functions: FALSE with `error` set in STATE_ERROR. Functions that return a
 *     GPtrArray: NULL with `error` set; no rows is an empty array.
 *   - Each writing call is one transaction, durable at power loss (synchronous=FULL) unless
 *     its comment says "relaxed" (survives kill -9 of everybody, may be lost by power loss).
 *   - A write that changes nothing writes nothing, so passes may put the same values again.
 */
#pragma once

#include "state/error.h"

#include <glib.h>

typedef struct Store Store;

typedef enum {
    STORE_READ_WRITE, /* creates parent directories (0700) and the file (0600), migrates an older
                       * file */
    STORE_READ_ONLY,  /* never changes the file; a missing one reads as empty, an older one is
                       * migrated in memory; writes fail with STATE_ERROR_READONLY */
    STORE_MEMORY,     /* a fresh one without a file; `path` only names it in messages */
} StoreMode;

/* Open `path`. Errors: any code of STATE_ERROR. A file that is newer, damaged or another
 * program's is left untouched, byte for byte. */
Store *store_open(const char *path, StoreMode mode, GError **error);

/* NULL is allowed. An open transaction is rolled back. */
void store_close(Store *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Store, store_close)

/* The path it was opened with; owned by the store. */
const char *store_path(const Store *store);

/* Whether its file was removed or replaced since it was opened: what is written goes where nobody
 * else looks. */
gboolean store_has_moved(const Store *store);
/* Then goes on with the file that is at the path now, or with a new one. Whoever removes a
 * database removes its log too (-wal, -shm), one after the other: waits for that for at most 2 s,
 * and removes what is left of the former one's. Errors: as of store_open(); the store is still of
 * the former file, and it can be tried again. Outside of transactions. */
gboolean store_follow(Store *store, GError **error);

/* Several calls as one transaction (write lock taken at once). Calls may not nest. After a failed
 * call inside, only store_rollback is useful; store_commit then fails.
 * Keep it short, and never span a side effect or a wait with it. */
gboolean store_begin(Store *store, GError **error);
/* The same, for what only a killed controller must not lose (as who holds how much memory): no wait
 * for the disk. Power loss may undo it, as a whole, until the next durable commit, which brings it
 * to the disk as well. */
gboolean store_begin_relaxed(Store *store, GError **error);
gboolean store_commit(Store *store, GError **error);
void store_rollback(Store *store);

/* Read the whole file and check its structure (SQLite's quick_check). For `watch` at its start and
 * `doctor`: takes time proportional to the file. STATE_ERROR_DAMAGED with the first findings. */
gboolean store_check(Store *store, GError **error);
