/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A disk that comes, grows and goes by edits, as a real Linux sees it: the kernel's own list of
 * disks in /sys/block says when one is there, how large it is, and that it was let go. The guest
 * and its QEMU live through all of it, in the order of the tests.
 */
#include "tests/support/deadline.h"
#include "tests/support/guest.h"
#include "tests/support/qemus.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#define APPLY_SECONDS 120
#define ANSWER_SECONDS 30
#define KIB 1024
#define PORT(index) "<controller type='pci' index='" index "' model='pcie-root-port'/>"
#define PORTS PORT("1") PORT("2") PORT("3") PORT("4") PORT("5") PORT("6") PORT("7") PORT("8")

static Scratch *scratch;
static char *identity;

static void
edit(const char *disk)
{
    g_autofree char *devices = g_strconcat(PORTS, disk, NULL);

    guest_write_domain(scratch,
                       &(Guest){ .name = "g", .has_no_memory_device = true, .devices = devices });
}

static void
settle(void)
{
    g_free(virtkeep_expect(scratch, APPLY_SECONDS, 0, "apply"));
    g_free(virtkeep_expect(scratch, 30, 0, "plan", "--exit-code"));
    assert_true(!identity || qemu_is(scratch, "g", identity));
    assert_int_equal(view_n_open_actions(scratch), 0);
}

/* Whether the guest's shell finds it true. */
static bool
is_true(const char *test)
{
    g_autofree char *command = g_strdup_printf("sh %s", test);
    g_autofree char *answer = guest_command(scratch, "g", ANSWER_SECONDS, command);

    return g_str_has_prefix(answer, "OK");
}

static char *
disk(void)
{
    g_autofree char *path = scratch_path(scratch, "disk.img");

    return g_strdup_printf("<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
                           "<source file='%s'/><target dev='vda' bus='virtio'/></disk>",
                           path);
}

static void
resize(off_t bytes)
{
    g_autofree char *path = scratch_path(scratch, "disk.img");

    assert_int_equal(truncate(path, bytes), 0);
}

static void
test_disk_comes(void **state)
{
    g_autofree char *with = disk();

    edit("");
    settle();
    assert_within(60, guest_is_ready(scratch, "g"));
    identity = qemu_identity(scratch, "g");
    assert_false(is_true("test -d /sys/block/vda"));
    resize(512 * KIB);
    edit(with);
    settle();
    assert_within(30, is_true("test -d /sys/block/vda"));
    assert_true(is_true("grep -qx 1024 /sys/block/vda/size"));
    assert_true(is_true("dd if=/dev/vda of=/dev/null bs=4096 count=1"));
}

static void
test_disk_grows(void **state)
{
    resize(2048 * KIB);
    settle();
    assert_within(30, is_true("grep -qx 4096 /sys/block/vda/size"));
}

static void
test_disk_goes(void **state)
{
    edit("");
    settle();
    assert_false(is_true("test -d /sys/block/vda"));
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM removals"), 0);
}

static int
boot(void **state)
{
    scratch = scratch_new();
    g_free(scratch_write(scratch, "disk.img", ""));
    return 0;
}

static int
end(void **state)
{
    g_clear_pointer(&scratch, scratch_free);
    g_clear_pointer(&identity, g_free);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disk_comes),
        cmocka_unit_test(test_disk_grows),
        cmocka_unit_test(test_disk_goes),
    };

    guest_require_image();
    return cmocka_run_group_tests_name("guest-disks", tests, boot, end);
}
