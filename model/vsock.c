/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vsock: sockets between host and guest, addressed by a number (CID) that no other guest of the
 * host has.
 *
 * One that is to be chosen (auto='yes') follows from the domain's uuid, so it stays the guest's own
 * from start to start and no table of the host has to be kept.
 */
#include "model/vsock.h"

#include "model/default.h"
#include "model/input.h"

#define FIRST_CID 3 /* 0 to 2 are the hypervisor, the machine itself and the host */

static const Field vsock_fields[] = {
    FIELD_ENUM(Vsock, model, virtio_model_names, .path = "@model", .doc = "`virtio`."),
    FIELD_YES_NO(Vsock, is_auto, .path = "cid/@auto",
                 .doc = "Choose the CID; it follows from the uuid."),
    FIELD_UINT(Vsock, cid, .path = "cid/@address", .min = FIRST_CID, .max = G_MAXUINT32,
               .doc = "The guest's CID."),
    DEVICE_VIRTIO_FIELDS(Vsock),
    DEVICE_INFO_FIELDS(Vsock),
    FIELD_END,
};

static const Schema vsock_schema = {
    .element = "vsock",
    .size = sizeof(Vsock),
    .fields = vsock_fields,
    .doc = "Sockets between host and guest.",
};

static void
vsock_validate(const Validation *v, gconstpointer item)
{
    const Vsock *vsock = item;

    if (list_at(v->domain->vsocks, 0, Vsock) != vsock)
        validation_error(v, NULL, "duplicate-element", "a guest has one vsock");
    if (vsock->is_auto != TRISTATE_ON && !vsock->cid.is_set)
        validation_error(v, "cid", "vsock-cid",
                         "<cid auto='yes'/> or <cid address='…'/> is missing");
}

static void
vsock_fill_defaults(const Domain *domain, gpointer device)
{
    Vsock *vsock = device;

    default_enum(&vsock->model, VIRTIO_MODEL_VIRTIO);
    if (vsock->is_auto == TRISTATE_ON && domain->uuid)
        default_uint(&vsock->cid, FIRST_CID + g_str_hash(domain->uuid) % (G_MAXINT32 - FIRST_CID));
}

static DeviceBus
vsock_bus(const Domain *domain, gconstpointer item)
{
    return ((const Vsock *) item)->model == VIRTIO_MODEL_TRANSITIONAL ? BUS_PCI : BUS_PCIE;
}

const DeviceKind vsock_kind = {
    .name = "vsock",
    .list_offset = offsetof(Domain, vsocks),
    .schema = &vsock_schema,
    .validate = vsock_validate,
    .fill_defaults = vsock_fill_defaults,
    .is_pluggable = device_plugs,
    .bus = vsock_bus,
    .pci_rank = 16,
    .alias_prefix = "vsock",
};
