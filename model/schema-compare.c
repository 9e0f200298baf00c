/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What differs between two structs of one schema: one Change a field, in table order.
 *
 * Values are canonical in memory, so that comparing members compares what they mean: neither
 * units nor the order of attributes nor spelling make a difference here. What nobody reads
 * (is_output, no_effect) does not count.
 *
 * Items of a list are paired by what they are, not by where they stand: by the schema's key
 * ("vda"), and those without one by their number among such items. Two items with one key
 * (a mistake that validation reports) are paired in order. An item, or a struct, that is on one
 * side only is one change: its fields have nothing to be compared with, and what it takes to
 * add or remove it is said by the row of the list or struct.
 */
#include "model/schema-value.h"

typedef struct Comparison {
    GPtrArray *changes;
    /* The list item within which things are compared: the outermost, which is the device. */
    gconstpointer from_item, to_item;
    const Schema *item_schema;
} Comparison;

const char *
change_class_name(ChangeClass change)
{
    switch (change) {
    case CHANGE_RESTART:
        return "restart";
    case CHANGE_LIVE:
        return "live";
    case CHANGE_IDENTITY:
        return "identity";
    case CHANGE_NONE:
        return "none";
    }
    g_assert_not_reached();
}

void
change_free(Change *change)
{
    if (!change)
        return;
    g_free(change->path);
    g_free(change->from);
    g_free(change->to);
    g_free(change);
}

static char *
path_join(const char *base, const char *path)
{
    if (g_str_equal(path, "."))
        return g_strdup(base);
    return g_strconcat(base, *base ? "/" : "", path, NULL);
}

/* Takes the strings. */
static void
add_change(const Comparison *comparison, const Field *field, char *path, char *from, char *to)
{
    Change *change = g_new0(Change, 1);

    change->path = path;
    change->from = from;
    change->to = to;
    change->class_ = field->change;
    change->field = field;
    change->from_item = comparison->from_item;
    change->to_item = comparison->to_item;
    change->item_schema = comparison->item_schema;
    g_ptr_array_add(comparison->changes, change);
}

static void compare_structs(const Comparison *comparison, const Schema *schema, gconstpointer a,
                            gconstpointer b, const char *path);

/* ---- lists ---- */

static char *
item_key(const Schema *schema, gconstpointer item)
{
    return schema->key ? schema->key(item) : NULL;
}

static char *
item_text(const Schema *schema, gconstpointer item, guint index)
{
    g_autofree char *key = item_key(schema, item);

    return key ? g_strdup_printf("%s %s", schema->element, key)
               : g_strdup_printf("%s #%u", schema->element, index);
}

static char *
struct_text(const Schema *schema, gconstpointer item)
{
    g_autofree char *key = item ? item_key(schema, item) : NULL;

    if (!item)
        return NULL;
    return key ? g_strdup_printf("%s %s", schema->element, key) : g_strdup(schema->element);
}

/* One name per item, unique within its list: its number among the items of its key, and the key:
 * "0=vda", "1=vda"; "0", "1" for those without one. */
static GPtrArray *
item_names(const Schema *schema, const GPtrArray *list)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < list_length(list); i++) {
        g_autofree char *key = item_key(schema, list->pdata[i]);
        g_autofree char *name = key ? g_strconcat("=", key, NULL) : g_strdup("");
        guint count = GPOINTER_TO_UINT(g_hash_table_lookup(counts, name));

        g_ptr_array_add(names, g_strdup_printf("%u%s", count, name));
        g_hash_table_insert(counts, g_steal_pointer(&name), GUINT_TO_POINTER(count + 1));
    }
    return names;
}

static GHashTable *
index_names(const GPtrArray *names)
{
    GHashTable *indices = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < names->len; i++)
        g_hash_table_insert(indices, names->pdata[i], GUINT_TO_POINTER(i + 1));
    return indices;
}

/* @comparison within @a and @b, items of @schema; within the outer item if there is one. */
static Comparison
within_item(const Comparison *comparison, const Schema *schema, gconstpointer a, gconstpointer b)
{
    if (comparison->item_schema)
        return *comparison;
    return (Comparison){ comparison->changes, a, b, schema };
}

static void
compare_lists(const Comparison *comparison, const Field *field, const GPtrArray *a,
              const GPtrArray *b, const char *path)
{
    const Schema *schema = field->schema;
    g_autoptr(GPtrArray) a_names = item_names(schema, a), b_names = item_names(schema, b);
    g_autoptr(GHashTable) a_indices = index_names(a_names), b_indices = index_names(b_names);

    for (guint i = 0; i < a_names->len; i++) {
        gconstpointer item = a->pdata[i];
        Comparison within = within_item(comparison, schema, item, NULL);

        if (!g_hash_table_contains(b_indices, a_names->pdata[i]))
            add_change(&within, field, g_strdup_printf("%s[%u]", path, i),
                       item_text(schema, item, i), NULL);
    }
    for (guint i = 0; i < b_names->len; i++) {
        guint found = GPOINTER_TO_UINT(g_hash_table_lookup(a_indices, b_names->pdata[i]));
        gconstpointer item = b->pdata[i], other = found ? a->pdata[found - 1] : NULL;
        Comparison within = within_item(comparison, schema, other, item);
        g_autofree char *item_path = g_strdup_printf("%s[%u]", path, i);

        if (found)
            compare_structs(&within, schema, other, item, item_path);
        else
            add_change(&within, field, g_steal_pointer(&item_path), NULL,
                       item_text(schema, item, i));
    }
}

/* ---- fields ---- */

static void
compare_members(const Comparison *comparison, const Field *field, gconstpointer a, gconstpointer b,
                const char *path)
{
    gconstpointer left = *(const gpointer *) a, right = *(const gpointer *) b;

    if (field->type == TYPE_LIST)
        compare_lists(comparison, field, left, right, path);
    else if (left && right)
        compare_structs(comparison, field->schema, left, right, path);
    else if (left || right)
        add_change(comparison, field, g_strdup(path), struct_text(field->schema, left),
                   struct_text(field->schema, right));
}

/* Plans and history are for more eyes than the file. */
static char *
shown_value(const Field *field, gconstpointer item)
{
    return field->is_secret ? g_strdup("(hidden)") : field_value_text(field, item);
}

static void
compare_values(const Comparison *comparison, const Schema *schema, const Field *field,
               gconstpointer a, gconstpointer b, const char *path)
{
    bool is_in_a = field_is_set(field, a) && field_applies(schema, field, a);
    bool is_in_b = field_is_set(field, b) && field_applies(schema, field, b);

    if (!is_in_a && !is_in_b)
        return;
    if (is_in_a && is_in_b &&
        field_kind(field)->equal(field, field_member_const(field, a), field_member_const(field, b)))
        return;
    add_change(comparison, field, g_strdup(path), is_in_a ? shown_value(field, a) : NULL,
               is_in_b ? shown_value(field, b) : NULL);
}

static void
compare_structs(const Comparison *comparison, const Schema *schema, gconstpointer a,
                gconstpointer b, const char *path)
{
    for (const Field *field = schema->fields; field->path; field++) {
        g_autofree char *field_path = NULL;

        if (field->type == TYPE_NONE || field->is_output || field->no_effect)
            continue;
        if (!field_is_set(field, a) && !field_is_set(field, b))
            continue;
        field_path = path_join(path, field->path);
        if (field->type == TYPE_STRUCT || field->type == TYPE_LIST)
            compare_members(comparison, field, field_member_const(field, a),
                            field_member_const(field, b), field_path);
        else
            compare_values(comparison, schema, field, a, b, field_path);
    }
}

void
schema_compare(const Schema *schema, gconstpointer a, gconstpointer b, const char *path,
               GPtrArray *changes)
{
    Comparison comparison = { .changes = changes };

    compare_structs(&comparison, schema, a, b, path);
}
