/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * USB hubs. They come before what sits on them, and a hub behind a hub after that one: the shorter
 * port path first.
 *
 * QEMU finds a hub by the port path of the device behind it, so it must be there first; hence the
 * rank by depth.
 */
#include "model/hub.h"

#include "qemu/device.h"

static Json *
hub_properties(const DeviceContext *context, gconstpointer device)
{
    const Hub *hub = device;
    Json *tree = device_tree_new(context, "usb-hub");

    device_tree_add_info(context, tree, &hub->info);
    return tree;
}

static guint
hub_rank(const Domain *domain, gconstpointer device)
{
    const Address *address = ((const Hub *) device)->info.address;
    guint depth = 0;

    for (const char *c = address ? address->port : NULL; c && *c; c++)
        depth += *c == '.';
    return depth;
}

const DeviceSpelling hub_spelling = {
    .kind = &hub_kind,
    .properties = hub_properties,
    .rank = hub_rank,
};
