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

static void
spell_thread(const Domain *domain, guint64 id, CommandLine *line)
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
    command_line_add_tree(line, "-object", tree);
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
        spell_thread(domain, g_array_index(ids, guint64, i), line);
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
