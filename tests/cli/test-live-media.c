/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Media that change in their drives by edits of the file, media and disks that may be missing: a
 * real QEMU, asked by QMP what it has now.
 */
#include "tests/cli/disk-domain.h"
#include "tests/cli/domain-file.h"
#include "tests/support/command.h"
#include "tests/support/deadline.h"
#include "tests/support/qemus.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static bool
has_medium(const char *qdev, const char *file)
{
    g_autoptr(Json) entry = drive(qdev);
    g_autofree char *path = file ? scratch_path(scratch, file) : NULL;

    return !g_strcmp0(json_get_string(json_get(entry, "inserted"), "file"), path) &&
           !json_get_bool(entry, "tray_open", false);
}

/* Of the medium of @target, whatever turn it is. */
static guint
n_nodes(const char *name, const char *target)
{
    g_autofree char *first = g_strconcat(target, "-", NULL);
    g_autofree char *second = g_strconcat(target, ".b-", NULL);
    g_autoptr(Json) arguments = json_new_object(), list = NULL;
    guint n = 0;

    json_set_bool(arguments, "flat", true);
    list = qemu_ask(scratch, name, "query-named-block-nodes", g_steal_pointer(&arguments));
    for (guint i = 0; i < json_length(list); i++) {
        const char *node_name = json_get_string(json_at(list, i), "node-name");

        n += g_str_has_prefix(node_name, first) || g_str_has_prefix(node_name, second);
    }
    return n;
}

/* ---- media ---- */

static void
test_medium_changes(void **state)
{
    g_autofree char *raw = image("raw", "c.iso"), *qcow2 = image("qcow2", "d.qcow2");

    assert_true(has_medium("sata0-0-0", NULL));

    settle((Parts){ .cdrom = raw });
    assert_true(has_medium("sata0-0-0", "c.iso"));
    assert_true(has_node("sata0-0-0", "sda-storage"));
    settle((Parts){ .cdrom = qcow2 });
    assert_true(has_medium("sata0-0-0", "d.qcow2"));
    assert_true(has_node("sata0-0-0", "sda.b-format"));
    assert_int_equal(n_nodes("a", "sda"), 2);
    settle((Parts){ .cdrom = raw });
    assert_true(has_node("sata0-0-0", "sda-storage"));
    assert_int_equal(n_nodes("a", "sda"), 1);
    settle((Parts){ 0 });
    assert_true(has_medium("sata0-0-0", NULL));
    assert_int_equal(n_nodes("a", "sda"), 0);
}

/* An optional medium that is not there is left out of the drive, and put in when it comes; one that
 * the drive has stays when its file goes. */
static void
test_medium_optional(void **state)
{
    g_autofree char *path = scratch_path(scratch, "later.iso");
    g_autofree char *later = g_strdup_printf("<source file='%s' startupPolicy='optional'/>", path);
    g_autoptr(CommandResult) plan = NULL;

    settle((Parts){ .cdrom = later });
    assert_true(has_medium("sata0-0-0", NULL));
    plan = virtkeep_run(scratch, 60, "plan", "--exit-code");
    assert_int_equal(plan->status, 0);
    assert_non_null(strstr(plan->err, ": note: devices/disk"));
    assert_non_null(strstr(plan->err, "later.iso: No such file or directory; it is optional"));
    g_free(scratch_write(scratch, "later.iso", ""));
    assert_int_equal(truncate(path, 1 << 20), 0);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_true(has_medium("sata0-0-0", "later.iso"));
    assert_int_equal(unlink(path), 0);
    g_free(virtkeep_expect(scratch, 60, 0, "plan", "--exit-code"));
    assert_true(has_medium("sata0-0-0", "later.iso"));
    settle((Parts){ .cdrom = later });
    settle((Parts){ 0 });
}

/* Images behind the medium come and go with it. */
static void
test_medium_chain(void **state)
{
    g_autofree char *backing = scratch_path(scratch, "d.qcow2");
    g_autofree char *over = image("qcow2", "e.qcow2");
    g_autofree char *chain = g_strdup_printf(
        "%s<backingStore type='file'><format type='qcow2'/><source file='%s'/><backingStore/>"
        "</backingStore>",
        over, backing);
    guint n_before = n_backends();

    settle((Parts){ .cdrom = chain });
    assert_true(is_node("sda-format", "e.qcow2") && is_node("sda-1-format", "d.qcow2"));
    settle((Parts){ .cdrom = over }); /* the header says the same */
    assert_true(is_node("sda.b-format", "e.qcow2"));
    assert_int_equal(n_nodes("a", "sda"), 2);
    settle((Parts){ 0 });
    assert_int_equal(n_backends(), n_before);
}

static void
assert_refused(Parts parts, const char *device, const char *words)
{
    g_autoptr(CommandResult) result = NULL;
    g_autofree char *message = NULL;

    edit(parts);
    result = virtkeep_run(scratch, 60, "apply");
    assert_int_not_equal(result->status, 0);
    view_wait_domain(scratch, 10, "a", "OutOfSync", "Refused");
    message = view_text(scratch, "SELECT message FROM domains WHERE name = 'a'");
    if (!strstr(message, device) || !strstr(message, words))
        fail_msg("%s", message);
}

/* A medium that can't be opened changes nothing for the guest: it keeps the one it has. */
static void
test_medium_refused(void **state)
{
    g_autofree char *good = image("raw", "c.iso"), *bad = image("qcow2", "c.iso");
    g_autofree char *missing = image("raw", "missing.iso"), *locked = image("raw", "locked.iso");
    g_autofree char *path = scratch_path(scratch, "locked.iso");

    settle((Parts){ .cdrom = good });
    assert_refused((Parts){ .cdrom = bad }, "sata0-0-0", "qcow2");
    assert_true(has_medium("sata0-0-0", "c.iso"));
    assert_int_equal(n_nodes("a", "sda"), 1);
    assert_refused((Parts){ .cdrom = missing }, "sata0-0-0", "No such file");
    assert_true(has_medium("sata0-0-0", "c.iso"));
    assert_int_equal(n_nodes("a", "sda"), 1);
    make_raw("locked.iso", MIB);
    assert_int_equal(chmod(path, 0), 0);
    if (geteuid()) { /* root reads it all the same */
        assert_refused((Parts){ .cdrom = locked }, "sata0-0-0", "Permission denied");
        assert_true(has_medium("sata0-0-0", "c.iso"));
        assert_int_equal(n_nodes("a", "sda"), 1);
    }
    settle((Parts){ .cdrom = good });
    assert_true(has_medium("sata0-0-0", "c.iso"));
}

static void
tell(const char *command, const char *arguments)
{
    json_free(qemu_ask(scratch, "a", command, json_parse(arguments, -1, NULL)));
}

/* The guest has the new medium, in a closed tray, though somebody holds on to the old one. */
static void
test_medium_held(void **state)
{
    g_autofree char *raw = image("raw", "c.iso"), *qcow2 = image("qcow2", "d.qcow2");
    g_autofree char *path = scratch_path(scratch, "held.sock");
    g_autofree char *address =
        g_strdup_printf("{\"addr\":{\"type\":\"unix\",\"data\":{\"path\":\"%s\"}}}", path);

    settle((Parts){ .cdrom = raw });
    assert_true(has_node("sata0-0-0", "sda-storage"));
    tell("nbd-server-start", address);
    tell("block-export-add", "{\"type\":\"nbd\",\"id\":\"holder\",\"node-name\":\"sda-storage\"}");
    assert_refused((Parts){ .cdrom = qcow2 }, "sata0-0-0", "in use");
    assert_true(has_medium("sata0-0-0", "d.qcow2"));
    assert_int_equal(n_nodes("a", "sda"), 3);
    json_free(ask("nbd-server-stop", NULL, NULL));
    settle((Parts){ .cdrom = qcow2 });
    assert_true(has_medium("sata0-0-0", "d.qcow2"));
    settle((Parts){ 0 });
    assert_int_equal(n_nodes("a", "sda"), 0);
}

/* Limits that QEMU refuses ("burst length too high for this burst rate") don't take the new medium
 * away. */
static void
test_medium_limits_refused(void **state)
{
    g_autofree char *raw = image("raw", "c.iso"), *qcow2 = image("qcow2", "d.qcow2");
    g_autofree char *limited =
        g_strconcat(qcow2,
                    "<iotune><total_bytes_sec>1048576</total_bytes_sec>"
                    "<total_bytes_sec_max>1000000000000000</total_bytes_sec_max>"
                    "<total_bytes_sec_max_length>2</total_bytes_sec_max_length></iotune>",
                    NULL);

    settle((Parts){ .cdrom = raw });
    assert_refused((Parts){ .cdrom = limited }, "sata0-0-0", "burst");
    assert_true(has_medium("sata0-0-0", "d.qcow2"));
    assert_int_equal(n_nodes("a", "sda"), 2); /* nothing of the old one is left */
    settle((Parts){ 0 });
}

/* Taken out behind virtkeep's back. */
static void
test_medium_drift(void **state)
{
    g_autofree char *raw = image("raw", "c.iso");

    settle((Parts){ .cdrom = raw });
    assert_true(has_medium("sata0-0-0", "c.iso"));
    json_free(ask("blockdev-open-tray", "id", "sata0-0-0"));
    json_free(ask("blockdev-remove-medium", "id", "sata0-0-0"));
    g_free(virtkeep_expect(scratch, 10, 2, "plan", "--exit-code"));
    assert_settled();
    assert_true(has_medium("sata0-0-0", "c.iso"));
    settle((Parts){ 0 });
}

/* ---- a guest that holds its tray ---- */

/* A boot sector: PREVENT ALLOW MEDIUM REMOVAL to the master of the second IDE channel (ATA/ATAPI's
 * PACKET command, polled), then nothing any more. Its last-but-seven byte is the lock. */
static const guint8 locking_sector[] = {
    0x31, 0xc0, 0x8e, 0xd8,       /* ds = 0 */
    0xba, 0x76, 0x01, 0xb0, 0xa0, /* device: master */
    0xee, 0xba, 0x71, 0x01, 0x30, /* features: 0 */
    0xc0, 0xee, 0xba, 0x77, 0x01, /* command: PACKET */
    0xb0, 0xa0, 0xee,             /* */
    0xec, 0xa8, 0x80, 0x75, 0xfb, /* until not busy */
    0xa8, 0x08, 0x74, 0xf7,       /* until it wants data */
    0xba, 0x70, 0x01, 0xbe, 0x2e, /* the packet, six words */
    0x7c, 0xb9, 0x06, 0x00, 0xfc, /* */
    0xf3, 0x6f, 0xf4, 0xeb, 0xfd, /* hlt, for ever */
    0x1e, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};
#define LOCK_BYTE (sizeof(locking_sector) - 8)

static void
write_boot_sector(bool locks)
{
    g_autofree char *path = scratch_path(scratch, "boot.img");
    g_autofree guint8 *sector = g_malloc0(512);
    FILE *file = fopen(path, "r+");

    memcpy(sector, locking_sector, sizeof(locking_sector));
    sector[LOCK_BYTE] = locks;
    sector[510] = 0x55;
    sector[511] = 0xaa;
    assert_non_null(file);
    assert_int_equal(fwrite(sector, 512, 1, file), 1);
    assert_int_equal(fclose(file), 0);
}

static void
edit_locking(const char *cdrom)
{
    g_autofree char *xml = g_strdup_printf(
        "<domain type='qemu'><name>b</name><metadata><vk:policy xmlns:vk='urn:virtkeep:policy:1' "
        "shutdown-timeout='1s'/></metadata><memory unit='MiB'>64</memory><vcpu>1</vcpu>"
        "<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>"
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
        "<source file='%s/boot.img'/><target dev='hda' bus='ide'/></disk>"
        "<disk type='file' device='cdrom'>%s<target dev='hdc' bus='ide'/></disk>"
        "</devices></domain>",
        scratch_dir(scratch), cdrom);

    g_free(scratch_write(scratch, "domains/b.xml", xml));
}

static bool
is_locked(void)
{
    g_autoptr(Json) entry = drive_of("b", "ide0-1-0");

    return json_get_bool(entry, "locked", false);
}

static bool
is_applied(void)
{
    g_autoptr(CommandResult) result = virtkeep_run(scratch, 60, "apply");

    return result->status == 0;
}

static void
test_tray_locked(void **state)
{
    g_autofree char *raw = image("raw", "c.iso"), *other = image("qcow2", "d.qcow2");
    g_autoptr(CommandResult) result = NULL;
    g_autoptr(Json) entry = NULL;

    make_raw("boot.img", MIB);
    write_boot_sector(true);
    edit_locking(raw);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_within(60, is_locked());
    edit_locking(other);
    result = virtkeep_run(scratch, 60, "apply");
    assert_int_not_equal(result->status, 0);
    view_wait_domain(scratch, 10, "b", "OutOfSync", "Refused");
    assert_int_equal(n_nodes("b", "hdc"), 1); /* nothing of the new one is left */
    assert_int_equal(view_int(scratch, "SELECT message LIKE '%%ide0-1-0%%tray locked%%' FROM "
                                       "domains WHERE name = 'b'"),
                     1);
    write_boot_sector(false);
    json_free(qemu_ask(scratch, "b", "system_reset", NULL));
    assert_within(60, !is_locked());
    /* The firmware, which looks for something to boot, may close the tray once more. */
    assert_within(60, is_applied());
    g_free(virtkeep_expect(scratch, 10, 0, "plan", "--exit-code"));
    entry = drive_of("b", "ide0-1-0");
    assert_non_null(strstr(json_get_string(json_get(entry, "inserted"), "file"), "d.qcow2"));
    {
        g_autofree char *path = scratch_path(scratch, "domains/b.xml");

        domain_file_write(scratch, &(DomainFile){ .name = "b", .policy = "run-strategy='halted'" });
        g_free(virtkeep_expect(scratch, 60, 0, "apply"));
        assert_int_equal(unlink(path), 0);
        g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    }
}

static bool
is_write_protected(void)
{
    g_autoptr(Json) entry = drive("fdc0-0-0");

    return json_get_bool(json_get(entry, "inserted"), "ro", false);
}

/* An image that it is written to is not open twice (QEMU's locks), also where it stays the same. */
static void
test_floppy_qcow2(void **state)
{
    g_autofree char *one = image("qcow2", "g.qcow2"), *other = image("raw", "f.img");
    g_autofree char *protected = g_strconcat(one, "<readonly/>", NULL);

    settle((Parts){ .floppy = other });
    settle((Parts){ .floppy = one });
    assert_true(has_medium("fdc0-0-0", "g.qcow2") && !is_write_protected());
    settle((Parts){ .floppy = protected });
    assert_true(has_medium("fdc0-0-0", "g.qcow2") && is_write_protected());
    assert_int_equal(n_nodes("a", "fda"), 2);
    settle((Parts){ .floppy = one });
    assert_true(has_medium("fdc0-0-0", "g.qcow2") && !is_write_protected());
    settle((Parts){ 0 });
}

/* So where it then can't be opened the drive is empty. */
static void
test_floppy_reopen_refused(void **state)
{
    g_autofree char *raw = image("raw", "f.img"), *bad = image("qcow2", "f.img");

    settle((Parts){ .floppy = raw });
    assert_refused((Parts){ .floppy = bad }, "fdc0-0-0", "qcow2");
    assert_true(has_medium("fdc0-0-0", NULL));
    assert_int_equal(n_nodes("a", "fda"), 0);
    settle((Parts){ .floppy = raw });
    assert_true(has_medium("fdc0-0-0", "f.img"));
    settle((Parts){ 0 });
}

/* One that another process writes to can be opened, and is refused only when it is put in: the one
 * before is put in again. */
static void
test_floppy_refused(void **state)
{
    g_autofree char *one = image("raw", "f.img"), *busy = image("raw", "busy.img");
    g_autoptr(Command) holder = NULL;

    make_raw("busy.img", 1474560);
    settle((Parts){ .floppy = one });
    holder = serve_nbd("busy.img", "busy.sock");
    assert_refused((Parts){ .floppy = busy }, "fdc0-0-0", "lock");
    assert_true(has_medium("fdc0-0-0", "f.img"));
    assert_int_equal(n_nodes("a", "fda"), 1);
    settle((Parts){ .floppy = one });
    settle((Parts){ 0 });
}

static void
test_floppy(void **state)
{
    g_autofree char *one = image("raw", "f.img");
    g_autofree char *protected = g_strconcat(one, "<readonly/>", NULL);

    settle((Parts){ .floppy = one });
    assert_true(has_medium("fdc0-0-0", "f.img") && !is_write_protected());
    settle((Parts){ .floppy = protected });
    assert_true(has_medium("fdc0-0-0", "f.img") && is_write_protected());
    settle((Parts){ 0 });
    assert_true(has_medium("fdc0-0-0", NULL));
    assert_int_equal(n_nodes("a", "fda"), 0);
}

/* ---- disks that may be missing ---- */

static void
edit_optional(const char *policy)
{
    const char *dir = scratch_dir(scratch);
    g_autofree char *xml = g_strdup_printf(
        "<domain type='qemu'><name>c</name><metadata><vk:policy xmlns:vk='urn:virtkeep:policy:1' "
        "%s shutdown-timeout='1s'/></metadata><memory unit='MiB'>64</memory><vcpu>1</vcpu>"
        "<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features><devices>"
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
        "<source file='%s/ide.img' startupPolicy='optional'/><target dev='hda' bus='ide'/></disk>"
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
        "<source file='%s/e.qcow2' startupPolicy='optional'/><backingStore type='file'>"
        "<format type='qcow2'/><source file='%s/absent.qcow2'/><backingStore/></backingStore>"
        "<target dev='vda' bus='virtio'/></disk>"
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
        "<source file='%s/n.img'/><target dev='vdb' bus='virtio'/></disk>"
        "</devices></domain>",
        policy, dir, dir, dir, dir);

    g_free(scratch_write(scratch, "domains/c.xml", xml));
}

static bool
has_disk(const char *id)
{
    g_autoptr(Json) arguments = json_new_object(), list = NULL;

    json_set_string(arguments, "path", "/machine/peripheral");
    list = qemu_ask(scratch, "c", "qom-list", g_steal_pointer(&arguments));
    for (guint i = 0; i < json_length(list); i++)
        if (!g_strcmp0(json_get_string(json_at(list, i), "name"), id))
            return true;
    return false;
}

/* The kept document from the disk's target on. */
static char *
kept_of(const char *target)
{
    return view_text(scratch,
                     "SELECT substr(resolved_xml, instr(resolved_xml, 'dev=' || char(39) || '%s'), "
                     "160) FROM t_domain WHERE name = 'c'",
                     target);
}

/* A disk that can't be opened, or one behind it, is left out of a start; when it is there it comes
 * to where it would have been, and one that QEMU has stays when its file goes. */
static void
test_disk_optional(void **state)
{
    g_autofree char *ide = scratch_path(scratch, "ide.img");
    g_autofree char *chain = scratch_path(scratch, "absent.qcow2");
    g_autofree char *former = NULL, *now = NULL;

    edit_optional("");
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_true(has_disk("virtio-disk1"));
    assert_false(has_disk("virtio-disk0") || has_disk("ide0-0-0"));
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM events WHERE kind = 'disk-missing'"),
                     2);
    g_free(virtkeep_expect(scratch, 60, 0, "plan", "--exit-code"));
    former = kept_of("vda");
    assert_non_null(strstr(former, "<address"));

    make_qcow2("absent.qcow2", NULL);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_true(has_disk("virtio-disk0"));
    now = kept_of("vda");
    assert_string_equal(now, former);
    assert_int_equal(unlink(chain), 0);
    g_free(virtkeep_expect(scratch, 60, 0, "plan", "--exit-code"));

    make_raw("ide.img", MIB); /* on no bus that plugs */
    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    view_wait_domain(scratch, 10, "c", "RestartRequired", "RestartRequired");
    edit_optional("restart-required='restart'"); /* the chain has gone: the guest does without */
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_true(has_disk("ide0-0-0"));
    assert_false(has_disk("virtio-disk0"));
    assert_int_equal(unlink(ide), 0);
    edit_optional("run-strategy='halted'");
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
}

static int
begin(void **state)
{
    disk_domain_new();
    make_raw("n.img", MIB);
    make_qcow2("g.qcow2", NULL);
    disk_domain_start();
    return 0;
}

static int
end(void **state)
{
    return disk_domain_end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_medium_changes),
        cmocka_unit_test(test_medium_optional),
        cmocka_unit_test(test_medium_chain),
        cmocka_unit_test(test_medium_refused),
        cmocka_unit_test(test_medium_held),
        cmocka_unit_test(test_medium_limits_refused),
        cmocka_unit_test(test_medium_drift),
        cmocka_unit_test(test_tray_locked),
        cmocka_unit_test(test_floppy),
        cmocka_unit_test(test_floppy_qcow2),
        cmocka_unit_test(test_floppy_reopen_refused),
        cmocka_unit_test(test_floppy_refused),
        cmocka_unit_test(test_disk_optional),
    };

    return cmocka_run_group_tests_name("cli-live-media", tests, begin, end);
}
