/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Volumes: names of images in pools, which the configuration maps to places.
 *
 *     pools: { default: /var/lib/libvirt/images }               POOL/VOLUME ─► a file
 *     pools: { lvm: /dev/vg0 }                                              ─► a block device
 *     pools: { san: { type: iscsi, host: h, target: iqn… } }
 *         mode='host'   ─► /dev/disk/by-path/ip-h:3260-iscsi-iqn…-lun-3, where the host has logged in
 *         mode='direct' ─► QEMU logs in itself
 *
 * libvirt names the units of an iSCSI pool unit:HOST:BUS:LUN; only the last number counts. A command
 * line can be shown without the pool: it has a place that can't exist, and says so.
 */
#include "qemu/storage-pool.h"

#include <string.h>

#define NO_SERVER "pool.invalid:3260"

void
storage_place_clear(StoragePlace *place)
{
    g_clear_pointer(&place->path, g_free);
    g_clear_pointer(&place->portal, g_free);
}

static void
refuse(const DeviceContext *context, const char *field, const char *attribute, const char *code,
       const char *text)
{
    g_autofree char *path = g_strconcat(field, "/", attribute, NULL);

    validation_error(&context->at, path, code, "%s", text);
}

/* The unit's number: what follows the last colon of "unit:0:0:3". */
static bool
read_unit(const char *volume, guint64 *ret_unit)
{
    const char *colon = strrchr(volume, ':');

    return g_ascii_string_to_unsigned(colon ? colon + 1 : volume, 10, 0, G_MAXUINT32, ret_unit,
                                      NULL);
}

static bool
place_for_show(const DeviceContext *context, const char *field, const StorageSource *source,
               StoragePlace *place)
{
    g_autofree char *path = g_strconcat(field, "/@pool", NULL);

    validation_warning(&context->at, path, "no-pool",
                       "the configuration names no pool '%s': it could not be started",
                       source->pool);
    if (source->volume_mode != VOLUME_DIRECT) {
        place->path = g_build_filename("/pools", source->pool, source->volume, NULL);
        return true;
    }
    place->portal = g_strdup(NO_SERVER);
    place->target = source->pool;
    (void) read_unit(source->volume, &place->unit);
    return true;
}

static bool
place_in_directory(const DeviceContext *context, const char *field, const StorageSource *source,
                   const StoragePool *pool, StoragePlace *place)
{
    if (source->volume_mode) {
        refuse(context, field, "@mode", "storage-volume", "is for pools of type iscsi");
        return false;
    }
    place->path = g_build_filename(pool->path, source->volume, NULL);
    place->is_device = g_str_has_prefix(place->path, "/dev/");
    return true;
}

static bool
place_at_server(const DeviceContext *context, const char *field, const StorageSource *source,
                const StoragePool *pool, StoragePlace *place)
{
    bool is_bracketed = strchr(pool->host, ':') && *pool->host != '[';

    if (!read_unit(source->volume, &place->unit)) {
        refuse(context, field, "@volume", "storage-volume",
               "a unit of an iSCSI pool is named 'unit:0:0:N'");
        return false;
    }
    place->target = pool->target;
    place->portal =
        g_strdup_printf(is_bracketed ? "[%s]:%u" : "%s:%u", pool->host, pool->port);
    if (source->volume_mode == VOLUME_DIRECT)
        return true;
    place->is_device = true;
    place->path = g_strdup_printf("/dev/disk/by-path/ip-%s-iscsi-%s-lun-%" G_GUINT64_FORMAT,
                                  place->portal, pool->target, place->unit);
    return true;
}

bool
storage_find_volume(const DeviceContext *context, const char *field, const StorageSource *source,
                    StoragePlace *ret_place)
{
    const HostFacts *facts = context->facts;
    StoragePlace place = { 0 };
    StoragePool pool = { 0 };
    g_autofree char *path = g_strconcat(field, "/@pool", NULL);
    bool is_found = facts->find_pool && facts->find_pool(facts->pools, source->pool, &pool);

    if (!is_found && facts->is_for_show) {
        is_found = place_for_show(context, field, source, &place);
    } else if (!is_found) {
        validation_error(&context->at, path, "no-pool", "the configuration names no pool '%s'",
                         source->pool);
    } else {
        is_found = pool.path ? place_in_directory(context, field, source, &pool, &place)
                             : place_at_server(context, field, source, &pool, &place);
    }
    if (is_found)
        *ret_place = place;
    return is_found;
}
