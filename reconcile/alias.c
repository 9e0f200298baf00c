/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMU ids.
 *
 * There are two sorts of generated ids. An id that says where the device is (ide0-0-1, scsi0,
 * dimm2) is made anew each time: it can only collide with that of a device in the same place.
 * An id that is a number in a list (net1, virtiomem0) says nothing and is kept: the running
 * QEMU knows the device by it, so a device written in front of another in the file must not take
 * its id. New devices take the number of their place in the list or the next free one.
 *
 * A console that is serial port 0 has that port's id. It is no device of QEMU's.
 */
#include "reconcile/alias.h"

#include <string.h>

#include "model/chardev.h"
#include "model/controller.h"
#include "model/disk.h"

void
drop_generated_aliases(Domain *domain)
{
    g_autoptr(GArray) refs = domain_device_refs(domain);

    for (guint i = 0; i < refs->len; i++) {
        DeviceInfo *info = device_info(g_array_index(refs, DeviceRef, i).device);

        if (info->alias && !g_str_has_prefix(info->alias, "ua-"))
            g_clear_pointer(&info->alias, g_free);
    }
}

static char *
generate(const Domain *domain, const DeviceRef *ref, guint number)
{
    if (ref->kind->alias)
        return ref->kind->alias(domain, ref->device, number);
    return g_strdup_printf("%s%u", ref->kind->alias_prefix, number);
}

/* Whether the id says where the device is. */
static bool
says_place(const Domain *domain, const DeviceRef *ref)
{
    return ref->kind == &disk_kind || ref->kind == &controller_kind ||
           device_bus(domain, ref->kind, ref->device) == BUS_DIMM;
}

static gsize
length_without_number(const char *alias)
{
    gsize length = strlen(alias);

    while (length && g_ascii_isdigit(alias[length - 1]))
        length--;
    return length;
}

/* Whether both are numbers of one list. */
static bool
is_of_series(const char *alias, const char *other)
{
    gsize length = length_without_number(alias);

    return length == length_without_number(other) && !strncmp(alias, other, length);
}

static bool
is_serial_port(const DeviceRef *ref)
{
    const Chardev *console = ref->device;

    return ref->kind == &console_kind && !ref->index &&
           console->target_type == CHARDEV_TARGET_SERIAL;
}

static void
inherit(const Resolution *resolution, const DeviceRef *ref, GHashTable *used)
{
    const DeviceInfo *ancestor = resolution_ancestor(resolution, ref->device);
    g_autofree char *sample = NULL;

    if (!ancestor || !ancestor->alias || says_place(resolution->domain, ref))
        return;
    sample = generate(resolution->domain, ref, 0);
    if (is_of_series(sample, ancestor->alias) && g_hash_table_add(used, g_strdup(ancestor->alias)))
        device_info(ref->device)->alias = g_strdup(ancestor->alias);
}

static void
assign(const Resolution *resolution, const DeviceRef *ref, GHashTable *used)
{
    g_autofree char *alias = generate(resolution->domain, ref, ref->index);

    for (guint number = ref->index + 1; g_hash_table_contains(used, alias); number++) {
        g_autofree char *next = generate(resolution->domain, ref, number);

        if (g_str_equal(next, alias)) {
            resolution_error(resolution, ref->device, NULL, "alias-conflict",
                             "another device has the id '%s' already", alias);
            return;
        }
        g_free(alias);
        alias = g_steal_pointer(&next);
    }
    g_hash_table_add(used, g_strdup(alias));
    device_info(ref->device)->alias = g_steal_pointer(&alias);
}

static void
adopt_given(const Resolution *resolution, const DeviceRef *ref, GHashTable *used)
{
    const char *alias = device_info(ref->device)->alias;

    if (!g_hash_table_add(used, g_strdup(alias)))
        resolution_error(resolution, ref->device, "alias", "alias-conflict",
                         "another device has the alias '%s' too", alias);
}

void
resolve_aliases(const Resolution *resolution)
{
    g_autoptr(GHashTable) used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GArray) refs = domain_device_refs(resolution->domain);
    Domain *domain = resolution->domain;
    enum { GIVEN, INHERITED, NEW } step;

    for (step = GIVEN; step <= NEW; step++)
        for (guint i = 0; i < refs->len; i++) {
            const DeviceRef *ref = &g_array_index(refs, DeviceRef, i);
            bool has_alias = device_info(ref->device)->alias;

            if (is_serial_port(ref))
                continue;
            if (step == GIVEN && has_alias)
                adopt_given(resolution, ref, used);
            else if (step == INHERITED && !has_alias)
                inherit(resolution, ref, used);
            else if (step == NEW && !has_alias)
                assign(resolution, ref, used);
        }
    if (list_length(domain->consoles) && list_length(domain->serials)) {
        DeviceRef console = { &console_kind, domain->consoles->pdata[0], 0 };
        DeviceInfo *info = console.device;

        if (is_serial_port(&console) && !info->alias)
            info->alias = g_strdup(device_info(domain->serials->pdata[0])->alias);
    }
}
