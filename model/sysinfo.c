/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * <sysinfo>: SMBIOS strings by block (BIOS, system, boards, chassis, OEM strings), and fw_cfg files.
 *
 * Which names a block knows is a table: an unknown one is refused here rather than by QEMU at the
 * start. The system's uuid must be the domain's, since both end in the same SMBIOS field.
 */
#include "model/sysinfo.h"

#include <stdio.h>
#include <string.h>

#include "model/domain.h"

static const char *const sysinfo_type_names[] = {
    [SYSINFO_SMBIOS] = "smbios",
    [SYSINFO_FWCFG] = "fwcfg",
    NULL,
};

static const Field entry_fields[] = {
    FIELD_STRING(SysinfoEntry, name, .path = "@name", .is_required = true, .doc = "Which."),
    FIELD_STRING(SysinfoEntry, value, .path = ".", .doc = "Its text."),
    FIELD_END,
};
static const Schema entry_schema = { .element = "entry", .size = sizeof(SysinfoEntry),
                                     .fields = entry_fields, .doc = "A string." };

static const Field oem_fields[] = {
    FIELD_STRING(SysinfoEntry, value, .path = ".", .doc = "Any text."),
    FIELD_END,
};
static const Schema oem_schema = { .element = "entry", .size = sizeof(SysinfoEntry),
                                   .fields = oem_fields, .doc = "A string." };

static const Field file_fields[] = {
    FIELD_STRING(SysinfoEntry, name, .path = "@name", .is_required = true,
                 .doc = "The file's name; `opt/…` for others than firmware's own."),
    FIELD_PATH(SysinfoEntry, file, .path = "@file", .doc = "Whose content it has."),
    FIELD_STRING(SysinfoEntry, value, .path = ".", .doc = "Its content."),
    FIELD_END,
};
static const Schema file_schema = { .element = "entry", .size = sizeof(SysinfoEntry),
                                    .fields = file_fields, .doc = "A file of fw_cfg." };

static const Field board_fields[] = {
    FIELD_LIST(SysinfoBoard, entries, &entry_schema, .path = "entry", .doc = "Its strings."),
    FIELD_END,
};
static const Schema board_schema = { .element = "baseBoard", .size = sizeof(SysinfoBoard),
                                     .fields = board_fields, .doc = "A board." };

static const Field sysinfo_fields[] = {
    FIELD_ENUM(Sysinfo, type, sysinfo_type_names, .path = "@type", .is_required = true,
               .doc = "`smbios`, or `fwcfg`."),
    FIELD_LIST(Sysinfo, bios, &entry_schema, .path = "bios/entry", .doc = "vendor, version, date, release."),
    FIELD_LIST(Sysinfo, system, &entry_schema, .path = "system/entry",
               .doc = "manufacturer, product, version, serial, uuid, sku, family."),
    FIELD_LIST(Sysinfo, boards, &board_schema, .path = "baseBoard",
               .doc = "manufacturer, product, version, serial, asset, location."),
    FIELD_LIST(Sysinfo, chassis, &entry_schema, .path = "chassis/entry",
               .doc = "manufacturer, version, serial, asset, sku."),
    FIELD_LIST(Sysinfo, oem_strings, &oem_schema, .path = "oemStrings/entry", .doc = "Any."),
    FIELD_LIST(Sysinfo, files, &file_schema, .path = "entry", .doc = "Files of fw_cfg."),
    FIELD_END,
};
const Schema sysinfo_schema = { .element = "sysinfo", .size = sizeof(Sysinfo),
                                .fields = sysinfo_fields,
                                .doc = "What the guest reads of its machine." };

static const char *const bios_names[] = { "vendor", "version", "date", "release", NULL };
static const char *const system_names[] = { "manufacturer", "product", "version", "serial",
                                            "uuid",         "sku",     "family",  NULL };
static const char *const board_names[] = { "manufacturer", "product", "version", "serial",
                                           "asset",        "location", NULL };
static const char *const chassis_names[] = { "manufacturer", "version", "serial",
                                             "asset",        "sku",     NULL };

static const char *
entry_value(const GPtrArray *entries, const char *name)
{
    for (guint i = 0; i < list_length(entries); i++)
        if (!g_strcmp0(list_at(entries, i, SysinfoEntry)->name, name))
            return list_at(entries, i, SysinfoEntry)->value;
    return NULL;
}

static void
check_names(const Validation *v, const char *path, const GPtrArray *entries,
            const char *const *names)
{
    for (guint i = 0; i < list_length(entries); i++) {
        const char *name = list_at(entries, i, SysinfoEntry)->name;
        g_autofree char *at = g_strdup_printf("%s/entry[%u]", path, i);

        if (name && !g_strv_contains(names, name))
            validation_error(v, at, "sysinfo-name", "there is no '%s' here", name);
        if (name && entry_value(entries, name) != list_at(entries, i, SysinfoEntry)->value)
            validation_error(v, at, "sysinfo-name", "'%s' is there twice", name);
    }
}

/* mm/dd/yy or mm/dd/yyyy. */
static bool
is_date(const char *text)
{
    guint month, day, year;
    int end = 0;

    return sscanf(text, "%2u/%2u/%4u%n", &month, &day, &year, &end) == 3 && !text[end] &&
           month >= 1 && month <= 12 && day >= 1 && day <= 31 && (year < 100 || year >= 1900);
}

static void
validate_system(const Validation *v, const char *path, const Sysinfo *sysinfo)
{
    const char *uuid = entry_value(sysinfo->system, "uuid");
    g_autofree char *at = g_strconcat(path, "/system", NULL);
    g_autofree char *canonical = uuid ? g_ascii_strdown(uuid, -1) : NULL;

    if (!uuid)
        return;
    if (!g_uuid_string_is_valid(canonical))
        validation_error(v, at, "sysinfo-uuid", "'%s' is no uuid", uuid);
    else if (v->domain->uuid && strcmp(canonical, v->domain->uuid))
        validation_error(v, at, "sysinfo-uuid", "the system's uuid is not the domain's <uuid>");
}

static void
validate_files(const Validation *v, const char *path, const Sysinfo *sysinfo)
{
    for (guint i = 0; i < list_length(sysinfo->files); i++) {
        const SysinfoEntry *entry = list_at(sysinfo->files, i, SysinfoEntry);
        g_autofree char *at = g_strdup_printf("%s/entry[%u]", path, i);
        bool is_reserved = entry->name && (g_str_has_prefix(entry->name, "opt/ovmf/") ||
                                           g_str_has_prefix(entry->name, "opt/org.qemu/"));

        if (sysinfo->type != SYSINFO_FWCFG)
            validation_error(v, at, "sysinfo-type", "files of fw_cfg are for type='fwcfg'");
        if (entry->name && !g_str_has_prefix(entry->name, "opt/"))
            validation_error(v, at, "sysinfo-name", "names begin with 'opt/'");
        if (is_reserved)
            validation_error(v, at, "sysinfo-name", "'%s' is the firmware's own", entry->name);
        if (entry->file && entry->value)
            validation_error(v, at, "sysinfo-content", "has a file or a text, not both");
        if (!entry->file && !entry->value)
            validation_error(v, at, "sysinfo-content", "needs a file or a text");
    }
}

static void
validate_one(const Validation *v, const char *path, const Sysinfo *sysinfo)
{
    const char *date = entry_value(sysinfo->bios, "date");
    g_autofree char *bios = g_strconcat(path, "/bios", NULL);
    g_autofree char *system = g_strconcat(path, "/system", NULL);
    g_autofree char *chassis = g_strconcat(path, "/chassis", NULL);

    check_names(v, bios, sysinfo->bios, bios_names);
    check_names(v, system, sysinfo->system, system_names);
    check_names(v, chassis, sysinfo->chassis, chassis_names);
    for (guint i = 0; i < list_length(sysinfo->boards); i++) {
        g_autofree char *board = g_strdup_printf("%s/baseBoard[%u]", path, i);

        check_names(v, board, list_at(sysinfo->boards, i, SysinfoBoard)->entries, board_names);
    }
    if (date && !is_date(date))
        validation_error(v, bios, "sysinfo-date", "'%s' is no date: mm/dd/yyyy", date);
    validate_system(v, path, sysinfo);
    validate_files(v, path, sysinfo);
}

void
sysinfo_validate(const Validation *v)
{
    const Domain *domain = v->domain;
    bool has_smbios = false;

    for (guint i = 0; i < list_length(domain->sysinfos); i++) {
        const Sysinfo *sysinfo = list_at(domain->sysinfos, i, Sysinfo);
        g_autofree char *path = g_strdup_printf("sysinfo[%u]", i);

        validate_one(v, path, sysinfo);
        if (has_smbios && sysinfo->type == SYSINFO_SMBIOS)
            validation_error(v, path, "sysinfo-type", "there is one of type='smbios' already");
        has_smbios |= sysinfo->type == SYSINFO_SMBIOS;
    }
    if (domain->smbios_mode == SMBIOS_SYSINFO && !has_smbios)
        validation_error(v, "os/smbios/@mode", "os-smbios",
                         "'sysinfo' needs a <sysinfo type='smbios'>");
}
