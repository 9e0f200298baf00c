/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices of this host, looked up in sysfs at the moment they are needed: numbers such as that of
 * /dev/sg3 are given anew at every boot, so none is kept.
 *
 *     /sys/bus/scsi/devices/HOST:CHANNEL:TARGET:UNIT/scsi_generic/sg3
 */
#include "controller/host-devices.h"

char *
host_scsi_directory(const char *sysfs, guint adapter, guint bus, guint target, guint64 unit)
{
    return g_strdup_printf("%s/bus/scsi/devices/%u:%u:%u:%" G_GUINT64_FORMAT, sysfs, adapter, bus,
                           target, unit);
}

char *
host_scsi_generic(const char *sysfs, guint adapter, guint bus, guint target, guint64 unit)
{
    g_autofree char *directory = host_scsi_directory(sysfs, adapter, bus, target, unit);
    g_autofree char *generic = g_build_filename(directory, "scsi_generic", NULL);
    g_autoptr(GDir) names = g_dir_open(generic, 0, NULL);
    const char *name = names ? g_dir_read_name(names) : NULL;

    return name ? g_build_filename("/dev", name, NULL) : NULL;
}
