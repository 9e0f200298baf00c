/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Firmware images: one struct for what a descriptor says, and a short list of where distributions
 * have put theirs for years.
 *
 * Which one a domain gets is decided elsewhere (reconcile/firmware.c), from a list in order of
 * preference: the host's descriptors first, by their numbers, then the well-known places. A
 * descriptor says far more than is used here; what is not understood is no reason to discard it,
 * except a kind of mapping that can't be written.
 */
#include "model/firmware.h"

#include <string.h>

static const char *const format_names[] = {
    [FIRMWARE_RAW] = "raw",
    [FIRMWARE_QCOW2] = "qcow2",
    NULL,
};

void
firmware_image_free(FirmwareImage *image)
{
    if (!image)
        return;
    g_free(image->executable);
    g_free(image->template_);
    if (image->machines)
        g_ptr_array_unref(image->machines);
    g_free(image);
}

static bool
has_word(const Json *array, const char *word)
{
    for (guint i = 0; i < json_length(array); i++)
        if (!g_strcmp0(json_string(json_at(array, i)), word))
            return true;
    return false;
}

static void
read_machines(const Json *targets, FirmwareImage *image)
{
    for (guint i = 0; i < json_length(targets); i++) {
        const Json *target = json_at(targets, i);
        const Json *machines = json_get(target, "machines");

        if (g_strcmp0(json_get_string(target, "architecture"), "x86_64"))
            continue;
        for (guint k = 0; k < json_length(machines); k++)
            if (json_string(json_at(machines, k)))
                g_ptr_array_add(image->machines, g_strdup(json_string(json_at(machines, k))));
    }
}

static void
read_mapping(const Json *mapping, FirmwareImage *image)
{
    const char *device = json_get_string(mapping, "device");
    const char *mode = json_get_string(mapping, "mode");
    const Json *executable = json_get(mapping, "executable");
    const Json *template_ = json_get(mapping, "nvram-template");

    if (!g_strcmp0(device, "memory")) {
        image->executable = g_strdup(json_get_string(mapping, "filename"));
        image->format = FIRMWARE_RAW;
        return;
    }
    if (g_strcmp0(device, "flash") || !g_strcmp0(mode, "combined"))
        return;
    image->is_flash = true;
    image->is_stateless = !g_strcmp0(mode, "stateless");
    image->executable = g_strdup(json_get_string(executable, "filename"));
    image->format = enum_value(format_names, json_get_string(executable, "format"));
    image->template_ = g_strdup(json_get_string(template_, "filename"));
    image->template_format = enum_value(format_names, json_get_string(template_, "format"));
}

FirmwareImage *
firmware_image_from_json(const Json *json)
{
    g_autoptr(FirmwareImage) image = g_new0(FirmwareImage, 1);
    const Json *features = json_get(json, "features");
    const Json *interfaces = json_get(json, "interface-types");

    image->machines = g_ptr_array_new_with_free_func(g_free);
    image->kind = has_word(interfaces, "uefi")   ? FIRMWARE_EFI
                  : has_word(interfaces, "bios") ? FIRMWARE_BIOS
                                                 : 0;
    read_mapping(json_get(json, "mapping"), image);
    read_machines(json_get(json, "targets"), image);
    image->requires_smm = has_word(features, "requires-smm");
    image->has_secure_boot = has_word(features, "secure-boot");
    image->has_enrolled_keys = has_word(features, "enrolled-keys");
    if (!image->kind || !image->executable || !image->machines->len || !image->format)
        return NULL;
    return g_steal_pointer(&image);
}

typedef struct KnownImage {
    const char *executable, *template_;
    int kind, format;
    bool is_secure, is_enrolled;
} KnownImage;

/* Secure Boot needs SMM here, which only a q35 has. */
static FirmwareImage *
image_from_row(const KnownImage *row)
{
    FirmwareImage *image = g_new0(FirmwareImage, 1);

    image->kind = row->kind;
    image->is_flash = row->kind == FIRMWARE_EFI;
    image->executable = g_strdup(row->executable);
    image->template_ = g_strdup(row->template_);
    image->format = row->format;
    image->template_format = row->template_ ? row->format : 0;
    image->requires_smm = image->has_secure_boot = row->is_secure;
    image->has_enrolled_keys = row->is_enrolled;
    image->machines = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(image->machines, g_strdup("pc-q35-*"));
    if (!row->is_secure)
        g_ptr_array_add(image->machines, g_strdup("pc-i440fx-*"));
    return image;
}

void
firmware_add_known(GPtrArray *images)
{
    static const KnownImage rows[] = {
        { "/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd", "/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd",
          FIRMWARE_EFI, FIRMWARE_RAW, true, true },
        { "/usr/share/edk2/ovmf/OVMF_CODE_4M.secboot.qcow2",
          "/usr/share/edk2/ovmf/OVMF_VARS_4M.secboot.qcow2", FIRMWARE_EFI, FIRMWARE_QCOW2, true,
          true },
        { "/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd", FIRMWARE_EFI,
          FIRMWARE_RAW, true, true },
        { "/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd",
          FIRMWARE_EFI, FIRMWARE_RAW, true, false },
        { "/usr/share/edk2/ovmf/OVMF_CODE_4M.secboot.qcow2",
          "/usr/share/edk2/ovmf/OVMF_VARS_4M.qcow2", FIRMWARE_EFI, FIRMWARE_QCOW2, true, false },
        { "/usr/share/OVMF/OVMF_CODE.secboot.fd", "/usr/share/OVMF/OVMF_VARS.secboot.fd",
          FIRMWARE_EFI, FIRMWARE_RAW, true, true },
        { "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd",
          FIRMWARE_EFI, FIRMWARE_RAW, true, false },
        { "/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd", FIRMWARE_EFI,
          FIRMWARE_RAW, false, false },
        { "/usr/share/edk2/ovmf/OVMF_CODE_4M.qcow2", "/usr/share/edk2/ovmf/OVMF_VARS_4M.qcow2",
          FIRMWARE_EFI, FIRMWARE_QCOW2, false, false },
        { "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd", FIRMWARE_EFI,
          FIRMWARE_RAW, false, false },
        { "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd", FIRMWARE_EFI,
          FIRMWARE_RAW, false, false },
        { "/usr/share/seabios/bios-256k.bin", NULL, FIRMWARE_BIOS, FIRMWARE_RAW, false, false },
        { "/usr/share/seabios/bios.bin", NULL, FIRMWARE_BIOS, FIRMWARE_RAW, false, false },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        g_ptr_array_add(images, image_from_row(&rows[i]));
}

void
firmware_add_assumed(GPtrArray *images)
{
    /* Secure Boot on a machine without SMM: a build that leaves its variables unprotected. */
    static const KnownImage rows[] = {
        { "/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd", FIRMWARE_EFI,
          FIRMWARE_RAW, true, true },
        { "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd",
          FIRMWARE_EFI, FIRMWARE_RAW, true, false },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        FirmwareImage *image = image_from_row(&rows[i]);

        image->requires_smm = false;
        g_ptr_array_set_size(image->machines, 0);
        g_ptr_array_add(image->machines, g_strdup("pc-i440fx-*"));
        g_ptr_array_add(images, image);
    }
}

bool
firmware_image_fits_machine(const FirmwareImage *image, const char *machine)
{
    /* An alias stands for some version of its family. */
    const char *name = !g_strcmp0(machine, "q35")  ? "pc-q35-0"
                       : !g_strcmp0(machine, "pc") ? "pc-i440fx-0"
                                                   : machine;

    for (guint i = 0; name && i < image->machines->len; i++)
        if (g_pattern_match_simple(image->machines->pdata[i], name))
            return true;
    return false;
}
