/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu/attachment.h"
#include "qemu/launch.h"

/*
 * What stands behind a domain's interfaces on the host while its QEMU runs: taps, macvtap devices,
 * bridges of the configuration's networks.
 *
 * A tap is its descriptors: it is gone with the QEMU that holds them, however that ends. What would
 * outlive its QEMU, and our own death at any instant, carries its owner's mark from the moment it
 * exists, so that host_links_sweep() finds it by looking at the host alone.
 *
 * An @owner is a domain's run directory, RUN/NAME, absolute.
 */

/* Whether this process may make and change links (CAP_NET_ADMIN). */
bool host_links_are_permitted(void);

/* Looks whether all is there that @interface needs on this host, and refuses each absence: no-link,
 * no-device, no-permission. Changes nothing. What @owner has itself is not in its way. */
void host_link_check(const Validation *at, const Interface *interface, const HostFacts *facts,
                     const char *owner);

/* Makes what the interface needs and appends its descriptors to @fds (LaunchFd, numbered from
 * LAUNCH_FIRST_FREE_FD + their place; the caller closes them, also after a failure). *@ret_link
 * says which they are, for HostFacts.links; its alias is borrowed from @interface. Nothing to do is
 * success, with ret_link->n_queues 0. */
bool host_link_open(const Interface *interface, const HostFacts *facts, const char *owner,
                    guint place, GArray *fds, HostLink *ret_link, GError **error);

/* For an interface of a QEMU that runs: removes what outlives its netdev, which is gone, and what
 * an earlier attempt to make it left. */
bool host_link_remove(const Interface *interface, const HostFacts *facts, const char *owner,
                      GError **error);
/* A number for host_link_open() that no link of @owner has. */
guint host_link_free_place(const char *owner);
/* Makes the tap of @interface, which the QEMU @pid has, the port that the interface says now: of
 * which bridge, with which VLANs, isolated or not. */
bool host_link_move(const Interface *interface, const HostFacts *facts, const char *owner,
                    pid_t pid, GError **error);

/* Looks what the link of @interface, which the QEMU @pid has, is tied to now: the bridge that its tap
 * is a port of, or the parent of its macvtap device. False: nothing was tied by us, or it can't be
 * told. *@ret_of: its name, NULL = nothing any more, or the link has gone with it; caller frees. */
bool host_link_look(const Interface *interface, const HostFacts *facts, const char *owner,
                    pid_t pid, char **ret_of);

/* Removes what @owner, whose QEMU the caller knows to be gone, left behind, and bridges that were
 * made for nobody else's ports. */
bool host_links_sweep(const char *owner, GError **error);
