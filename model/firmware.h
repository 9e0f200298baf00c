/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "model/domain.h"
#include "model/json.h"

/*
 * A firmware image that is installed, as its descriptor says (QEMU's docs/interop/firmware.json;
 * /usr/share/qemu/firmware). Immutable.
 */
typedef struct FirmwareImage {
    int kind;         /* Firmware: FIRMWARE_BIOS or FIRMWARE_EFI */
    bool is_flash;    /* else loaded to memory: -bios */
    bool is_stateless; /* flash without a variable store */
    char *executable;
    int format;       /* FirmwareFormat */
    char *template_;  /* of the variable store; NULL = none */
    int template_format;
    GPtrArray *machines; /* char*: patterns such as "pc-q35-*", x86_64's only */
    bool requires_smm, has_secure_boot, has_enrolled_keys;
} FirmwareImage;

/* NULL when the descriptor is for no x86_64 machine, or of a kind we don't use, or not one. */
FirmwareImage *firmware_image_from_json(const Json *json);
void firmware_image_free(FirmwareImage *image); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FirmwareImage, firmware_image_free)

/* Appends images that distributions install in well-known places, in order of preference: for
 * files that name one of them, and for command lines of hosts that have no descriptors. */
void firmware_add_known(GPtrArray *images);
/* Appends images that nothing installed says are there, but that EDK II can be built as: for
 * command lines that are only shown, where none of the host's fits. */
void firmware_add_assumed(GPtrArray *images);
/* Whether it is made for machine type @machine ("q35", "pc-q35-7.2"). */
bool firmware_image_fits_machine(const FirmwareImage *image, const char *machine);
