/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"
#include "qemu/monitor.h"

/*
 * What is done to a running QEMU beyond monitor.h's own verbs. Errors are QMP_ERROR. Success means
 * that QEMU took the request; whether it happened is for the next observation to say.
 */

/* What a virtio-mem device's guest shall have, bytes. Writing the same value again notifies the
 * guest again (a poke). */
bool verb_set_requested(Monitor *monitor, const char *device_id, guint64 bytes, GError **error);

/* How often QEMU asks the guest for memory statistics, seconds; 0 = never. */
bool verb_poll_statistics(Monitor *monitor, const char *balloon_id, gint64 interval,
                          GError **error);
/* Has QEMU ask the guest at once, and every @interval (> 0) seconds from then on. Changing the
 * interval alone would wait for it to pass first (QEMU 7.2, virtio-balloon.c). */
bool verb_refresh_statistics(Monitor *monitor, const char *balloon_id, gint64 interval,
                             GError **error);

/* The balloon's target: what the guest keeps of its boot memory and DIMMs, bytes. */
bool verb_set_balloon(Monitor *monitor, guint64 bytes, GError **error);
/* Plugs or unplugs the cable of a network interface. */
bool verb_set_link(Monitor *monitor, const char *device_id, bool is_up, GError **error);

/* The id of the domain's balloon, or NULL when it has none. Borrowed from @domain. */
const char *domain_balloon_id(const Domain *domain);
