/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * startupPolicy='optional' (libvirt, formatdomain, "source"): a drive whose medium is missing is
 * started empty. What is left out is left out of the desired document, after it was resolved, so
 * that everything behind it (what a start needs, the command line, the next plan) sees an empty
 * drive, and there is no difference that could not be made away:
 *
 *     not there, nothing runs            ─► starts empty
 *     not there, the drive is empty      ─► nothing to do
 *     not there, the drive has a medium  ─► nothing to do: QEMU has the file open
 *     there, the drive is empty          ─► the medium is put in
 *
 * `mandatory` and `requisite` are an error at a start, as libvirt has it (`requisite` differs only
 * where a guest comes from elsewhere), and so is what is missing of a hard disk. Only the image
 * itself is looked for, not those behind it.
 */
#include "controller/optional-media.h"

#include <unistd.h>

#include "model/disk.h"
#include "model/domain.h"

/* Where @disk's optional medium is to be, and in *ret_field what says so. NULL: it has none. */
static const char *
optional_path(const Disk *disk, const char **ret_field)
{
    if (!disk_takes_media(disk) || !disk->source ||
        disk->source->startup_policy != STARTUP_OPTIONAL)
        return NULL;
    *ret_field = disk_type(disk) == DISK_FILE ? "source/@file" : "source/@dev";
    return disk_type(disk) == DISK_FILE    ? disk->source->file
           : disk_type(disk) == DISK_BLOCK ? disk->source->dev
                                           : NULL;
}

static bool
is_missing(const char *path, const Recording *recording)
{
    return recording ? recording_is_absent(recording, path) : access(path, F_OK) < 0;
}

static bool
has_medium(const Domain *applied, const char *target)
{
    for (guint i = 0; applied && i < list_length(applied->disks); i++) {
        const Disk *disk = list_at(applied->disks, i, Disk);

        if (!g_strcmp0(disk->target_dev, target))
            return disk_has_source(disk);
    }
    return false;
}

static void
empty_drive(Disk *disk)
{
    schema_free(&storage_source_schema, disk->source);
    disk->source = NULL;
    if (disk->backing)
        schema_free(&storage_backing_schema, disk->backing);
    disk->backing = NULL;
}

void
optional_media_leave_out(Domain *desired, const Domain *applied, const Recording *recording,
                         const PositionMap *positions, Diagnostics *diagnostics)
{
    for (guint i = 0; i < list_length(desired->disks); i++) {
        Disk *disk = desired->disks->pdata[i];
        const char *field, *path = optional_path(disk, &field);
        g_autofree char *place = g_strdup_printf("devices/disk[%u]", i);
        const Validation at = { desired, positions, diagnostics, place };

        if (!path || !is_missing(path, recording) || has_medium(applied, disk->target_dev))
            continue;
        validation_note(&at, field, MEDIUM_MISSING,
                        "%s is not there and optional: the drive is empty until it is", path);
        empty_drive(disk);
    }
}
