/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Devices of this host, as sysfs has them. @sysfs: "/sys", or a tree like it.
 */

/* "/dev/sg3" of a SCSI unit; NULL: there is no such unit, or the kernel's sg is not loaded. Caller
 * frees. */
char *host_scsi_generic(const char *sysfs, guint adapter, guint bus, guint target, guint64 unit);
/* The first IPv4 address of a network interface, else its first global IPv6 one; NULL: it has
 * none, or there is no such interface. Caller frees. */
char *host_link_address(const char *name);
