/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory balloon. The polling of its statistics is no property of the command line: it is set
 * over QMP when it is needed (qemu/verbs.h).
 */
#include "model/balloon.h"

#include "model/input.h"
#include "qemu/device.h"

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
    device_tree_add_info(context, tree, &balloon->info);
    return tree;
}

const DeviceSpelling balloon_spelling = {
    .kind = &balloon_kind,
    .properties = balloon_properties,
};
