/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a domain stands to its file, in one word: the `sync` column of the public view
 * `domains`, the SYNC column of `virtkeep status` and the condition names of `explain`.
 * The words are an interface (docs/state.md): renaming one breaks scripts.
 */
#pragma once

#include <glib.h>

typedef enum {
    SYNC_UNKNOWN = 0, /* never looked at */
    SYNC_SYNCED,      /* live equals desired */
    SYNC_OUT_OF_SYNC, /* differs, nothing under way yet (suspended strategy, held by a guard, next
                       * pass will act) */
    SYNC_PROGRESSING, /* an action is under way */
    SYNC_STALLED,     /* the guest does not follow a memory request */
    SYNC_GUARDED,     /* a shrink is held back for the guest's own sake */
    SYNC_WAITING,     /* growth is held back by the host's memory budget */
    SYNC_RESTART_REQUIRED, /* what differs needs a new QEMU process, and policy says report */
    SYNC_INVALID,          /* the file does not parse or validate; the domain is left as it was */
    SYNC_ORPHANED,         /* the file is gone and policy says keep */
    SYNC_SUSPENDED,        /* taken out of reconciliation by `virtkeep suspend` */
    SYNC_FAILED,           /* the last attempt failed; tried again after a back-off */
} SyncState;

#define N_SYNC_STATES 12

/* The public word ("OutOfSync"); NULL for SYNC_UNKNOWN or a value out of range. Static. */
const char *sync_state_name(SyncState state);

/* The value for a public word, exact spelling; SYNC_UNKNOWN for NULL or any other text. */
SyncState sync_state_parse(const char *name);
