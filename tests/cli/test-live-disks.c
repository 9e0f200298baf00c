/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks that change by edits of the file: a real QEMU that runs no system, asked by QMP what it has
 * now. One QEMU lives through all of it, each test beginning where the one before ended; after each
 * edit the next plan is empty.
 */
#include "tests/cli/disk-domain.h"
#include "tests/cli/domain-file.h"
#include "tests/cli/unplug.h"
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

#define SECRET_UUID "9a2b7a4e-52a5-4f3f-a0b5-2a9b7d5f1a11"
#define VDA "/machine/peripheral/virtio-disk0/virtio-backend"

static guint64
limit(const char *qdev, const char *name)
{
    g_autoptr(Json) entry = drive(qdev);

    return json_get_uint(json_get(entry, "inserted"), name, 0);
}

static guint64
drive_size(const char *qdev)
{
    g_autoptr(Json) entry = drive(qdev);

    return json_get_uint(json_get(json_get(entry, "inserted"), "image"), "virtual-size", 0);
}

static bool
is_direct(const char *name)
{
    g_autoptr(Json) found = node(name);

    return json_get_bool(json_get(found, "cache"), "direct", false);
}

static bool
has_named(const char *path, const char *name)
{
    g_autoptr(Json) list = ask("qom-list", "path", path);

    for (guint i = 0; i < json_length(list); i++)
        if (!g_strcmp0(json_get_string(json_at(list, i), "name"), name))
            return true;
    return false;
}

/* Tried again: qemu-img 7.2 measures how long the key's derivation takes, and gives up on a machine
 * that is fast or busy ("Unable to get accurate CPU usage"). */
static void
make_luks(const char *secret)
{
    g_autofree char *path = scratch_path(scratch, "luks.img");
    g_autofree char *object = g_strdup_printf("secret,id=key,file=%s", secret);
    const char *const argv[] = { "qemu-img", "create", "-q",
                                 "-f",       "luks",   "--object",
                                 object,     "-o",     "key-secret=key,iter-time=100",
                                 path,       "1M",     NULL };

    for (guint i = 0; i < 30; i++) {
        g_autoptr(CommandResult) result = command_run(scratch, 30, argv);

        if (!result->status)
            return;
    }
    fail_msg("qemu-img makes no LUKS image");
}

/* ---- limits ---- */

static void
test_iotune(void **state)
{
    g_autofree char *raw = image("raw", "c.iso");
    g_autofree char *slow_cd =
        g_strconcat(raw, "<iotune><total_bytes_sec>4096</total_bytes_sec></iotune>", NULL);

    settle((Parts){ .vda = "<iotune><total_iops_sec>100</total_iops_sec>"
                           "<total_iops_sec_max>200</total_iops_sec_max>"
                           "<total_iops_sec_max_length>3</total_iops_sec_max_length>"
                           "<size_iops_sec>4096</size_iops_sec>"
                           "<read_bytes_sec>1000000</read_bytes_sec>"
                           "<write_bytes_sec>2000000</write_bytes_sec>"
                           "<read_bytes_sec_max>1000001</read_bytes_sec_max>"
                           "<write_bytes_sec_max>2000001</write_bytes_sec_max>"
                           "<group_name>slow</group_name></iotune>" });
    assert_int_equal(limit(VDA, "iops"), 100);
    assert_int_equal(limit(VDA, "iops_max"), 200);
    assert_int_equal(limit(VDA, "iops_max_length"), 3);
    assert_int_equal(limit(VDA, "iops_size"), 4096);
    assert_int_equal(limit(VDA, "bps_rd"), 1000000);
    assert_int_equal(limit(VDA, "bps_wr_max"), 2000001);
    settle((Parts){ .vda = "<iotune><total_bytes_sec>5000</total_bytes_sec>"
                           "<read_iops_sec>7</read_iops_sec><write_iops_sec>8</write_iops_sec>"
                           "<group_name>other</group_name></iotune>" });
    assert_int_equal(limit(VDA, "iops"), 0);
    assert_int_equal(limit(VDA, "bps_rd"), 0);
    assert_int_equal(limit(VDA, "bps"), 5000);
    assert_int_equal(limit(VDA, "iops_rd"), 7);
    assert_int_equal(limit(VDA, "iops_wr"), 8);
    {
        g_autoptr(Json) entry = drive(VDA);

        assert_string_equal(json_get_string(json_get(entry, "inserted"), "group"), "other");
    }
    settle((Parts){ 0 });
    assert_int_equal(limit(VDA, "bps"), 0);
    /* A limit of a drive outlives its medium in QEMU, and not in the file. */
    settle((Parts){ .cdrom = slow_cd });
    assert_int_equal(limit("sata0-0-0", "bps"), 4096);
    settle((Parts){ 0 });
    settle((Parts){ .cdrom = raw });
    assert_int_equal(limit("sata0-0-0", "bps"), 0);
    settle((Parts){ 0 });
}

static guint64
group_limit(const char *id, const char *name)
{
    g_autoptr(Json) arguments = json_new_object(), limits = NULL;
    g_autofree char *path = g_strconcat("/objects/", id, NULL);

    json_set_string(arguments, "path", path);
    json_set_string(arguments, "property", "limits");
    limits = qemu_ask(scratch, "a", "qom-get", g_steal_pointer(&arguments));
    return json_get_uint(limits, name, 0);
}

static void
test_throttle_groups(void **state)
{
    settle((Parts){ .groups = "<throttlegroup><group_name>g1</group_name>"
                              "<total_iops_sec>10</total_iops_sec></throttlegroup>" });
    assert_int_equal(group_limit("throttle-g1", "iops-total"), 10);
    settle((Parts){ .groups = "<throttlegroup><group_name>g1</group_name>"
                              "<total_iops_sec>20</total_iops_sec></throttlegroup>"
                              "<throttlegroup><group_name>g2</group_name>"
                              "<read_bytes_sec>5</read_bytes_sec></throttlegroup>" });
    assert_int_equal(group_limit("throttle-g1", "iops-total"), 20);
    assert_int_equal(group_limit("throttle-g2", "bps-read"), 5);
    settle((Parts){ 0 });
    assert_false(has_named("/objects", "throttle-g1") || has_named("/objects", "throttle-g2"));
}

/* A group that comes with the filter that names it, and goes with it. */
static void
test_filters(void **state)
{
    static const char both[] = "<throttlefilters><throttlefilter group='g1'/>"
                               "<throttlefilter group='g2'/></throttlefilters>";
    static const char groups[] = "<throttlegroup><group_name>g1</group_name>"
                                 "<total_iops_sec>10</total_iops_sec></throttlegroup>"
                                 "<throttlegroup><group_name>g2</group_name>"
                                 "<total_bytes_sec>20</total_bytes_sec></throttlegroup>";
    guint n_before = n_backends();

    settle((Parts){ .vda = both, .groups = groups, .vdb_driver = "copy_on_read='on'" });
    assert_true(has_node(VDA, "vda-filter1"));
    assert_true(has_node("/machine/peripheral/virtio-disk1/virtio-backend", "vdb-cor"));
    settle((Parts){ .vda = "<throttlefilters><throttlefilter group='g2'/></throttlefilters>",
                    .groups = groups });
    assert_true(has_node(VDA, "vda-filter0") && is_node("vda-filter1", NULL));
    assert_true(has_node("/machine/peripheral/virtio-disk1/virtio-backend", "vdb-format"));
    settle((Parts){ 0 });
    assert_true(has_node(VDA, "vda-storage"));
    assert_int_equal(n_backends(), n_before);
}

/* ---- nodes opened anew ---- */

static bool
detects(const char *name, const char *how)
{
    g_autoptr(Json) found = node(name);

    return !g_strcmp0(json_get_string(found, "detect_zeroes"), how);
}

/* vdb's image opens the one behind it by itself. */
static void
test_reopened(void **state)
{
    settle((Parts){ .vdb_driver = "discard='unmap' detect_zeroes='unmap' cache='none'",
                    .vdb_within = "<metadata_cache><max_size unit='KiB'>256</max_size>"
                                  "</metadata_cache>" });
    assert_true(detects("vdb-format", "unmap"));
    assert_true(is_direct("vdb-format") && is_direct("vdb-storage"));
    settle((Parts){ .vdb_driver = "detect_zeroes='on' cache='writeback'" });
    assert_true(detects("vdb-format", "on"));
    assert_false(is_direct("vdb-format") || is_direct("vdb-storage"));
    /* The guest's switch of the write cache is the device's: no live change. */
    edit((Parts){ .vdb_driver = "cache='writethrough'" });
    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    view_wait_domain(scratch, 10, "a", "RestartRequired", "RestartRequired");
    assert_true(detects("vdb-format", "off")); /* the rest was done */
    settle((Parts){ 0 });
}

/* What a guest discards goes out of the image, or stays in it. */
static void
test_discard(void **state)
{
    g_autofree char *path = scratch_path(scratch, "g.img");
    g_autofree char *with = g_strdup_printf(
        "<disk type='file' device='disk'><driver name='qemu' type='raw' discard='unmap'/>"
        "<source file='%s'/><target dev='sdb' bus='scsi'/></disk>",
        path);
    g_autofree char *without = g_strdup_printf(
        "<disk type='file' device='disk'><driver name='qemu' type='raw' discard='ignore'/>"
        "<source file='%s'/><target dev='sdb' bus='scsi'/></disk>",
        path);
    static const char write_[] = "qemu-io -d scsi0-0-0-1 \"write -P 1 0 512k\"";
    static const char discard[] = "qemu-io -d scsi0-0-0-1 \"discard 0 512k\"";
    struct stat written, kept, gone;

    make_raw("g.img", MIB);
    settle((Parts){ .more = without });
    json_free(ask("human-monitor-command", "command-line", write_));
    assert_int_equal(stat(path, &written), 0);
    json_free(ask("human-monitor-command", "command-line", discard));
    assert_int_equal(stat(path, &kept), 0);
    assert_int_equal(kept.st_blocks, written.st_blocks);
    settle((Parts){ .more = with });
    json_free(ask("human-monitor-command", "command-line", discard));
    assert_int_equal(stat(path, &gone), 0);
    assert_true(gone.st_blocks < written.st_blocks);
    settle((Parts){ .more = without });
}

static void
test_grown(void **state)
{
    g_autofree char *path = scratch_path(scratch, "a.img");
    g_autofree char *saved = scratch_path(scratch, "saved.json");
    g_autoptr(CommandResult) stale = NULL;

    settle((Parts){ 0 });
    assert_int_equal(drive_size(VDA), MIB);
    g_free(virtkeep_expect(scratch, 10, 0, "plan", "--out", saved));
    assert_int_equal(truncate(path, 3 * MIB), 0);
    g_free(virtkeep_expect(scratch, 10, 2, "plan", "--exit-code"));
    stale = virtkeep_run(scratch, 10, "apply", "--plan", saved);
    assert_int_not_equal(stale->status, 0);
    if (!strstr(stale->err, "qemu/virtio-disk0/image-size"))
        fail_msg("%s", stale->err);
    assert_settled();
    assert_int_equal(drive_size(VDA), 3 * MIB);
}

/* ---- whole disks ---- */

static char *
all_buses(void)
{
    const char *dir = scratch_dir(scratch);

    return g_strdup_printf(
        "<disk type='file' device='disk'><driver name='qemu' type='raw' iothread='1'/>"
        "<source file='%s/luks.img'><encryption format='luks'><secret type='passphrase' "
        "uuid='" SECRET_UUID "'/></encryption></source><target dev='vdc' bus='virtio'/></disk>"
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
        "<source file='%s/e.qcow2'/><backingStore type='file'><format type='qcow2'/>"
        "<source file='%s/d.qcow2'/><backingStore/></backingStore>"
        "<target dev='sdc' bus='scsi'/></disk>"
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
        "<source file='%s/u.img'/><target dev='sdd' bus='usb'/>"
        "<iotune><total_iops_sec>50</total_iops_sec></iotune></disk>"
        "<disk type='network' device='disk'><driver name='qemu' type='raw' cache='none'/>"
        "<source protocol='nbd' name='export'><host transport='unix' socket='%s/nbd.sock'/>"
        "</source><target dev='vdd' bus='virtio'/></disk>"
        "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>"
        "<source file='%s/c.iso'/><target dev='sde' bus='scsi'/></disk>",
        dir, dir, dir, dir, dir, dir);
}

static void
test_disks_come_and_go(void **state)
{
    static const char *const ids[] = { "virtio-disk2", "scsi0-0-0-2", "usb-disk3", "virtio-disk3",
                                       "scsi0-0-0-4" };
    g_autoptr(Command) server = serve_nbd("n.img", "nbd.sock");
    g_autofree char *all = all_buses();
    guint n_before;

    settle((Parts){ 0 });
    json_free(ask("system_reset", NULL, NULL));
    assert_within(30, !has_named("/machine/peripheral", "scsi0-0-0-1"));
    assert_settled();
    n_before = n_backends();
    settle((Parts){ .more = all });
    for (guint i = 0; i < G_N_ELEMENTS(ids); i++)
        if (!has_named("/machine/peripheral", ids[i]))
            fail_msg("no device %s", ids[i]);
    assert_true(has_named("/objects", "vdc-format-key"));
    assert_true(is_node("sdc-1-format", "d.qcow2"));
    assert_int_equal(limit("/machine/peripheral/usb-disk3/usb-disk3.0/legacy[0]", "iops"), 50);

    edit((Parts){ 0 });
    unplug_by_resets(scratch, "a");
    for (guint i = 0; i < G_N_ELEMENTS(ids); i++)
        assert_false(has_named("/machine/peripheral", ids[i]));
    assert_settled();
    assert_int_equal(n_backends(), n_before);
}

static int
begin(void **state)
{
    g_autofree char *secrets = NULL, *secret = NULL, *configuration = NULL;

    disk_domain_new();
    secrets = scratch_mkdir(scratch, "secrets");
    secret = scratch_write(scratch, "secrets/" SECRET_UUID, "sesame");
    (void) chmod(secret, 0600);
    configuration = g_strdup_printf("secrets: %s\n", secrets);
    g_free(scratch_write(scratch, "virtkeep.yaml", configuration));
    make_raw("u.img", MIB);
    make_raw("n.img", MIB);
    make_luks(secret);
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
        cmocka_unit_test(test_iotune),
        cmocka_unit_test(test_throttle_groups),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_reopened),
        cmocka_unit_test(test_discard),
        cmocka_unit_test(test_grown),
        cmocka_unit_test(test_disks_come_and_go),
    };

    return cmocka_run_group_tests_name("cli-live-disks", tests, begin, end);
}
