/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

/*
 * Resolution: a Domain on its way from what the file says to what QEMU is to be given. Internal
 * to resolve: each of its steps (reconcile/implied.h, pci.h, usb.h, …) takes one and fills in
 * its own part of the domain.
 */
typedef struct Resolution {
    Domain *domain;               /* a copy of the file's, being filled in; borrowed */
    const Domain *previous;       /* what was resolved last time; NULL = nothing to inherit */
    bool keeps_places;            /* previous's addresses mean something on this machine */
    const PositionMap *positions; /* of the file; may be NULL */
    Diagnostics *diagnostics;
    GHashTable *paths;     /* device: char* path in the file; devices not in it are absent */
    GHashTable *ancestors; /* device: the previous domain's device that it continues */
} Resolution;

/* A device and where it stands. */
typedef struct DeviceRef {
    const DeviceKind *kind;
    gpointer device;
    guint index; /* in its list */
} DeviceRef;

/* @domain is borrowed; all its devices are taken to be the file's. */
Resolution *resolution_new(Domain *domain, const PositionMap *positions, Diagnostics *diagnostics);
void resolution_free(Resolution *resolution);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Resolution, resolution_free)

/* Reports at @field ("address", "@index"; NULL = the device itself) of @device, which may be NULL
 * for the domain's devices as a whole. */
void resolution_error(const Resolution *resolution, gconstpointer device, const char *field,
                      const char *code, const char *format, ...) G_GNUC_PRINTF(5, 6);

void resolution_warning(const Resolution *resolution, gconstpointer device, const char *field,
                        const char *code, const char *format, ...) G_GNUC_PRINTF(5, 6);

/* What @device was in the previous domain, or NULL. */
gconstpointer resolution_ancestor(const Resolution *resolution, gconstpointer device);

/* What to call @device in a message: its path in the file, else "the implied usb controller 0".
 * Caller frees. */
char *resolution_describe(const Resolution *resolution, gconstpointer device);

/* All devices (DeviceRef), by the table of kinds, then list order. Caller unrefs. */
GArray *domain_device_refs(const Domain *domain);

static inline DeviceInfo *
device_info(gpointer device)
{
    return device;
}

/* The bus @device needs on @domain. */
DeviceBus device_bus(const Domain *domain, const DeviceKind *kind, gconstpointer device);

/* Puts @device into the list at @index; the list is made when there is none. */
void device_insert(GPtrArray **list, guint index, gpointer device);

static inline OptUint
opt_uint(guint64 value)
{
    return (OptUint){ .value = value, .is_set = true };
}
