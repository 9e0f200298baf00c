/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recognising devices.
 *
 * An address is only kept, and a change only called a change, if the device in the edited file
 * is known to be the one that was there before. Ids are surest: the alias, once given, is what
 * QEMU calls the device; but a generated one passes on with time, so it does not outweigh two keys
 * that differ. Then the kind's key. What has neither in the file (a second RNG, an
 * interface without MAC) is recognised by resemblance: all pairs are tried by rising cost, where
 * a field that the file gives and that differs costs, and one that the file leaves open costs
 * nothing, but counts between equals: what is the same to the last field goes first, so that of
 * two devices of which one was removed and another one added, the one that stayed is found
 * whatever stands in front of it. A field that can change live costs little: a virtio-mem device
 * whose `requested` was edited is still the same one, even when a new one was written in front of
 * it. Equal costs go by list order, which is right for indistinguishable devices.
 *
 * A device with a key of its own is never matched by resemblance with another that has one: an
 * interface with a new MAC address is a new interface. Nor are devices one that the kind says can't
 * be (DeviceKind.can_become): a DIMM is no virtio-mem device.
 */
#include "reconcile/device-match.h"

typedef struct MatchList {
    const DeviceKind *kind;
    const GPtrArray *devices, *others; /* either may be NULL */
    GHashTable *matches;               /* device: other */
    GHashTable *taken;                 /* others that are matched */
} MatchList;

#define COST_LIVE 1
#define COST_OTHER 8
#define COST_NEVER G_MAXUINT

static void
match(MatchList *list, gpointer device, gpointer other)
{
    g_hash_table_insert(list->matches, device, other);
    g_hash_table_add(list->taken, other);
}

static bool
is_open(const MatchList *list, gpointer device, gpointer other)
{
    return !g_hash_table_contains(list->matches, device) &&
           !g_hash_table_contains(list->taken, other) &&
           (!list->kind->can_become || list->kind->can_become(other, device));
}

static char *
key_of(const DeviceKind *kind, gconstpointer device)
{
    return kind->schema->key ? kind->schema->key(device) : NULL;
}

static bool
has_same_key(const DeviceKind *kind, gconstpointer device, gconstpointer other)
{
    g_autofree char *a = key_of(kind, device);
    g_autofree char *b = a ? key_of(kind, other) : NULL;

    return b && g_str_equal(a, b);
}

/* A generated id is free for the next device in the same edit that takes its former one away. */
static bool
has_same_alias(const DeviceKind *kind, gconstpointer device, gconstpointer other)
{
    const DeviceInfo *a = device, *b = other;
    g_autofree char *key = NULL, *other_key = NULL;

    if (!a->alias || !b->alias || !g_str_equal(a->alias, b->alias))
        return false;
    key = key_of(kind, device);
    other_key = key_of(kind, other);
    return g_str_has_prefix(a->alias, "ua-") || !key || !other_key || g_str_equal(key, other_key);
}

static void
match_where(MatchList *list, bool (*is_same)(const DeviceKind *, gconstpointer, gconstpointer))
{
    for (guint i = 0; i < list_length(list->devices); i++)
        for (guint j = 0; j < list_length(list->others); j++)
            if (is_open(list, list->devices->pdata[i], list->others->pdata[j]) &&
                is_same(list->kind, list->devices->pdata[i], list->others->pdata[j]))
                match(list, list->devices->pdata[i], list->others->pdata[j]);
}

/* What @device says otherwise than @other; *ret_n_open: what @other has and @device says nothing
 * of. */
static guint
difference(const DeviceKind *kind, gconstpointer device, gconstpointer other, guint *ret_n_open)
{
    g_autoptr(GPtrArray) changes = g_ptr_array_new_with_free_func((GDestroyNotify) change_free);
    g_autofree char *key = key_of(kind, device);
    g_autofree char *other_key = key_of(kind, other);
    guint cost = 0;

    *ret_n_open = 0;
    if (key && other_key)
        return COST_NEVER;
    schema_compare(kind->schema, device, other, "", changes);
    for (guint i = 0; i < changes->len; i++) {
        const Change *change = changes->pdata[i];

        if (change->from)
            cost += change->class_ == CHANGE_LIVE ? COST_LIVE : COST_OTHER;
        else
            ++*ret_n_open;
    }
    return cost;
}

typedef struct Candidate {
    guint cost, n_open, device, other;
} Candidate;

static gint
compare_candidates(gconstpointer a, gconstpointer b)
{
    const Candidate *x = a, *y = b;

    if (x->cost != y->cost)
        return x->cost < y->cost ? -1 : 1;
    if (x->n_open != y->n_open)
        return x->n_open < y->n_open ? -1 : 1;
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return x->other < y->other ? -1 : x->other > y->other;
}

static void
match_by_resemblance(MatchList *list)
{
    g_autoptr(GArray) candidates = g_array_new(FALSE, FALSE, sizeof(Candidate));

    for (guint i = 0; i < list_length(list->devices); i++)
        for (guint j = 0; j < list_length(list->others); j++) {
            gpointer device = list->devices->pdata[i], other = list->others->pdata[j];
            Candidate candidate = { .device = i, .other = j };

            if (!is_open(list, device, other))
                continue;
            candidate.cost = difference(list->kind, device, other, &candidate.n_open);
            if (candidate.cost != COST_NEVER)
                g_array_append_val(candidates, candidate);
        }
    g_array_sort(candidates, compare_candidates);
    for (guint i = 0; i < candidates->len; i++) {
        const Candidate *candidate = &g_array_index(candidates, Candidate, i);
        gpointer device = list->devices->pdata[candidate->device];
        gpointer other = list->others->pdata[candidate->other];

        if (is_open(list, device, other))
            match(list, device, other);
    }
}

GHashTable *
device_match(const Domain *domain, const Domain *other)
{
    g_autoptr(GHashTable) matches = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) taken = g_hash_table_new(NULL, NULL);

    for (guint k = 0; device_kinds[k]; k++) {
        MatchList list = { device_kinds[k], domain_devices(domain, device_kinds[k]),
                           domain_devices(other, device_kinds[k]), matches, taken };

        match_where(&list, has_same_alias);
        match_where(&list, has_same_key);
        match_by_resemblance(&list);
    }
    return g_steal_pointer(&matches);
}
