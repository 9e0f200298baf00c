/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One row a virtio-mem device of a domain, by the device's id. */
#pragma once

#include "state/store.h"

typedef struct {
    char *domain;
    char *device; /* id, e.g. "virtiomem0" */
    guint64 block_size;
    guint64 max_size;
    guint64 target;    /* what the XML asks for */
    guint64 requested; /* what QEMU was last asked for */
    guint64 current;   /* what the guest really has */
    char *state;       /* "converged" | "progressing" | "stalled" | "guarded" | "waiting" */
    gint64 since_us;   /* out: when state or reason last changed; ignored by put */
    char *reason;
    char *message;
    char *stepping; /* JSON of the stepping machine, opaque here; NULL: starts afresh */
} MemoryDeviceRecord;

void memory_device_record_free(MemoryDeviceRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MemoryDeviceRecord, memory_device_record_free)

/* By domain, then device. `domain` NULL: of all domains. */
GPtrArray *store_memory_device_list(Store *store, const char *domain, GError **error);

/* *ret_record is NULL when there is no such row. */
gboolean store_memory_device_get(Store *store, const char *domain, const char *device,
                                 MemoryDeviceRecord **ret_record, GError **error);

/* Makes the domain's row too if there is none. Relaxed. */
gboolean store_memory_device_put(Store *store, const MemoryDeviceRecord *record, gint64 now_us,
                                 GError **error);

/* Forget the devices of `domain` that are not in `keep` (NULL-terminated; NULL: keeps none). */
gboolean store_memory_device_keep(Store *store, const char *domain, const char *const *keep,
                                  GError **error);
