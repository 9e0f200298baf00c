/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <net/if.h>
#include <stdbool.h>

#include "model/interface.h"

/*
 * Link: a network interface of the host, as the kernel describes it, in the network namespace that
 * we are in. (/sys/class/net shows that of whoever mounted it.)
 */
typedef struct Link {
    int index;
    char name[IFNAMSIZ];
    char *kind;   /* "bridge", "tun", "macvtap"; NULL for hardware */
    char *alias;  /* the operator's, or our mark; NULL */
    char mac[18]; /* "52:54:00:…", lower case; "" when it has none */
    int master;   /* index; 0 = none */
    int parent;   /* index of what a macvtap sits on; 0 = none */
    guint mtu;
    bool is_up;
    bool has_vlan_filtering; /* of a bridge */
} Link;

void link_free(Link *link);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Link, link_free)

/* All there are; Link*. */
GPtrArray *link_list(GError **error);
/* NULL with G_IO_ERROR_NOT_FOUND when there is no such. */
Link *link_find(const char *name, GError **error);
bool link_is_bridge(const Link *link);

/* What to change of a link. 0, NULL: leave it. */
typedef struct LinkChange {
    const char *name, *alias, *mac;
    int master;
    guint mtu;
    bool is_up;    /* set it up */
    bool is_alone; /* take it out of its bridge */
} LinkChange;
bool link_change(int index, const LinkChange *change, GError **error);

bool link_make_bridge(const char *name, GError **error);
/* @mac may be NULL; it is the parent's own in mode passthrough. */
bool link_make_macvtap(const char *name, int parent, MacvtapMode mode, const char *mac, guint mtu,
                       GError **error);
/* Success when it is gone already. */
bool link_delete(int index, GError **error);

/* Of a port of a bridge: no traffic to other isolated ports. */
bool link_isolate(int index, GError **error);
/* The VLANs of a port, in place of the bridge's default one. */
bool link_set_vlans(int index, const Interface *interface, GError **error);

/* An address of the host on this link; @peer may be NULL. @prefix: bits. */
bool link_add_address(int index, const InterfaceIp *ip, GError **error);
bool link_add_route(int index, const InterfaceRoute *route, GError **error);
