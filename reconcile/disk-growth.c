/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks that have grown.
 *
 * A domain file says nothing of a disk's size: its image has it. A raw image that somebody made
 * larger (a logical volume extended, a file truncated upwards) is the one difference that no
 * document shows, and QEMU looks at it only when it is told. So it is found by comparing what the
 * guest sees with what the host has, and is then a change like any other: the file names the
 * image, the image is larger, the guest shall see it. One that has become smaller is left alone:
 * nothing good can come of telling a guest.
 */
#include "reconcile/disk-growth.h"

#include "model/disk.h"
#include "model/quantity.h"
#include "reconcile/actual.h"

/* The same image: a disk that waits for a restart with another one is none of ours. */
static bool
is_same_image(const Disk *a, const Disk *b)
{
    if (disk_type(a) != disk_type(b) || !a->source || !b->source)
        return false;
    return !g_strcmp0(a->source->file, b->source->file) &&
           !g_strcmp0(a->source->dev, b->source->dev);
}

static const Field *
source_row(void)
{
    const Field *field = disk_kind.schema->fields;

    while (field->offset != offsetof(Disk, source) || field->type != TYPE_STRUCT)
        field++;
    return field;
}

static Change *
growth_new(const Disk *before, const Disk *after, guint index, const ObservedDrive *drive,
           const PositionMap *positions)
{
    Change *change = g_new0(Change, 1);
    g_autofree char *place = g_strdup_printf(
        "devices/disk[%u]/source", after->info.file_place ? after->info.file_place - 1 : index);

    change->path = g_strdup_printf("devices/disk[%u]/source", index);
    change->from = size_text(drive->size);
    change->to = size_text(drive->image_size);
    change->class_ = CHANGE_LIVE;
    change->field = source_row();
    change->from_item = before;
    change->to_item = after;
    change->item_schema = disk_kind.schema;
    if (positions)
        change->at = position_map_get(positions, place);
    return change;
}

void
disk_growth_add(GPtrArray *changes, const Domain *applied, const Domain *desired,
                const Observed *observed, const PositionMap *positions)
{
    for (guint i = 0; i < list_length(desired->disks); i++) {
        const Disk *after = list_at(desired->disks, i, Disk);
        const ObservedDrive *drive = observed_drive(observed, after->info.alias);
        const DeviceKind *kind = NULL;
        const Disk *before = domain_find_device(applied, after->info.alias, &kind);

        if (drive && before && kind == &disk_kind && drive->node &&
            drive->image_size > drive->size && is_same_image(before, after))
            g_ptr_array_add(changes, growth_new(before, after, i, drive, positions));
    }
}
