/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * passt: a process that is the guest's whole network: it answers DHCP and opens the host's sockets
 * for what the guest sends. QEMU connects to its UNIX socket, once (--one-off), so that it ends
 * with QEMU.
 *
 * passt refuses to be root and becomes `nobody`, who can't make a socket in the domain's run
 * directory; so it is told to stay who we are. It gives up all capabilities and its view of the
 * file system by itself before it serves.
 *
 * Forwarded ports are passt's own words: [ADDRESS][%INTERFACE]/FIRST-LAST:TO-TO,~EXCEPT.
 */
#include "qemu/passt.h"

#include "qemu/companion.h"

char *
passt_socket(const DeviceContext *context, const Interface *interface)
{
    return companion_socket(context, interface->info.alias, "passt");
}

static void
add_range(GString *text, const PortRange *range)
{
    guint64 end = range->end.is_set ? range->end.value : range->start.value;

    g_string_append_printf(text, "%s%" G_GUINT64_FORMAT, range->exclude == TRISTATE_ON ? "~" : "",
                           range->start.value);
    if (end > range->start.value)
        g_string_append_printf(text, "-%" G_GUINT64_FORMAT, end);
    if (!range->to.is_set)
        return;
    g_string_append_printf(text, ":%" G_GUINT64_FORMAT, range->to.value);
    if (end > range->start.value)
        g_string_append_printf(text, "-%" G_GUINT64_FORMAT,
                               range->to.value + end - range->start.value);
}

static void
add_forward(const DeviceContext *context, const PortForward *forward, guint index, Companion *passt)
{
    enum { TCP = 1 };
    guint n = list_length(forward->ranges);
    g_autoptr(GString) text = g_string_new(forward->address);
    g_autofree char *field = g_strdup_printf("portForward[%u]", index);

    if (forward->dev)
        g_string_append_printf(text, "%%%s", forward->dev);
    if (text->len && !n)
        validation_error(&context->at, field, "not-launchable",
                         "passt forwards all ports of all addresses, or <range>s of one");
    if (text->len)
        g_string_append_c(text, '/');
    for (guint i = 0; i < n; i++) {
        if (i)
            g_string_append_c(text, ',');
        add_range(text, list_at(forward->ranges, i, PortRange));
    }
    companion_argument(passt, forward->protocol == TCP ? "--tcp-ports" : "--udp-ports");
    companion_argument(passt, text->len ? text->str : "all");
}

static void
add_addresses(const Interface *interface, Companion *passt)
{
    for (guint i = 0; i < list_length(interface->ips); i++) {
        const InterfaceIp *ip = list_at(interface->ips, i, InterfaceIp);

        companion_argument(passt, "--address");
        companion_argument(passt, ip->address);
        if (ip->family == IP_V6 || !ip->prefix.is_set)
            continue;
        companion_argument(passt, "--netmask");
        companion_argumentf(passt, "%u", (guint) ip->prefix.value);
    }
}

void
passt_companions(const DeviceContext *context, gconstpointer device, GPtrArray *companions)
{
    const Interface *interface = device;
    bool is_vhost_user = interface->type == INTERFACE_VHOSTUSER;
    Companion *passt;

    if (interface->backend != NET_BACKEND_PASST ||
        (interface->type != INTERFACE_USER && !is_vhost_user))
        return;
    passt = companion_add(context, companions, "passt", interface->info.alias, NULL, NULL);
    passt->socket = passt_socket(context, interface);
    passt->can_restart = is_vhost_user; /* only that one's socket is connected again by QEMU */
    companion_argument(passt, "--foreground");
    companion_argument(passt, "--one-off");
    companion_argument(passt, is_vhost_user ? "--vhost-user" : NULL);
    companion_argument(passt, "--socket");
    companion_argument(passt, passt->socket);
    if (!context->facts->user) {
        companion_argument(passt, "--runas");
        companion_argumentf(passt, "%u:%u", context->facts->user, context->facts->group);
    }
    /* What it says of itself is of use in a file of its own; in ours, only why it ended. */
    companion_argument(passt, interface->backend_log ? "--log-file" : "--quiet");
    companion_argument(passt, interface->backend_log);
    companion_argument(passt, interface->source_dev ? "--interface" : NULL);
    companion_argument(passt, interface->source_dev);
    if (interface->mtu.is_set) {
        companion_argument(passt, "--mtu");
        companion_argumentf(passt, "%u", (guint) interface->mtu.value);
    }
    add_addresses(interface, passt);
    for (guint i = 0; i < list_length(interface->port_forwards); i++)
        add_forward(context, list_at(interface->port_forwards, i, PortForward), i, passt);
}
