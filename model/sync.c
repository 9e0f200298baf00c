/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The public words of a domain's sync state, and the way back from them.
 *
 * They travel as text through the state file, JSON output and people's scripts, and as an
 * enum through the code. This table is the one place where the two meet; it is indexed by
 * the enum, and a test walks it both ways, so that a value without a word cannot be added.
 */
#include "model/sync.h"

static const char *const names[] = {
    [SYNC_UNKNOWN] = NULL,
    [SYNC_SYNCED] = "Synced",
    [SYNC_OUT_OF_SYNC] = "OutOfSync",
    [SYNC_PROGRESSING] = "Progressing",
    [SYNC_STALLED] = "Stalled",
    [SYNC_GUARDED] = "Guarded",
    [SYNC_WAITING] = "Waiting",
    [SYNC_RESTART_REQUIRED] = "RestartRequired",
    [SYNC_INVALID] = "Invalid",
    [SYNC_ORPHANED] = "Orphaned",
    [SYNC_SUSPENDED] = "Suspended",
    [SYNC_FAILED] = "Failed",
};

G_STATIC_ASSERT(G_N_ELEMENTS(names) == N_SYNC_STATES);

const char *
sync_state_name(SyncState state)
{
    return state < N_SYNC_STATES ? names[state] : NULL;
}

SyncState
sync_state_parse(const char *name)
{
    if (!name)
        return SYNC_UNKNOWN;
    for (guint i = 1; i < N_SYNC_STATES; i++)
        if (g_str_equal(name, names[i]))
            return i;
    return SYNC_UNKNOWN;
}
