/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

/*
 * resolve: from what a file says to what QEMU is to be given. The result has a uuid, MAC addresses,
 * implied devices and controllers, an address and an alias for every device, and fixed defaults
 * written out; without @previous exactly as libvirt 11.3 would define it
 * (../shared/libvirt/address-assignment.md).
 */
typedef struct ResolveContext {
    const char *uuid_seed; /* tells this host from others: /etc/machine-id's text; may be NULL */
    /* FirmwareImage (model/firmware.h) in order of preference; NULL = the well-known ones. */
    const GPtrArray *firmware;
    /* Images that may be taken, with a warning, where none of those fits: for command lines that
     * are only shown. NULL = none, and no-firmware is an error. */
    const GPtrArray *assumed_firmware;
    const char *nvram_directory; /* for variable stores without a path; NULL = the default */
} ResolveContext;

/*
 * @spec is a validated domain. @previous, or NULL, is what this domain was last resolved to, kept
 * in state: devices that were there keep their addresses, ids and MACs, so adding a device never
 * moves another. PCI controllers once there stay, also when the file no longer names them. Between
 * a pc and a q35 only uuid, MACs and ids carry over.
 *
 * @positions (may be NULL) is the file's. NULL is returned when @diagnostics has errors, whose
 * codes are: no-firmware, controller-root, address-type, address-invalid (no such place), address-conflict
 * (two devices in one place), address-full, alias-conflict, memory-total.
 *
 * resolve(resolve(x)) equals resolve(x). Caller frees the result with domain_free().
 */
Domain *resolve_domain(const Domain *spec, const Domain *previous, const ResolveContext *context,
                       const PositionMap *positions, Diagnostics *diagnostics);

/* The same, and in *@ret_positions (NULL with NULL) where the file says what stands at each path of
 * the result, whose devices may be in another order. Caller frees with position_map_free(). */
Domain *resolve_domain_positions(const Domain *spec, const Domain *previous,
                                 const ResolveContext *context, const PositionMap *positions,
                                 PositionMap **ret_positions, Diagnostics *diagnostics);
