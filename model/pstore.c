/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Persistent storage for a guest kernel's last words (ACPI ERST), backed by a file of the host.
 *
 * There is at most one, it needs ACPI, and it is a plain PCI device. The file is made by QEMU when
 * it is not there, in the size given: a size that changes is another store.
 */
#include "model/pstore.h"

static const char *const backend_names[] = { NULL, "acpi-erst", NULL };

static const Field pstore_fields[] = {
    FIELD_ENUM(Pstore, backend, backend_names, .path = "@backend", .is_required = true,
               .doc = "`acpi-erst`."),
    FIELD_PATH(Pstore, path, .path = "path", .is_required = true, .doc = "The file."),
    FIELD_SIZE(Pstore, size, .path = "size", .is_required = true, .doc = "Its size."),
    DEVICE_INFO_FIELDS(Pstore),
    FIELD_END,
};

static const Schema pstore_schema = {
    .element = "pstore",
    .size = sizeof(Pstore),
    .fields = pstore_fields,
    .doc = "Storage for crash records of the guest's kernel.",
};

static void
pstore_validate(const Validation *v, gconstpointer item)
{
    const Pstore *pstore = item;

    if (list_at(v->domain->pstores, 0, Pstore) != pstore)
        validation_error(v, NULL, "duplicate-element", "a guest has one pstore");
    if (!v->domain->acpi)
        validation_error(v, NULL, "pstore-acpi", "acpi-erst needs <acpi/>");
}

static DeviceBus
pstore_bus(const Domain *domain, gconstpointer item)
{
    return BUS_PCI;
}

const DeviceKind pstore_kind = {
    .name = "pstore",
    .list_offset = offsetof(Domain, pstores),
    .schema = &pstore_schema,
    .validate = pstore_validate,
    .bus = pstore_bus,
    .pci_rank = 20,
    .alias_prefix = "pstore",
};
