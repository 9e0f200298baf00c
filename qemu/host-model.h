/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "model/json.h"

/*
 * Host model: what <cpu mode='host-model'> means on this host, as QEMU says: a CPU model by name,
 * and the features by which the host differs from it. An object {"model": "EPYC-v3", "features":
 * {"avx2": true, "xsaves": false, …}}, features in alphabetic order.
 */

/* Asks @emulator, with KVM or with TCG; about 100 ms. NULL with @error (PROBE_ERROR), also where
 * KVM does not work. Caller frees. */
Json *host_model_probe(const char *emulator, bool is_kvm, gint64 timeout_us, GError **error);

/* The choice alone. @host: name and value of each property of the host's CPU. @models: array of
 * {"name": S, "properties": {…}}, each as it is without the host's restrictions. NULL when @models
 * is empty. Caller frees. */
Json *host_model_choose(const Json *host, const Json *models);
