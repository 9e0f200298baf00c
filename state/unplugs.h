/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One row a device that a guest was asked to let go and still has. */
#pragma once

#include "state/store.h"

typedef struct {
    char *domain;
    char *device; /* id, e.g. "net1" */
    gint64 asked_at_us, last_asked_at_us;
    guint n_asked;
    char *refusal; /* what QEMU or the guest said against it; NULL */
} UnplugRecord;

void unplug_record_free(UnplugRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UnplugRecord, unplug_record_free)

/* By device. */
GPtrArray *store_unplug_list(Store *store, const char *domain, GError **error);
gboolean store_unplug_put(Store *store, const UnplugRecord *record, GError **error);
/* `device` NULL: all of the domain. */
gboolean store_unplug_remove(Store *store, const char *domain, const char *device, GError **error);
