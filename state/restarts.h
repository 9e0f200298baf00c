/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One row a guest that is being restarted because its file says so: a place among the
 * guards.max-restarts that there are. */
#pragma once

#include "state/journal.h"

typedef struct {
    char *domain;
    gint64 since_us;
    gint64 owner_pid; /* the controller that last saw to it */
    guint64 owner_start_time;
    char *owner_boot_id;
    gboolean is_shutting_down; /* its guest was asked to power off, and has not yet */
    guint n_failures;          /* of its domain, in a row */
} RestartRecord;

void restart_record_free(RestartRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RestartRecord, restart_record_free)

/* Oldest first. */
GPtrArray *store_restart_list(Store *store, GError **error);
/* Takes a place for @domain, or keeps the one that it has, where others have fewer than @limit; in
 * one step, whoever else does the same. */
gboolean store_restart_claim(Store *store, const char *domain, const ActionOwner *owner,
                             guint limit, gint64 now_us, gboolean *ret_is_claimed, GError **error);
gboolean store_restart_release(Store *store, const char *domain, GError **error);
/* The same, unless it is no longer as @record says. */
gboolean store_restart_drop(Store *store, const RestartRecord *record, GError **error);
