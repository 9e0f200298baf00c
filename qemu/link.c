/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Links of the host: one function a verb, one request a verb (qemu/netlink.h). Nothing is kept
 * between them; whoever wants to know how things are asks the kernel.
 *
 * A link is told by its index, which is never another's while it lives; a name may move. So a verb
 * that changes something takes the index that a look has given, and fails where that link is gone.
 */
#include "qemu/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gio/gio.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>

#include "qemu/netlink.h"

#define DEFAULT_VLAN 1 /* of a port, before anybody says otherwise */

/* Looking. */

void
link_free(Link *link)
{
    if (!link)
        return;
    g_free(link->kind);
    g_free(link->alias);
    g_free(link);
}

static void
read_kind(Link *link, const struct rtattr *info)
{
    const struct rtattr *data;

    if (!info)
        return;
    link->kind = netlink_string(netlink_find(RTA_DATA(info), RTA_PAYLOAD(info), IFLA_INFO_KIND));
    data = netlink_find(RTA_DATA(info), RTA_PAYLOAD(info), IFLA_INFO_DATA);
    if (data && link_is_bridge(link)) {
        const struct rtattr *filtering =
            netlink_find(RTA_DATA(data), RTA_PAYLOAD(data), IFLA_BR_VLAN_FILTERING);

        link->has_vlan_filtering = filtering && *(const guint8 *) RTA_DATA(filtering);
    }
}

static void
read_mac(Link *link, const struct rtattr *address)
{
    const guint8 *mac = address ? RTA_DATA(address) : NULL;

    if (mac && RTA_PAYLOAD(address) == 6)
        g_snprintf(link->mac, sizeof link->mac, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
                   mac[2], mac[3], mac[4], mac[5]);
}

static void
read_link(const struct nlmsghdr *message, gpointer links)
{
    const struct ifinfomsg *header = NLMSG_DATA(message);
    const struct rtattr *attributes = IFLA_RTA(header);
    gsize size = IFLA_PAYLOAD(message);
    g_autofree char *name = NULL;
    Link *link;

    if (message->nlmsg_type != RTM_NEWLINK)
        return;
    link = g_new0(Link, 1);
    name = netlink_string(netlink_find(attributes, size, IFLA_IFNAME));
    link->index = header->ifi_index;
    link->is_up = header->ifi_flags & IFF_UP;
    g_strlcpy(link->name, name ? name : "", sizeof link->name);
    link->alias = netlink_string(netlink_find(attributes, size, IFLA_IFALIAS));
    link->master = (int) netlink_u32(netlink_find(attributes, size, IFLA_MASTER));
    link->parent = (int) netlink_u32(netlink_find(attributes, size, IFLA_LINK));
    link->mtu = netlink_u32(netlink_find(attributes, size, IFLA_MTU));
    read_mac(link, netlink_find(attributes, size, IFLA_ADDRESS));
    read_kind(link, netlink_find(attributes, size, IFLA_LINKINFO));
    g_ptr_array_add(links, link);
}

static GPtrArray *
ask(GByteArray *message, GError **error)
{
    g_autoptr(GPtrArray) links = g_ptr_array_new_with_free_func((GDestroyNotify) link_free);

    return netlink_call(message, read_link, links, error) ? g_steal_pointer(&links) : NULL;
}

GPtrArray *
link_list(GError **error)
{
    struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
    g_autoptr(GByteArray) message =
        netlink_message_new(RTM_GETLINK, NLM_F_DUMP, &header, sizeof header);

    return ask(message, error);
}

Link *
link_find(const char *name, GError **error)
{
    struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
    g_autoptr(GByteArray) message = netlink_message_new(RTM_GETLINK, 0, &header, sizeof header);
    g_autoptr(GPtrArray) links = NULL;
    g_autoptr(GError) problem = NULL;

    if (strlen(name) < IFNAMSIZ) {
        netlink_put_string(message, IFLA_IFNAME, name);
        links = ask(message, &problem);
    }
    if (links && links->len)
        return g_ptr_array_steal_index(links, 0);
    if (problem && problem->code != (int) g_io_error_from_errno(ENODEV))
        g_propagate_prefixed_error(error, g_steal_pointer(&problem), "%s: ", name);
    else
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "there is no link '%s' on this host",
                    name);
    return NULL;
}

bool
link_is_bridge(const Link *link)
{
    return !g_strcmp0(link->kind, "bridge");
}

/* Changing. */

static bool
tell(GByteArray *message, const char *what, GError **error)
{
    if (netlink_call(message, NULL, NULL, error))
        return true;
    g_prefix_error(error, "%s: ", what);
    return false;
}

static void
put_mac(GByteArray *message, const char *text)
{
    guint8 mac[6];

    if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
               &mac[5]) == 6)
        netlink_put(message, IFLA_ADDRESS, mac, sizeof mac);
}

bool
link_change(int index, const LinkChange *change, GError **error)
{
    struct ifinfomsg header = { .ifi_index = index };
    g_autoptr(GByteArray) message = NULL;

    if (change->is_up)
        header.ifi_flags = header.ifi_change = IFF_UP;
    message = netlink_message_new(RTM_SETLINK, 0, &header, sizeof header);
    if (change->name)
        netlink_put_string(message, IFLA_IFNAME, change->name);
    if (change->alias)
        netlink_put(message, IFLA_IFALIAS, change->alias, strlen(change->alias));
    if (change->mac)
        put_mac(message, change->mac);
    if (change->mtu)
        netlink_put_u32(message, IFLA_MTU, change->mtu);
    if (change->master || change->is_alone)
        netlink_put_u32(message, IFLA_MASTER, (guint32) change->master);
    return tell(message, "setting up the link", error);
}

bool
link_delete(int index, GError **error)
{
    struct ifinfomsg header = { .ifi_index = index };
    g_autoptr(GByteArray) message = netlink_message_new(RTM_DELLINK, 0, &header, sizeof header);
    g_autoptr(GError) problem = NULL;

    if (tell(message, "removing the link", &problem) ||
        problem->code == (int) g_io_error_from_errno(ENODEV))
        return true;
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
}

/* Making. */

static GByteArray *
begin_link(const char *name)
{
    struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
    GByteArray *message =
        netlink_message_new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof header);

    netlink_put_string(message, IFLA_IFNAME, name);
    return message;
}

bool
link_make_bridge(const char *name, GError **error)
{
    g_autoptr(GByteArray) message = begin_link(name);
    gsize info = netlink_nest(message, IFLA_LINKINFO);

    netlink_put_string(message, IFLA_INFO_KIND, "bridge");
    netlink_nest_end(message, info);
    return tell(message, "making the bridge", error);
}

bool
link_make_macvtap(const char *name, int parent, MacvtapMode mode, const char *mac, guint mtu,
                  GError **error)
{
    static const guint32 modes[] = {
        [MACVTAP_VEPA] = MACVLAN_MODE_VEPA,
        [MACVTAP_BRIDGE] = MACVLAN_MODE_BRIDGE,
        [MACVTAP_PRIVATE] = MACVLAN_MODE_PRIVATE,
        [MACVTAP_PASSTHROUGH] = MACVLAN_MODE_PASSTHRU,
    };
    g_autoptr(GByteArray) message = begin_link(name);
    gsize info, data;

    netlink_put_u32(message, IFLA_LINK, (guint32) parent);
    if (mac)
        put_mac(message, mac);
    if (mtu)
        netlink_put_u32(message, IFLA_MTU, mtu);
    info = netlink_nest(message, IFLA_LINKINFO);
    netlink_put_string(message, IFLA_INFO_KIND, "macvtap");
    data = netlink_nest(message, IFLA_INFO_DATA);
    netlink_put_u32(message, IFLA_MACVLAN_MODE, modes[mode]);
    netlink_nest_end(message, data);
    netlink_nest_end(message, info);
    return tell(message, "making the macvtap device", error);
}

/* Ports of bridges. */

bool
link_isolate(int index, GError **error)
{
    struct ifinfomsg header = { .ifi_family = AF_BRIDGE, .ifi_index = index };
    g_autoptr(GByteArray) message = netlink_message_new(RTM_SETLINK, 0, &header, sizeof header);
    gsize port = netlink_nest(message, IFLA_PROTINFO);
    guint8 on = 1;

    netlink_put(message, IFLA_BRPORT_ISOLATED, &on, sizeof on);
    netlink_nest_end(message, port);
    return tell(message, "isolating the port", error);
}

static bool
tell_vlan(guint16 type, int index, guint16 id, guint16 flags, GError **error)
{
    struct ifinfomsg header = { .ifi_family = AF_BRIDGE, .ifi_index = index };
    struct bridge_vlan_info vlan = { .flags = flags, .vid = id };
    g_autoptr(GByteArray) message = netlink_message_new(type, 0, &header, sizeof header);
    gsize spec = netlink_nest(message, IFLA_AF_SPEC);

    netlink_put(message, IFLA_BRIDGE_VLAN_INFO, &vlan, sizeof vlan);
    netlink_nest_end(message, spec);
    return tell(message, "setting the port's VLANs", error);
}

/* libvirt's rule: a port with one tag and no trunk is an access port, untagged for the guest; a
 * trunk's tags stay on, but for the native one's where it says `untagged`. */
static guint16
vlan_flags(const Interface *interface, const VlanTag *tag)
{
    bool is_trunk = interface->vlan_trunk == TRISTATE_ON || list_length(interface->vlan_tags) > 1;

    if (!is_trunk || tag->native_mode == VLAN_NATIVE_UNTAGGED)
        return BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED;
    return tag->native_mode == VLAN_NATIVE_TAGGED ? BRIDGE_VLAN_INFO_PVID : 0;
}

bool
link_set_vlans(int index, const Interface *interface, GError **error)
{
    if (!tell_vlan(RTM_DELLINK, index, DEFAULT_VLAN, 0, error))
        return false;
    for (guint i = 0; i < list_length(interface->vlan_tags); i++) {
        const VlanTag *tag = list_at(interface->vlan_tags, i, VlanTag);

        if (!tell_vlan(RTM_SETLINK, index, (guint16) tag->id.value, vlan_flags(interface, tag),
                       error))
            return false;
    }
    return true;
}

/* Addresses. */

static bool
put_address(GByteArray *message, guint16 attribute, int family, const char *text, GError **error)
{
    guint8 bytes[16];

    if (inet_pton(family, text, bytes) != 1) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "'%s' is not an IP address",
                    text);
        return false;
    }
    netlink_put(message, attribute, bytes, family == AF_INET ? 4 : 16);
    return true;
}

static int
socket_family(int family)
{
    return family == IP_V6 ? AF_INET6 : AF_INET;
}

/* Bits that a netmask has. */
static guint
prefix_of(int family, const OptUint *prefix, const char *netmask)
{
    struct in_addr mask;

    if (prefix->is_set)
        return (guint) prefix->value;
    if (netmask && inet_pton(AF_INET, netmask, &mask) == 1)
        return (guint) __builtin_popcount(mask.s_addr);
    return family == AF_INET ? 32 : 128;
}

bool
link_add_address(int index, const InterfaceIp *ip, GError **error)
{
    int family = socket_family(ip->family);
    struct ifaddrmsg header = {
        .ifa_family = (guint8) family,
        .ifa_prefixlen = (guint8) prefix_of(family, &ip->prefix, NULL),
        .ifa_index = (guint) index,
    };
    g_autoptr(GByteArray) message =
        netlink_message_new(RTM_NEWADDR, NLM_F_CREATE, &header, sizeof header);

    return put_address(message, IFA_LOCAL, family, ip->address, error) &&
           put_address(message, IFA_ADDRESS, family, ip->peer ? ip->peer : ip->address, error) &&
           tell(message, ip->address, error);
}

bool
link_add_route(int index, const InterfaceRoute *route, GError **error)
{
    int family = socket_family(route->family);
    guint prefix = prefix_of(family, &route->prefix, route->netmask);
    struct rtmsg header = {
        .rtm_family = (guint8) family,
        .rtm_dst_len = (guint8) prefix,
        .rtm_table = RT_TABLE_MAIN,
        .rtm_protocol = RTPROT_STATIC,
        .rtm_scope = RT_SCOPE_UNIVERSE,
        .rtm_type = RTN_UNICAST,
    };
    g_autoptr(GByteArray) message =
        netlink_message_new(RTM_NEWROUTE, NLM_F_CREATE, &header, sizeof header);

    if (!put_address(message, RTA_DST, family, route->address, error) ||
        !put_address(message, RTA_GATEWAY, family, route->gateway, error))
        return false;
    netlink_put_u32(message, RTA_OIF, (guint32) index);
    if (route->metric.is_set)
        netlink_put_u32(message, RTA_PRIORITY, (guint32) route->metric.value);
    return tell(message, route->address, error);
}
