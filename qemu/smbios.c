/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What firmware hands to the guest unchanged: SMBIOS strings, fw_cfg files, ACPI tables, the VM
 * Generation ID, and the note that tells a dump where the kernel's layout is.
 *
 * Each SMBIOS block is one -smbios option whose keys are the names of <sysinfo>. Only the keys'
 * spelling differs, and only for one: a BIOS release date is `date` in both. SMBIOS strings are
 * given only when <smbios mode='sysinfo'/> asks for them, as with libvirt: <sysinfo> alone is
 * description. mode='host' gives blocks 0 and 1 of the host, without its uuid: the guest's is its
 * own.
 */
#include "qemu/smbios.h"

#include "model/sysinfo.h"

static void
add_block(guint type, const GPtrArray *entries, CommandLine *line)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (!list_length(entries))
        return;
    option_text_add_uint(text, "type", type);
    for (guint i = 0; i < list_length(entries); i++) {
        const SysinfoEntry *entry = list_at(entries, i, SysinfoEntry);

        option_text_add(text, entry->name ? entry->name : "value",
                        entry->value ? entry->value : "");
    }
    command_line_add(line, "-smbios", text->str);
}

static void
spell_strings(const Sysinfo *sysinfo, CommandLine *line)
{
    add_block(0, sysinfo->bios, line);
    add_block(1, sysinfo->system, line);
    for (guint i = 0; i < list_length(sysinfo->boards); i++)
        add_block(2, list_at(sysinfo->boards, i, SysinfoBoard)->entries, line);
    add_block(3, sysinfo->chassis, line);
    add_block(11, sysinfo->oem_strings, line);
}

static void
spell_host(const DeviceContext *context, CommandLine *line)
{
    const Sysinfo *host = context->facts->sysinfo;

    if (context->at.domain->smbios_mode != SMBIOS_HOST)
        return;
    if (host)
        spell_strings(host, line);
    else if (!context->facts->is_for_show)
        validation_error(&context->at, "os/smbios/@mode", "no-host-smbios",
                         "this host tells no SMBIOS strings (/sys/class/dmi/id)");
}

static void
spell_files(const Sysinfo *sysinfo, CommandLine *line)
{
    for (guint i = 0; i < list_length(sysinfo->files); i++) {
        const SysinfoEntry *entry = list_at(sysinfo->files, i, SysinfoEntry);
        g_autoptr(GString) text = g_string_new(NULL);

        option_text_add(text, "name", entry->name);
        option_text_add(text, "file", entry->file);
        option_text_add(text, "string", entry->value);
        command_line_add(line, "-fw_cfg", text->str);
    }
}

static void
spell_tables(const Domain *domain, CommandLine *line)
{
    static const char *const signatures[] = {
        [ACPI_TABLE_SLIC] = "SLIC",
        [ACPI_TABLE_MSDM] = "MSDM",
        [ACPI_TABLE_RAW] = NULL,
        [ACPI_TABLE_RAWSET] = NULL,
    };

    for (guint i = 0; i < list_length(domain->acpi_tables); i++) {
        const AcpiTable *table = list_at(domain->acpi_tables, i, AcpiTable);
        g_autoptr(GString) text = g_string_new(NULL);

        option_text_add(text, "sig", signatures[table->type]);
        option_text_add(text, table->type == ACPI_TABLE_RAWSET ? "data" : "file", table->file);
        command_line_add(line, "-acpitable", text->str);
    }
}

static void
spell_generation(const DeviceContext *context, CommandLine *line)
{
    const GenerationId *generation = context->at.domain->generation;
    Json *tree;

    if (!generation)
        return;
    tree = device_tree_new(context, "vmgenid");
    json_set_string(tree, "guid", generation->guid ? generation->guid : "auto");
    json_set_string(tree, "id", "vmgenid0");
    command_line_add_tree(line, "-device", tree);
}

void
smbios_spell(const DeviceContext *context, CommandLine *line)
{
    const Domain *domain = context->at.domain;

    spell_host(context, line);
    for (guint i = 0; i < list_length(domain->sysinfos); i++) {
        const Sysinfo *sysinfo = list_at(domain->sysinfos, i, Sysinfo);

        if (sysinfo->type == SYSINFO_SMBIOS && domain->smbios_mode == SMBIOS_SYSINFO)
            spell_strings(sysinfo, line);
        spell_files(sysinfo, line);
    }
    spell_generation(context, line);
    spell_tables(domain, line);
    if (domain_feature_is_on(domain->has_vmcoreinfo, domain->vmcoreinfo))
        command_line_add_tree(line, "-device", device_tree_new(context, "vmcoreinfo"));
}
