/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Elements of libvirt's namespace for QEMU: what is handed to QEMU as it stands.
 *
 * They are read and kept like all else, so that a document round-trips and a diff shows them.
 * Whether they take effect is the configuration's decision (allow-qemu-namespace), taken where a
 * command line is built. Which capabilities libvirt believes in is libvirt's own affair.
 */
#include "model/domain-section.h"
#include "model/qemu-namespace.h"

static const Field argument_fields[] = {
    FIELD_STRING(QemuArgument, value, .path = "@value", .is_required = true, .doc = "A word."),
    FIELD_END,
};
static const Schema argument_schema = { .element = "arg", .namespace_ = QEMU_NAMESPACE,
                                        .size = sizeof(QemuArgument), .fields = argument_fields,
                                        .doc = "An argument." };
static const Field variable_fields[] = {
    FIELD_STRING(QemuVariable, name, .path = "@name", .is_required = true, .doc = "Its name."),
    FIELD_STRING(QemuVariable, value, .path = "@value", .doc = "Its value."),
    FIELD_END,
};
static const Schema variable_schema = { .element = "env", .namespace_ = QEMU_NAMESPACE,
                                        .size = sizeof(QemuVariable), .fields = variable_fields,
                                        .doc = "An environment variable." };
static const Field command_line_fields[] = {
    FIELD_LIST(QemuCommandLine, arguments, &argument_schema, .path = "arg",
               .doc = "Arguments, after all others."),
    FIELD_LIST(QemuCommandLine, variables, &variable_schema, .path = "env",
               .doc = "Environment variables."),
    FIELD_END,
};
static const Schema command_line_schema = { .element = "commandline",
                                            .namespace_ = QEMU_NAMESPACE,
                                            .size = sizeof(QemuCommandLine),
                                            .fields = command_line_fields,
                                            .doc = "What QEMU is given beside all else." };

static const char *const override_names[] = {
    [OVERRIDE_STRING] = "string", [OVERRIDE_SIGNED] = "signed", [OVERRIDE_UNSIGNED] = "unsigned",
    [OVERRIDE_BOOL] = "bool", [OVERRIDE_REMOVE] = "remove", NULL,
};
static const Field property_fields[] = {
    FIELD_STRING(QemuProperty, name, .path = "@name", .is_required = true, .doc = "Its name."),
    FIELD_ENUM(QemuProperty, type, override_names, .path = "@type", .is_required = true,
               .doc = "`string`, `signed`, `unsigned`, `bool` or `remove`."),
    FIELD_STRING(QemuProperty, value, .path = "@value", .doc = "Its value."),
    FIELD_END,
};
static const Schema property_schema = { .element = "property", .namespace_ = QEMU_NAMESPACE,
                                        .size = sizeof(QemuProperty), .fields = property_fields,
                                        .doc = "A property of a device." };
static const Field override_fields[] = {
    FIELD_STRING(QemuOverride, alias, .path = "@alias", .is_required = true,
                 .doc = "The device, by its QEMU id."),
    FIELD_LIST(QemuOverride, properties, &property_schema, .path = "frontend/property",
               .doc = "Properties set, or taken away."),
    FIELD_END,
};
static const Schema override_schema = { .element = "device", .namespace_ = QEMU_NAMESPACE,
                                        .size = sizeof(QemuOverride), .fields = override_fields,
                                        .doc = "A device." };
static const Field overrides_fields[] = {
    FIELD_LIST(QemuOverrides, devices, &override_schema, .path = "device", .doc = "By device."),
    FIELD_END,
};
static const Schema overrides_schema = { .element = "override", .namespace_ = QEMU_NAMESPACE,
                                         .size = sizeof(QemuOverrides), .fields = overrides_fields,
                                         .doc = "Device properties as they stand." };

static const Field no_fields[] = { FIELD_END };
static const Schema capabilities_schema = { .element = "capabilities",
                                            .namespace_ = QEMU_NAMESPACE, .size = 1,
                                            .fields = no_fields,
                                            .doc = "libvirt's picture of QEMU." };
static const Schema deprecation_schema = { .element = "deprecation", .namespace_ = QEMU_NAMESPACE,
                                           .size = 1, .fields = no_fields,
                                           .doc = "What deprecated options do." };

static const Field namespace_fields[] = {
    FIELD_STRUCT(Domain, qemu_command_line, &command_line_schema, .path = "qemu:commandline",
                 .doc = "Needs `allow-qemu-namespace` in the configuration."),
    FIELD_NO_EFFECT("it edits libvirt's picture of QEMU; virtkeep asks QEMU itself",
                    .path = "qemu:capabilities", .schema = &capabilities_schema,
                    .doc = "libvirt's picture of QEMU."),
    FIELD_STRUCT(Domain, qemu_overrides, &overrides_schema, .path = "qemu:override",
                 .doc = "Needs `allow-qemu-namespace` in the configuration."),
    FIELD_NO_EFFECT("it is for developers of libvirt", .path = "qemu:deprecation",
                    .schema = &deprecation_schema, .doc = "What deprecated options do."),
    FIELD_END,
};

static void
namespace_validate(const Validation *v)
{
    const QemuOverrides *overrides = v->domain->qemu_overrides;

    for (guint i = 0; overrides && i < list_length(overrides->devices); i++) {
        const QemuOverride *device = list_at(overrides->devices, i, QemuOverride);

        for (guint k = 0; k < list_length(device->properties); k++) {
            const QemuProperty *property = list_at(device->properties, k, QemuProperty);
            g_autofree char *path =
                g_strdup_printf("qemu:override/device[%u]/frontend/property[%u]", i, k);
            gint64 number;
            guint64 positive;

            if (property->type && property->type != OVERRIDE_REMOVE && !property->value)
                validation_error(v, path, "missing-attribute", "needs a value");
            if (property->type == OVERRIDE_BOOL && property->value &&
                !g_str_equal(property->value, "true") && !g_str_equal(property->value, "false"))
                validation_error(v, path, "bad-value", "expected 'true' or 'false'");
            if (property->type == OVERRIDE_SIGNED && property->value &&
                !g_ascii_string_to_signed(property->value, 10, G_MININT64, G_MAXINT64, &number, NULL))
                validation_error(v, path, "bad-value", "expected a whole number");
            if (property->type == OVERRIDE_UNSIGNED && property->value &&
                !g_ascii_string_to_unsigned(property->value, 10, 0, G_MAXUINT64, &positive, NULL))
                validation_error(v, path, "bad-value", "expected a whole number, not negative");
        }
    }
}

const DomainSection domain_namespace_section = { namespace_fields, namespace_validate };
