/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The domain: its rows, and the rules that need more than one of them.
 *
 * The rows follow libvirt's order of elements, so that what is formatted reads like what libvirt
 * prints. They stand in sections by subject (domain-section.h), joined here. Lists of devices are
 * one row each; a device's own rows are in its file.
 *
 * Sizes: libvirt's <memory> counts boot memory and all memory devices; where there are NUMA cells
 * their sum is the boot memory, whatever <memory> says.
 */
#include "model/domain.h"

#include <string.h>

#include <gio/gio.h>

#include "model/controller.h"
#include "model/disk.h"
#include "model/domain-section.h"
#include "model/iothread.h"
#include "model/memory.h"
#include "model/quantity.h"
#include "model/redir-filter.h"
#include "model/text.h"

static const char *const type_names[] = {
    [DOMAIN_TYPE_QEMU] = "qemu",
    [DOMAIN_TYPE_KVM] = "kvm",
    NULL,
};
static const char *const lifecycle_names[] = {
    [ACTION_DESTROY] = "destroy",
    [ACTION_RESTART] = "restart",
    [ACTION_PRESERVE] = "preserve",
    [ACTION_RENAME_RESTART] = "rename-restart",
    [ACTION_COREDUMP_DESTROY] = "coredump-destroy",
    [ACTION_COREDUMP_RESTART] = "coredump-restart",
    NULL,
};
static const Field head_fields[] = {
    FIELD_ENUM(Domain, type, type_names, .path = "@type", .is_required = true,
               .doc = "`kvm`, or `qemu` for emulation."),
    { .type = TYPE_NONE, .path = "@id", .is_output = true, .doc = "libvirt's number of the run." },
    FIELD_STRING(Domain, name, .path = "name", .is_required = true, .change = CHANGE_IDENTITY,
                 .doc = "Name: the domain's identity."),
    FIELD_UUID(Domain, uuid, .path = "uuid", .change = CHANGE_IDENTITY,
               .doc = "UUID; derived at first sight and kept when left out."),
    FIELD_STRING(Domain, title, .path = "title", .change = CHANGE_NONE, .doc = "Short text."),
    FIELD_STRING(Domain, description, .path = "description", .change = CHANGE_NONE,
                 .doc = "Any text."),
    FIELD_RAW(Domain, metadata, .path = "metadata", .change = CHANGE_NONE,
              .doc =
                  "Other programs' XML, kept; `vk:policy` is virtkeep's (docs/configuration.md)."),
    FIELD_END,
};

static const char *const lock_failure_names[] = { NULL,    "poweroff", "restart",
                                                  "pause", "ignore",   NULL };

static const Field lease_fields[] = {
    FIELD_STRING(Lease, lockspace, .path = "lockspace", .doc = "The lock space."),
    FIELD_STRING(Lease, key, .path = "key", .is_required = true, .doc = "The lease's name in it."),
    FIELD_STRING(Lease, path, .path = "target/@path", .is_required = true, .doc = "The file."),
    FIELD_UINT(Lease, offset, .path = "target/@offset", .doc = "Where in it."),
    FIELD_END,
};
static const Schema lease_schema = { .element = "lease",
                                     .size = sizeof(Lease),
                                     .fields = lease_fields,
                                     .doc = "A lease of a lock manager." };

static const Field lifecycle_fields[] = {
    FIELD_ENUM(Domain, on_poweroff, lifecycle_names, .path = "on_poweroff", .change = CHANGE_NONE,
               .doc = "What the guest's power-off does: `destroy` (default) or `restart`."),
    FIELD_ENUM(Domain, on_reboot, lifecycle_names, .path = "on_reboot", .change = CHANGE_LIVE,
               .doc = "What the guest's reboot does: `restart` (default) or `destroy`."),
    FIELD_ENUM(Domain, on_crash, lifecycle_names, .path = "on_crash", .change = CHANGE_NONE,
               .doc =
                   "What a crash of the guest does: `destroy` (default), `restart` or `preserve`."),
    FIELD_ENUM(Domain, on_lockfailure, lock_failure_names, .path = "on_lockfailure",
               .no_effect = "no guest with leases is started", .doc = "What losing a lease does."),
    FIELD_LIST(Domain, leases, &lease_schema, .path = "devices/lease",
               .doc =
                   "A lease of a lock manager. virtkeep has none, and starts no guest that was to "
                   "hold one."),
    FIELD_YES_NO(Domain, suspend_to_mem, .path = "pm/suspend-to-mem/@enabled",
                 .doc = "Whether the guest can sleep."),
    FIELD_YES_NO(Domain, suspend_to_disk, .path = "pm/suspend-to-disk/@enabled",
                 .doc = "Whether the guest can hibernate."),
    FIELD_REFUSED("only pSeries machines have it", .path = "devices/nvram",
                  .doc = "A pSeries NVRAM."),
    FIELD_LIST(Domain, redir_rules, &redir_rule_schema, .path = "devices/redirfilter/usbdev",
               .doc = "Which USB devices may be redirected: one list of rules for all."),
    FIELD_STRING(Domain, emulator, .path = "devices/emulator",
                 .doc = "QEMU's binary: one of the configuration's `emulators`."),
    FIELD_END,
};

static const DomainSection head_section, io_section, lifecycle_section;
/* In the order of a document. The lists of devices come after the lifecycle. */
static const DomainSection *const sections[] = {
    &head_section,          &domain_memory_section,
    &domain_tuning_section, &io_section,
    &domain_os_section,     &domain_features_section,
    &domain_cpu_section,    &domain_clock_section,
    &lifecycle_section,     NULL,
};
static const DomainSection *const sections_after_devices[] = {
    &domain_security_section,
    &domain_namespace_section,
    NULL,
};

/* The rows of the sections and one list a device kind, joined once. */
static Field all_fields[400];

const Schema domain_schema = {
    .element = "domain",
    .size = sizeof(Domain),
    .fields = all_fields,
    .doc = "A virtual machine.",
};

/* Appends their rows at @n; returns how many there are then. */
static guint
join_sections(const DomainSection *const *list, guint n)
{
    for (; *list; list++)
        for (const Field *field = (*list)->fields; field->path; field++) {
            g_assert(n + 1 < G_N_ELEMENTS(all_fields));
            all_fields[n++] = *field;
        }
    return n;
}

__attribute__((constructor)) static void
join_fields(void)
{
    static char paths[60][40];
    guint n = join_sections(sections, 0);

    for (guint i = 0; device_kinds[i]; i++) {
        g_assert(i < G_N_ELEMENTS(paths));
        g_snprintf(paths[i], sizeof(paths[i]), "devices/%s", device_kinds[i]->name);
        all_fields[n++] = (Field){
            .path = paths[i],
            .type = TYPE_LIST,
            .offset = device_kinds[i]->list_offset,
            .schema = device_kinds[i]->schema,
            .doc = device_kinds[i]->schema->doc,
        };
    }
    join_sections(sections_after_devices, n);
}

void
domain_free(Domain *domain)
{
    if (domain)
        schema_free(&domain_schema, domain);
}

Domain *
domain_copy(const Domain *domain)
{
    return schema_copy(&domain_schema, domain);
}

char *
domain_format(const Domain *domain)
{
    g_autoptr(XmlNode) node = schema_format(&domain_schema, domain);

    return xml_format(node, NULL);
}

Domain *
domain_parse_own(const char *xml, GError **error)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("(state)");
    g_autoptr(XmlNode) node = xml_parse(xml, strlen(xml), diagnostics);
    g_autoptr(Domain) domain = NULL;

    if (node)
        domain = schema_parse(&domain_schema, node, "", NULL, diagnostics);
    if (diagnostics_has_errors(diagnostics)) {
        g_autofree char *text =
            diagnostic_format(diagnostics, diagnostics_first_error(diagnostics));

        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, text);
        return NULL;
    }
    return g_steal_pointer(&domain);
}

guint64
domain_boot_memory(const Domain *domain)
{
    guint64 cells = 0, devices = 0;

    for (guint i = 0; i < list_length(domain->cells); i++)
        cells += list_at(domain->cells, i, NumaCell)->memory.value;
    if (cells)
        return cells;
    for (guint i = 0; i < list_length(domain->memories); i++)
        devices += list_at(domain->memories, i, MemoryDevice)->size.value;
    return domain->memory.value > devices ? domain->memory.value - devices : 0;
}

bool
domain_is_q35(const Domain *domain)
{
    return domain->machine &&
           (g_str_equal(domain->machine, "q35") || g_str_has_prefix(domain->machine, "pc-q35"));
}

bool
domain_has_pci(const Domain *domain)
{
    return !domain->machine || !g_str_equal(domain->machine, "isapc");
}

bool
domain_scsi_is_narrow(const Domain *domain, guint64 index)
{
    for (guint i = 0; i < list_length(domain->controllers); i++) {
        const Controller *controller = list_at(domain->controllers, i, Controller);

        if (controller->type == CONTROLLER_SCSI && controller->index.value == index)
            return controller->model == CONTROLLER_MODEL_LSILOGIC;
    }
    return false;
}

/* ---- rules over several rows ---- */

#define NAME_MAX_BYTES 200

/* NULL when good. A name is a file name too (RUN/NAME), with room for suffixes. */
static const char *
name_mistake(const char *name)
{
    if (!*name)
        return "a name is not empty";
    if (!g_utf8_validate(name, -1, NULL))
        return "a name is UTF-8 text";
    if (strchr(name, '/') || strchr(name, '\n'))
        return "a name has no '/' and no line break";
    if (*name == '.' || *name == '-')
        return "a name begins neither with '.' nor with '-'";
    if (g_str_has_suffix(name, ".lock"))
        return "a name does not end in '.lock': lock files do";
    if (strlen(name) > NAME_MAX_BYTES)
        return "a name has at most 200 bytes";
    for (const char *c = name; *c; c = g_utf8_next_char(c)) {
        if (character_is_control(g_utf8_get_char(c)))
            return "a name has no control characters";
        if (character_is_deceptive(g_utf8_get_char(c)))
            return "a name has no marks that reorder text on the screen";
    }
    return NULL;
}

bool
domain_name_is_valid(const char *name)
{
    return !name_mistake(name);
}

static void
head_validate(const Validation *v)
{
    const char *mistake = v->domain->name ? name_mistake(v->domain->name) : NULL;

    if (mistake)
        validation_error(v, "name", "domain-name", "%s", mistake);
    if (v->domain->title && strchr(v->domain->title, '\n'))
        validation_error(v, "title", "domain-title", "a title is one line");
}

static void
lifecycle_validate(const Validation *v)
{
    const Domain *domain = v->domain;
    const struct {
        const char *path;
        int action;
        guint allowed;
    } rows[] = {
        { "on_poweroff", domain->on_poweroff, 1u << ACTION_DESTROY | 1u << ACTION_RESTART },
        { "on_reboot", domain->on_reboot, 1u << ACTION_DESTROY | 1u << ACTION_RESTART },
        { "on_crash", domain->on_crash,
          1u << ACTION_DESTROY | 1u << ACTION_RESTART | 1u << ACTION_PRESERVE |
              1u << ACTION_COREDUMP_DESTROY | 1u << ACTION_COREDUMP_RESTART },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].action && !(rows[i].allowed & 1u << rows[i].action))
            validation_error(v, rows[i].path, "not-supported", "'%s' is not supported",
                             lifecycle_names[rows[i].action]);
    if (domain->on_crash >= ACTION_COREDUMP_DESTROY)
        validation_warning(v, "on_crash", "no-effect", "no core dump is written yet");
    redir_filter_validate(v);
}

static const DomainSection head_section = { head_fields, head_validate };
static const DomainSection io_section = { domain_io_fields, domain_io_validate };
static const DomainSection lifecycle_section = { lifecycle_fields, lifecycle_validate };

/* Boot order: each number once, and never beside <os><boot>. */
static void
validate_boot_order(const Validation *v)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_direct_hash, g_direct_equal);

    for (guint k = 0; device_kinds[k]; k++) {
        const GPtrArray *devices = domain_devices(v->domain, device_kinds[k]);

        for (guint i = 0; i < list_length(devices); i++) {
            const DeviceInfo *info = devices->pdata[i];
            g_autofree char *path =
                g_strdup_printf("devices/%s[%u]/boot/@order", device_kinds[k]->name, i);

            if (!info->boot_order.is_set)
                continue;
            if (list_length(v->domain->boots))
                validation_error(v, path, "boot-order", "excludes <boot> in <os>");
            if (!g_hash_table_add(seen, GUINT_TO_POINTER((guint) info->boot_order.value)))
                validation_error(v, path, "boot-order", "%u is another device's place",
                                 (guint) info->boot_order.value);
        }
    }
}

static void
validate_devices(const Validation *v)
{
    for (guint k = 0; device_kinds[k]; k++) {
        const GPtrArray *devices = domain_devices(v->domain, device_kinds[k]);

        for (guint i = 0; i < list_length(devices); i++) {
            g_autofree char *path = g_strdup_printf("devices/%s[%u]", device_kinds[k]->name, i);
            Validation device = { v->domain, v->positions, v->diagnostics, path };

            device_info_validate(&device, device_kinds[k], devices->pdata[i]);
            if (device_kinds[k]->validate)
                device_kinds[k]->validate(&device, devices->pdata[i]);
        }
    }
}

void
domain_validate(const Domain *domain, const PositionMap *positions, Diagnostics *diagnostics)
{
    char root[] = "";
    Validation v = { domain, positions, diagnostics, root };

    for (guint i = 0; sections[i]; i++)
        sections[i]->validate(&v);
    for (guint i = 0; sections_after_devices[i]; i++)
        sections_after_devices[i]->validate(&v);
    validate_boot_order(&v);
    disk_targets_validate(&v);
    validate_devices(&v);
}
