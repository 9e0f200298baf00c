/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The domain's rows about I/O that no single disk has: its threads, and the limits that disks
 * share.
 *
 * They stand apart from the disks' rows because several disks refer to one of them by number or
 * name, and a reference is checked where it stands (iothread.c, disk-check.c). Here are only the
 * rules of the things referred to.
 */
#include "model/iothread.h"
#include "model/throttle.h"

#include "model/domain.h"

const Field domain_io_fields[] = {
    FIELD_UINT(Domain, iothreads, .path = "iothreads", .change = CHANGE_LIVE, .max = 65535,
               .doc = "Number of I/O threads; they are numbered from 1."),
    FIELD_LIST(Domain, iothread_ids, &iothread_schema, .path = "iothreadids/iothread",
               .change = CHANGE_LIVE, .doc = "I/O threads with numbers or settings of their own."),
    FIELD_UINT(Domain, main_pool_min, .path = "defaultiothread/@thread_pool_min", .max = G_MAXINT32,
               .doc = "Least number of worker threads of QEMU's main loop."),
    FIELD_UINT(Domain, main_pool_max, .path = "defaultiothread/@thread_pool_max", .min = 1,
               .max = G_MAXINT32, .doc = "Most worker threads of QEMU's main loop."),
    FIELD_LIST(Domain, throttle_groups, &throttle_group_schema,
               .path = "throttlegroups/throttlegroup", .change = CHANGE_LIVE,
               .doc = "Limits that disks share."),
    FIELD_END,
};

void
domain_io_validate(const Validation *v)
{
    const GPtrArray *groups = v->domain->throttle_groups;

    iothreads_validate(v);
    for (guint i = 0; i < list_length(groups); i++) {
        const Throttle *group = list_at(groups, i, Throttle);
        g_autofree char *path = g_strdup_printf("throttlegroups/throttlegroup[%u]", i);

        throttle_validate(v, path, group);
        for (guint j = 0; j < i; j++)
            if (!g_strcmp0(list_at(groups, j, Throttle)->group, group->group))
                validation_error(v, path, "throttle-group", "group '%s' is there twice",
                                 group->group);
    }
}
