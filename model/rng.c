/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random number generators: a virtio device fed from a source of the host.
 *
 * The rate is libvirt's pair of bytes and period; QEMU's own defaults hold where the file is
 * silent. The shortest of the kinds: docs/adding-a-device.md takes it as its example.
 */
#include "model/rng.h"

#include "model/input.h"

static const char *const backend_names[] = {
    [RNG_BACKEND_RANDOM] = "random",
    [RNG_BACKEND_EGD] = "egd",
    [RNG_BACKEND_BUILTIN] = "builtin",
    NULL,
};

static const Field rng_fields[] = {
    FIELD_ENUM(Rng, model, virtio_model_names, .path = "@model", .is_required = true,
               .doc = "`virtio`."),
    FIELD_UINT(Rng, rate_bytes, .path = "rate/@bytes", .min = 1, .doc = "Bytes a period."),
    FIELD_UINT(Rng, rate_period, .path = "rate/@period", .min = 1, .doc = "Period in ms; 1000."),
    FIELD_ENUM(Rng, backend, backend_names, .path = "backend/@model", .is_required = true,
               .doc = "`random`, `builtin` or `egd`."),
    CHARDEV_BACKEND_FIELDS(Rng, chardev., "backend/", ),
    DEVICE_VIRTIO_FIELDS(Rng),
    FIELD_STRING(Rng, path, .path = "backend", .doc = "random: device to read; /dev/random."),
    DEVICE_INFO_FIELDS(Rng),
    FIELD_END,
};

static const Schema rng_schema = {
    .element = "rng",
    .size = sizeof(Rng),
    .fields = rng_fields,
    .doc = "A random number generator.",
};

static void
rng_validate(const Validation *v, gconstpointer item)
{
    const Rng *rng = item;

    if (rng->backend == RNG_BACKEND_EGD && !rng->chardev.type)
        validation_error(v, "backend", "missing-attribute",
                         "egd needs a type: where the source is");
    if (rng->backend != RNG_BACKEND_EGD && rng->chardev.type)
        validation_error(v, "backend/@type", "not-here", "only egd has a type");
    if (rng->rate_period.is_set && !rng->rate_bytes.is_set)
        validation_error(v, "rate", "missing-attribute", "<rate> needs the attribute 'bytes'");
    validate_chardev_backend(v, &rng->chardev, "backend/");
    if (rng->backend == RNG_BACKEND_BUILTIN && rng->path)
        validation_error(v, "backend", "rng-path", "backend 'builtin' has no path");
}

static DeviceBus
rng_bus(const Domain *domain, gconstpointer item)
{
    return ((const Rng *) item)->model == VIRTIO_MODEL_TRANSITIONAL ? BUS_PCI : BUS_PCIE;
}

const DeviceKind rng_kind = {
    .name = "rng",
    .list_offset = offsetof(Domain, rngs),
    .schema = &rng_schema,
    .validate = rng_validate,
    .is_pluggable = device_plugs,
    .bus = rng_bus,
    .pci_rank = 9,
    .alias_prefix = "rng",
};
