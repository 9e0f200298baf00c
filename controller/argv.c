/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One file's command line, away from any run: no state is inherited, nothing on the host is looked
 * for but the emulator, and that one only if the configuration allows it (a file must not choose
 * what is executed here).
 *
 *     emulator allowed, here and answering ── its capabilities ──► command line
 *                      │                        │ lacks something
 *                      └── otherwise ───────────┴──► newest QEMU's ──► command line, and warnings
 *
 * So a file can be looked at on a laptop without KVM, for a host with another QEMU.
 */
#include "controller/argv.h"

#include <string.h>
#include <unistd.h>

#include "controller/host-model.h"
#include "controller/subject.h"
#include "model/firmware.h"
#include "model/memory.h"
#include "qemu/command-line.h"
#include "qemu/launch.h"
#include "reconcile/resolve.h"

#define CODE_NOT_IN_QEMU "not-in-qemu"

static Domain *
resolve(const Site *site, const Spec *spec, Diagnostics *diagnostics)
{
    g_autofree char *nvram = site_nvram_directory(site);
    g_autoptr(GPtrArray) assumed =
        g_ptr_array_new_with_free_func((GDestroyNotify) firmware_image_free);
    ResolveContext context = { .uuid_seed = site->host->seed,
                               .firmware = site->host->firmware,
                               .assumed_firmware = assumed,
                               .nvram_directory = nvram };

    firmware_add_assumed(assumed);
    memory_validate_host(spec->domain, spec->positions, site->host->thp_size, diagnostics);
    if (diagnostics_has_errors(diagnostics))
        return NULL;
    return resolve_domain(spec->domain, NULL, &context, spec->positions, diagnostics);
}

/* What the host's QEMU says, or NULL when there is none that may be asked. */
static Capabilities *
probe(const Site *site, const char *emulator)
{
    if (!config_allows_emulator(site->config, emulator) || access(emulator, X_OK) < 0)
        return NULL;
    return site_capabilities(site, emulator, NULL);
}

/* This host's huge pages, and where others usually are. */
static GArray *
list_huge_pages(const Host *host)
{
    const HostFacts *assumed = host_facts_assumed();
    GArray *mounts = g_array_new(FALSE, FALSE, sizeof(HugePageMount));

    g_array_append_vals(mounts, host->huge_pages->data, host->huge_pages->len);
    g_array_append_vals(mounts, assumed->huge_pages, assumed->n_huge_pages);
    return mounts;
}

static CommandLine *
build(const Site *site, const Domain *domain, const Spec *spec, const Capabilities *capabilities,
      const Json *host_model, Diagnostics *diagnostics)
{
    g_autofree char *run_directory = site_run_directory(site, domain->name);
    g_autofree char *beside = g_path_get_dirname(site->config->state);
    g_autofree char *memory = g_build_filename(beside, "memory", NULL); /* as effect.c has it */
    HostFacts facts = host_facts(site->host, run_directory, memory, g_get_real_time());
    g_autoptr(GArray) huge_pages = list_huge_pages(site->host);

    facts.is_qemu_namespace_allowed = true; /* nothing is run */
    facts.is_for_show = true;
    facts.host_model = host_model;
    facts.huge_pages = (const HugePageMount *) huge_pages->data;
    facts.n_huge_pages = huge_pages->len;
    host_facts_add_pools(&facts, site->config);
    if (!facts.default_huge_page)
        facts.default_huge_page = host_facts_assumed()->default_huge_page;
    return command_line_build(domain, capabilities, &facts, spec->positions, diagnostics);
}

static void
add_all(Diagnostics *to, const Diagnostics *from)
{
    for (guint i = 0; i < from->items->len; i++) {
        const Diagnostic *diagnostic = from->items->pdata[i];

        diagnostics_add(to, diagnostic->severity, diagnostic->at, diagnostic->code, "%s",
                        diagnostic->text);
    }
}

/* What is missing here is a warning: the file itself may be fine. */
static void
add_missing(Diagnostics *to, const Diagnostics *from, const char *emulator)
{
    for (guint i = 0; i < from->items->len; i++) {
        const Diagnostic *diagnostic = from->items->pdata[i];

        if (!strcmp(diagnostic->code, CODE_NOT_IN_QEMU))
            diagnostics_add(to, SEVERITY_WARNING, diagnostic->at, CODE_NOT_IN_QEMU,
                            "%s; %s could not start it, and what follows is for a newer one",
                            diagnostic->text, emulator);
    }
}

static CommandLine *
build_for_host(const Site *site, const Domain *domain, const Spec *spec, const char *emulator,
               Diagnostics *diagnostics)
{
    g_autoptr(Capabilities) host_capabilities = probe(site, emulator);
    g_autoptr(Diagnostics) host_diagnostics = diagnostics_new(spec->file);
    g_autoptr(Diagnostics) newest_diagnostics = diagnostics_new(spec->file);
    g_autoptr(Json) host_model = host_capabilities ? site_host_model(site, domain, emulator) : NULL;
    CommandLine *line = NULL;

    if (host_capabilities)
        line = build(site, domain, spec, host_capabilities, host_model, host_diagnostics);
    if (line) {
        add_all(diagnostics, host_diagnostics);
        return line;
    }
    line = build(site, domain, spec, capabilities_builtin(), host_model, newest_diagnostics);
    if (line)
        add_missing(diagnostics, host_diagnostics, emulator);
    add_all(diagnostics, newest_diagnostics);
    return line;
}

/* The monitors as launch adds them, by path. */
static void
add_monitors(GStrvBuilder *builder, const char *run_directory)
{
    static const char *const monitors[] = { LAUNCH_CONTROL, LAUNCH_EVENTS, LAUNCH_DEBUG };

    for (guint i = 0; i < G_N_ELEMENTS(monitors); i++) {
        g_autofree char *path = launch_socket_path(run_directory, monitors[i]);
        g_autoptr(GString) chardev = g_string_new("socket");
        g_autofree char *id = g_strdup_printf("virtkeep-%s", monitors[i]);
        g_autofree char *mon = g_strdup_printf("chardev=%s,mode=control", id);

        option_text_add(chardev, "id", id);
        option_text_add(chardev, "path", path);
        option_text_add(chardev, "server", "on");
        option_text_add(chardev, "wait", "off");
        g_strv_builder_add_many(builder, "-chardev", chardev->str, "-mon", mon, NULL);
    }
    g_strv_builder_add(builder, "-S");
}

char **
argv_of_spec(const Site *site, const Spec *spec, Diagnostics *diagnostics)
{
    g_autoptr(Domain) domain = resolve(site, spec, diagnostics);
    g_autoptr(CommandLine) line = NULL;
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_autofree char *run_directory = NULL;
    g_auto(GStrv) arguments = NULL;
    const char *emulator;

    if (!domain)
        return NULL;
    emulator = domain->emulator ? domain->emulator : site->config->emulators->pdata[0];
    line = build_for_host(site, domain, spec, emulator, diagnostics);
    if (!line)
        return NULL;
    arguments = command_line_argv(line, emulator);
    g_strv_builder_addv(builder, (const char **) arguments);
    run_directory = site_run_directory(site, domain->name);
    add_monitors(builder, run_directory);
    return g_strv_builder_end(builder);
}

char *
argv_shell_word(const char *argument)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "_@%+=:,./-";

    if (*argument && strspn(argument, safe) == strlen(argument))
        return g_strdup(argument);
    return g_shell_quote(argument);
}
