/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a file hands to QEMU past all tables. It can run anything as whoever runs QEMU, so it is
 * refused, by line, unless this host's configuration allows it; showing it (`virtkeep argv`) runs
 * nothing, and is always allowed.
 *
 * Overrides are applied to the finished property tree of a device, so they hold for -device and
 * for device_add alike. Arguments come after all of ours, as QEMU takes the last of two.
 */
#include "qemu/qemu-namespace.h"

#include "model/qemu-namespace.h"

#define CODE "qemu-namespace"

void
qemu_namespace_spell(const DeviceContext *context, CommandLine *line)
{
    const Domain *domain = context->at.domain;
    const QemuCommandLine *extra = domain->qemu_command_line;

    if (!extra && !domain->qemu_overrides)
        return;
    if (!context->facts->is_qemu_namespace_allowed)
        validation_error(&context->at, extra ? "qemu:commandline" : "qemu:override", CODE,
                         "this host's configuration does not allow it (allow-qemu-namespace)");
    for (guint i = 0; extra && i < list_length(extra->arguments); i++)
        command_line_add(
            line, g_intern_string(list_at(extra->arguments, i, QemuArgument)->value), NULL);
    for (guint i = 0; extra && i < list_length(extra->variables); i++) {
        const QemuVariable *variable = list_at(extra->variables, i, QemuVariable);

        command_line_add_environment(line, variable->name, variable->value);
    }
}

static void
override(const QemuProperty *property, Json *tree)
{
    const char *value = property->value;

    switch ((OverrideType) property->type) {
    case OVERRIDE_STRING:
        return json_set_string(tree, property->name, value);
    case OVERRIDE_SIGNED:
        return json_set(tree, property->name, json_new_int(g_ascii_strtoll(value, NULL, 10)));
    case OVERRIDE_UNSIGNED:
        return json_set_uint(tree, property->name, g_ascii_strtoull(value, NULL, 10));
    case OVERRIDE_BOOL:
        return json_set_bool(tree, property->name, g_str_equal(value, "true"));
    case OVERRIDE_REMOVE:
        return json_remove(tree, property->name);
    }
}

void
qemu_namespace_override(const DeviceContext *context, Json *tree)
{
    const QemuOverrides *overrides = context->at.domain->qemu_overrides;
    const char *id = json_get_string(tree, "id");

    for (guint i = 0; overrides && id && i < list_length(overrides->devices); i++) {
        const QemuOverride *device = list_at(overrides->devices, i, QemuOverride);

        for (guint k = 0; g_str_equal(device->alias, id) && k < list_length(device->properties); k++)
            override(list_at(device->properties, k, QemuProperty), tree);
    }
}
