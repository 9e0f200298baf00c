/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A command line is a list of options built from values alone: the resolved domain, the emulator's
 * capabilities and a few facts of the host. Same values, same line, on any machine.
 *
 * Devices and what stands behind them are property trees; they are printed as JSON where QEMU
 * takes JSON (-device, -object, -blockdev, -netdev: all of them by 7.2), so that no name, path or
 * serial number ever needs QEMU's comma rules, and the very same trees are what device_add and
 * its kin take later. The rest (-machine, -cpu, -vnc, -chardev) has only the key=value form, built
 * with option_text_add(), which doubles commas.
 *
 * The order is libvirt's. It matters only in that objects come before their users and buses before
 * the devices on them; keeping it makes two command lines comparable by eye.
 */
#include "qemu/command-line.h"

#include <string.h>

#include "qemu/cpu.h"
#include "qemu/device.h"
#include "qemu/firmware.h"
#include "qemu/launch-security.h"
#include "qemu/iothread.h"
#include "qemu/machine.h"
#include "qemu/numa.h"
#include "qemu/qemu-namespace.h"
#include "qemu/smbios.h"

struct CommandLine {
    GPtrArray *options; /* Option* */
    GPtrArray *environment; /* char*: NAME=VALUE */
};

static void
option_free(gpointer data)
{
    Option *option = data;

    g_free(option->text);
    json_free(option->tree);
    g_free(option);
}

static CommandLine *
command_line_new(void)
{
    CommandLine *line = g_new0(CommandLine, 1);

    line->options = g_ptr_array_new_with_free_func(option_free);
    line->environment = g_ptr_array_new_with_free_func(g_free);
    return line;
}

void
command_line_free(CommandLine *line)
{
    if (!line)
        return;
    g_ptr_array_unref(line->options);
    g_ptr_array_unref(line->environment);
    g_free(line);
}

guint
command_line_length(const CommandLine *line)
{
    return line->options->len;
}

const Option *
command_line_at(const CommandLine *line, guint index)
{
    return g_ptr_array_index(line->options, index);
}

static Option *
add_option(CommandLine *line, const char *name)
{
    Option *option = g_new0(Option, 1);

    option->name = name;
    g_ptr_array_add(line->options, option);
    return option;
}

void
command_line_add(CommandLine *line, const char *name, const char *text)
{
    add_option(line, name)->text = g_strdup(text);
}

void
command_line_add_tree(CommandLine *line, const char *name, Json *tree)
{
    add_option(line, name)->tree = tree;
}

void
command_line_addf(CommandLine *line, const char *name, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_option(line, name)->text = g_strdup_vprintf(format, args);
    va_end(args);
}

void
command_line_add_environment(CommandLine *line, const char *name, const char *value)
{
    g_ptr_array_add(line->environment, g_strdup_printf("%s=%s", name, value ? value : ""));
}

const GPtrArray *
command_line_environment(const CommandLine *line)
{
    return line->environment;
}

void
option_text_add(GString *text, const char *key, const char *value)
{
    if (!value)
        return;
    if (text->len)
        g_string_append_c(text, ',');
    if (key)
        g_string_append_printf(text, "%s=", key);
    for (const char *c = value; *c; c++) {
        g_string_append_c(text, *c);
        if (*c == ',')
            g_string_append_c(text, ',');
    }
}

void
option_text_add_uint(GString *text, const char *key, guint64 value)
{
    g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT, value);

    option_text_add(text, key, number);
}

void
option_text_add_switch(GString *text, const char *key, bool value)
{
    option_text_add(text, key, value ? "on" : "off");
}

void
option_text_add_tristate(GString *text, const char *key, int value)
{
    if (value)
        option_text_add_switch(text, key, value == TRISTATE_ON);
}

static void
spell_name(const Domain *domain, CommandLine *line)
{
    g_autoptr(GString) text = g_string_new(NULL);

    option_text_add(text, "guest", domain->name);
    option_text_add(text, "debug-threads", "on");
    command_line_add(line, "-name", text->str);
}

static void
spell_lifecycle(const Domain *domain, CommandLine *line)
{
    /* A guest that powers off leaves QEMU there, in status `shutdown`, to be seen by whoever looks
     * next. A reboot that shall end the guest ends it the same way. */
    command_line_add(line, "-no-shutdown", NULL);
    if (domain->on_reboot == ACTION_DESTROY)
        command_line_add(line, "-action", "reboot=shutdown");
}

CommandLine *
command_line_build(const Domain *domain, const Capabilities *capabilities, const HostFacts *facts,
                   const PositionMap *positions, Diagnostics *diagnostics)
{
    g_autoptr(CommandLine) line = command_line_new();
    guint n_errors = diagnostics->n_errors;
    DeviceContext context = {
        .at = { .domain = domain,
                .positions = positions,
                .diagnostics = diagnostics,
                .path = (char *) "" },
        .capabilities = capabilities,
        .facts = facts,
    };

    spell_name(domain, line);
    firmware_spell_flash(&context, line);
    machine_spell(&context, line);
    cpu_spell(&context, line);
    firmware_spell_rom(&context, line);
    memory_spell_boot(&context, line);
    cpu_spell_topology(&context, line);
    io_spell(&context, line);
    numa_spell(&context, line);
    if (domain->uuid)
        command_line_add(line, "-uuid", domain->uuid);
    smbios_spell(&context, line);
    if (!list_length(domain->graphics))
        command_line_add(line, "-display", "none");
    command_line_add(line, "-no-user-config", NULL);
    command_line_add(line, "-nodefaults", NULL);
    machine_spell_clock(&context, line);
    if (domain->clock_offset == CLOCK_OFFSET_TIMEZONE)
        command_line_add_environment(line, "TZ", domain->clock_timezone);
    spell_lifecycle(domain, line);
    machine_spell_globals(&context, line);
    firmware_spell_boot(&context, line);
    device_spell_all(&context, line);
    launch_security_spell(&context, line);
    qemu_namespace_spell(&context, line);
    if (domain->async_teardown)
        command_line_add(line, "-run-with",
                         domain->async_teardown == TRISTATE_ON ? "async-teardown=on"
                                                               : "async-teardown=off");
    command_line_add(line, "-msg", "timestamp=on");
    return diagnostics->n_errors > n_errors ? NULL : g_steal_pointer(&line);
}

char **
command_line_argv(const CommandLine *line, const char *emulator)
{
    g_autoptr(GStrvBuilder) argv = g_strv_builder_new();

    g_strv_builder_add(argv, emulator);
    for (guint i = 0; i < line->options->len; i++) {
        const Option *option = command_line_at(line, i);
        g_autofree char *tree = option->tree ? json_format(option->tree, false) : NULL;

        g_strv_builder_add(argv, option->name);
        if (tree || option->text)
            g_strv_builder_add(argv, tree ? tree : option->text);
    }
    return g_strv_builder_end(argv);
}
