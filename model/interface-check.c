/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules of interfaces that follow from their type: what a host side can do. A cable that is a
 * tap can be named, scripted and tagged; one that ends in QEMU's own network stack can be
 * given addresses instead. What a type can't do is refused at the element that asks for it, since
 * neither QEMU nor the host would be told.
 */
#include "model/interface.h"

#include <string.h>

#include <gio/gio.h>

#define TYPE(name) (1u << INTERFACE_##name)
#define TAPS (TYPE(NETWORK) | TYPE(BRIDGE) | TYPE(ETHERNET) | TYPE(DIRECT))

/* What only some types of interface have. */
static void
validate_type(const Validation *v, const Interface *interface)
{
    const struct {
        const char *path;
        bool is_used;
        guint types;
    } rows[] = {
        { "script", interface->script, TYPE(NETWORK) | TYPE(BRIDGE) | TYPE(ETHERNET) },
        { "downscript", interface->downscript, TYPE(ETHERNET) },
        { "port/@isolated", interface->is_isolated == TRISTATE_ON, TYPE(NETWORK) | TYPE(BRIDGE) },
        { "vlan", list_length(interface->vlan_tags) > 0,
          TYPE(NETWORK) | TYPE(BRIDGE) | TYPE(HOSTDEV) | TYPE(DIRECT) |
              (interface->virtual_port ? TYPE(ETHERNET) : 0) },
        { "virtualport", interface->virtual_port, TAPS | TYPE(HOSTDEV) },
        { "backend/@tap", interface->backend_tap, TAPS },
        { "backend/@vhost", interface->backend_vhost, TAPS },
        { "tune/sndbuf", interface->sndbuf.is_set, TAPS },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].is_used && !(rows[i].types & 1u << interface->type))
            validation_error(v, rows[i].path, "interface-type",
                             "interfaces of this type have no such thing");
}

/* The guest's addresses in QEMU's or passt's own network: one a family. */
static void
validate_ips(const Validation *v, const Interface *interface)
{
    guint n[] = { [IP_V4] = 0, [IP_V6] = 0 };

    for (guint i = 0; i < list_length(interface->ips); i++) {
        const InterfaceIp *ip = list_at(interface->ips, i, InterfaceIp);
        int family = ip->family ? ip->family : IP_V4;
        g_autoptr(GInetAddress) address =
            ip->address ? g_inet_address_new_from_string(ip->address) : NULL;
        g_autofree char *path = g_strdup_printf("ip[%u]", i);
        guint width = family == IP_V4 ? 32 : 128;

        if (ip->address &&
            (!address || g_inet_address_get_native_size(address) != width / CHAR_BIT))
            validation_error(v, path, "interface-ip", "'%s' is no IPv%c address", ip->address,
                             family == IP_V4 ? '4' : '6');
        if (ip->prefix.is_set && ip->prefix.value > width)
            validation_error(v, path, "interface-ip", "an IPv%c network has at most %u bits",
                             family == IP_V4 ? '4' : '6', width);
        if (ip->peer)
            validation_error(v, path, "interface-ip", "the guest's end has no peer here");
        if (n[family]++)
            validation_error(v, path, "interface-ip", "one address of a family is all there is");
    }
}

static void
validate_port_forwards(const Validation *v, const Interface *interface)
{
    for (guint i = 0; i < list_length(interface->port_forwards); i++) {
        const PortForward *forward = list_at(interface->port_forwards, i, PortForward);

        for (guint k = 0; k < list_length(forward->ranges); k++) {
            const PortRange *range = list_at(forward->ranges, k, PortRange);
            g_autofree char *path = g_strdup_printf("portForward[%u]/range[%u]", i, k);

            if (range->end.is_set && range->end.value < range->start.value)
                validation_error(v, path, "interface-port", "the last port is before the first");
            if (range->to.is_set && range->exclude == TRISTATE_ON)
                validation_error(v, path, "interface-port", "what is left out leads nowhere");
        }
    }
}

static void
validate_model(const Validation *v, const Interface *interface)
{
    const char *odd = interface->model ? interface->model : "";

    while (g_ascii_isalnum(*odd) || *odd == '_' || *odd == '-')
        odd++;
    if (*odd)
        validation_error(v, "model/@type", "interface-model",
                         "a model has only letters, digits, '_' and '-'");
    else if (interface->model && !interface_is_virtio(interface) &&
             (interface->type == INTERFACE_VHOSTUSER || interface->type == INTERFACE_VDPA))
        validation_error(v, "model/@type", "interface-model",
                         "only virtio cards can be driven from outside QEMU");
}

void
interface_check(const Validation *v, const Interface *interface)
{
    validate_type(v, interface);
    validate_ips(v, interface);
    validate_port_forwards(v, interface);
    validate_model(v, interface);
}
