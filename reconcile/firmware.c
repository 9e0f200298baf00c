/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which firmware a domain boots with.
 *
 *     firmware='efi'  ── images in order of preference ──► first that contradicts nothing said
 *     loader named    ── image with that path, if known ─► its template and format
 *                                                          ▼
 *                         loader, type, readonly, secure, format; nvram, template; smm
 *
 * The rules of a contradiction are libvirt's (formatdomain, "BIOS bootloader"; QEMU's
 * firmware.json for what features mean): firmware that requires SMM can't be had with it off, and
 * secure='no' means not that one; features asked for must be there, or not; without a format, raw.
 * What is chosen is written out, so that state and plan show it, and kept from then on.
 */
#include "reconcile/firmware.h"

#include "model/default.h"
#include "model/storage-source.h"

#define NVRAM_DIRECTORY "/var/lib/virtkeep/nvram"

static int
wanted(const Domain *domain, FirmwareFeatureName name)
{
    for (guint i = 0; i < list_length(domain->firmware_features); i++) {
        const FirmwareFeature *feature = list_at(domain->firmware_features, i, FirmwareFeature);

        if (feature->name == (int) name)
            return feature->enabled;
    }
    return TRISTATE_ABSENT;
}

static bool
agrees(int want, bool has)
{
    return !want || (want == TRISTATE_ON) == has;
}

/* A variable store that a template can be copied to: a file or a block device. */
static bool
has_local_store(const Domain *domain)
{
    return domain->nvram_type != DISK_NETWORK;
}

static bool
fits_flash(const Domain *domain, const FirmwareImage *image)
{
    int format = domain->loader_format  ? domain->loader_format
                 : domain->nvram_format ? domain->nvram_format
                                        : FIRMWARE_RAW;

    if (domain->loader_type == LOADER_ROM || domain->loader_readonly == TRISTATE_OFF)
        return false;
    if ((domain->loader_stateless == TRISTATE_ON) != image->is_stateless)
        return false;
    if (domain->nvram_template && g_strcmp0(domain->nvram_template, image->template_))
        return false;
    return image->format == format;
}

static bool
fits(const Domain *domain, const FirmwareImage *image)
{
    int smm = domain_feature_state(domain->has_smm, domain->smm);

    if (image->kind != domain->firmware || !firmware_image_fits_machine(image, domain->machine))
        return false;
    if (domain->loader && g_strcmp0(domain->loader, image->executable))
        return false;
    if (!agrees(wanted(domain, FIRMWARE_FEATURE_SECURE_BOOT), image->has_secure_boot) ||
        !agrees(wanted(domain, FIRMWARE_FEATURE_ENROLLED_KEYS), image->has_enrolled_keys))
        return false;
    if (image->requires_smm && (smm == TRISTATE_OFF || domain->loader_secure == TRISTATE_OFF))
        return false;
    if (domain->loader_secure == TRISTATE_ON && !image->requires_smm)
        return false;
    if (image->is_flash)
        return fits_flash(domain, image);
    return domain->loader_type != LOADER_PFLASH && domain->loader_stateless != TRISTATE_OFF &&
           !domain_has_nvram(domain);
}

static void
take(Domain *domain, const FirmwareImage *image)
{
    default_string(&domain->loader, image->executable);
    default_enum(&domain->loader_type, image->is_flash ? LOADER_PFLASH : LOADER_ROM);
    default_enum(&domain->loader_format, image->format);
    if (image->is_flash)
        default_enum(&domain->loader_readonly, TRISTATE_ON);
    if (image->requires_smm) {
        default_enum(&domain->smm, TRISTATE_ON);
        domain->has_smm = true;
        default_enum(&domain->loader_secure, TRISTATE_ON);
    }
    if (!image->is_flash || !image->template_ || !has_local_store(domain))
        return;
    default_string(&domain->nvram_template, image->template_);
    default_enum(&domain->nvram_template_format, image->template_format);
    domain->nvram_format = image->template_format;
}

static const FirmwareImage *
find_known(const GPtrArray *images, const Domain *domain)
{
    for (guint i = 0; i < list_length(images); i++) {
        const FirmwareImage *image = images->pdata[i];

        if (image->is_flash && !g_strcmp0(image->executable, domain->loader) &&
            agrees(wanted(domain, FIRMWARE_FEATURE_ENROLLED_KEYS), image->has_enrolled_keys))
            return image;
    }
    return NULL;
}

static const FirmwareImage *
find_fitting(const GPtrArray *images, const Domain *domain)
{
    for (guint i = 0; i < list_length(images); i++)
        if (fits(domain, images->pdata[i]))
            return images->pdata[i];
    return NULL;
}

static void
choose(Domain *domain, const GPtrArray *images, const GPtrArray *assumed,
       const Validation *validation)
{
    const FirmwareImage *image = find_fitting(images, domain);

    if (image)
        return take(domain, image);
    image = find_fitting(assumed, domain);
    if (image) {
        validation_warning(validation, "os/@firmware", "no-firmware",
                           "no firmware that is known here fits what the file asks for, and no "
                           "QEMU could be started; what follows assumes '%s'",
                           image->executable);
        return take(domain, image);
    }
    validation_error(validation, "os/@firmware", "no-firmware",
                     "no firmware that is known here fits what the file asks for");
}

/* A loader that the file names: what a descriptor says of it is filled in, if there is one. */
static void
complete(Domain *domain, const GPtrArray *images)
{
    const FirmwareImage *image = find_known(images, domain);

    if (!image || !image->template_ || !has_local_store(domain))
        return;
    default_string(&domain->nvram_template, image->template_);
    if (!g_strcmp0(domain->nvram_template, image->template_))
        default_enum(&domain->nvram_template_format, image->template_format);
}

static bool
is_settled(const Domain *domain, const Domain *previous)
{
    return previous && previous->firmware == domain->firmware && previous->loader &&
           domain_is_q35(previous) == domain_is_q35(domain) &&
           (!domain->loader || !g_strcmp0(domain->loader, previous->loader));
}

static void
name_store(Domain *domain, const Domain *previous, const ResolveContext *context)
{
    const char *directory = context->nvram_directory ? context->nvram_directory : NVRAM_DIRECTORY;
    bool is_qcow2 = domain->nvram_format == FIRMWARE_QCOW2;
    g_autofree char *file = g_strdup_printf("%s_VARS.%s", domain->name, is_qcow2 ? "qcow2" : "fd");

    if (domain->nvram || domain->nvram_source || !domain->nvram_template)
        return;
    if (previous && previous->nvram && is_settled(domain, previous)) {
        domain->nvram = g_strdup(previous->nvram);
        return;
    }
    domain->nvram = g_build_filename(directory, file, NULL);
}

static void
keep(Domain *domain, const Domain *previous)
{
    FirmwareImage image = {
        .executable = previous->loader,
        .format = previous->loader_format,
        .is_flash = previous->loader_type == LOADER_PFLASH,
        .requires_smm = previous->loader_secure == TRISTATE_ON,
        .template_ = previous->nvram_template,
        .template_format = previous->nvram_template_format,
    };

    take(domain, &image);
}

void
resolve_firmware(Domain *domain, const Domain *previous, const ResolveContext *context,
                 const Validation *validation)
{
    g_autoptr(GPtrArray) known = NULL;
    const GPtrArray *images = context->firmware;

    if (!domain->firmware && domain->loader_type != LOADER_PFLASH)
        return;
    if (!images) {
        known = g_ptr_array_new_with_free_func((GDestroyNotify) firmware_image_free);
        firmware_add_known(known);
        images = known;
    }
    if (domain->firmware && is_settled(domain, previous))
        keep(domain, previous);
    else if (domain->firmware)
        choose(domain, images, context->assumed_firmware, validation);
    else if (domain->loader_readonly == TRISTATE_ON && domain->loader_stateless != TRISTATE_ON)
        complete(domain, images);
    name_store(domain, previous, context);
}
