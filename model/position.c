/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where each path of a document stands.
 *
 * Kept apart from the values: two domains that say the same are equal wherever they say it. A
 * path that is not in the document (a field that was removed, or that a default filled in) is
 * answered with the nearest element around it, which is where a reader would look.
 */
#include "model/schema.h"

#include <string.h>

struct PositionMap {
    GHashTable *positions; /* path: Position* */
};

PositionMap *
position_map_new(void)
{
    PositionMap *map = g_new0(PositionMap, 1);

    map->positions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return map;
}

void
position_map_free(PositionMap *map)
{
    if (!map)
        return;
    g_hash_table_unref(map->positions);
    g_free(map);
}

void
position_map_set(PositionMap *map, const char *path, Position at)
{
    g_hash_table_insert(map->positions, g_strdup(path), g_memdup2(&at, sizeof at));
}

bool
position_map_has(const PositionMap *map, const char *path)
{
    return g_hash_table_contains(map->positions, path);
}

Position
position_map_get(const PositionMap *map, const char *path)
{
    g_autofree char *nearest = g_strdup(path);

    for (;;) {
        const Position *at = g_hash_table_lookup(map->positions, nearest);
        char *slash;

        if (at)
            return *at;
        if (!*nearest)
            return (Position){ 0, 0 };
        slash = strrchr(nearest, '/');
        *(slash ? slash : nearest) = '\0';
    }
}

/* Length of "devices/disk[0]" in "devices/disk[0]/target/@dev"; 0 for other paths. */
static gsize
device_length(const char *path)
{
    const char *end = g_str_has_prefix(path, "devices/") ? strchr(path, ']') : NULL;

    return end ? (gsize) (end + 1 - path) : 0;
}

PositionMap *
position_map_rename(const PositionMap *map, GHashTable *renames)
{
    PositionMap *renamed = position_map_new();
    GHashTableIter iter;
    gpointer path, at;

    g_hash_table_iter_init(&iter, map->positions);
    while (g_hash_table_iter_next(&iter, &path, &at)) {
        g_autofree char *device = g_strndup(path, device_length(path));
        const char *to = *device ? g_hash_table_lookup(renames, device) : NULL;
        g_autofree char *moved =
            to ? g_strconcat(to, (const char *) path + strlen(device), NULL) : g_strdup(path);

        position_map_set(renamed, moved, *(const Position *) at);
    }
    return renamed;
}
