/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What serves and what bounds I/O, and belongs to no single device: I/O threads, the main loop's
 * worker threads, groups of limits. All are objects, made before the devices that name them. Groups
 * are qemu/throttle-group.c's.
 */
#include "qemu/iothread.h"

#include "model/throttle.h"
#include "qemu/throttle-group.h"

static const IoThread *
find_thread(const Domain *domain, guint64 id)
{
    for (guint i = 0; i < list_length(domain->iothread_ids); i++)
        if (list_at(domain->iothread_ids, i, IoThread)->id.value == id)
            return list_at(domain->iothread_ids, i, IoThread);
    return NULL;
}

static char *
thread_id(guint64 id)
{
    return g_strdup_printf("iothread%" G_GUINT64_FORMAT, id);
}

static Json *
thread_tree(const Domain *domain, guint64 id)
{
    static const IoThread plain;
    const IoThread *found = find_thread(domain, id);
    const IoThread *thread = found ? found : &plain;
    g_autofree char *name = thread_id(id);
    Json *tree = json_new_object();

    json_set_string(tree, "qom-type", "iothread");
    json_set_string(tree, "id", name);
    device_tree_add_uint(tree, "thread-pool-min", &thread->pool_min);
    device_tree_add_uint(tree, "thread-pool-max", &thread->pool_max);
    device_tree_add_uint(tree, "poll-max-ns", &thread->poll_max);
    device_tree_add_uint(tree, "poll-grow", &thread->poll_grow);
    device_tree_add_uint(tree, "poll-shrink", &thread->poll_shrink);
    return tree;
}

/* ---- of a running guest ---- */

bool
iothread_add(Monitor *monitor, const Domain *domain, guint64 id, GError **error)
{
    return monitor_run(monitor, "object-add", thread_tree(domain, id), error);
}

bool
iothread_remove(Monitor *monitor, guint64 id, GError **error)
{
    g_autofree char *name = thread_id(id);
    Json *arguments = json_new_object();

    json_set_string(arguments, "id", name);
    return monitor_run(monitor, "object-del", arguments, error);
}

/* QEMU's own values (7.2). */
#define MOST_WORKERS 64
#define POLL_MAX_NS 32768

static bool
set_property(Monitor *monitor, guint64 id, const char *property, const OptUint *value,
             guint64 usual, GError **error)
{
    g_autofree char *name = thread_id(id), *path = g_strconcat("/objects/", name, NULL);

    return monitor_qom_set(monitor, path, property,
                           json_new_uint(value->is_set ? value->value : usual), error);
}

static bool
is_same(const OptUint *a, const OptUint *b)
{
    return a->is_set == b->is_set && (!a->is_set || a->value == b->value);
}

/* The least number of workers is at no time above the most. */
static bool
update_pool(Monitor *monitor, const IoThread *was, const IoThread *is, guint64 id, GError **error)
{
    static const OptUint none;

    if (is_same(&was->pool_min, &is->pool_min) && is_same(&was->pool_max, &is->pool_max))
        return true;
    return set_property(monitor, id, "thread-pool-min", &none, 0, error) &&
           set_property(monitor, id, "thread-pool-max", &is->pool_max, MOST_WORKERS, error) &&
           set_property(monitor, id, "thread-pool-min", &is->pool_min, 0, error);
}

static bool
update_thread(Monitor *monitor, const IoThread *was, const IoThread *is, guint64 id, GError **error)
{
    const struct {
        const char *property;
        const OptUint *was, *is;
        guint64 usual;
    } rows[] = {
        { "poll-max-ns", &was->poll_max, &is->poll_max, POLL_MAX_NS },
        { "poll-grow", &was->poll_grow, &is->poll_grow, 0 },
        { "poll-shrink", &was->poll_shrink, &is->poll_shrink, 0 },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (!is_same(rows[i].was, rows[i].is) &&
            !set_property(monitor, id, rows[i].property, rows[i].is, rows[i].usual, error))
            return false;
    return update_pool(monitor, was, is, id, error);
}

bool
iothreads_update(Monitor *monitor, const Domain *before, const Domain *after, GError **error)
{
    static const IoThread plain;
    g_autoptr(GArray) ids = domain_iothread_ids(after);

    for (guint i = 0; i < ids->len; i++) {
        guint64 id = g_array_index(ids, guint64, i);
        const IoThread *was = before ? find_thread(before, id) : NULL, *is = find_thread(after, id);

        if (!update_thread(monitor, was ? was : &plain, is ? is : &plain, id, error))
            return false;
    }
    return true;
}

static void
spell_main_loop(const DeviceContext *context, CommandLine *line)
{
    const Domain *domain = context->at.domain;
    Json *tree;

    if (!domain->main_pool_min.is_set && !domain->main_pool_max.is_set)
        return;
    /* The host's matter alone. */
    if (!capabilities_has_object(context->capabilities, "main-loop"))
        return validation_warning(&context->at, "defaultiothread", "not-in-qemu",
                                  "this QEMU's main loop can't be told");
    tree = json_new_object();
    json_set_string(tree, "qom-type", "main-loop");
    json_set_string(tree, "id", "main-loop");
    device_tree_add_uint(tree, "thread-pool-min", &domain->main_pool_min);
    device_tree_add_uint(tree, "thread-pool-max", &domain->main_pool_max);
    command_line_add_tree(line, "-object", tree);
}

void
io_spell(const DeviceContext *context, CommandLine *line)
{
    const Domain *domain = context->at.domain;
    g_autoptr(GArray) ids = domain_iothread_ids(domain);

    for (guint i = 0; i < ids->len; i++)
        command_line_add_tree(line, "-object", thread_tree(domain, g_array_index(ids, guint64, i)));
    spell_main_loop(context, line);
    for (guint i = 0; i < list_length(domain->throttle_groups); i++)
        command_line_add_tree(line, "-object",
                              throttle_group_tree(list_at(domain->throttle_groups, i, Throttle)));
}

static Json *
mapping_tree(const IoThreadMapping *mapping)
{
    g_autofree char *id = thread_id(mapping->id.value);
    Json *tree = json_new_object();

    json_set_string(tree, "iothread", id);
    if (list_length(mapping->queues)) {
        Json *queues = json_new_array();

        for (guint i = 0; i < mapping->queues->len; i++)
            json_append(queues,
                        json_new_uint(list_at(mapping->queues, i, IoThreadQueue)->id.value));
        json_set(tree, "vqs", queues);
    }
    return tree;
}

void
device_tree_add_iothreads(const DeviceContext *context, Json *tree, const char *driver,
                          const OptUint *iothread, const GPtrArray *mappings)
{
    bool has_mapping =
        capabilities_has_device_property(context->capabilities, driver, "iothread-vq-mapping");
    guint n = list_length(mappings);

    if (iothread->is_set || (n && !has_mapping)) {
        g_autofree char *id =
            thread_id(n ? list_at(mappings, 0, IoThreadMapping)->id.value : iothread->value);

        json_set_string(tree, "iothread", id);
        if (n > 1)
            validation_warning(&context->at, "driver/iothreads", "not-in-qemu",
                               "this QEMU can't spread queues: thread '%s' serves them all", id);
    } else if (n) {
        Json *list = json_new_array();

        for (guint i = 0; i < n; i++)
            json_append(list, mapping_tree(list_at(mappings, i, IoThreadMapping)));
        json_set(tree, "iothread-vq-mapping", list);
    }
}
