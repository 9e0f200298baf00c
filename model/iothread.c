/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * I/O threads: how many there are (<iothreads>), which (<iothreadids>: given ids stay, the rest are
 * the lowest free numbers), and how virtio devices spread their queues over them.
 *
 * A device names one thread for all of its queues, or several, either dealing the queues out itself
 * or leaving that to QEMU. Mixtures are refused: they would leave a queue to nobody.
 */
#include "model/iothread.h"

#include "model/controller.h"
#include "model/disk.h"
#include "model/domain.h"

static const Field iothread_fields[] = {
    FIELD_UINT(IoThread, id, .path = "@id", .change = CHANGE_LIVE, .is_required = true, .min = 1,
               .doc = "Its number."),
    FIELD_UINT(IoThread, pool_min, .path = "@thread_pool_min", .change = CHANGE_LIVE,
               .max = G_MAXINT32, .doc = "Least number of worker threads."),
    FIELD_UINT(IoThread, pool_max, .path = "@thread_pool_max", .change = CHANGE_LIVE, .min = 1,
               .max = G_MAXINT32, .doc = "Most worker threads."),
    FIELD_UINT(IoThread, poll_max, .path = "poll/@max", .change = CHANGE_LIVE, .max = G_MAXINT64,
               .doc = "How long it polls before it sleeps, in ns."),
    FIELD_UINT(IoThread, poll_grow, .path = "poll/@grow", .change = CHANGE_LIVE, .max = G_MAXINT64,
               .doc = "How fast that time grows."),
    FIELD_UINT(IoThread, poll_shrink, .path = "poll/@shrink", .change = CHANGE_LIVE,
               .max = G_MAXINT64, .doc = "How fast it shrinks."),
    FIELD_END,
};

static char *
iothread_key(gconstpointer item)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT, ((const IoThread *) item)->id.value);
}

const Schema iothread_schema = { .element = "iothread",
                                 .size = sizeof(IoThread),
                                 .fields = iothread_fields,
                                 .key = iothread_key,
                                 .doc = "A thread that does the I/O of disks." };

static const Field queue_fields[] = {
    FIELD_UINT(IoThreadQueue, id, .path = "@id", .is_required = true, .max = 65535,
               .doc = "Number of a virtqueue."),
    FIELD_END,
};
static const Schema queue_schema = {
    .element = "queue", .size = sizeof(IoThreadQueue), .fields = queue_fields, .doc = "A virtqueue."
};

static const Field mapping_fields[] = {
    FIELD_UINT(IoThreadMapping, id, .path = "@id", .is_required = true, .min = 1,
               .doc = "Number of an I/O thread."),
    FIELD_LIST(IoThreadMapping, queues, &queue_schema, .path = "queue",
               .doc = "Queues it serves; QEMU deals them out where none are named."),
    FIELD_END,
};
const Schema iothread_mapping_schema = { .element = "iothread",
                                         .size = sizeof(IoThreadMapping),
                                         .fields = mapping_fields,
                                         .doc = "An I/O thread that serves the device." };

static bool
has_id(const GArray *ids, guint64 id)
{
    for (guint i = 0; i < ids->len; i++)
        if (g_array_index(ids, guint64, i) == id)
            return true;
    return false;
}

GArray *
domain_iothread_ids(const Domain *domain)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(guint64));

    for (guint i = 0; i < list_length(domain->iothread_ids); i++)
        g_array_append_val(ids, list_at(domain->iothread_ids, i, IoThread)->id.value);
    for (guint64 id = 1; ids->len < domain->iothreads.value; id++)
        if (!has_id(ids, id))
            g_array_append_val(ids, id);
    return ids;
}

bool
domain_has_iothread(const Domain *domain, guint64 id)
{
    g_autoptr(GArray) ids = domain_iothread_ids(domain);

    return has_id(ids, id);
}

static bool
is_served(const OptUint *iothread, const GPtrArray *mappings, guint64 id)
{
    if (iothread->is_set && iothread->value == id)
        return true;
    for (guint i = 0; i < list_length(mappings); i++)
        if (list_at(mappings, i, IoThreadMapping)->id.value == id)
            return true;
    return false;
}

bool
domain_uses_iothread(const Domain *domain, guint64 id)
{
    for (guint i = 0; i < list_length(domain->disks); i++) {
        const Disk *disk = list_at(domain->disks, i, Disk);

        if (is_served(&disk->iothread, disk->iothreads, id))
            return true;
    }
    for (guint i = 0; i < list_length(domain->controllers); i++) {
        const Controller *controller = list_at(domain->controllers, i, Controller);

        if (is_served(&controller->iothread, controller->iothreads, id))
            return true;
    }
    return false;
}

void
iothreads_validate(const Validation *v)
{
    const Domain *domain = v->domain;

    for (guint i = 0; i < list_length(domain->iothread_ids); i++) {
        const IoThread *thread = list_at(domain->iothread_ids, i, IoThread);
        g_autofree char *path = g_strdup_printf("iothreadids/iothread[%u]", i);

        for (guint j = 0; j < i; j++)
            if (list_at(domain->iothread_ids, j, IoThread)->id.value == thread->id.value)
                validation_error(v, path, "iothread", "I/O thread %u is there twice",
                                 (guint) thread->id.value);
        if (thread->pool_min.is_set && thread->pool_max.is_set &&
            thread->pool_min.value > thread->pool_max.value)
            validation_error(v, path, "iothread", "thread_pool_min exceeds thread_pool_max");
    }
    if (domain->main_pool_min.is_set && domain->main_pool_max.is_set &&
        domain->main_pool_min.value > domain->main_pool_max.value)
        validation_error(v, "defaultiothread", "iothread",
                         "thread_pool_min exceeds thread_pool_max");
}

static void
validate_id(const Validation *v, const char *path, guint64 id)
{
    if (!domain_has_iothread(v->domain, id))
        validation_error(
            v, path, "iothread",
            "the domain has no I/O thread %" G_GUINT64_FORMAT " (<iothreads>, <iothreadids>)", id);
}

static void
validate_queues(const Validation *v, const GPtrArray *mappings, const OptUint *queues)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_direct_hash, g_direct_equal);

    if (!queues->is_set)
        return validation_error(v, "driver/iothreads", "iothread",
                                "queues can be named only where driver has 'queues'");
    for (guint i = 0; i < mappings->len; i++) {
        const IoThreadMapping *mapping = list_at(mappings, i, IoThreadMapping);

        for (guint q = 0; q < list_length(mapping->queues); q++) {
            guint64 id = list_at(mapping->queues, q, IoThreadQueue)->id.value;

            if (id >= queues->value)
                validation_error(v, "driver/iothreads", "iothread",
                                 "there is no queue %u: queues='%u'", (guint) id,
                                 (guint) queues->value);
            if (!g_hash_table_add(seen, GUINT_TO_POINTER((guint) id)))
                validation_error(v, "driver/iothreads", "iothread", "queue %u is there twice",
                                 (guint) id);
        }
    }
    if (g_hash_table_size(seen) < queues->value)
        validation_error(v, "driver/iothreads", "iothread", "each queue needs a thread");
}

void
iothread_use_validate(const Validation *v, const OptUint *iothread, const GPtrArray *mappings,
                      const OptUint *queues)
{
    guint n_with_queues = 0;

    if (iothread->is_set && list_length(mappings))
        validation_error(v, "driver/@iothread", "iothread", "excludes <iothreads>");
    if (iothread->is_set)
        validate_id(v, "driver/@iothread", iothread->value);
    for (guint i = 0; i < list_length(mappings); i++) {
        const IoThreadMapping *mapping = list_at(mappings, i, IoThreadMapping);
        g_autofree char *path = g_strdup_printf("driver/iothreads/iothread[%u]", i);

        n_with_queues += list_length(mapping->queues) > 0;
        validate_id(v, path, mapping->id.value);
        for (guint j = 0; j < i; j++)
            if (list_at(mappings, j, IoThreadMapping)->id.value == mapping->id.value)
                validation_error(v, path, "iothread", "the thread is there twice");
    }
    if (n_with_queues && n_with_queues < list_length(mappings))
        validation_error(v, "driver/iothreads", "iothread",
                         "either all threads name their queues or none does");
    else if (n_with_queues)
        validate_queues(v, mappings, queues);
}
