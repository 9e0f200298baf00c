/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/interface.h"
#include "qemu/host-facts.h"

/*
 * Attachment: what an interface of a domain is on this host, once networks are looked up: which
 * device is opened for it, and what that one is tied to. A value, made from values.
 */
typedef enum {
    ATTACHMENT_NONE,    /* nothing of ours: user networking, sockets, vDPA, host devices */
    ATTACHMENT_TAP,     /* a tap device, opened here and passed as descriptors */
    ATTACHMENT_HELPER,  /* a tap that qemu-bridge-helper makes, since we may not */
    ATTACHMENT_MACVTAP, /* a macvtap device on a link of the host */
} AttachmentKind;

typedef struct Attachment {
    AttachmentKind kind;
    int type;             /* InterfaceType: a network's own where it is one */
    const char *bridge;   /* TAP, HELPER: whose port it becomes; NULL = nobody's */
    bool is_bridge_made;  /* by us, where it is not there */
    const char *parent;   /* MACVTAP */
    MacvtapMode mode;     /* MACVTAP */
    const char *target;   /* the link's name; NULL = one is chosen */
    bool is_ready_made;   /* TAP: somebody else's, set up already */
    const char *tun;      /* TAP: the device to open */
    const char *vhost;    /* the kernel's back end; NULL = not wanted */
    bool is_vhost_needed; /* or else QEMU's own serves */
    guint n_queues;
} Attachment;

/* Borrows from @interface and @facts. */
Attachment attachment_of(const Interface *interface, const HostFacts *facts);
/* The network that the interface names; NULL when it names none or there is no such. */
const HostNetwork *attachment_network(const Interface *interface, const HostFacts *facts);
/* Refuses what no start on any host could set up (not-launchable), and what only a start with more
 * rights could (no-permission). */
void attachment_check(const Validation *at, const Interface *interface, const HostFacts *facts);
