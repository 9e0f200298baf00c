/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * USB hubs: a device on a port that opens eight more. Guests with more USB devices than ports get
 * hubs by themselves (reconcile/usb).
 *
 * A hub is a USB device itself, so its own port counts too; its place in the tree of ports is the
 * address, and four steps are as deep as QEMU goes.
 */
#include "model/hub.h"

static const char *const type_names[] = { [HUB_TYPE_USB] = "usb", NULL };

static const Field hub_fields[] = {
    FIELD_ENUM(Hub, type, type_names, .path = "@type", .is_required = true, .doc = "`usb`."),
    DEVICE_INFO_FIELDS(Hub),
    FIELD_END,
};

static const Schema hub_schema = {
    .element = "hub",
    .size = sizeof(Hub),
    .fields = hub_fields,
    .doc = "A USB hub.",
};

static DeviceBus
hub_bus(const Domain *domain, gconstpointer item)
{
    return BUS_USB;
}

const DeviceKind hub_kind = {
    .name = "hub",
    .list_offset = offsetof(Domain, hubs),
    .schema = &hub_schema,
    .bus = hub_bus,
    .alias_prefix = "hub",
};
