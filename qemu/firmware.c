/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What runs first in the guest: flash or ROM firmware, the boot menu, a kernel given directly.
 *
 * Flash is two block devices, code and variables, each a storage node with a raw format node over
 * it; the machine refers to them by name. Copying the variables' template is the launcher's work,
 * and choosing firmware for <os firmware='efi'> was done when the domain was resolved: here loader
 * and nvram are paths, or a source that a disk could have too.
 */
#include "qemu/firmware.h"

#include "qemu/storage.h"

#define CODE "pflash0"
#define VARIABLES "pflash1"

static bool
is_flash(const Domain *domain)
{
    return domain->loader && domain->loader_type == LOADER_PFLASH;
}

static void
spell_flash(const char *name, const char *driver, const char *file, int format, bool is_read_only,
            CommandLine *line)
{
    g_autofree char *storage = g_strconcat(name, "-storage", NULL);
    g_autofree char *top = g_strconcat(name, "-format", NULL);
    Json *tree = json_new_object();

    json_set_string(tree, "driver", driver);
    json_set_string(tree, "filename", file);
    json_set_string(tree, "node-name", storage);
    json_set_bool(tree, "auto-read-only", true);
    json_set_string(tree, "discard", "unmap");
    command_line_add_tree(line, "-blockdev", tree);

    tree = json_new_object();
    json_set_string(tree, "node-name", top);
    json_set_bool(tree, "read-only", is_read_only);
    json_set_string(tree, "driver", format == FIRMWARE_QCOW2 ? "qcow2" : "raw");
    json_set_string(tree, "file", storage);
    if (format == FIRMWARE_QCOW2)
        json_set(tree, "backing", json_new_null());
    command_line_add_tree(line, "-blockdev", tree);
}

/* A variable store elsewhere: spelled as a disk's image is, and named by the node on top. */
static StorageNode
network_store(const Domain *domain)
{
    return (StorageNode){
        .name = VARIABLES,
        .type = domain->nvram_type,
        .format = domain->nvram_format == FIRMWARE_QCOW2 ? DISK_FORMAT_QCOW2 : DISK_FORMAT_RAW,
        .source = domain->nvram_source,
        .auth = domain->nvram_source->auth,
        .encryption = domain->nvram_source->encryption,
        .path = "os/nvram/source",
    };
}

static void
spell_variables(const DeviceContext *context, CommandLine *line)
{
    const Domain *domain = context->at.domain;
    const StorageSource *source = domain->nvram_source;
    g_autoptr(GPtrArray) backends = NULL;
    g_autofree char *top = NULL;

    if (domain->nvram)
        return spell_flash(VARIABLES, "file", domain->nvram, domain->nvram_format, false, line);
    if (!source)
        return;
    if (domain->nvram_type == DISK_FILE)
        return spell_flash(VARIABLES, "file", source->file, domain->nvram_format, false, line);
    if (domain->nvram_type == DISK_BLOCK)
        return spell_flash(VARIABLES, "host_device", source->dev, domain->nvram_format, false,
                           line);
    backends = g_ptr_array_new_with_free_func((GDestroyNotify) backend_free);
    StorageNode node = network_store(domain);
    top = storage_add(context, &node, backends);
    backends_spell(backends, line);
}

void
firmware_spell_flash(const DeviceContext *context, CommandLine *line)
{
    const Domain *domain = context->at.domain;

    if (domain->firmware == FIRMWARE_EFI && !domain->loader)
        validation_error(&context->at, "os/@firmware", "no-firmware", "no EFI firmware was chosen");
    if (!is_flash(domain))
        return;
    spell_flash(CODE, "file", domain->loader, domain->loader_format,
                domain->loader_readonly == TRISTATE_ON, line);
    spell_variables(context, line);
}

static void
add_variables(const Domain *domain, GString *text)
{
    g_autofree char *top = NULL;

    if (domain->nvram_type == DISK_NETWORK && domain->nvram_source) {
        StorageNode node = network_store(domain);

        top = storage_top_node(&node);
        option_text_add(text, "pflash1", top);
    } else if (domain->nvram || domain->nvram_source) {
        option_text_add(text, "pflash1", VARIABLES "-format");
    }
}

void
firmware_add_machine(const Domain *domain, GString *text)
{
    if (is_flash(domain)) {
        option_text_add(text, "pflash0", CODE "-format");
        add_variables(domain, text);
    }
    /* Firmware output on the serial port: SeaBIOS does that when the machine has no graphics. */
    if (domain->bios_use_serial == TRISTATE_ON)
        option_text_add(text, "graphics", "off");
}

void
firmware_spell_rom(const DeviceContext *context, CommandLine *line)
{
    const Domain *domain = context->at.domain;

    if (domain->loader && !is_flash(domain))
        command_line_add(line, "-bios", domain->loader);
}

void
firmware_spell_boot(const DeviceContext *context, CommandLine *line)
{
    const Domain *domain = context->at.domain;
    g_autoptr(GString) text = g_string_new(NULL);

    option_text_add_tristate(text, "menu", domain->boot_menu);
    if (domain->boot_menu == TRISTATE_ON && domain->boot_menu_timeout.is_set)
        option_text_add_uint(text, "splash-time", domain->boot_menu_timeout.value);
    if (domain->bios_reboot_timeout.is_set) {
        g_autofree char *timeout =
            g_strdup_printf("%" G_GINT64_FORMAT, domain->bios_reboot_timeout.value);

        option_text_add(text, "reboot-timeout", timeout);
    }
    option_text_add(text, "strict", "on");
    command_line_add(line, "-boot", text->str);
    if (domain->kernel)
        command_line_add(line, "-kernel", domain->kernel);
    if (domain->initrd)
        command_line_add(line, "-initrd", domain->initrd);
    if (domain->cmdline)
        command_line_add(line, "-append", domain->cmdline);
    if (domain->shim &&
        !capabilities_has_machine_property(context->capabilities, domain->machine, "shim"))
        validation_error(&context->at, "os/shim", "not-in-qemu", "this QEMU knows no shim");
    if (domain->shim)
        command_line_add(line, "-shim", domain->shim);
}
