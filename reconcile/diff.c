/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Differences, and how much they take.
 *
 * The schema's rows say of each field what changing it takes; this file adds what no single row
 * can know. Devices are paired by what they are, not by their place in a list, so a device
 * written in front of another is one device added, not two changed; and one that nothing names and
 * that would have to be another in a way that only a new QEMU can make it, is another: the former
 * leaves and it comes, where the bus takes that. <memory> is a sum: when only
 * a memory device came or went, its change says the same a second time and counts for nothing.
 * And a difference is only a change if someone asked for it: where the file is silent, what is
 * there is good.
 */
#include "reconcile/diff.h"

#include <string.h>

#include "model/balloon.h"
#include "model/chardev.h"
#include "model/memory.h"
#include "model/tuning.h"
#include "reconcile/actual.h"
#include "reconcile/device-match.h"
#include "reconcile/hot-plug.h"
#include "reconcile/resolution.h"

#define ALIAS_PATH "alias/@name"
#define ADDRESS_PATH "address"
#define MEMORY_LIMITS "memtune"

typedef struct Diff {
    const Domain *applied, *desired;
    const PositionMap *positions;
    GHashTable *before; /* device of desired: the one of applied that it continues */
    GHashTable *after;  /* the reverse */
    GPtrArray *changes;
} Diff;

/* ---- the domain's own fields ---- */

static Position
position_of(const Diff *diff, const char *path)
{
    return diff->positions ? position_map_get(diff->positions, path) : (Position){ 0, 0 };
}

static Domain
without_devices(const Domain *domain)
{
    Domain bare = *domain;

    for (guint k = 0; device_kinds[k]; k++)
        G_STRUCT_MEMBER(GPtrArray *, &bare, device_kinds[k]->list_offset) = NULL;
    return bare;
}

/* The kernel counts memory where it was first used, so a limit that comes later would not hold for
 * what QEMU has already. Where there was one, another one is as good. */
static bool
is_memory_counted(const Domain *applied)
{
    const MemoryLimits *limits = applied->memory_limits;

    return limits && ((limits->hard.is_set && limits->hard.value < MEMORY_UNLIMITED) ||
                      (limits->soft.is_set && limits->soft.value < MEMORY_UNLIMITED));
}

static bool
is_enabled(const Domain *domain, guint64 number)
{
    for (guint i = 0; i < list_length(domain->vcpu_list); i++)
        if (list_at(domain->vcpu_list, i, Vcpu)->id.value == number)
            return list_at(domain->vcpu_list, i, Vcpu)->enabled == TRISTATE_ON;
    return !list_length(domain->vcpu_list);
}

static bool
loses_vcpus(const Domain *applied, const Domain *desired)
{
    for (guint i = 0; i < list_length(applied->vcpu_list); i++) {
        const Vcpu *vcpu = list_at(applied->vcpu_list, i, Vcpu);

        if (vcpu->enabled == TRISTATE_ON && !is_enabled(desired, vcpu->id.value))
            return true;
    }
    return domain_vcpus_current(desired) < domain_vcpus_current(applied);
}

bool
domain_vcpus_are_live(const Domain *applied, const Domain *desired)
{
    return applied->acpi && (applied->type == DOMAIN_TYPE_KVM || !loses_vcpus(applied, desired));
}

/* Which of the virtual CPUs are there. */
static bool
is_of_vcpus(const char *path)
{
    return g_str_equal(path, "vcpu/@current") || g_str_has_prefix(path, "vcpus/vcpu");
}

/* What the balloon of the running QEMU is to take, by either document. Boot memory stays what it is
 * until the next start. */
static bool
is_balloon_same(const Domain *applied, const Domain *desired)
{
    guint64 counted = domain_balloon_counted(applied);
    guint64 then =
        domain_balloon_counted(desired) - domain_boot_memory(desired) + domain_boot_memory(applied);

    return !domain_balloon(applied) || !domain_balloon(desired) ||
           domain_balloon_taken(applied, counted) == domain_balloon_taken(desired, then);
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
    if (change->field->offset == offsetof(Domain, current_memory) && is_balloon_same(a, b))
        change->class_ = is_boot_same ? CHANGE_NONE : CHANGE_RESTART;
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
        if (g_str_has_prefix(change->path, MEMORY_LIMITS) && !is_memory_counted(diff->applied))
            change->class_ = CHANGE_RESTART;
        if (is_of_vcpus(change->path) && !domain_vcpus_are_live(diff->applied, diff->desired))
            change->class_ = CHANGE_RESTART;
        /* Items are devices, and those of the domain's own lists are none. */
        change->from_item = change->to_item = NULL;
        change->item_schema = NULL;
    }
}

/* ---- devices ---- */

/* Where the file has what is at @below of @device: lists are in another order there. */
static Position
position_in(const Diff *diff, const DeviceKind *kind, gconstpointer device, const char *below)
{
    const DeviceInfo *info = device;
    g_autofree char *path = NULL;

    if (!info || !info->file_place) /* serial port 0 may stand there as its console */
        return position_of(diff, info && kind == &serial_kind ? "devices/console[0]" : "devices");
    path = g_strdup_printf("devices/%s[%u]%s", kind->name, info->file_place - 1, below);
    return position_of(diff, path);
}

static bool
is_address_change(const char *below)
{
    return g_str_equal(below, "/" ADDRESS_PATH) || g_str_has_prefix(below, "/" ADDRESS_PATH "/");
}

/* Whether the file asks for what is at @below of @device. */
static bool
is_asked_for(const DeviceInfo *device, const char *below)
{
    if (g_str_equal(below, "/" ALIAS_PATH) || device->is_implied)
        return false;
    return !device->is_address_assigned || !is_address_change(below);
}

/* The row of the kind's own schema that @below ("/source/@file") is in. */
static const Field *
outer_row(const DeviceKind *kind, const char *below)
{
    const Field *found = NULL;

    for (const Field *field = kind->schema->fields; field->path; field++) {
        size_t length = strlen(field->path);

        if (strncmp(below + 1, field->path, length) != 0 || !strchr("/[", below[1 + length]))
            continue;
        if (!found || length > strlen(found->path))
            found = field;
    }
    return found;
}

static void
classify_field(const DeviceKind *kind, const char *below, Change *change)
{
    const Field *row = outer_row(kind, below);
    bool is_seen = change->class_ != CHANGE_NONE || change->field == row;
    ChangeClass class_ =
        row ? device_change_class(kind, change->from_item, change->to_item, row) : CHANGE_RESTART;

    if (row && is_seen && kind->change_class && (class_ != row->change || class_ == CHANGE_LIVE))
        change->class_ = class_;
}

/* The fields in which they differ. Caller unrefs (Change). */
static GPtrArray *
compare_fields(const Diff *diff, const DeviceKind *kind, guint index, gconstpointer before,
               gconstpointer after)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    GPtrArray *changes = g_ptr_array_new_with_free_func((GDestroyNotify) change_free);
    g_autofree char *path = g_strdup_printf("devices/%s[%u]", kind->name, index);

    schema_compare(kind->schema, before, after, path, all);
    for (guint i = 0; i < all->len; i++) {
        Change *change = all->pdata[i];
        const char *below = change->path + strlen(path);

        if (!is_asked_for(after, below)) {
            change_free(change);
            continue;
        }
        change->at = position_in(diff, kind, after, below);
        change->from_item = before;
        change->to_item = after;
        change->item_schema = kind->schema;
        classify_field(kind, below, change);
        g_ptr_array_add(changes, change);
    }
    return changes;
}

/* "disk vda", "rng rng0" */
static char *
device_text(const DeviceKind *kind, gconstpointer device)
{
    g_autofree char *key = kind->schema->key ? kind->schema->key(device) : NULL;
    const DeviceInfo *info = device;

    return g_strdup_printf("%s %s", kind->name, key ? key : info->alias ? info->alias : "");
}

static ChangeClass
class_of_whole(const Diff *diff, const DeviceKind *kind, gconstpointer before, gconstpointer after)
{
    bool is_live = after ? device_is_pluggable(diff->desired, diff->applied, kind, after)
                         : device_is_unpluggable(diff->applied, kind, before);

    return is_live ? CHANGE_LIVE : CHANGE_RESTART;
}

static void
add_whole_device(Diff *diff, const DeviceKind *kind, guint index, gconstpointer before,
                 gconstpointer after)
{
    Change *change = g_new0(Change, 1);

    change->path = g_strdup_printf("devices/%s[%u]", kind->name, index);
    change->from = before ? device_text(kind, before) : NULL;
    change->to = after ? device_text(kind, after) : NULL;
    change->class_ = class_of_whole(diff, kind, before, after);
    change->at = position_in(diff, kind, after, "");
    change->from_item = before;
    change->to_item = after;
    change->item_schema = kind->schema;
    g_ptr_array_add(diff->changes, change);
}

/* Whether the file has a name for it: the id that it gives, or what the kind tells its devices by.
 */
static bool
is_named(const DeviceKind *kind, gconstpointer device)
{
    const DeviceInfo *info = device;
    g_autofree char *key = kind->schema->key ? kind->schema->key(device) : NULL;

    return key || (info->alias && g_str_has_prefix(info->alias, "ua-"));
}

/* Memory is never exchanged so: the guest would have to do without it first. */
static bool
is_replaced(const Diff *diff, const DeviceKind *kind, gconstpointer before, gconstpointer after,
            const GPtrArray *changes)
{
    return diff_has(changes, CHANGE_RESTART) && kind != &memory_kind && !is_named(kind, after) &&
           class_of_whole(diff, kind, before, NULL) == CHANGE_LIVE &&
           class_of_whole(diff, kind, NULL, after) == CHANGE_LIVE;
}

/* False, and they are a pair no more: it is another device. */
static bool
compare_device(Diff *diff, const DeviceKind *kind, guint index, gconstpointer before,
               gconstpointer after)
{
    g_autoptr(GPtrArray) changes = compare_fields(diff, kind, index, before, after);

    if (is_replaced(diff, kind, before, after, changes)) {
        g_hash_table_remove(diff->after, before);
        return false;
    }
    g_ptr_array_extend_and_steal(diff->changes, g_steal_pointer(&changes));
    return true;
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
        if (!before || !compare_device(diff, kind, i, before, after))
            add_whole_device(diff, kind, i, NULL, after);
    }
    for (guint i = 0; i < list_length(applied); i++) {
        gconstpointer before = applied->pdata[i];

        if (!is_mirror(kind, before, i) && !g_hash_table_contains(diff->after, before))
            add_whole_device(diff, kind, i, before, NULL);
    }
}

GPtrArray *
domain_diff(const Domain *applied, const Domain *desired, const PositionMap *positions)
{
    g_autoptr(GHashTable) before = device_match(desired, applied);
    g_autoptr(GHashTable) after = g_hash_table_new(NULL, NULL);
    Diff diff = { applied, desired, positions, before, after, NULL };
    GHashTableIter iter;
    gpointer new_, old;

    g_hash_table_iter_init(&iter, before);
    while (g_hash_table_iter_next(&iter, &new_, &old))
        g_hash_table_insert(after, old, new_);
    diff.changes = g_ptr_array_new_with_free_func((GDestroyNotify) change_free);
    compare_domains(&diff);
    for (guint k = 0; device_kinds[k]; k++)
        compare_kind(&diff, device_kinds[k]);
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

/* ---- what applies at once ---- */

static bool
is_of_file_only(const Field *field)
{
    return field->change == CHANGE_NONE || g_str_has_prefix(field->path, "metadata");
}

static bool
is_class_live(ChangeClass class_)
{
    return class_ == CHANGE_NONE || class_ == CHANGE_LIVE;
}

static bool
is_live(const Field *field)
{
    return is_class_live(field->change);
}

/* An id is what QEMU knows the device by, and stays. */
static bool
is_taken(const Field *field)
{
    return field->type != TYPE_NONE && !g_str_equal(field->path, ALIAS_PATH);
}

static void
take_fields(const Schema *schema, gpointer to, gconstpointer from,
            bool (*is_wanted)(const Field *field))
{
    for (const Field *field = schema->fields; field->path; field++)
        if (is_wanted(field) && is_taken(field))
            field_assign(field, to, from);
}

/* What comes and goes one by one, by what QEMU has. */
static bool
is_field_of_vcpus(const Field *field)
{
    return is_of_vcpus(field->path);
}

static bool
is_number_of_iothreads(const Field *field)
{
    return g_str_equal(field->path, "iothreads");
}

/* What is stepped, and not told at once, is applied once its target is known. */
static bool
is_stepped(const DeviceKind *kind)
{
    return kind == &memory_kind;
}

Domain *
domain_apply_live(const Domain *applied, const Domain *desired)
{
    Domain *domain = domain_copy(applied);
    g_autoptr(GHashTable) matches = device_match(desired, domain);
    g_autoptr(GArray) refs = domain_device_refs(desired);

    take_fields(&domain_schema, domain, desired, is_of_file_only);
    if (domain_vcpus_are_live(applied, desired))
        take_fields(&domain_schema, domain, desired, is_field_of_vcpus);
    take_fields(&domain_schema, domain, desired, is_number_of_iothreads);
    if (is_balloon_same(applied, desired) &&
        domain_boot_memory(applied) == domain_boot_memory(desired))
        domain->current_memory = desired->current_memory;
    for (guint i = 0; i < refs->len; i++) {
        const DeviceRef *ref = &g_array_index(refs, DeviceRef, i);
        gpointer device = g_hash_table_lookup(matches, ref->device);

        if (device)
            take_fields(ref->kind->schema, device, ref->device,
                        is_stepped(ref->kind) ? is_live : is_of_file_only);
    }
    return domain;
}

static bool
is_taken_live(const Domain *applied, const Domain *desired, const Field *field)
{
    return field->type != TYPE_NONE && is_live(field) &&
           (!g_str_equal(field->path, MEMORY_LIMITS) || is_memory_counted(applied)) &&
           (!is_of_vcpus(field->path) || domain_vcpus_are_live(applied, desired));
}

Domain *
domain_take_live_fields(const Domain *applied, const Domain *desired)
{
    Domain *domain = domain_copy(applied);
    OptUint memory = domain->memory, current = domain->current_memory;

    for (const Field *field = domain_schema.fields; field->path; field++)
        if (is_taken_live(applied, desired, field))
            field_assign(field, domain, desired);
    domain->memory = memory;          /* a sum, of what did not change */
    domain->current_memory = current; /* the balloon's, once the guest has followed */
    return domain;
}

Domain *
domain_take_live_device(const Domain *applied, const DeviceKind *kind, gconstpointer before,
                        gconstpointer after)
{
    Domain *domain = domain_copy(applied);
    const DeviceKind *found;
    gpointer device = domain_find_device(domain, ((const DeviceInfo *) before)->alias, &found);

    for (const Field *field = kind->schema->fields; device && found == kind && field->path; field++)
        if (is_taken(field) && is_class_live(device_change_class(kind, before, after, field)))
            field_assign(field, device, after);
    return domain;
}
