/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/subject.h"
#include "model/memory-claim.h"

/*
 * MemoryLedger: one domain's part in the host's memory budget, for the length of a pass. The
 * caller holds the domain's lock, so nobody else changes the domain's claims; grants are made in
 * transactions on the state file, which all controllers of the host share.
 */
typedef struct MemoryLedger MemoryLedger;

/* What a grown grant was asked for, and how that ended. */
typedef enum {
    MEMORY_GRANTED, /* all of it */
    MEMORY_HELD,    /* not all: memory_ledger_wait() says why */
} MemoryGrant;

/* The first call after the host's boot, or after the state was lost, reads back what all running
 * QEMUs hold: by their monitors, so the caller has none of them open. */
bool memory_ledger_prepare(const Site *site, GError **error);
/* For that: one domain that has a QEMU. What is kept for its restart stays so. */
bool memory_ledger_read_back(Subject *subject, const Site *site, GError **error);
/* Begins a pass's bookkeeping. NULL with @error when host or state can't be read. */
MemoryLedger *memory_ledger_open(Subject *subject, const Site *site, GError **error);
void memory_ledger_free(MemoryLedger *ledger); /* NULL is allowed */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MemoryLedger, memory_ledger_free)

/* Notes what the running QEMU holds now, and gives back what it no longer does. */
bool memory_ledger_note(MemoryLedger *ledger, GError **error);
/* Asks for all that the domain wants, as far as its QEMU can be given it while it runs. */
bool memory_ledger_ask(MemoryLedger *ledger, GError **error);
/* The same; what is whole (boot memory that a balloon gives back) is granted all of it or held. */
bool memory_ledger_ask_whole(MemoryLedger *ledger, MemoryGrant *ret_grant, GError **error);
/* Asks for what a start of the desired document takes. With MEMORY_GRANTED the domain that is
 * launched goes through memory_ledger_limit(). */
bool memory_ledger_ask_start(MemoryLedger *ledger, MemoryGrant *ret_grant, GError **error);
/* Asks for what a restart with the desired document takes beside what the running one has. With
 * MEMORY_GRANTED nobody else is given any of it until memory_ledger_end_restart(), in whatever
 * pass: the start that follows has it. */
bool memory_ledger_ask_restart(MemoryLedger *ledger, MemoryGrant *ret_grant, GError **error);
/* There is no restart, or none any more: what was kept for it is given back at the end of the
 * pass. */
void memory_ledger_end_restart(MemoryLedger *ledger);
/* Asks for the memory device @id of the desired document, which is to be plugged. */
bool memory_ledger_ask_plug(MemoryLedger *ledger, const char *id, MemoryGrant *ret_grant,
                            GError **error);
/* At the end of a pass: what is left to be held, which is nothing when no QEMU is there and none
 * waits to be started. */
bool memory_ledger_close(MemoryLedger *ledger, GError **error);

/* Up to what size the device @id may be asked for; as it stood after the last of the above. */
guint64 memory_ledger_grant(const MemoryLedger *ledger, const char *id);
/* Lets the virtio-mem devices of @domain begin with no more than is granted. */
void memory_ledger_limit(const MemoryLedger *ledger, Domain *domain);
/* What the guest made of the last request: @reason NULL: it follows; else why it does not. */
void memory_ledger_note_stuck(MemoryLedger *ledger, const char *id, const char *reason);

/* What was held back is not waited for: it leaves the line at the end of the pass. */
void memory_ledger_withdraw(MemoryLedger *ledger);

/* What is waited for, as a sentence; NULL when nothing is. */
const char *memory_ledger_wait(const MemoryLedger *ledger);
/* Somebody is giving back memory that it waits for: worth waiting for. */
bool memory_ledger_is_hopeful(const MemoryLedger *ledger);
/* It can never be had: the start is more than a pool has beside what others are guaranteed. */
bool memory_ledger_is_impossible(const MemoryLedger *ledger);
