/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Crypto devices: ciphers that the host computes for the guest, by QEMU itself (`builtin`) or by
 * the host's kernel (`lkcf`).
 *
 * The host side is an object of QEMU's with as many queues as the device; libvirt knows one device
 * model and one type of it so far, and so do these rows.
 */
#include "model/crypto.h"

static const char *const model_names[] = { NULL, "virtio", NULL };
static const char *const type_names[] = { NULL, "qemu", NULL };
static const char *const backend_names[] = {
    [CRYPTO_BUILTIN] = "builtin",
    [CRYPTO_LKCF] = "lkcf",
    NULL,
};

static const Field crypto_fields[] = {
    FIELD_ENUM(Crypto, model, model_names, .path = "@model", .is_required = true,
               .doc = "`virtio`."),
    FIELD_ENUM(Crypto, type, type_names, .path = "@type", .is_required = true, .doc = "`qemu`."),
    FIELD_ENUM(Crypto, backend, backend_names, .path = "backend/@model", .is_required = true,
               .doc = "`builtin` or `lkcf`."),
    FIELD_UINT(Crypto, queues, .path = "backend/@queues", .min = 1, .max = G_MAXUINT32,
               .doc = "Number of virtqueues; 1."),
    DEVICE_VIRTIO_FIELDS(Crypto),
    DEVICE_INFO_FIELDS(Crypto),
    FIELD_END,
};

static const Schema crypto_schema = {
    .element = "crypto",
    .size = sizeof(Crypto),
    .fields = crypto_fields,
    .doc = "A device that computes ciphers.",
};

static DeviceBus
crypto_bus(const Domain *domain, gconstpointer item)
{
    return BUS_PCI;
}

const DeviceKind crypto_kind = {
    .name = "crypto",
    .list_offset = offsetof(Domain, cryptos),
    .schema = &crypto_schema,
    .is_pluggable = device_plugs,
    .bus = crypto_bus,
    .pci_rank = 18,
    .alias_prefix = "crypto",
};
