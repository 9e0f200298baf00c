/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory balloon: a virtio device without a host side.
 *
 * The polling of its statistics is no property of the command line: it is set over QMP before the
 * guest runs, and again whenever memory moves (qemu/verbs.h). A currentMemory below the boot memory
 * is the balloon's first target.
 */
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

/* <currentMemory> below the boot memory is the balloon's to take. What lies above it is memory
 * devices', which say themselves what they want. */
static bool
prepare_size(Monitor *monitor, const Domain *domain, GError **error)
{
    guint64 boot = domain_boot_memory(domain);

    return !domain->current_memory.is_set || domain->current_memory.value >= boot ||
           verb_set_balloon(monitor, domain->current_memory.value, error);
}

static bool
balloon_prepare(Monitor *monitor, const Domain *domain, gconstpointer device, GError **error)
{
    const Balloon *balloon = device;
    const char *id = domain_balloon_id(domain);

    if (!id)
        return true;
    if (balloon->stats_period.is_set &&
        !verb_poll_statistics(monitor, id, balloon->stats_period.value, error))
        return false;
    return prepare_size(monitor, domain, error);
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
