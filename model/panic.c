/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Panic devices: how a guest's kernel says that it has crashed.
 *
 * Two are devices, on ISA at a well known port and on PCI. Hyper-V's is no device but a feature of
 * the CPU, so it is qemu/cpu's to spell.
 */
#include "model/panic.h"

#include "model/default.h"

static const char *const model_names[] = {
    [PANIC_ISA] = "isa",         [PANIC_HYPERV] = "hyperv", [PANIC_PVPANIC] = "pvpanic",
    [PANIC_PSERIES] = "pseries", [PANIC_S390] = "s390",     NULL,
};

static const Field panic_fields[] = {
    FIELD_ENUM(Panic, model, model_names, .path = "@model",
               .doc = "`isa` (default), `pvpanic` (PCI) or `hyperv`."),
    DEVICE_INFO_FIELDS(Panic),
    FIELD_END,
};

static const Schema panic_schema = {
    .element = "panic",
    .size = sizeof(Panic),
    .fields = panic_fields,
    .doc = "How the guest reports a crash.",
};

bool
domain_has_panic(const Domain *domain, PanicModel model)
{
    for (guint i = 0; i < list_length(domain->panics); i++)
        if (list_at(domain->panics, i, Panic)->model == (int) model)
            return true;
    return false;
}

static int
effective_model(const Panic *panic)
{
    return panic->model ? panic->model : PANIC_ISA;
}

static void
panic_validate(const Validation *v, gconstpointer item)
{
    const Panic *panic = item;
    int model = effective_model(panic);
    const Address *address = panic->info.address;

    if (model == PANIC_PSERIES || model == PANIC_S390)
        validation_error(v, "@model", "not-supported",
                         "panic device '%s' is of another architecture", model_names[model]);
    if (model == PANIC_HYPERV && address)
        validation_error(v, "address", "panic-address", "panic device 'hyperv' has no address");
    if (model == PANIC_ISA && address && address->type != ADDRESS_ISA)
        validation_error(v, "address/@type", "address-type", "panic device 'isa' sits on ISA");
    if (model == PANIC_PVPANIC && address && address->type != ADDRESS_PCI)
        validation_error(v, "address/@type", "address-type", "panic device 'pvpanic' sits on PCI");
    for (guint i = 0; i < list_length(v->domain->panics); i++) {
        const Panic *other = list_at(v->domain->panics, i, Panic);

        if (other == panic)
            return;
        if (effective_model(other) == model)
            validation_error(v, "@model", "duplicate-element", "there is another '%s' panic device",
                             model_names[model]);
    }
}

static void
panic_fill_defaults(const Domain *domain, gpointer device)
{
    default_enum(&((Panic *) device)->model, PANIC_ISA);
}

static DeviceBus
panic_bus(const Domain *domain, gconstpointer item)
{
    return ((const Panic *) item)->model == PANIC_PVPANIC ? BUS_INTEGRATED : BUS_NONE;
}

const DeviceKind panic_kind = {
    .name = "panic",
    .list_offset = offsetof(Domain, panics),
    .schema = &panic_schema,
    .validate = panic_validate,
    .fill_defaults = panic_fill_defaults,
    .bus = panic_bus,
    .pci_rank = 19,
    .alias_prefix = "panic",
};
