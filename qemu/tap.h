/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <net/if.h>
#include <stdbool.h>

/*
 * Descriptors of tap and macvtap devices and of vhost-net, close-on-exec. Appended to @fds (int);
 * the caller closes what is there, also after a failure.
 */

/* A tap with @n_queues queues, gone again when the last descriptor is closed (unless it was there
 * before, made to stay). @name: NULL for one of the kernel's choice, "vnet0" and so on. @ret_name:
 * what it is called. @device: /dev/net/tun, or another that is like it. */
bool tap_open(const char *device, const char *name, guint n_queues, GArray *fds,
              char ret_name[IFNAMSIZ], GError **error);
/* The queues of the macvtap link @name, whose index is @index: /dev/tapINDEX. @mac: the link's own.
 */
bool macvtap_open(const char *name, int index, const char *mac, guint n_queues, GArray *fds,
                  GError **error);
bool vhost_open(const char *device, guint n, GArray *fds, GError **error);
