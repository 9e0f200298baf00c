/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory balloon: a virtio device without a host side.
 *
 * Neither the polling of its statistics nor its size is a property of the command line. The polling
 * is set over QMP before the guest runs, and again whenever memory moves (qemu/verbs.h); the size
 * before the guest runs, and later by the balloon's own action (controller/balloon-move), since a
 * guest follows in its own time.
 */
#include "qemu/balloon.h"

#include "model/balloon.h"
#include "model/input.h"
#include "qemu/device.h"
#include "qemu/verbs.h"

static const int virtio_models[] = {
    [BALLOON_VIRTIO] = 0,
    [BALLOON_VIRTIO_TRANSITIONAL] = VIRTIO_MODEL_TRANSITIONAL,
    [BALLOON_VIRTIO_NON_TRANSITIONAL] = VIRTIO_MODEL_NON_TRANSITIONAL,
    [BALLOON_NONE] = 0,
    [BALLOON_XEN] = 0,
};

static Json *
balloon_properties(const DeviceContext *context, gconstpointer device)
{
    const Balloon *balloon = device;
    g_autofree char *driver = NULL;
    Json *tree;

    if (balloon->model == BALLOON_NONE || balloon->model == BALLOON_XEN)
        return NULL;
    driver = virtio_driver("virtio-balloon", virtio_models[balloon->model]);
    tree = device_tree_new(context, driver);
    device_tree_add_tristate(tree, "deflate-on-oom", balloon->auto_deflate);
    if (balloon->free_page_reporting &&
        device_needs_property(context, "@freePageReporting", driver, "free-page-reporting"))
        device_tree_add_tristate(tree, "free-page-reporting", balloon->free_page_reporting);
    device_tree_add_virtio(tree, &balloon->virtio);
    device_tree_add_info(context, tree, &balloon->info);
    return tree;
}

bool
balloon_inflate(Monitor *monitor, const Domain *domain, GError **error)
{
    guint64 counted = domain_balloon_counted(domain);
    guint64 taken = domain_balloon_taken(domain, counted);

    return !taken || verb_set_balloon(monitor, counted - taken, error);
}

static bool
balloon_prepare(Monitor *monitor, const Domain *domain, gconstpointer device, GError **error)
{
    const Balloon *balloon = device;
    const char *id = domain_balloon_id(domain);

    return !id || !balloon->stats_period.is_set ||
           verb_poll_statistics(monitor, id, balloon->stats_period.value, error);
}

/* prepare() says a period that there is; one that was taken out of the file is said here. */
static bool
balloon_update(const DeviceContext *context, Monitor *monitor, gconstpointer before,
               gconstpointer after, GError **error)
{
    const Balloon *was = before, *is = after;
    const char *id = domain_balloon_id(context->at.domain);

    return !id || !was->stats_period.is_set || is->stats_period.is_set ||
           verb_poll_statistics(monitor, id, 0, error);
}

const DeviceSpelling balloon_spelling = {
    .kind = &balloon_kind,
    .properties = balloon_properties,
    .prepare = balloon_prepare,
    .update = balloon_update,
};
