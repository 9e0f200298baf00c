/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks that change by edits of the file: a real QEMU that runs no system, asked by QMP what it has
 * now. One QEMU lives through all of it, each test beginning where the one before ended; after each
 * edit the next plan is empty.
 */
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

#define MIB (1 << 20)
#define SECRET_UUID "9a2b7a4e-52a5-4f3f-a0b5-2a9b7d5f1a11"
#define PORT(index) "<controller type='pci' index='" index "' model='pcie-root-port'/>"
#define ALWAYS                                                                                     \
    PORT("1")                                                                                      \
    PORT("2")                                                                                      \
    PORT("3")                                                                                      \
    PORT("4")                                                                                      \
    PORT("5")                                                                                      \
    PORT("6")                                                                                      \
    PORT("7")                                                                                      \
    PORT("8")                                                                                      \
    "<controller type='usb' model='qemu-xhci'/><controller type='scsi' "                           \
    "model='virtio-scsi'/>"
#define IOTHREADS "<iothreads>1</iothreads>"

#define VDA "/machine/peripheral/virtio-disk0/virtio-backend"

/* What the file says at the moment; NULL = the part's plain form. */
typedef struct Parts {
    const char *cdrom, *floppy;          /* below their <disk> */
    const char *vda;                     /* likewise, after driver, source and target */
    const char *vdb_driver, *vdb_within; /* attributes and content of <driver> */
    const char *more;                    /* whole devices */
    const char *groups;                  /* <throttlegroups> */
} Parts;

static Scratch *scratch;
static char *identity;

/* ---- the file ---- */

static void
edit(Parts parts)
{
    const char *dir = scratch_dir(scratch);
    g_autofree char *head = g_strconcat(IOTHREADS, parts.groups ? "<throttlegroups>" : "",
                                        parts.groups ? parts.groups : "",
                                        parts.groups ? "</throttlegroups>" : "", NULL);
    g_autofree char *devices = g_strdup_printf(
        ALWAYS "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
               "<source file='%s/a.img'/><target dev='vda' bus='virtio'/>%s</disk>"
               "<disk type='file' device='disk'><driver name='qemu' type='qcow2' %s>%s</driver>"
               "<source file='%s/over.qcow2'/><target dev='vdb' bus='virtio'/></disk>"
               "<disk type='file' device='cdrom'>%s<target dev='sda' bus='sata'/></disk>"
               "<disk type='file' device='floppy'>%s<target dev='fda' bus='fdc'/></disk>%s",
        dir, parts.vda ? parts.vda : "", parts.vdb_driver ? parts.vdb_driver : "",
        parts.vdb_within ? parts.vdb_within : "", dir, parts.cdrom ? parts.cdrom : "",
        parts.floppy ? parts.floppy : "", parts.more ? parts.more : "");

    domain_file_write(scratch, &(DomainFile){ .name = "a", .devices = devices, .head = head });
}

/* <driver> and <source> of an image in the scratch directory. */
static char *
image(const char *format, const char *name)
{
    return g_strdup_printf("<driver name='qemu' type='%s'/><source file='%s/%s'/>", format,
                           scratch_dir(scratch), name);
}

static void
assert_settled(void)
{
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    g_free(virtkeep_expect(scratch, 10, 0, "plan", "--exit-code"));
    assert_true(qemu_is(scratch, "a", identity));
    assert_int_equal(view_n_open_actions(scratch), 0);
}

static void
settle(Parts parts)
{
    edit(parts);
    assert_settled();
}

/* ---- what QEMU has ---- */

static Json *
ask(const char *command, const char *argument, const char *value)
{
    Json *arguments = argument ? json_new_object() : NULL;

    if (argument)
        json_set_string(arguments, argument, value);
    return qemu_ask(scratch, "a", command, arguments);
}

/* The entry of query-block with this qdev. */
static Json *
drive_of(const char *name, const char *qdev)
{
    g_autoptr(Json) list = qemu_ask(scratch, name, "query-block", NULL);

    for (guint i = 0; i < json_length(list); i++)
        if (!g_strcmp0(json_get_string(json_at(list, i), "qdev"), qdev))
            return json_copy(json_at(list, i));
    fail_msg("no drive %s", qdev);
    return NULL;
}

static Json *
drive(const char *qdev)
{
    return drive_of("a", qdev);
}

static bool
has_node(const char *qdev, const char *node)
{
    g_autoptr(Json) entry = drive(qdev);

    return !g_strcmp0(json_get_string(json_get(entry, "inserted"), "node-name"), node);
}

static bool
has_medium(const char *qdev, const char *file)
{
    g_autoptr(Json) entry = drive(qdev);
    g_autofree char *path = file ? scratch_path(scratch, file) : NULL;

    return !g_strcmp0(json_get_string(json_get(entry, "inserted"), "file"), path) &&
           !json_get_bool(entry, "tray_open", false);
}

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

/* NULL: there is none. */
static Json *
node(const char *name)
{
    g_autoptr(Json) arguments = json_new_object(), list = NULL;

    json_set_bool(arguments, "flat", true);
    list = qemu_ask(scratch, "a", "query-named-block-nodes", g_steal_pointer(&arguments));
    for (guint i = 0; i < json_length(list); i++)
        if (!g_strcmp0(json_get_string(json_at(list, i), "node-name"), name))
            return json_copy(json_at(list, i));
    return NULL;
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

static bool
is_node(const char *name, const char *file)
{
    g_autoptr(Json) found = node(name);
    g_autofree char *path = file ? scratch_path(scratch, file) : NULL;

    return file ? found && !g_strcmp0(json_get_string(found, "file"), path) : !found;
}

static bool
is_direct(const char *name)
{
    g_autoptr(Json) found = node(name);

    return json_get_bool(json_get(found, "cache"), "direct", false);
}

static guint
count(const char *command, const char *argument, const char *value)
{
    g_autoptr(Json) list = ask(command, argument, value);

    return json_length(list);
}

static guint
n_backends(void)
{
    return count("qom-list", "path", "/objects") + count("query-named-block-nodes", NULL, NULL) +
           count("query-chardev", NULL, NULL);
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

/* ---- images ---- */

static void
make_raw(const char *name, off_t size)
{
    g_autofree char *path = scratch_path(scratch, name);

    assert_true(g_file_set_contents(path, "", 0, NULL));
    assert_int_equal(truncate(path, size), 0);
}

#define run(...)                                                                                   \
    do {                                                                                           \
        g_autoptr(CommandResult) result =                                                          \
            command_run(scratch, 30, (const char *const[]){ __VA_ARGS__, NULL });                  \
        if (result->status)                                                                        \
            fail_msg("%s", result->err);                                                           \
    } while (0)

/* Has the image open, for writing. */
static Command *
serve_nbd(const char *image_name, const char *socket_name)
{
    g_autofree char *socket = scratch_path(scratch, socket_name);
    g_autofree char *path = scratch_path(scratch, image_name);
    Command *server =
        command_start(scratch, (const char *const[]){ "qemu-nbd", "-f", "raw", "-x", "export", "-e",
                                                      "8", "-t", "-k", socket, path, NULL });

    assert_within(10, g_file_test(socket, G_FILE_TEST_EXISTS));
    return server;
}

static void
make_qcow2(const char *name, const char *backing)
{
    g_autofree char *path = scratch_path(scratch, name);
    g_autofree char *behind = backing ? scratch_path(scratch, backing) : NULL;

    if (behind)
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", behind, "-F", "qcow2", path);
    else
        run("qemu-img", "create", "-q", "-f", "qcow2", path, "4M");
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

/* ---- media ---- */

static void
test_medium_changes(void **state)
{
    g_autofree char *raw = image("raw", "c.iso"), *qcow2 = image("qcow2", "d.qcow2");

    edit((Parts){ 0 });
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    identity = qemu_identity(scratch, "a");
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
    result = virtkeep_run(scratch, 60, "apply", "--timeout", "1s");
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
    result = virtkeep_run(scratch, 60, "apply", "--timeout", "2s");
    assert_int_not_equal(result->status, 0);
    view_wait_domain(scratch, 10, "b", "OutOfSync", "Refused");
    assert_int_equal(n_nodes("b", "hdc"), 1); /* nothing of the new one is left */
    assert_int_equal(view_int(scratch, "SELECT message LIKE '%%ide0-1-0%%tray locked%%' FROM "
                                       "domains WHERE name = 'b'"),
                     1);
    write_boot_sector(false);
    json_free(qemu_ask(scratch, "b", "system_reset", NULL));
    assert_within(60, !is_locked());
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
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
    g_free(virtkeep_expect(scratch, 60, 3, "apply", "--timeout", "1s"));
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
    g_autoptr(CommandResult) result = NULL;
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
    result = virtkeep_run(scratch, 60, "apply", "--timeout", "500ms");
    assert_int_equal(result->status, 3);
    json_free(ask("system_reset", NULL, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(ids); i++)
        assert_within(30, !has_named("/machine/peripheral", ids[i]));
    assert_settled();
    assert_int_equal(n_backends(), n_before);
    domain_file_write(scratch, &(DomainFile){ .name = "a", .policy = "run-strategy='halted'" });
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
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
    g_autofree char *secrets = NULL, *secret = NULL, *configuration = NULL, *floppy = NULL;

    scratch = scratch_new();
    floppy = scratch_path(scratch, "g.qcow2");
    g_free(scratch_mkdir(scratch, "domains"));
    secrets = scratch_mkdir(scratch, "secrets");
    secret = scratch_write(scratch, "secrets/" SECRET_UUID, "sesame");
    (void) chmod(secret, 0600);
    configuration = g_strdup_printf("secrets: %s\n", secrets);
    g_free(scratch_write(scratch, "virtkeep.yaml", configuration));
    make_raw("a.img", MIB);
    make_raw("c.iso", MIB);
    make_raw("u.img", MIB);
    make_raw("n.img", MIB);
    make_raw("f.img", 1474560);
    make_qcow2("base.qcow2", NULL);
    make_qcow2("over.qcow2", "base.qcow2");
    make_qcow2("d.qcow2", NULL);
    run("qemu-img", "create", "-q", "-f", "qcow2", floppy, "1440K");
    make_qcow2("e.qcow2", "d.qcow2");
    make_luks(secret);
    return 0;
}

static int
end(void **state)
{
    g_clear_pointer(&identity, g_free);
    return scratch_end(g_steal_pointer(&scratch)) == 0 ? 0 : -1;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_medium_changes),
        cmocka_unit_test(test_medium_optional),
        cmocka_unit_test(test_medium_chain),
        cmocka_unit_test(test_medium_refused),
        cmocka_unit_test(test_medium_drift),
        cmocka_unit_test(test_tray_locked),
        cmocka_unit_test(test_floppy),
        cmocka_unit_test(test_floppy_qcow2),
        cmocka_unit_test(test_floppy_refused),
        cmocka_unit_test(test_iotune),
        cmocka_unit_test(test_throttle_groups),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_reopened),
        cmocka_unit_test(test_discard),
        cmocka_unit_test(test_grown),
        cmocka_unit_test(test_disk_optional),
        cmocka_unit_test(test_disks_come_and_go),
    };

    return cmocka_run_group_tests_name("cli-live-disks", tests, begin, end);
}
