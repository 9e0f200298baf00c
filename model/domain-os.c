/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * <os>: machine, firmware and what boots; <sysinfo> and <genid> beside it.
 *
 * Firmware is either named (loader, nvram) or asked for by kind (firmware='efi') and chosen when
 * the domain is resolved; what is known of it may be given in both cases and narrows the choice.
 * The rules here are those that hold before a choice: what excludes what.
 */
#include "model/chardev.h"
#include "model/domain-section.h"
#include "model/storage-source.h"
#include "model/sysinfo.h"

#include <string.h>

static const char *const firmware_names[] = {
    [FIRMWARE_BIOS] = "bios",
    [FIRMWARE_EFI] = "efi",
    NULL,
};
static const char *const firmware_feature_names[] = {
    [FIRMWARE_FEATURE_SECURE_BOOT] = "secure-boot",
    [FIRMWARE_FEATURE_ENROLLED_KEYS] = "enrolled-keys",
    NULL,
};
static const char *const loader_names[] = {
    [LOADER_ROM] = "rom",
    [LOADER_PFLASH] = "pflash",
    NULL,
};
static const char *const firmware_format_names[] = {
    [FIRMWARE_RAW] = "raw",
    [FIRMWARE_QCOW2] = "qcow2",
    NULL,
};
static const char *const boot_names[] = {
    [BOOT_FD] = "fd", [BOOT_HD] = "hd", [BOOT_CDROM] = "cdrom", [BOOT_NETWORK] = "network", NULL,
};
static const char *const smbios_names[] = {
    [SMBIOS_EMULATE] = "emulate",
    [SMBIOS_HOST] = "host",
    [SMBIOS_SYSINFO] = "sysinfo",
    NULL,
};
static const char *const acpi_table_names[] = {
    [ACPI_TABLE_SLIC] = "slic",
    [ACPI_TABLE_MSDM] = "msdm",
    [ACPI_TABLE_RAW] = "raw",
    [ACPI_TABLE_RAWSET] = "rawset",
    NULL,
};

static const Field boot_fields[] = {
    FIELD_ENUM(Boot, device, boot_names, .path = "@dev", .is_required = true, .change = CHANGE_LIVE,
               .doc = "`hd`, `cdrom`, `network` or `fd`."),
    FIELD_END,
};
static const Schema boot_schema = { .element = "boot",
                                    .size = sizeof(Boot),
                                    .fields = boot_fields,
                                    .doc = "A device class to boot from, in order." };

static const Field firmware_feature_fields[] = {
    FIELD_ENUM(FirmwareFeature, name, firmware_feature_names, .path = "@name", .is_required = true,
               .doc = "`secure-boot` or `enrolled-keys`."),
    FIELD_YES_NO(FirmwareFeature, enabled, .path = "@enabled", .is_required = true,
                 .doc = "Whether the firmware must have it, or must not."),
    FIELD_END,
};
static const Schema firmware_feature_schema = { .element = "feature",
                                                .size = sizeof(FirmwareFeature),
                                                .fields = firmware_feature_fields,
                                                .doc = "What the firmware is chosen by." };

static const Field acpi_table_fields[] = {
    FIELD_ENUM(AcpiTable, type, acpi_table_names, .path = "@type", .is_required = true,
               .doc = "`slic`, `msdm`: a table of that name; `raw`: one table; `rawset`: several."),
    FIELD_PATH(AcpiTable, file, .path = ".", .is_required = true, .doc = "The file with it."),
    FIELD_END,
};
static const Schema acpi_table_schema = { .element = "table",
                                          .size = sizeof(AcpiTable),
                                          .fields = acpi_table_fields,
                                          .doc = "An ACPI table." };

static const Field generation_fields[] = {
    FIELD_STRING(GenerationId, guid, .path = ".", .doc = "The id; made up when empty."),
    FIELD_END,
};
static const Schema generation_schema = { .element = "genid",
                                          .size = sizeof(GenerationId),
                                          .fields = generation_fields,
                                          .doc = "VM Generation ID." };

#define OF_XEN "is for Xen"
#define OF_CONTAINERS "is for containers"

static const Field os_fields[] = {
    FIELD_STRUCT(Domain, generation, &generation_schema, .path = "genid",
                 .doc = "VM Generation ID: the guest sees that it was copied."),
    FIELD_REFUSED(OF_XEN, .path = "bootloader", .doc = "Xen's boot loader."),
    FIELD_REFUSED(OF_XEN, .path = "bootloader_args", .doc = "Its arguments."),
    FIELD_ENUM(Domain, firmware, firmware_names, .path = "os/@firmware",
               .doc = "Let virtkeep choose the firmware: `efi` or `bios`."),
    FIELD_STRING(Domain, os_type, .path = "os/type", .is_required = true, .doc = "`hvm`."),
    FIELD_STRING(Domain, arch, .path = "os/type/@arch", .doc = "`x86_64`, the default, or `i686`."),
    FIELD_STRING(Domain, machine, .path = "os/type/@machine",
                 .doc = "QEMU's machine type; `pc` by default."),
    FIELD_LIST(Domain, firmware_features, &firmware_feature_schema, .path = "os/firmware/feature",
               .doc = "What the firmware is chosen by."),
    { .type = TYPE_NONE, .path = "os/firmware/@type", .is_output = true, .doc = "Not read." },
    FIELD_PATH(Domain, loader, .path = "os/loader", .doc = "Path of the firmware."),
    FIELD_YES_NO(Domain, loader_readonly, .path = "os/loader/@readonly",
                 .doc = "Whether the guest can write to it."),
    FIELD_YES_NO(Domain, loader_secure, .path = "os/loader/@secure",
                 .doc = "Secure Boot: needs smm."),
    FIELD_ENUM(Domain, loader_type, loader_names, .path = "os/loader/@type",
               .doc = "`rom` or `pflash`."),
    FIELD_YES_NO(Domain, loader_stateless, .path = "os/loader/@stateless",
                 .doc = "Without a variable store."),
    FIELD_ENUM(Domain, loader_format, firmware_format_names, .path = "os/loader/@format",
               .doc = "`raw` or `qcow2`."),
    FIELD_PATH(Domain, nvram, .path = "os/nvram", .doc = "The guest's own variable store."),
    FIELD_ENUM(Domain, nvram_type, disk_type_names, .path = "os/nvram/@type",
               .doc = "What its <source> is: `file`, `block` or `network`."),
    FIELD_ENUM(Domain, nvram_format, firmware_format_names, .path = "os/nvram/@format",
               .doc = "`raw` or `qcow2`."),
    FIELD_PATH(Domain, nvram_template, .path = "os/nvram/@template",
               .doc = "What it is made from when it is not there."),
    FIELD_ENUM(Domain, nvram_template_format, firmware_format_names,
               .path = "os/nvram/@templateFormat", .doc = "`raw` or `qcow2`."),
    FIELD_STRUCT(Domain, nvram_source, &storage_source_schema, .path = "os/nvram/source",
                 .doc = "Where it is, with a type."),
    FIELD_REFUSED("needs a QEMU with variable stores of its own (10.0 and later)",
                  .path = "os/varstore", .doc = "Variable store in JSON."),
    FIELD_PATH(Domain, kernel, .path = "os/kernel", .doc = "Kernel to boot directly."),
    FIELD_PATH(Domain, initrd, .path = "os/initrd", .doc = "Its initial RAM disk."),
    FIELD_STRING(Domain, cmdline, .path = "os/cmdline", .doc = "Its command line."),
    FIELD_STRING(Domain, dtb, .path = "os/dtb", .refuse = "x86 machines have no device tree",
                 .doc = "Device tree."),
    FIELD_PATH(Domain, shim, .path = "os/shim", .doc = "The shim that verifies the kernel (EFI)."),
    FIELD_REFUSED(OF_CONTAINERS, .path = "os/init", .doc = "First program."),
    FIELD_REFUSED(OF_CONTAINERS, .path = "os/initarg", .doc = "Its argument."),
    FIELD_REFUSED(OF_CONTAINERS, .path = "os/initenv", .doc = "Its environment."),
    FIELD_REFUSED(OF_CONTAINERS, .path = "os/initdir", .doc = "Its directory."),
    FIELD_REFUSED(OF_CONTAINERS, .path = "os/inituser", .doc = "Its user."),
    FIELD_REFUSED(OF_CONTAINERS, .path = "os/initgroup", .doc = "Its group."),
    FIELD_REFUSED(OF_XEN, .path = "os/root", .doc = "Root device for the kernel."),
    FIELD_REFUSED(OF_CONTAINERS, .path = "os/idmap", .doc = "User and group ids."),
    FIELD_LIST(Domain, boots, &boot_schema, .path = "os/boot", .change = CHANGE_LIVE,
               .doc = "What to boot from."),
    FIELD_YES_NO(Domain, boot_menu, .path = "os/bootmenu/@enable", .doc = "The firmware's menu."),
    FIELD_UINT(Domain, boot_menu_timeout, .path = "os/bootmenu/@timeout", .max = 65535,
               .doc = "How long it waits, in ms."),
    FIELD_ENUM(Domain, smbios_mode, smbios_names, .path = "os/smbios/@mode",
               .doc = "SMBIOS strings: QEMU's (`emulate`), `sysinfo`'s or the `host`'s."),
    FIELD_YES_NO(Domain, bios_use_serial, .path = "os/bios/@useserial",
                 .doc = "The firmware talks on the serial port."),
    FIELD_INT(Domain, bios_reboot_timeout, .path = "os/bios/@rebootTimeout", .min = (guint64) -1,
              .max = 65535, .doc = "Wait before booting again, in ms; -1 is never."),
    FIELD_LIST(Domain, acpi_tables, &acpi_table_schema, .path = "os/acpi/table",
               .doc = "Tables added to the machine's."),
    FIELD_LIST(Domain, sysinfos, &sysinfo_schema, .path = "sysinfo",
               .doc = "SMBIOS strings and fw_cfg files."),
    FIELD_END,
};

static bool
wants_feature(const Domain *domain, FirmwareFeatureName name, int enabled)
{
    for (guint i = 0; i < list_length(domain->firmware_features); i++) {
        const FirmwareFeature *feature = list_at(domain->firmware_features, i, FirmwareFeature);

        if (feature->name == (int) name && feature->enabled == enabled)
            return true;
    }
    return false;
}

bool
domain_has_nvram(const Domain *domain)
{
    return domain->nvram || domain->nvram_template || domain->nvram_type || domain->nvram_source ||
           domain->nvram_format;
}

static void
validate_loader(const Validation *v)
{
    const Domain *domain = v->domain;
    bool is_flash = domain->loader_type == LOADER_PFLASH;
    bool has_attributes = domain->loader_readonly || domain->loader_type || domain->loader_format ||
                          domain->loader_secure || domain->loader_stateless;

    if (!domain->firmware && !domain->loader && has_attributes)
        validation_error(v, "os/loader", "os-loader",
                         "no path is given, and no firmware='efi' asks for a choice");
    if (domain->firmware) {
        if (domain->loader_readonly == TRISTATE_OFF)
            validation_error(v, "os/loader/@readonly", "os-loader",
                             "firmware that is chosen is read-only");
    } else if (domain->loader) {
        if (!is_flash && domain->loader_stateless == TRISTATE_OFF)
            validation_error(v, "os/loader/@stateless", "os-loader",
                             "only pflash has a variable store");
        if (is_flash && domain->loader_readonly != TRISTATE_ON &&
            domain->loader_stateless == TRISTATE_ON)
            validation_error(v, "os/loader/@stateless", "os-loader",
                             "firmware that can be written is not stateless");
    }
    if (is_flash && domain->firmware == FIRMWARE_BIOS)
        validation_error(v, "os/loader/@type", "os-loader", "a BIOS is no flash");
    if ((is_flash || domain->firmware == FIRMWARE_EFI) && !domain->acpi)
        validation_error(v, domain->firmware ? "os/@firmware" : "os/loader", "os-acpi",
                         "EFI needs <acpi/> in <features>");
    if (domain->loader_secure == TRISTATE_ON && !domain->firmware &&
        !domain_feature_is_on(domain->has_smm, domain->smm))
        validation_error(v, "os/loader/@secure", "os-secure",
                         "Secure Boot needs <smm state='on'/> in <features>");
    if (domain->loader_secure == TRISTATE_ON && domain->machine && !domain_is_q35(domain))
        validation_error(v, "os/loader/@secure", "os-secure", "Secure Boot needs a q35 machine");
}

static void
validate_nvram(const Validation *v)
{
    const Domain *domain = v->domain;
    bool has_nvram = domain_has_nvram(domain);

    if (!has_nvram)
        return;
    if (domain->firmware == FIRMWARE_BIOS)
        return validation_error(v, "os/nvram", "os-nvram", "a BIOS has no variable store");
    if (domain->firmware != FIRMWARE_EFI && domain->loader_type != LOADER_PFLASH)
        return validation_error(v, "os/nvram", "os-nvram", "needs <loader type='pflash'>");
    if (domain->loader_stateless == TRISTATE_ON)
        return validation_error(v, "os/nvram", "os-nvram",
                                "firmware that is stateless has no variable store");
    if (!domain->firmware && domain->loader_readonly != TRISTATE_ON) {
        if (domain->nvram || domain->nvram_source || domain->loader_readonly)
            validation_error(v, "os/nvram", "os-nvram",
                             "firmware that can be written has no separate variable store");
        else
            validation_warning(v, "os/nvram", "os-nvram",
                               "a template has no effect: firmware that can be written (no "
                               "readonly='yes') has no separate variable store");
    }
    if (domain->nvram_source && domain->nvram)
        validation_error(v, "os/nvram", "os-nvram", "has a path or a <source>, not both");
    if (domain->nvram_source && domain->nvram_source->startup_policy)
        validation_error(v, "os/nvram/source/@startupPolicy", "os-nvram",
                         "is for drives: a variable store is never optional");
    if (domain->nvram_source && !domain->nvram_type)
        validation_error(v, "os/nvram", "missing-attribute", "a <source> needs a type");
    if (domain->nvram_type && !domain->nvram_source)
        validation_error(v, "os/nvram", "missing-element", "a type needs a <source>");
    if (domain->nvram_type && !(WHEN_IS(domain->nvram_type) &
                                (WHEN_IS(DISK_FILE) | WHEN_IS(DISK_BLOCK) | WHEN_IS(DISK_NETWORK))))
        validation_error(v, "os/nvram/@type", "os-nvram", "expected 'file', 'block' or 'network'");
    else if (domain->nvram_type && domain->nvram_source &&
             !storage_is_set(domain->nvram_type, domain->nvram_source))
        validation_error(v, "os/nvram/source", "os-nvram",
                         "does not say which: type 'file' needs file, 'block' needs dev and "
                         "'network' needs protocol");
    if (domain->nvram_template && domain->nvram_type && domain->nvram_type != DISK_FILE &&
        domain->nvram_type != DISK_BLOCK)
        validation_error(v, "os/nvram/@template", "os-nvram",
                         "a template is copied to files and block devices only");
}

static void
validate_firmware_features(const Validation *v)
{
    const Domain *domain = v->domain;

    if (wants_feature(domain, FIRMWARE_FEATURE_ENROLLED_KEYS, TRISTATE_ON) &&
        wants_feature(domain, FIRMWARE_FEATURE_SECURE_BOOT, TRISTATE_OFF))
        validation_error(v, "os/firmware/feature", "os-firmware",
                         "keys are enrolled for Secure Boot only");
    if (domain->firmware == FIRMWARE_BIOS && list_length(domain->firmware_features))
        validation_error(v, "os/firmware/feature", "os-firmware", "a BIOS has no such features");
}

static void
validate_generation(const Validation *v)
{
    const GenerationId *generation = v->domain->generation;
    g_autofree char *guid =
        generation && generation->guid ? g_ascii_strdown(generation->guid, -1) : NULL;

    if (guid && !g_uuid_string_is_valid(guid))
        validation_error(v, "genid", "bad-value", "'%s' is no uuid", generation->guid);
}

static bool
is_x86_machine(const char *machine)
{
    static const char *const others[] = { "isapc",    "microvm",       "none",
                                          "x-remote", "nitro-enclave", NULL };

    return g_str_has_prefix(machine, "pc") || g_str_has_prefix(machine, "q35") ||
           g_str_has_prefix(machine, "rhel") || g_str_has_prefix(machine, "xen") ||
           g_strv_contains(others, machine);
}

/* Serial ports, or the console that is another name for the first. */
static bool
has_serial(const Domain *domain)
{
    if (list_length(domain->serials))
        return true;
    for (guint i = 0; i < list_length(domain->consoles); i++)
        if (list_at(domain->consoles, i, Chardev)->target_type != CHARDEV_TARGET_VIRTIO)
            return true;
    return false;
}

/* Firmware looks for one table of a name. */
static void
validate_acpi_tables(const Validation *v)
{
    guint n[ACPI_TABLE_RAWSET + 1] = { 0 };

    for (guint i = 0; i < list_length(v->domain->acpi_tables); i++) {
        int type = list_at(v->domain->acpi_tables, i, AcpiTable)->type;
        g_autofree char *path = g_strdup_printf("os/acpi/table[%u]", i);

        if (n[type]++ && (type == ACPI_TABLE_SLIC || type == ACPI_TABLE_MSDM))
            validation_error(v, path, "os-acpi-table", "there is one of type '%s' already",
                             acpi_table_names[type]);
    }
}

static void
os_validate(const Validation *v)
{
    const Domain *domain = v->domain;

    if (domain->os_type && !g_str_equal(domain->os_type, "hvm"))
        validation_error(v, "os/type", "os-type", "only 'hvm' is a QEMU guest");
    if (domain->arch && !g_str_equal(domain->arch, "x86_64") && !g_str_equal(domain->arch, "i686"))
        validation_error(v, "os/type/@arch", "os-arch", "only x86_64 and i686 guests are run");
    if ((domain->initrd || domain->cmdline || domain->shim) && !domain->kernel)
        validation_error(v,
                         domain->initrd    ? "os/initrd"
                         : domain->cmdline ? "os/cmdline"
                                           : "os/shim",
                         "os-kernel", "needs a <kernel>");
    if (domain->machine && !is_x86_machine(domain->machine))
        validation_error(v, "os/type/@machine", "os-machine", "'%s' is no x86 machine",
                         domain->machine);
    else if (!g_strcmp0(domain->machine, "microvm"))
        validation_error(v, "os/type/@machine", "not-supported",
                         "virtkeep builds no microvm: it has no PCI bus to put devices on, and "
                         "libvirt knows no places for its own; use 'q35'");
    if (domain->bios_use_serial == TRISTATE_ON && !has_serial(domain))
        validation_error(v, "os/bios/@useserial", "os-bios", "needs a <serial>");
    validate_acpi_tables(v);
    if (domain->boot_menu_timeout.is_set && !domain->boot_menu)
        validation_error(v, "os/bootmenu/@timeout", "os-bootmenu", "needs enable='yes'");
    validate_loader(v);
    validate_nvram(v);
    validate_firmware_features(v);
    validate_generation(v);
    sysinfo_validate(v);
}

const DomainSection domain_os_section = { os_fields, os_validate };
