/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Watchdogs: hardware that acts when the guest falls silent.
 *
 * QEMU has one action for all of them, so they must agree. The one in ICH9 (`itco`) is part of
 * every q35 whether the file names it or not: reconcile/implied adds it, armed, as libvirt does.
 */
#include "model/watchdog.h"

#include "model/default.h"

static const char *const model_names[] = {
    [WATCHDOG_I6300ESB] = "i6300esb",
    [WATCHDOG_IB700] = "ib700",
    [WATCHDOG_ITCO] = "itco",
    [WATCHDOG_DIAG288] = "diag288",
    NULL,
};
static const char *const action_names[] = {
    [WATCHDOG_RESET] = "reset",       [WATCHDOG_SHUTDOWN] = "shutdown",
    [WATCHDOG_POWEROFF] = "poweroff", [WATCHDOG_PAUSE] = "pause",
    [WATCHDOG_DUMP] = "dump",         [WATCHDOG_INJECT_NMI] = "inject-nmi",
    [WATCHDOG_NONE] = "none",         NULL,
};

static const Field watchdog_fields[] = {
    FIELD_ENUM(Watchdog, model, model_names, .path = "@model", .is_required = true,
               .doc = "`i6300esb` (PCI), `ib700` (ISA) or `itco` (q35's own)."),
    FIELD_ENUM(Watchdog, action, action_names, .path = "@action", .change = CHANGE_LIVE,
               .doc = "What happens when it fires; `reset`."),
    DEVICE_INFO_FIELDS(Watchdog),
    FIELD_END,
};

static const Schema watchdog_schema = {
    .element = "watchdog",
    .size = sizeof(Watchdog),
    .fields = watchdog_fields,
    .doc = "A watchdog timer.",
};

static int
effective_action(const Watchdog *watchdog)
{
    return watchdog->action ? watchdog->action : WATCHDOG_RESET;
}

static void
watchdog_validate(const Validation *v, gconstpointer item)
{
    const Watchdog *watchdog = item;
    const Address *address = watchdog->info.address;
    const Watchdog *first = list_at(v->domain->watchdogs, 0, Watchdog);

    if (watchdog->model == WATCHDOG_DIAG288)
        validation_error(v, "@model", "not-supported", "watchdog 'diag288' is of s390x machines");
    if (watchdog->model == WATCHDOG_ITCO && !domain_is_q35(v->domain))
        validation_error(v, "@model", "watchdog-machine",
                         "watchdog 'itco' is part of q35 machines");
    if (watchdog->model == WATCHDOG_ITCO && address)
        validation_error(v, "address", "watchdog-address", "watchdog 'itco' has no address");
    if (watchdog->model == WATCHDOG_IB700 && address && address->type != ADDRESS_ISA)
        validation_error(v, "address/@type", "address-type", "watchdog 'ib700' sits on ISA");
    if (watchdog->model == WATCHDOG_I6300ESB && address && address->type != ADDRESS_PCI)
        validation_error(v, "address/@type", "address-type", "watchdog 'i6300esb' sits on PCI");
    for (guint i = 0; list_at(v->domain->watchdogs, i, Watchdog) != watchdog; i++)
        if (watchdog->model == WATCHDOG_ITCO &&
            list_at(v->domain->watchdogs, i, Watchdog)->model == WATCHDOG_ITCO)
            validation_error(v, "@model", "duplicate-element", "a q35 machine has one itco");
    if (effective_action(watchdog) != effective_action(first))
        validation_error(v, "@action", "watchdog-action",
                         "all watchdogs of a guest have one action: the first one's is '%s'",
                         action_names[effective_action(first)]);
}

static void
watchdog_fill_defaults(const Domain *domain, gpointer device)
{
    default_enum(&((Watchdog *) device)->action, WATCHDOG_RESET);
}

static DeviceBus
watchdog_bus(const Domain *domain, gconstpointer item)
{
    return ((const Watchdog *) item)->model == WATCHDOG_I6300ESB ? BUS_PCI : BUS_NONE;
}

const DeviceKind watchdog_kind = {
    .name = "watchdog",
    .list_offset = offsetof(Domain, watchdogs),
    .schema = &watchdog_schema,
    .validate = watchdog_validate,
    .fill_defaults = watchdog_fill_defaults,
    .is_pluggable = device_plugs,
    .bus = watchdog_bus,
    .pci_rank = 10,
    .alias_prefix = "watchdog",
};
