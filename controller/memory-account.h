/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/subject.h"
#include "model/memory-claim.h"

/*
 * MemoryAccount: a domain's claims as they stand in the ledger of the host's memory, and the one
 * kind of transaction that changes them. The caller holds the domain's lock.
 */
typedef struct MemoryAccount {
    const Subject *subject;
    const Site *site;
    GPtrArray *pools;   /* MemoryPool; owned; NULL: nothing is ever asked for */
    GPtrArray *claims;  /* MemoryClaim: this domain's, as in the ledger; owned */
    GArray *limits;     /* guint64: what the allocator last said of each; owned */
    bool is_restarting; /* the claims are a restart's: what all of it takes is asked for */
    bool is_reserved; /* and all of that was granted: it is kept until the restart is off or over */

    char *wait; /* what is waited for, as a sentence; NULL: nothing is; owned */
    bool is_hopeful, is_impossible;
} MemoryAccount;

/* Reads the domain's claims. @pools, taken, may be NULL. NULL with @error. */
MemoryAccount *memory_account_new(const Subject *subject, const Site *site, GPtrArray *pools,
                                  GError **error);
void memory_account_free(MemoryAccount *account); /* NULL is allowed */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MemoryAccount, memory_account_free)

/* The domain's claims are @own now (taken): what is granted to them comes down to what is held or
 * still wanted. It never rises. */
bool memory_account_note(MemoryAccount *account, GPtrArray *own, GError **error);
/* The same, and it rises as far as there is room. */
bool memory_account_ask(MemoryAccount *account, GPtrArray *own, GError **error);

/* Whether all claims that are whole have been granted. */
bool memory_account_has_whole(const MemoryAccount *account);
