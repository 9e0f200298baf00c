/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One row a helper process beside a domain's QEMU, as long as it is there or is missed. */
#pragma once

#include "state/store.h"

typedef struct {
    char *domain;
    char *device;  /* alias of the device that needs it, e.g. "tpm0" */
    char *program; /* "swtpm", "virtiofsd", … */
    gint64 pid;
    char *state;     /* "running" | "ended" */
    gint64 since_us; /* when it was started */
    char *message;   /* its last words, once it has ended; may be NULL */
    char *record;    /* what finds the process again, opaque here */
} CompanionRow;

void companion_row_free(CompanionRow *row);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CompanionRow, companion_row_free)

/* By device, then program. */
GPtrArray *store_companion_list(Store *store, const char *domain, GError **error);
/* Makes the rows of `domain` those of `rows` (CompanionRow); none: forgets them. The domain's row
 * must be there. Relaxed. */
gboolean store_companions_set(Store *store, const char *domain, const GPtrArray *rows,
                              GError **error);
