/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * startupPolicy='optional' (libvirt, formatdomain, "source"): a guest is started without the disk
 * whose image is not accessible or whose chain is broken; a drive that takes media is started
 * empty. What is left out is left out of the desired document, after it was resolved, so that
 * everything behind it (what a start needs, the command line, the next plan) sees a domain without,
 * and there is no difference that could not be made away:
 *
 *     not there, nothing runs      ─► starts without
 *     not there, QEMU has none     ─► nothing to do
 *     not there, QEMU has one      ─► nothing to do: it has the file open
 *     there, QEMU has none         ─► a medium is put in, a disk is plugged, or needs a restart
 *
 * The document that is kept (Subject.whole) has the disk, so that it has its address when it comes.
 *
 * `mandatory`, the default, is an error at a start, and so is `requisite`, which differs only where
 * a guest comes from elsewhere (and is for media alone).
 */
#include "controller/optional-disk.h"

#include "controller/host-check.h"
#include "model/disk.h"

static bool
is_optional(const Disk *disk)
{
    return disk->source && disk->source->startup_policy == STARTUP_OPTIONAL;
}

/* What is wrong with the image or one behind it. NULL: nothing. Caller frees. */
static char *
find_wrong(const Subject *subject, const Site *site, const Disk *disk)
{
    HostFacts facts = *host_facts_assumed();
    g_autoptr(Diagnostics) diagnostics = diagnostics_new(subject->name);
    g_autoptr(GPtrArray) needs = NULL;
    char *wrong = NULL;

    host_facts_add_pools(&facts, site->config);
    needs = host_needs_of(subject->desired, &disk_kind, disk, &facts, diagnostics);
    for (guint i = 0; i < needs->len && !wrong; i++)
        if (((const HostNeed *) needs->pdata[i])->is_optional)
            wrong = host_check_need(site, needs->pdata[i]);
    return wrong;
}

/* Whether QEMU has it, with a medium where it takes one. */
static bool
is_running(const Subject *subject, const Disk *disk)
{
    const GPtrArray *disks = subject->applied ? subject->applied->disks : NULL;

    for (guint i = 0; i < list_length(disks); i++) {
        const Disk *other = list_at(disks, i, Disk);

        if (!g_strcmp0(other->target_dev, disk->target_dev))
            return disk_has_source(other);
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

/* A plan may borrow from what was desired so far. */
static void
begin_leaving_out(Subject *subject)
{
    g_autoptr(GHashTable) nothing = g_hash_table_new(g_str_hash, g_str_equal);
    Domain *former = subject->desired;

    subject->desired = domain_copy(former);
    if (subject->whole) {
        g_ptr_array_add(subject->retired, former);
    } else {
        subject->whole = former;
        subject->whole_positions = position_map_rename(subject->positions, nothing);
    }
    if (subject->input.desired)
        subject->input.desired = subject->desired;
}

/* Disks behind it take its place in their list, and so in their paths. */
static void
drop_disk(Subject *subject, guint index)
{
    GPtrArray *disks = subject->desired->disks;
    g_autoptr(GHashTable) renames = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    PositionMap *positions;

    g_hash_table_insert(renames, g_strdup_printf("devices/disk[%u]", index),
                        g_strdup("devices/disk[]"));
    for (guint i = index + 1; i < disks->len; i++)
        g_hash_table_insert(renames, g_strdup_printf("devices/disk[%u]", i),
                            g_strdup_printf("devices/disk[%u]", i - 1));
    positions = position_map_rename(subject->positions, renames);
    position_map_free(subject->positions);
    subject->positions = positions;
    if (subject->input.positions)
        subject->input.positions = positions;
    schema_free(disk_kind.schema, g_ptr_array_steal_index(disks, index));
}

static void
leave_out(Subject *subject, guint index, const char *wrong)
{
    Disk *disk = subject->desired->disks->pdata[index];
    g_autofree char *path = g_strdup_printf("devices/disk[%u]", index);
    const Validation at = { subject->desired, subject->positions, subject->diagnostics, path };

    if (disk_takes_media(disk)) {
        validation_note(&at, "source", MEDIUM_MISSING,
                        "%s; it is optional: the drive is empty until it is there", wrong);
        empty_drive(disk);
    } else {
        validation_note(&at, "source", DISK_MISSING,
                        "%s; it is optional: the guest does without the disk until it is there",
                        wrong);
        drop_disk(subject, index);
    }
}

void
optional_disks_leave_out(Subject *subject, const Site *site)
{
    bool has_begun = false;

    for (guint i = list_length(subject->desired->disks); i > 0; i--) {
        const Disk *disk = subject->desired->disks->pdata[i - 1];
        g_autofree char *wrong = NULL;

        if (!is_optional(disk) || is_running(subject, disk))
            continue;
        wrong = find_wrong(subject, site, disk);
        if (!wrong)
            continue;
        if (!has_begun)
            begin_leaving_out(subject);
        has_begun = true;
        leave_out(subject, i - 1, wrong);
    }
}
