/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory shared between guests: a piece of /dev/shm by name (ivshmem-plain), or one that a server
 * hands out together with interrupts (ivshmem-doorbell).
 *
 * Which parts belong to which model is most of the rules here: only a server brings interrupts, and
 * only a plain piece has a size of its own.
 */
#include "model/shmem.h"

#include <string.h>

#define MIB ((guint64) 1 << 20)

static const char *const model_names[] = {
    [SHMEM_IVSHMEM] = "ivshmem",
    [SHMEM_PLAIN] = "ivshmem-plain",
    [SHMEM_DOORBELL] = "ivshmem-doorbell",
    NULL,
};
static const char *const role_names[] = { [SHMEM_MASTER] = "master", [SHMEM_PEER] = "peer", NULL };

static const Field shmem_fields[] = {
    FIELD_STRING(Shmem, name, .path = "@name", .is_required = true,
                 .doc = "What the memory is called on the host."),
    FIELD_ENUM(Shmem, role, role_names, .path = "@role",
               .doc = "For migration: `master` or `peer`."),
    FIELD_ENUM(Shmem, model, model_names, .path = "model/@type",
               .doc = "`ivshmem-plain` or `ivshmem-doorbell`."),
    FIELD_SIZE(Shmem, size, .path = "size", .unit = 1, .doc = "plain: size; 4 MiB by default."),
    FIELD_FLAG(Shmem, has_server, .path = "server", .doc = "doorbell: there is a server."),
    FIELD_PATH(Shmem, server_path, .path = "server/@path", .doc = "doorbell: its socket."),
    FIELD_FLAG(Shmem, has_msi, .path = "msi", .doc = "doorbell: message signalled interrupts."),
    FIELD_YES_NO(Shmem, msi_enabled, .path = "msi/@enabled", .doc = "Whether there are any."),
    FIELD_UINT(Shmem, vectors, .path = "msi/@vectors", .max = G_MAXUINT32, .doc = "How many."),
    FIELD_ON_OFF(Shmem, ioeventfd, .path = "msi/@ioeventfd", .doc = "Doorbells by ioeventfd; on."),
    DEVICE_INFO_FIELDS(Shmem),
    FIELD_END,
};

static char *
shmem_key(gconstpointer item)
{
    return g_strdup(((const Shmem *) item)->name);
}

static const Schema shmem_schema = {
    .element = "shmem",
    .size = sizeof(Shmem),
    .fields = shmem_fields,
    .key = shmem_key,
    .doc = "Memory shared with other guests.",
};

static void
validate_parts(const Validation *v, const Shmem *shmem)
{
    if (shmem->has_msi && !shmem->has_server)
        validation_error(v, "msi", "shmem-server", "interrupts need a <server>");
    if (shmem->msi_enabled == TRISTATE_OFF)
        validation_warning(v, "msi/@enabled", "no-effect",
                           "has no effect: QEMU's ivshmem-doorbell always has them");
    if (shmem->model == SHMEM_PLAIN && shmem->has_server)
        validation_error(v, "server", "shmem-server", "ivshmem-plain has no server");
    if (shmem->model == SHMEM_DOORBELL && !shmem->has_server)
        validation_error(v, NULL, "shmem-server", "ivshmem-doorbell needs a <server>");
    if (shmem->model == SHMEM_DOORBELL && shmem->size.is_set)
        validation_error(v, "size", "shmem-size", "the size is the server's to say");
}

static void
shmem_validate(const Validation *v, gconstpointer item)
{
    const Shmem *shmem = item;
    guint64 size = shmem->size.value;
    const Address *address = shmem->info.address;

    if (!shmem->name)
        return;
    if (!*shmem->name || strchr(shmem->name, '/') || g_str_equal(shmem->name, ".") ||
        g_str_equal(shmem->name, ".."))
        validation_error(v, "@name", "bad-value", "no name of a file: '%s'", shmem->name);
    if (!shmem->model || shmem->model == SHMEM_IVSHMEM)
        validation_error(
            v, "model", "not-supported",
            "QEMU has no 'ivshmem' device any more: ivshmem-plain or ivshmem-doorbell");
    if (shmem->size.is_set && (size < MIB || (size & (size - 1))))
        validation_error(v, "size", "shmem-size", "the size is a power of two, at least 1 MiB");
    if (address && address->type != ADDRESS_PCI)
        validation_error(v, "address/@type", "address-type", "shared memory sits on PCI");
    validate_parts(v, shmem);
}

static DeviceBus
shmem_bus(const Domain *domain, gconstpointer item)
{
    return BUS_PCI;
}

const DeviceKind shmem_kind = {
    .name = "shmem",
    .list_offset = offsetof(Domain, shmems),
    .schema = &shmem_schema,
    .validate = shmem_validate,
    .is_pluggable = device_plugs,
    .bus = shmem_bus,
    .pci_rank = 12,
    .alias_prefix = "shmem",
};
