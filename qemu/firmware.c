/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What runs first in the guest: flash or ROM firmware, the boot menu, a kernel given directly.
 *
 * Flash is two block devices, code and variables, each a storage node with a raw format node over
 * it; the machine refers to them by name. Copying the variables' template is the launcher's work,
 * as is choosing firmware for <os firmware='efi'>: here loader and nvram are paths.
 */
#include "qemu/firmware.h"

#define CODE "pflash0"
#define VARIABLES "pflash1"

static bool
is_flash(const Domain *domain)
{
    return domain->loader && domain->loader_type == LOADER_PFLASH;
}

static void
spell_flash(const char *name, const char *file, bool is_read_only, CommandLine *line)
{
    g_autofree char *storage = g_strconcat(name, "-storage", NULL);
    g_autofree char *format = g_strconcat(name, "-format", NULL);
    Json *tree = json_new_object();

    json_set_string(tree, "driver", "file");
    json_set_string(tree, "filename", file);
    json_set_string(tree, "node-name", storage);
    json_set_bool(tree, "auto-read-only", true);
    json_set_string(tree, "discard", "unmap");
    command_line_add_tree(line, "-blockdev", tree);

    tree = json_new_object();
    json_set_string(tree, "node-name", format);
    json_set_bool(tree, "read-only", is_read_only);
    json_set_string(tree, "driver", "raw");
    json_set_string(tree, "file", storage);
    command_line_add_tree(line, "-blockdev", tree);
}

void
firmware_spell_flash(const DeviceContext *context, CommandLine *line)
{
    const Domain *domain = context->at.domain;

    if (domain->firmware == FIRMWARE_EFI && !domain->loader)
        validation_error(&context->at, "os/@firmware", "not-supported",
                         "choosing EFI firmware is not supported yet: name <loader> and <nvram>");
    if (!is_flash(domain))
        return;
    spell_flash(CODE, domain->loader, domain->loader_readonly == TRISTATE_ON, line);
    if (domain->nvram)
        spell_flash(VARIABLES, domain->nvram, false, line);
    else if (domain->nvram_template)
        validation_error(&context->at, "os/nvram", "no-nvram",
                         "a template is given, but no file for the variables");
}

void
firmware_add_machine(const Domain *domain, GString *text)
{
    if (is_flash(domain)) {
        option_text_add(text, "pflash0", CODE "-format");
        if (domain->nvram)
            option_text_add(text, "pflash1", VARIABLES "-format");
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
}
