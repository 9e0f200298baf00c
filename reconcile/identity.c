/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The identities a file may leave out: the domain's uuid and the MAC addresses of its interfaces.
 *
 * libvirt draws them at random when a domain is defined. Here they are made from what is there
 * already: the uuid from the host's seed and the domain's name, a MAC from the uuid and the place
 * in the list. So a state that was lost gives the same guest again, and two hosts that are given
 * one file don't get one guest twice. Once resolved they are pinned: the previous domain's come
 * before making new ones.
 */
#include "reconcile/identity.h"

#include <string.h>

#include "model/interface.h"

/* RFC 4122's namespace of URLs: seeds that are no UUIDs are hashed below it. */
static const guint8 url_namespace[16] = { 0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1,
                                          0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8 };

static void
hash_name(const guint8 *namespace_, const char *name, guint8 *ret_bytes)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA1);
    guint8 digest[20];
    gsize length = sizeof digest;

    g_checksum_update(checksum, namespace_, 16);
    g_checksum_update(checksum, (const guchar *) name, strlen(name));
    g_checksum_get_digest(checksum, digest, &length);
    memcpy(ret_bytes, digest, 16);
    ret_bytes[6] = (ret_bytes[6] & 0x0f) | 0x50;
    ret_bytes[8] = (ret_bytes[8] & 0x3f) | 0x80;
}

static bool
read_uuid(const char *text, guint8 *ret_bytes)
{
    guint n_digits = 0;

    for (; *text; text++) {
        int digit = g_ascii_xdigit_value(*text);

        if (*text == '-')
            continue;
        if (digit < 0 || n_digits == 32)
            return false;
        ret_bytes[n_digits / 2] = n_digits % 2 ? ret_bytes[n_digits / 2] | digit : digit << 4;
        n_digits++;
    }
    return n_digits == 32;
}

char *
uuid_from_name(const char *namespace_, const char *name)
{
    guint8 parent[16], b[16];

    if (!read_uuid(namespace_, parent))
        hash_name(url_namespace, namespace_, parent);
    hash_name(parent, name, b);
    return g_strdup_printf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                           b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11],
                           b[12], b[13], b[14], b[15]);
}

void
resolve_uuid(Domain *domain, const Domain *previous, const char *seed)
{
    if (domain->uuid)
        return;
    if (previous && previous->uuid)
        domain->uuid = g_strdup(previous->uuid);
    else
        domain->uuid = uuid_from_name(seed ? seed : "", domain->name ? domain->name : "");
}

static bool
is_mac_used(const Domain *domain, const char *mac)
{
    for (guint i = 0; i < list_length(domain->interfaces); i++)
        if (!g_strcmp0(list_at(domain->interfaces, i, Interface)->mac, mac))
            return true;
    return false;
}

/* The first one from @index on that no interface of the guest has. */
static char *
make_mac(const Domain *domain, guint index)
{
    for (guint n = index;; n++) {
        g_autofree char *name = g_strdup_printf("mac-%u", n);
        g_autofree char *hash = uuid_from_name(domain->uuid, name);
        g_autofree char *mac = g_strdup_printf("52:54:00:%.2s:%.2s:%.2s", hash, hash + 2, hash + 4);

        if (!is_mac_used(domain, mac))
            return g_steal_pointer(&mac);
    }
}

void
resolve_macs(const Resolution *resolution)
{
    GPtrArray *interfaces = resolution->domain->interfaces;

    for (guint i = 0; i < list_length(interfaces); i++) {
        Interface *interface = interfaces->pdata[i];
        const Interface *ancestor = resolution_ancestor(resolution, interface);

        if (!interface->mac && ancestor && !is_mac_used(resolution->domain, ancestor->mac))
            interface->mac = g_strdup(ancestor->mac);
    }
    for (guint i = 0; i < list_length(interfaces); i++) {
        Interface *interface = interfaces->pdata[i];

        if (!interface->mac)
            interface->mac = make_mac(resolution->domain, i);
    }
}
