/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The filter of redirected USB devices: one list of rules for all <redirdev> of the domain.
 *
 * QEMU asks the rules in order and takes the first that fits, by class, vendor, product and
 * version; each may be left open. Numbers stay as they were written, since libvirt takes both
 * decimal and hexadecimal ones beside -1; what they are is read where they are spelled.
 */
#include "model/redir-filter.h"

#include <stdlib.h>
#include <string.h>

#include "model/domain.h"

static const Field rule_fields[] = {
    FIELD_STRING(RedirRule, class_, .path = "@class", .doc = "Class of the device; `-1`: any."),
    FIELD_STRING(RedirRule, vendor, .path = "@vendor", .doc = "Vendor id; `-1`: any."),
    FIELD_STRING(RedirRule, product, .path = "@product", .doc = "Product id; `-1`: any."),
    FIELD_STRING(RedirRule, version, .path = "@version",
                 .doc = "The device's revision, `2.56`; `-1`: any."),
    FIELD_YES_NO(RedirRule, allow, .path = "@allow", .is_required = true,
                 .doc = "Whether such a device may be redirected."),
    FIELD_END,
};

const Schema redir_rule_schema = {
    .element = "usbdev",
    .size = sizeof(RedirRule),
    .fields = rule_fields,
    .doc = "A rule of which USB devices may be redirected; the first that fits decides.",
};

bool
redir_rule_number(const char *text, guint max, gint *ret_number)
{
    char *end;
    guint64 number;

    if (!text || !strcmp(text, "-1")) {
        *ret_number = -1;
        return true;
    }
    if (!g_ascii_isdigit(*text))
        return false;
    number = g_ascii_strtoull(text, &end, 0);
    if (*end || number > max)
        return false;
    *ret_number = (gint) number;
    return true;
}

bool
redir_rule_version(const char *text, gint *ret_number)
{
    g_auto(GStrv) parts = text ? g_strsplit(text, ".", 2) : NULL;
    guint64 major, minor;

    if (!text || !strcmp(text, "-1")) {
        *ret_number = -1;
        return true;
    }
    if (!parts[0] || !parts[1] || !g_ascii_string_to_unsigned(parts[0], 10, 0, 99, &major, NULL) ||
        !g_ascii_string_to_unsigned(parts[1], 10, 0, 99, &minor, NULL))
        return false;
    /* Binary-coded decimals, two and two. */
    *ret_number = (gint) (major / 10 << 12 | major % 10 << 8 | minor / 10 << 4 | minor % 10);
    return true;
}

static void
validate_rule(const Validation *v, const RedirRule *rule, guint place)
{
    const struct {
        const char *name;
        bool is_good;
    } rows[] = {
        { "@class", redir_rule_number(rule->class_, 0xff, &(gint){ 0 }) },
        { "@vendor", redir_rule_number(rule->vendor, 0xffff, &(gint){ 0 }) },
        { "@product", redir_rule_number(rule->product, 0xffff, &(gint){ 0 }) },
        { "@version", redir_rule_version(rule->version, &(gint){ 0 }) },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path =
            g_strdup_printf("devices/redirfilter/usbdev[%u]/%s", place, rows[i].name);

        if (!rows[i].is_good)
            validation_error(v, path, "redirfilter", "is neither such a number nor -1");
    }
}

void
redir_filter_validate(const Validation *v)
{
    for (guint i = 0; i < list_length(v->domain->redir_rules); i++)
        validate_rule(v, list_at(v->domain->redir_rules, i, RedirRule), i);
}
