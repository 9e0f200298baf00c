/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From what a file says of an interface to what is opened for it:
 *
 *     network ── configuration ──► bridge, direct, or user
 *     bridge ── may we make links? ── yes ──► tap of ours, a port of the bridge
 *                                  └─ no ───► qemu-bridge-helper's tap
 *     ethernet ──► tap of ours, or one that is there (managed='no')
 *     direct ──► macvtap
 *
 * The command line, the check before a start and the start itself all ask here, so none of them can
 * think of an interface in another way.
 */
#include "qemu/attachment.h"

#define TUN "/dev/net/tun"
#define VHOST_NET "/dev/vhost-net"

const HostNetwork *
attachment_network(const Interface *interface, const HostFacts *facts)
{
    if (interface->type != INTERFACE_NETWORK || !interface->network || !facts->find_network)
        return NULL;
    return facts->find_network(facts->networks, interface->network);
}

static int
type_of_network(const HostNetwork *network)
{
    return network->is_user  ? INTERFACE_USER
           : network->direct ? INTERFACE_DIRECT
                             : INTERFACE_BRIDGE;
}

static AttachmentKind
kind_of(int type, const Interface *interface, const HostFacts *facts)
{
    switch ((InterfaceType) type) {
    case INTERFACE_BRIDGE:
    case INTERFACE_NETWORK: /* one that nobody knows */
        return facts->can_make_links ? ATTACHMENT_TAP : ATTACHMENT_HELPER;
    case INTERFACE_ETHERNET:
        return ATTACHMENT_TAP;
    case INTERFACE_DIRECT:
        return ATTACHMENT_MACVTAP;
    case INTERFACE_USER:
    case INTERFACE_VHOSTUSER:
    case INTERFACE_HOSTDEV:
    case INTERFACE_SERVER:
    case INTERFACE_CLIENT:
    case INTERFACE_MCAST:
    case INTERFACE_UDP:
    case INTERFACE_INTERNAL:
    case INTERFACE_VDPA:
    case INTERFACE_NULL:
    case INTERFACE_VDS:
        return ATTACHMENT_NONE;
    }
    return ATTACHMENT_NONE;
}

Attachment
attachment_of(const Interface *interface, const HostFacts *facts)
{
    const HostNetwork *network = attachment_network(interface, facts);
    bool is_virtio = interface_is_virtio(interface);
    Attachment attachment = {
        .type = network ? type_of_network(network) : interface->type,
        .bridge = network ? network->bridge : interface->bridge,
        .is_bridge_made = network && network->is_made,
        .parent = network ? network->direct : interface->source_dev,
        .mode = network ? network->mode : interface->source_mode,
        .target = interface_target(interface),
        .is_ready_made = interface->managed == TRISTATE_OFF,
        .tun = interface->backend_tap ? interface->backend_tap : TUN,
        .is_vhost_needed = is_virtio && interface->driver_name == NET_DRIVER_VHOST,
        .n_queues = is_virtio && interface->queues.value > 1 ? (guint) interface->queues.value : 1,
    };

    attachment.kind = kind_of(attachment.type, interface, facts);
    if (is_virtio && interface->driver_name != NET_DRIVER_QEMU)
        attachment.vhost = interface->backend_vhost ? interface->backend_vhost : VHOST_NET;
    if (attachment.kind == ATTACHMENT_MACVTAP && !attachment.mode)
        attachment.mode = MACVTAP_VEPA;
    if (attachment.kind == ATTACHMENT_MACVTAP)
        attachment.bridge = NULL;
    return attachment;
}

/* ---- what can't be set up ---- */

static bool
is_named(const char *script)
{
    return script && *script;
}

static void
check_support(const Validation *at, const Interface *interface, const Attachment *attachment)
{
    bool is_bridged = attachment->kind != ATTACHMENT_MACVTAP && attachment->bridge;
    bool is_direct = attachment->kind == ATTACHMENT_MACVTAP;
    const struct {
        bool is_used;
        const char *field, *why;
    } rules[] = {
        { interface->bandwidth, "bandwidth", "virtkeep sets no limits of traffic" },
        { interface->virtual_port, "virtualport", "virtkeep makes no ports of virtual switches" },
        { list_length(interface->vlan_tags) && !is_bridged, "vlan",
          "virtkeep sets VLAN tags on ports of bridges only" },
        { interface->is_isolated == TRISTATE_ON && !is_bridged, "port/@isolated",
          "only a port of a bridge can be isolated" },
        { is_named(interface->script) || is_named(interface->downscript), "script",
          "virtkeep runs no scripts: name a bridge, or make the tap beforehand "
          "(<target dev='…' managed='no'/>)" },
        { is_direct && interface->backend_tap, "backend/@tap",
          "macvtap devices have device nodes of their own" },
        { interface->type == INTERFACE_HOSTDEV && interface->managed == TRISTATE_ON, "@managed",
          "virtkeep binds no host devices to vfio-pci" },
        { interface->portgroup, "source/@portgroup",
          "the configuration's networks have no port groups" },
        { interface->type == INTERFACE_ETHERNET && attachment->is_ready_made && !attachment->target,
          "target/@managed", "<target dev='…'/> is missing: which tap is there already" },
        { interface->type == INTERFACE_ETHERNET && attachment->is_ready_made &&
              (list_length(interface->host_ips) || list_length(interface->host_routes)),
          "source", "a tap with managed='no' is set up by whoever made it" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rules); i++)
        if (rules[i].is_used)
            validation_error(at, rules[i].field, "not-launchable", "%s", rules[i].why);
}

/* What the helper does not do, and nobody but one with CAP_NET_ADMIN can. */
static void
check_rights(const Validation *at, const Interface *interface, const Attachment *attachment)
{
    bool is_helped = attachment->kind == ATTACHMENT_HELPER;
    const struct {
        bool is_used;
        const char *field, *what;
    } rules[] = {
        { attachment->kind == ATTACHMENT_MACVTAP, "@type", "a macvtap device" },
        { attachment->kind == ATTACHMENT_TAP && !attachment->is_ready_made, "@type",
          "a tap device without <target dev='…' managed='no'/>" },
        { is_helped && attachment->n_queues > 1, "driver/@queues", "a tap with several queues" },
        { is_helped && attachment->is_bridge_made, "source/@network", "making a bridge" },
        { is_helped && interface->is_isolated == TRISTATE_ON, "port/@isolated", "isolation" },
        { is_helped && list_length(interface->vlan_tags), "vlan", "a VLAN tag" },
        { is_helped && interface->backend_tap, "backend/@tap", "another tun device" },
        { is_helped && interface->backend_vhost, "backend/@vhost", "another vhost device" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rules); i++)
        if (rules[i].is_used)
            return validation_error(at, rules[i].field, "no-permission",
                                    "%s needs CAP_NET_ADMIN, which this virtkeep doesn't have",
                                    rules[i].what);
}

void
attachment_check(const Validation *at, const Interface *interface, const HostFacts *facts)
{
    Attachment attachment = attachment_of(interface, facts);

    if (interface->type == INTERFACE_NETWORK && !attachment_network(interface, facts))
        validation_error(at, "source/@network", "no-network",
                         "the configuration has no network '%s'", interface->network);
    check_support(at, interface, &attachment);
    if (!facts->can_make_links)
        check_rights(at, interface, &attachment);
}
