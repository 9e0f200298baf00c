/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Namespaces for tests. Root has one for the asking; others get it inside a user namespace, in
 * which they may do with links what root may, except to open device nodes that are root's.
 *
 * The node of a macvtap device, /dev/tapINDEX, is not the namespace's own, and indexes begin anew
 * in each: so such tests take turns, by a lock on /dev/net/tun, which leaves no file behind.
 */
#include "tests/support/network.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#include "qemu/netlink.h"

static bool
write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool is_written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text);

    if (fd >= 0)
        close(fd);
    return is_written;
}

static bool
enter_as_user(void)
{
    g_autofree char *users = g_strdup_printf("0 %d 1", (int) getuid());
    g_autofree char *groups = g_strdup_printf("0 %d 1", (int) getgid());

    return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
           write_file("/proc/self/setgroups", "deny") && write_file("/proc/self/uid_map", users) &&
           write_file("/proc/self/gid_map", groups);
}

const char *
network_enter(void)
{
    int turn = open("/dev/net/tun", O_RDWR | O_CLOEXEC); /* kept: the turn ends with the process */
    g_autoptr(Link) lo = NULL;

    if (turn < 0)
        return "/dev/net/tun can't be opened";
    while (flock(turn, LOCK_EX) < 0)
        if (errno != EINTR)
            return "/dev/net/tun can't be locked";
    if (unshare(CLONE_NEWNET) < 0 && !enter_as_user())
        return "no network namespace can be made";
    lo = link_find("lo", NULL);
    if (!lo || !link_change(lo->index, &(LinkChange){ .is_up = true }, NULL))
        return "links can't be changed in a network namespace";
    return NULL;
}

static bool
add(const char *name, const char *kind, guint flags)
{
    struct ifinfomsg header = { .ifi_flags = flags, .ifi_change = IFF_UP };
    g_autoptr(GByteArray) message =
        netlink_message_new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof header);
    gsize info;

    netlink_put_string(message, IFLA_IFNAME, name);
    info = netlink_nest(message, IFLA_LINKINFO);
    netlink_put_string(message, IFLA_INFO_KIND, kind);
    netlink_nest_end(message, info);
    return netlink_call(message, NULL, NULL, NULL);
}

bool
network_add(const char *name, const char *kind)
{
    return add(name, kind, IFF_UP);
}

bool
network_remove(const char *name)
{
    g_autoptr(Link) link = link_find(name, NULL);

    return link && link_delete(link->index, NULL);
}

bool
network_add_down(const char *name)
{
    return add(name, "veth", 0);
}

Link *
network_link(const char *name)
{
    g_autoptr(GError) error = NULL;
    Link *link = link_find(name, &error);

    if (!link)
        fail_msg("%s", error->message);
    return link;
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

char *
network_names(void)
{
    g_autoptr(GPtrArray) links = link_list(NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    assert_non_null(links);
    for (guint i = 0; i < links->len; i++) {
        Link *link = links->pdata[i];

        if (g_strcmp0(link->name, "lo") && g_strcmp0(link->kind, "veth"))
            g_ptr_array_add(names, link->name);
    }
    g_ptr_array_sort(names, compare_names);
    g_ptr_array_add(names, NULL);
    return g_strjoinv(" ", (char **) names->pdata);
}

static void
read_vlans(NetworkPort *port, const struct rtattr *spec)
{
    const struct rtattr *vlan = RTA_DATA(spec);
    int left = RTA_PAYLOAD(spec);

    for (; RTA_OK(vlan, left); vlan = RTA_NEXT(vlan, left)) {
        const struct bridge_vlan_info *info = RTA_DATA(vlan);

        if (vlan->rta_type == IFLA_BRIDGE_VLAN_INFO)
            g_string_append_printf(port->vlans, "%s%u%s%s", port->vlans->len ? ", " : "", info->vid,
                                   info->flags & BRIDGE_VLAN_INFO_PVID ? " pvid" : "",
                                   info->flags & BRIDGE_VLAN_INFO_UNTAGGED ? " untagged" : "");
    }
}

static void
read_port(const struct nlmsghdr *message, gpointer data)
{
    const struct ifinfomsg *header = NLMSG_DATA(message);
    gsize size = IFLA_PAYLOAD(message);
    const struct rtattr *info = netlink_find(IFLA_RTA(header), size, IFLA_PROTINFO);
    const struct rtattr *spec = netlink_find(IFLA_RTA(header), size, IFLA_AF_SPEC);
    const struct rtattr *isolated;
    NetworkPort *port = data;

    if (header->ifi_index != port->index)
        return;
    isolated = info ? netlink_find(RTA_DATA(info), RTA_PAYLOAD(info), IFLA_BRPORT_ISOLATED) : NULL;
    port->is_isolated = port->is_isolated || (isolated && *(const guint8 *) RTA_DATA(isolated));
    if (spec)
        read_vlans(port, spec);
}

NetworkPort
network_port(int index)
{
    struct ifinfomsg header = { .ifi_family = AF_BRIDGE };
    NetworkPort port = { .index = index, .vlans = g_string_new(NULL) };
    g_autoptr(GByteArray) message =
        netlink_message_new(RTM_GETLINK, NLM_F_DUMP, &header, sizeof header);

    netlink_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN);
    assert_true(netlink_call(message, read_port, &port, NULL));
    return port;
}

bool
network_filter_vlans(int bridge)
{
    struct ifinfomsg header = { .ifi_index = bridge };
    g_autoptr(GByteArray) message = netlink_message_new(RTM_NEWLINK, 0, &header, sizeof header);
    gsize info = netlink_nest(message, IFLA_LINKINFO), data;
    guint8 on = 1;

    netlink_put_string(message, IFLA_INFO_KIND, "bridge");
    data = netlink_nest(message, IFLA_INFO_DATA);
    netlink_put(message, IFLA_BR_VLAN_FILTERING, &on, sizeof on);
    netlink_nest_end(message, data);
    netlink_nest_end(message, info);
    return netlink_call(message, NULL, NULL, NULL);
}
