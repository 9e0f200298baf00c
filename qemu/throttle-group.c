/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Limits that disks share: objects, made before the devices that name them. Their limits are a
 * property that can be set at any time; one is removed when no disk refers to it any more, which
 * QEMU watches over ("object 'throttle-slow' is in use", 7.2).
 *
 * An id has only letters, digits and "-._"; other bytes of a group's name are written as their
 * numbers, so that different names stay different.
 */
#include "qemu/throttle-group.h"

#include <string.h>

#include "model/throttle.h"

#define PREFIX "throttle-"

char *
throttle_group_id(const char *group)
{
    GString *id = g_string_new(PREFIX);

    for (const char *c = group; c && *c; c++)
        if (g_ascii_isalnum(*c) || *c == '-' || *c == '.')
            g_string_append_c(id, *c);
        else
            g_string_append_printf(id, "_%02x", (guchar) *c);
    return g_string_free(id, FALSE);
}

static void
add_limits(const Limit limits[3], const char *unit, Json *tree)
{
    static const char *const names[] = { "total", "read", "write" };

    for (guint i = 0; i < 3; i++) {
        g_autofree char *rate = g_strdup_printf("%s-%s", unit, names[i]);
        g_autofree char *burst = g_strdup_printf("%s-%s-max", unit, names[i]);
        g_autofree char *length = g_strdup_printf("%s-%s-max-length", unit, names[i]);

        json_set_uint(tree, rate, limits[i].rate.value);
        json_set_uint(tree, burst, limits[i].burst.value);
        if (limits[i].burst_length.value)
            json_set_uint(tree, length, limits[i].burst_length.value);
    }
}

static Json *
limits_of(const Throttle *group)
{
    Json *limits = json_new_object();

    add_limits(group->bytes, "bps", limits);
    add_limits(group->operations, "iops", limits);
    json_set_uint(limits, "iops-size", group->operation_size.value);
    return limits;
}

Json *
throttle_group_tree(const Throttle *group)
{
    g_autofree char *id = throttle_group_id(group->group);
    Json *tree = json_new_object();

    json_set_string(tree, "qom-type", "throttle-group");
    json_set_string(tree, "id", id);
    json_set(tree, "limits", limits_of(group));
    return tree;
}

/* ---- while QEMU runs ---- */

bool
throttle_groups_are_same(const Domain *before, const Domain *after)
{
    const GPtrArray *a = before->throttle_groups, *b = after->throttle_groups;

    if (list_length(a) != list_length(b))
        return false;
    for (guint i = 0; i < list_length(a); i++)
        if (!schema_equal(&throttle_group_schema, a->pdata[i], b->pdata[i]))
            return false;
    return true;
}

/* Ids of the groups that QEMU has of ours: char*. */
static GPtrArray *
list_groups(Monitor *monitor, GError **error)
{
    g_autoptr(Json) arguments = json_new_object(), list = NULL;
    GPtrArray *ids;

    json_set_string(arguments, "path", "/objects");
    list = monitor_query(monitor, "qom-list", arguments, error);
    if (!list)
        return NULL;
    ids = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < json_length(list); i++) {
        const char *name = json_get_string(json_at(list, i), "name");

        if (name && g_str_has_prefix(name, PREFIX) &&
            !g_strcmp0(json_get_string(json_at(list, i), "type"), "child<throttle-group>"))
            g_ptr_array_add(ids, g_strdup(name));
    }
    return ids;
}

static bool
has_id(const GPtrArray *ids, const char *id)
{
    return g_ptr_array_find_with_equal_func((GPtrArray *) ids, id, g_str_equal, NULL);
}

bool
throttle_groups_make(Monitor *monitor, const Domain *after, GError **error)
{
    g_autoptr(GPtrArray) ids = list_groups(monitor, error);

    for (guint i = 0; ids && i < list_length(after->throttle_groups); i++) {
        Json *tree = throttle_group_tree(list_at(after->throttle_groups, i, Throttle));

        if (has_id(ids, json_get_string(tree, "id")))
            json_free(tree);
        else if (!monitor_run(monitor, "object-add", tree, error))
            return false;
    }
    return ids != NULL;
}

static bool
set_group(Monitor *monitor, const Throttle *group, GPtrArray *left, GError **error)
{
    g_autofree char *id = throttle_group_id(group->group);
    g_autofree char *path = g_strconcat("/objects/", id, NULL);
    guint at;

    if (g_ptr_array_find_with_equal_func(left, id, g_str_equal, &at))
        g_ptr_array_remove_index(left, at);
    return monitor_qom_set(monitor, path, "limits", limits_of(group), error);
}

bool
throttle_groups_set(Monitor *monitor, const Domain *after, GError **error)
{
    g_autoptr(GPtrArray) left = NULL;

    if (!throttle_groups_make(monitor, after, error))
        return false;
    left = list_groups(monitor, error);
    for (guint i = 0; left && i < list_length(after->throttle_groups); i++)
        if (!set_group(monitor, list_at(after->throttle_groups, i, Throttle), left, error))
            return false;
    for (guint i = 0; left && i < left->len; i++) {
        Json *arguments = json_new_object();

        json_set_string(arguments, "id", left->pdata[i]);
        if (!monitor_run(monitor, "object-del", arguments, error))
            return false;
    }
    return left != NULL;
}
