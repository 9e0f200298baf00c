/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

typedef enum {
    BALLOON_VIRTIO = 1,
    BALLOON_VIRTIO_TRANSITIONAL,
    BALLOON_VIRTIO_NON_TRANSITIONAL,
    BALLOON_NONE,
    BALLOON_XEN
} BalloonModel;

typedef struct Balloon {
    DeviceInfo info;
    int model;
    int auto_deflate, free_page_reporting; /* on/off */
    OptUint stats_period;                  /* s */
    VirtioOptions virtio;
} Balloon;

extern const DeviceKind balloon_kind;

/* NULL when the domain has none; one that the file leaves out is there once it is resolved. */
const Balloon *domain_balloon(const Domain *domain);
const char *balloon_id(const Balloon *balloon); /* "balloon0" */
/* What QEMU's balloon counts as the guest's, bytes: boot memory and DIMMs. QEMU 7.2 was seen to
 * leave out virtio-mem and NVDIMMs. */
guint64 domain_balloon_counted(const Domain *domain);
/* How much of @counted <currentMemory> has the balloon take from the guest, bytes, whole pages of 4
 * KiB; 0 where there is no balloon. */
guint64 domain_balloon_taken(const Domain *domain, guint64 counted);
