/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/memory.h"
#include "model/observed.h"

/*
 * @applied as it is now: without the devices that can come and go and that QEMU has no more, since
 * the guest ejected them, or somebody took them away by the debug monitor, and with the media and
 * links that are seen. NULL when nothing differs (or the observation does not list devices). Their
 * ids are appended to @ret_missing (may be NULL; char*). Caller frees.
 */
Domain *domain_actual(const Domain *applied, const Observed *observed, GPtrArray *ret_missing);

/* Whether the observation has a device of that id. */
bool observed_has_device(const Observed *observed, const char *id);
/* Whether a DIMM or NVDIMM is there, as far as the observation lists devices: else it is. */
bool memory_device_is_there(const Observed *observed, const MemoryDevice *memory);
/* The device with that id, and its kind; NULL when there is none. Borrowed. */
gpointer domain_find_device(const Domain *domain, const char *id, const DeviceKind **ret_kind);
/* Removes the device with that id from whichever list it is in; frees it. */
void domain_drop_device(Domain *domain, const char *id);
/* Removes the PCI controllers that @running has not from @planned, what was resolved for a start
 * that has not come. They would be kept for what they once were made for, and ask for a restart
 * after the file was changed back. */
void domain_forget_planned_ports(Domain *planned, const Domain *running);
/* Appends a copy of @device to the list of its kind. */
void domain_take_device(Domain *domain, const DeviceKind *kind, gconstpointer device);
