/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "qemu/link.h"

/*
 * Network: a network namespace of the test's own, in which it and everything that it starts lives
 * from then on. Links of the machine are neither seen nor touched, and what a test leaves in it is
 * gone with its last process.
 */

/* Goes there, as root or in a user namespace of its own, and sets `lo` up. NULL, or why that is not
 * possible here (static or to be leaked): then nothing has changed. To be called before a thread or
 * a child is started. */
const char *network_enter(void);

/* A new link that is up; false where this kernel has none of @kind ("bridge"). Of a "veth" the
 * other end gets a name of the kernel's. */
bool network_add(const char *name, const char *kind);

/* Takes one away; false where there is none. */
bool network_remove(const char *name);

/* A veth that is down. */
bool network_add_down(const char *name);

/* Fails the cmocka test where there is none. */
Link *network_link(const char *name);
/* Names of all links but `lo` and ends of veths, sorted, in one line. Caller frees. */
char *network_names(void);

/* What a port of a bridge has beside its link. */
typedef struct NetworkPort {
    int index;
    bool is_isolated;
    GString *vlans; /* "42 pvid untagged, 43"; the caller's */
} NetworkPort;
NetworkPort network_port(int index);
/* Has a bridge filter VLANs; false where this kernel's can't. */
bool network_filter_vlans(int bridge);
