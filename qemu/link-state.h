/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/observed.h"
#include "qemu/monitor.h"

/* Whether a device of that QOM type ("child<virtio-net-pci>") is a network card whose link may be
 * read. */
bool link_state_is_of(const char *type);

/*
 * The links of the network cards of a running QEMU: ObservedLink*, of those where it can be told.
 * Caller unrefs. Errors are QMP_ERROR.
 */
GPtrArray *link_states_query(Monitor *monitor, GError **error);
