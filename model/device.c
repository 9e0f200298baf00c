/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of device kinds, and how a semantic check reports. Everything that walks "all devices
 * of a domain" (addresses, aliases, validation, the command line) walks this table, in its order.
 *
 * A check names a path below its own device ("target/requested"); the report turns it into the path
 * in the document and that into a position, so a kind's rules know neither lines nor indexes.
 */
#include "model/device.h"

#include <string.h>

#include "model/audio.h"
#include "model/balloon.h"
#include "model/chardev.h"
#include "model/controller.h"
#include "model/crypto.h"
#include "model/disk.h"
#include "model/filesystem.h"
#include "model/graphics.h"
#include "model/hub.h"
#include "model/hostdev.h"
#include "model/input.h"
#include "model/interface.h"
#include "model/iommu.h"
#include "model/memory.h"
#include "model/panic.h"
#include "model/pstore.h"
#include "model/rng.h"
#include "model/shmem.h"
#include "model/smartcard.h"
#include "model/sound.h"
#include "model/tpm.h"
#include "model/video.h"
#include "model/vsock.h"
#include "model/watchdog.h"

const DeviceKind *const device_kinds[] = {
    &disk_kind,    &controller_kind, &interface_kind, &hostdev_kind, &serial_kind,   &parallel_kind,
    &console_kind, &channel_kind,    &input_kind,     &graphics_kind, &video_kind,
    &balloon_kind, &rng_kind,        &memory_kind,
    &audio_kind, &sound_kind, &watchdog_kind, &panic_kind, &tpm_kind, &vsock_kind, &shmem_kind,
    &iommu_kind, &crypto_kind, &pstore_kind, &smartcard_kind, &hub_kind, &filesystem_kind,
    &redirdev_kind, NULL,
};

const DeviceKind *
device_kind_find(const char *name)
{
    for (guint i = 0; device_kinds[i]; i++)
        if (g_str_equal(device_kinds[i]->name, name))
            return device_kinds[i];
    return NULL;
}

GPtrArray *
domain_devices(const Domain *domain, const DeviceKind *kind)
{
    return G_STRUCT_MEMBER(GPtrArray *, domain, kind->list_offset);
}

static void
report(const Validation *validation, Severity severity, const char *field, const char *code,
       const char *format, va_list args)
{
    g_autofree char *text = g_strdup_vprintf(format, args);
    g_autofree char *path = NULL;
    Position at = { 0, 0 };

    if (field && *validation->path)
        path = g_strdup_printf("%s/%s", validation->path, field);
    else
        path = g_strdup(field ? field : validation->path);
    if (validation->positions)
        at = position_map_get(validation->positions, path);
    if (*path)
        diagnostics_add(validation->diagnostics, severity, at, code, "%s: %s", path, text);
    else
        diagnostics_add(validation->diagnostics, severity, at, code, "%s", text);
}

ChangeClass
device_change_class(const DeviceKind *kind, gconstpointer before, gconstpointer after,
                    const Field *field)
{
    return kind->change_class ? kind->change_class(before, after, field) : field->change;
}

bool
device_plugs(gconstpointer device)
{
    return true;
}

void
validation_error(const Validation *validation, const char *field, const char *code,
                 const char *format, ...)
{
    va_list args;

    va_start(args, format);
    report(validation, SEVERITY_ERROR, field, code, format, args);
    va_end(args);
}

void
validation_note(const Validation *validation, const char *field, const char *code,
                const char *format, ...)
{
    va_list args;

    va_start(args, format);
    report(validation, SEVERITY_NOTE, field, code, format, args);
    va_end(args);
}

void
validation_warning(const Validation *validation, const char *field, const char *code,
                   const char *format, ...)
{
    va_list args;

    va_start(args, format);
    report(validation, SEVERITY_WARNING, field, code, format, args);
    va_end(args);
}

static bool
is_on_pci(const Domain *domain, const DeviceKind *kind, const DeviceInfo *info)
{
    DeviceBus bus = kind->bus ? kind->bus(domain, info) : BUS_NONE;

    return bus == BUS_PCI || bus == BUS_PCIE || bus == BUS_INTEGRATED;
}

/* Whether an earlier device has the same index. */
static bool
is_acpi_index_taken(const Domain *domain, const DeviceInfo *info)
{
    for (guint k = 0; device_kinds[k]; k++) {
        const GPtrArray *devices = domain_devices(domain, device_kinds[k]);

        for (guint i = 0; i < list_length(devices); i++) {
            const DeviceInfo *other = devices->pdata[i];

            if (other == info)
                return false;
            if (other->acpi_index.is_set && other->acpi_index.value == info->acpi_index.value)
                return true;
        }
    }
    return false;
}

void
device_info_validate(const Validation *validation, const DeviceKind *kind, const DeviceInfo *info)
{
    const Domain *domain = validation->domain;

    if (info->acpi_index.is_set && !is_on_pci(domain, kind, info))
        validation_error(validation, "acpi/@index", "acpi-index", "only PCI devices have one");
    else if (info->acpi_index.is_set && is_acpi_index_taken(domain, info))
        validation_error(validation, "acpi/@index", "acpi-index", "is another device's");
    if (info->rom_enabled == TRISTATE_OFF && (info->rom_bar || info->rom_file))
        validation_error(validation, info->rom_file ? "rom/@file" : "rom/@bar", "device-rom",
                         "there is no ROM with enabled='no'");
    if ((info->rom_enabled || info->rom_bar || info->rom_file) && !is_on_pci(domain, kind, info))
        validation_error(validation, "rom", "device-rom", "only PCI devices have one");
    if (info->alias && g_str_has_prefix(info->alias, "ua-") &&
        strspn(info->alias, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-_") != strlen(info->alias))
        validation_error(validation, "alias/@name", "alias",
                         "has only letters, digits, '-' and '_'");
}

void
validate_no_virtio_options(const Validation *validation, const VirtioOptions *options)
{
    const struct {
        const char *path;
        int value;
    } rows[] = {
        { "driver/@iommu", options->iommu },
        { "driver/@ats", options->ats },
        { "driver/@packed", options->packed },
        { "driver/@page_per_vq", options->page_per_vq },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].value)
            validation_error(validation, rows[i].path, "virtio-only", "is for virtio devices");
}
