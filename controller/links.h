/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/subject.h"

/*
 * Links: what a domain's interfaces need of this host, looked at before a start, made for it, and
 * removed after its QEMU (qemu/host-link.h).
 */
typedef struct Links {
    GArray *fds;   /* LaunchFd, owned: for LaunchSpec */
    GArray *links; /* HostLink: for HostFacts */
} Links;

/* Refuses what the interfaces of the subject's desired domain need of this host for a start and is
 * not there, or can't be done: each with the file's line. */
void links_check(const Site *site, const Subject *subject, Diagnostics *diagnostics);

/* NULL with @error, which begins with FILE:LINE:COL where something is missing. What was made until
 * then is removed by links_sweep(). @domain, whose aliases the result borrows, is desired. */
Links *links_make(const Site *site, const Subject *subject, const Domain *domain, GError **error);
/* Closes our descriptors; QEMU's stay open. */
void links_free(Links *links);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Links, links_free)

/* For a device that is plugged into the subject's running QEMU: makes what it needs and passes it
 * over the monitor. Its result holds nothing where no link of ours is needed. After a failure, and
 * when the device could not be plugged after all, links_unplug() removes what was made. */
Links *links_plug(const Site *site, const Subject *subject, const DeviceKind *kind,
                  gconstpointer device, GError **error);
/* Removes what a device that has left the running QEMU had. Harmless to do again. */
bool links_unplug(const Site *site, const Subject *subject, const DeviceKind *kind,
                  gconstpointer device, GError **error);
/* Has the link of a changed interface follow: into another bridge, or as another port of it. */
bool links_follow(const Site *site, const Subject *subject, const DeviceKind *kind,
                  gconstpointer before, gconstpointer after, GError **error);

/* Notes in the subject's observed which interfaces of the applied domain have lost what virtkeep tied
 * them to. Looks only. */
void links_look(const Site *site, Subject *subject);

/* After the subject's QEMU: removes what outlives it. Harmless to do again. */
bool links_sweep(const Subject *subject, GError **error);
