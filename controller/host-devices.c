/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices of this host, looked up in sysfs at the moment they are needed: numbers such as that of
 * /dev/sg3 are given anew at every boot, so none is kept.
 *
 *     /sys/bus/scsi/devices/HOST:CHANNEL:TARGET:UNIT/scsi_generic/sg3
 */
#include "controller/host-devices.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>

static char *
unit_directory(const char *sysfs, guint adapter, guint bus, guint target, guint64 unit)
{
    return g_strdup_printf("%s/bus/scsi/devices/%u:%u:%u:%" G_GUINT64_FORMAT, sysfs, adapter, bus,
                           target, unit);
}

char *
host_scsi_generic(const char *sysfs, guint adapter, guint bus, guint target, guint64 unit)
{
    g_autofree char *directory = unit_directory(sysfs, adapter, bus, target, unit);
    g_autofree char *generic = g_build_filename(directory, "scsi_generic", NULL);
    g_autoptr(GDir) names = g_dir_open(generic, 0, NULL);
    const char *name = names ? g_dir_read_name(names) : NULL;

    return name ? g_build_filename("/dev", name, NULL) : NULL;
}

/* The numeric form of @entry's address; NULL when it is of another family, or of one link only. */
static char *
address_text(const struct ifaddrs *entry, int family)
{
    socklen_t length = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    char text[INET6_ADDRSTRLEN];

    if (!entry->ifa_addr || entry->ifa_addr->sa_family != family)
        return NULL;
    if (family == AF_INET6 &&
        IN6_IS_ADDR_LINKLOCAL(
            &((const struct sockaddr_in6 *) (const void *) entry->ifa_addr)->sin6_addr))
        return NULL;
    return getnameinfo(entry->ifa_addr, length, text, sizeof(text), NULL, 0, NI_NUMERICHOST)
               ? NULL
               : g_strdup(text);
}

char *
host_link_address(const char *name)
{
    static const int families[] = { AF_INET, AF_INET6 };
    struct ifaddrs *list;
    char *address = NULL;

    if (getifaddrs(&list) < 0)
        return NULL;
    for (guint i = 0; !address && i < G_N_ELEMENTS(families); i++)
        for (const struct ifaddrs *entry = list; !address && entry; entry = entry->ifa_next)
            if (g_str_equal(entry->ifa_name, name))
                address = address_text(entry, families[i]);
    freeifaddrs(list);
    return address;
}
