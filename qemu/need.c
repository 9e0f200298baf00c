/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a domain needs of the host, as a list: deciding, without a look at the host.
 *
 *     domain ─► needs() of every kind, and the domain's own ─► HostNeed, HostNeed, …
 *                                                               controller/host-check looks
 *
 * Each need carries its place in the document, so that an absence is told with its line. Whether a
 * thing is really usable only QEMU finds out; here is what can be known before a guest is stopped
 * for a restart: that it exists, is of the right kind, and may be opened.
 *
 * Servers on the network are no needs: they may come and go, and QEMU says what it got.
 */
#include "qemu/need.h"

#include "model/launch-security.h"
#include "model/memory.h"
#include "model/quantity.h"
#include "qemu/secret.h"

static void
host_need_free(gpointer data)
{
    HostNeed *need = data;

    g_free(need->path);
    g_free(need->otherwise);
    g_free(need->at);
    g_free(need);
}

void
need_add(const DeviceContext *context, GPtrArray *needs, HostNeedKind kind, const char *field,
         const char *path)
{
    HostNeed *need;

    if (!path)
        return;
    need = g_new0(HostNeed, 1);
    need->kind = kind;
    need->path = g_strdup(path);
    need->at = g_strconcat(context->at.path, *context->at.path && field ? "/" : "", field, NULL);
    g_ptr_array_add(needs, need);
}

static HostNeed *
last_need(GPtrArray *needs)
{
    return needs->pdata[needs->len - 1];
}

void
need_set_written(GPtrArray *needs)
{
    last_need(needs)->is_written = true;
}

void
need_set_otherwise(GPtrArray *needs, const char *path)
{
    last_need(needs)->otherwise = g_strdup(path);
}

void
need_add_secret(const DeviceContext *context, GPtrArray *needs, const char *field,
                const SecretReference *secret)
{
    g_autofree char *file = secret_file(context->facts, secret);

    need_add(context, needs, HOST_SECRET, field, file);
}

void
need_add_pci(const DeviceContext *context, GPtrArray *needs, const char *field, guint domain,
             guint bus, guint slot, guint function)
{
    g_autofree char *path =
        g_strdup_printf("/sys/bus/pci/devices/%04x:%02x:%02x.%x", domain, bus, slot, function);

    need_add(context, needs, HOST_ENTRY, field, path);
    need_add(context, needs, HOST_CHARACTER, field, "/dev/vfio/vfio");
    need_set_written(needs);
}

/* ---- the host's side of character devices ---- */

void
need_add_chardev(const DeviceContext *context, GPtrArray *needs, const Chardev *chardev)
{
    static const HostNeedKind kinds[] = {
        [CHARDEV_DEV] = HOST_CHARACTER, [CHARDEV_PIPE] = HOST_PIPE, [CHARDEV_FILE] = HOST_PLACE,
        [CHARDEV_UNIX] = HOST_SOCKET,   [CHARDEV_NMDM] = 0,
    };
    const ChardevSource *source = chardev_source(chardev);
    HostNeedKind kind = chardev->type < G_N_ELEMENTS(kinds) ? kinds[chardev->type] : 0;
    bool is_socket = chardev->type == CHARDEV_UNIX;

    need_add(context, needs, HOST_PLACE, "log/@file", chardev->log_file);
    if (!source)
        return;
    if (chardev->type == CHARDEV_TCP && source->tls == TRISTATE_ON)
        need_add(context, needs, HOST_DIRECTORY, "source/@tls",
                 host_facts_chardev_tls(context->facts));
    if (!source->path || (!kind && !is_socket))
        return;
    if (is_socket && source->mode == CHARDEV_BIND)
        kind = HOST_PLACE;
    if (is_socket && source->mode != CHARDEV_BIND && source->reconnect == TRISTATE_ON)
        return; /* QEMU waits for it */
    need_add(context, needs, kind, "source/@path", source->path);
    if (kind == HOST_PIPE) {
        g_autofree char *in = g_strconcat(source->path, ".in", NULL);

        need_set_otherwise(needs, in);
    } else if (kind == HOST_CHARACTER) {
        need_set_written(needs);
    }
}

/* ---- the domain's own ---- */

static void
add_firmware(const DeviceContext *context, GPtrArray *needs)
{
    const Domain *domain = context->at.domain;
    const StorageNeed variables = {
        .field = "os/nvram/source",
        .type = domain->nvram_type,
        .source = domain->nvram_source,
        .auth = domain->nvram_source ? domain->nvram_source->auth : NULL,
        .encryption = domain->nvram_source ? domain->nvram_source->encryption : NULL,
        .is_written = true,
    };
    bool is_flash = domain->loader && domain->loader_type == LOADER_PFLASH;

    need_add(context, needs, HOST_IMAGE, "os/loader", domain->loader);
    if (is_flash && domain->nvram) {
        need_add(context, needs, HOST_IMAGE, "os/nvram", domain->nvram);
        need_set_written(needs);
        need_set_otherwise(needs, domain->nvram_template);
    } else if (is_flash && domain->nvram_type == DISK_FILE && domain->nvram_source) {
        need_add(context, needs, HOST_IMAGE, "os/nvram/source/@file", domain->nvram_source->file);
        need_set_otherwise(needs, domain->nvram_template);
    } else if (is_flash) {
        need_add_storage(context, needs, &variables);
    }
    need_add(context, needs, HOST_IMAGE, "os/kernel", domain->kernel);
    need_add(context, needs, HOST_IMAGE, "os/initrd", domain->initrd);
    need_add(context, needs, HOST_IMAGE, "os/dtb", domain->dtb);
    need_add(context, needs, HOST_IMAGE, "os/shim", domain->shim);
    for (guint i = 0; i < list_length(domain->acpi_tables); i++) {
        g_autofree char *field = g_strdup_printf("os/acpi/table[%u]", i);

        need_add(context, needs, HOST_IMAGE, field,
                 list_at(domain->acpi_tables, i, AcpiTable)->file);
    }
}

static void
add_host_nodes(const DeviceContext *context, GPtrArray *needs, const char *field, const char *mask)
{
    g_autoptr(GArray) members = mask ? cpuset_members(mask) : NULL;

    for (guint i = 0; members && i < members->len; i++) {
        g_autofree char *path =
            g_strdup_printf("/sys/devices/system/node/node%u", g_array_index(members, guint, i));

        need_add(context, needs, HOST_ENTRY, field, path);
    }
}

static void
check_huge_page(const DeviceContext *context, const char *field, guint64 size)
{
    if (!size)
        validation_error(&context->at, field, "no-huge-pages", "this host has no huge pages");
    else if (size != context->facts->page_size && !host_facts_huge_page_mount(context->facts, size))
        validation_error(&context->at, field, "no-huge-pages",
                         "no huge pages of %" G_GUINT64_FORMAT " KiB are mounted on this host",
                         size >> 10);
}

static void
add_memory(const DeviceContext *context, GPtrArray *needs)
{
    const Domain *domain = context->at.domain;

    add_host_nodes(context, needs, "numatune/memory/@nodeset", domain->numa_nodeset);
    for (guint i = 0; i < list_length(domain->memory_nodes); i++) {
        g_autofree char *field = g_strdup_printf("numatune/memnode[%u]/@nodeset", i);

        add_host_nodes(context, needs, field,
                       list_at(domain->memory_nodes, i, MemoryNode)->nodeset);
    }
    if (!domain->has_huge_pages || domain->memory_source == MEMORY_SOURCE_MEMFD)
        return;
    if (!list_length(domain->huge_pages))
        check_huge_page(context, "memoryBacking/hugepages", context->facts->default_huge_page);
    for (guint i = 0; i < list_length(domain->huge_pages); i++) {
        g_autofree char *field = g_strdup_printf("memoryBacking/hugepages/page[%u]/@size", i);

        check_huge_page(context, field, list_at(domain->huge_pages, i, HugePage)->size.value);
    }
}

static void
add_own(const DeviceContext *context, GPtrArray *needs)
{
    const Domain *domain = context->at.domain;
    const LaunchSecurity *security = domain->launch_security;

    if (domain->type == DOMAIN_TYPE_KVM) {
        need_add(context, needs, HOST_CHARACTER, "@type", "/dev/kvm");
        need_set_written(needs);
    }
    if (security && (security->type == LAUNCH_SEV || security->type == LAUNCH_SEV_SNP))
        need_add(context, needs, HOST_CHARACTER, "launchSecurity", "/dev/sev");
    /* It says that this guest must not run twice. Nobody here would see to that. */
    if (list_length(domain->leases))
        validation_error(&context->at, "devices/lease[0]", "not-launchable",
                         "virtkeep has no lock manager to take the lease from");
    add_firmware(context, needs);
    add_memory(context, needs);
}

/* ---- all ---- */

static void
add_device(const DeviceContext *context, const DeviceSpelling *spelling, gconstpointer device,
           GPtrArray *needs)
{
    g_autofree char *refusal =
        spelling->launch_refusal ? spelling->launch_refusal(context->at.domain, device) : NULL;

    if (refusal)
        validation_error(&context->at, NULL, "not-launchable", "%s", refusal);
    if (spelling->needs)
        spelling->needs(context, device, needs);
    need_add(context, needs, HOST_IMAGE, "rom/@file", ((const DeviceInfo *) device)->rom_file);
}

GPtrArray *
host_needs_of(const Domain *domain, const DeviceKind *kind, gconstpointer device,
              const HostFacts *facts, Diagnostics *diagnostics)
{
    GPtrArray *needs = g_ptr_array_new_with_free_func(host_need_free);
    DeviceContext context = {
        .at = { .domain = domain, .diagnostics = diagnostics, .path = (char *) kind->name },
        .facts = facts,
    };

    add_device(&context, device_spelling_find(kind), device, needs);
    return needs;
}

GPtrArray *
host_needs(const Domain *domain, const HostFacts *facts, const PositionMap *positions,
           Diagnostics *diagnostics)
{
    GPtrArray *needs = g_ptr_array_new_with_free_func(host_need_free);
    DeviceContext context = {
        .at = { .domain = domain,
                .positions = positions,
                .diagnostics = diagnostics,
                .path = (char *) "" },
        .facts = facts,
    };

    add_own(&context, needs);
    for (guint k = 0; device_spellings[k]; k++) {
        const GPtrArray *devices = domain_devices(domain, device_spellings[k]->kind);

        for (guint i = 0; i < list_length(devices); i++) {
            g_autofree char *path =
                g_strdup_printf("devices/%s[%u]", device_spellings[k]->kind->name, i);

            context.at.path = path;
            add_device(&context, device_spellings[k], devices->pdata[i], needs);
        }
    }
    return needs;
}
