/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Differences, and how much they take.
 *
 * The schema's rows say of each field what changing it takes; this file adds what no single row
 * can know. Devices are paired by what they are, not by their place in a list, so a device
 * written in front of another is one device added, not two changed. <memory> is a sum: when only
 * a memory device came or went, its change says the same a second time and counts for nothing.
 * And a difference is only a change if someone asked for it: where the file is silent, what is
 * there is good.
 */
#include "reconcile/diff.h"

#include <string.h>

#include "model/chardev.h"
#include "reconcile/device-match.h"
#include "reconcile/resolution.h"

#define ALIAS_PATH "alias/@name"
#define ADDRESS_PATH "address"

typedef struct Diff {
    const Domain *applied, *desired;
    const Spec *spec;
    GHashTable *before; /* device of desired: the one of applied that it continues */
    GHashTable *after;  /* the reverse */
    GHashTable *stated; /* device of desired: DeviceRef* of the file's domain */
    GPtrArray *changes;
} Diff;

/* ---- the domain's own fields ---- */

static Position
position_of(const Diff *diff, const char *path)
{
    if (!diff->spec || !diff->spec->positions)
        return (Position){ 0, 0 };
    return position_map_get(diff->spec->positions, path);
}

static Domain
without_devices(const Domain *domain)
{
    Domain bare = *domain;

    for (guint k = 0; device_kinds[k]; k++)
        G_STRUCT_MEMBER(GPtrArray *, &bare, device_kinds[k]->list_offset) = NULL;
    return bare;
}

/* Sums say again what their summands say; boot memory itself takes a new QEMU. */
static void
classify_total(const Diff *diff, Change *change)
{
    const Domain *a = diff->applied, *b = diff->desired;
    bool is_boot_same = domain_boot_memory(a) == domain_boot_memory(b);

    if (change->item_schema)
        return;
    if (change->field->offset == offsetof(Domain, memory))
        change->class_ = is_boot_same ? CHANGE_NONE : CHANGE_RESTART;
    if (change->field->offset == offsetof(Domain, current_memory) && is_boot_same &&
        a->memory.value - a->current_memory.value == b->memory.value - b->current_memory.value)
        change->class_ = CHANGE_NONE;
}

static void
compare_domains(Diff *diff)
{
    Domain a = without_devices(diff->applied), b = without_devices(diff->desired);

    schema_compare(&domain_schema, &a, &b, "", diff->changes);
    for (guint i = 0; i < diff->changes->len; i++) {
        Change *change = diff->changes->pdata[i];

        change->at = position_of(diff, change->path);
        classify_total(diff, change);
    }
}

/* ---- devices ---- */

/* The path in the file of what is at @path below the device; NULL when the file has no such
 * device. */
static char *
path_in_file(const Diff *diff, gconstpointer device, const char *below)
{
    const DeviceRef *ref = g_hash_table_lookup(diff->stated, device);

    if (!ref)
        return NULL;
    return g_strdup_printf("devices/%s[%u]%s", ref->kind->name, ref->index, below);
}

static bool
is_address_change(const char *below)
{
    return g_str_equal(below, "/" ADDRESS_PATH) || g_str_has_prefix(below, "/" ADDRESS_PATH "/");
}

/* Whether the file asks for what is at @below of @device. */
static bool
is_asked_for(const Diff *diff, gconstpointer device, const char *below)
{
    const DeviceRef *ref = g_hash_table_lookup(diff->stated, device);

    if (g_str_equal(below, "/" ALIAS_PATH))
        return false;
    if (!diff->spec)
        return true;
    return ref && (!is_address_change(below) || device_info(ref->device)->address);
}

static void
compare_device(Diff *diff, const DeviceKind *kind, guint index, gconstpointer before,
               gconstpointer after)
{
    g_autoptr(GPtrArray) changes = g_ptr_array_new();
    g_autofree char *path = g_strdup_printf("devices/%s[%u]", kind->name, index);

    schema_compare(kind->schema, before, after, path, changes);
    for (guint i = 0; i < changes->len; i++) {
        Change *change = changes->pdata[i];
        const char *below = change->path + strlen(path);
        g_autofree char *file_path = path_in_file(diff, after, below);

        if (!is_asked_for(diff, after, below)) {
            change_free(change);
            continue;
        }
        change->at = position_of(diff, file_path ? file_path : "devices");
        change->from_item = before;
        change->to_item = after;
        change->item_schema = kind->schema;
        g_ptr_array_add(diff->changes, change);
    }
}

/* "disk vda", "rng rng0" */
static char *
device_text(const DeviceKind *kind, gconstpointer device)
{
    g_autofree char *key = kind->schema->key ? kind->schema->key(device) : NULL;
    const DeviceInfo *info = device;

    return g_strdup_printf("%s %s", kind->name, key ? key : info->alias ? info->alias : "");
}

static void
add_whole_device(Diff *diff, const DeviceKind *kind, guint index, gconstpointer before,
                 gconstpointer after)
{
    Change *change = g_new0(Change, 1);
    g_autofree char *file_path = after ? path_in_file(diff, after, "") : NULL;

    change->path = g_strdup_printf("devices/%s[%u]", kind->name, index);
    change->from = before ? device_text(kind, before) : NULL;
    change->to = after ? device_text(kind, after) : NULL;
    change->class_ = CHANGE_RESTART;
    change->at = position_of(diff, file_path ? file_path : "devices");
    change->from_item = before;
    change->to_item = after;
    change->item_schema = kind->schema;
    g_ptr_array_add(diff->changes, change);
}

/* A console that is serial port 0 changes with it. */
static bool
is_mirror(const DeviceKind *kind, gconstpointer device, guint index)
{
    return kind == &console_kind && !index &&
           ((const Chardev *) device)->target_type == CHARDEV_TARGET_SERIAL;
}

static void
compare_kind(Diff *diff, const DeviceKind *kind)
{
    const GPtrArray *applied = domain_devices(diff->applied, kind);
    const GPtrArray *desired = domain_devices(diff->desired, kind);

    for (guint i = 0; i < list_length(desired); i++) {
        gconstpointer after = desired->pdata[i];
        gconstpointer before = g_hash_table_lookup(diff->before, after);

        if (is_mirror(kind, after, i))
            continue;
        if (before)
            compare_device(diff, kind, i, before, after);
        else
            add_whole_device(diff, kind, i, NULL, after);
    }
    for (guint i = 0; i < list_length(applied); i++) {
        gconstpointer before = applied->pdata[i];

        if (!is_mirror(kind, before, i) && !g_hash_table_contains(diff->after, before))
            add_whole_device(diff, kind, i, before, NULL);
    }
}

/* Which device of the file each device of the desired domain is. */
static GHashTable *
find_stated(const Diff *diff)
{
    GHashTable *stated = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    g_autoptr(GHashTable) matches = NULL;
    g_autoptr(GArray) refs = NULL;

    if (!diff->spec)
        return stated;
    matches = device_match(diff->spec->domain, diff->desired);
    refs = domain_device_refs(diff->spec->domain);
    for (guint i = 0; i < refs->len; i++) {
        const DeviceRef *ref = &g_array_index(refs, DeviceRef, i);
        gpointer device = g_hash_table_lookup(matches, ref->device);

        if (device)
            g_hash_table_insert(stated, device, g_memdup2(ref, sizeof *ref));
    }
    return stated;
}

GPtrArray *
diff_domains(const Domain *applied, const Domain *desired, const Spec *spec)
{
    Diff diff = { .applied = applied, .desired = desired, .spec = spec };
    GHashTableIter iter;
    gpointer after, before;

    diff.changes = g_ptr_array_new_with_free_func((GDestroyNotify) change_free);
    diff.before = device_match(desired, applied);
    diff.after = g_hash_table_new(NULL, NULL);
    g_hash_table_iter_init(&iter, diff.before);
    while (g_hash_table_iter_next(&iter, &after, &before))
        g_hash_table_insert(diff.after, before, after);
    diff.stated = find_stated(&diff);
    compare_domains(&diff);
    for (guint k = 0; device_kinds[k]; k++)
        compare_kind(&diff, device_kinds[k]);
    g_hash_table_unref(diff.before);
    g_hash_table_unref(diff.after);
    g_hash_table_unref(diff.stated);
    return diff.changes;
}

bool
diff_has(const GPtrArray *changes, ChangeClass change_class)
{
    for (guint i = 0; i < changes->len; i++)
        if (((const Change *) changes->pdata[i])->class_ == change_class)
            return true;
    return false;
}

bool
diff_matters(const GPtrArray *changes)
{
    return diff_has(changes, CHANGE_LIVE) || diff_has(changes, CHANGE_RESTART) ||
           diff_has(changes, CHANGE_IDENTITY);
}
