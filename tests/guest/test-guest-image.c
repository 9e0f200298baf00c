/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest tests' fixture, tested without virtkeep: a QEMU started by hand with the guest's
 * image and the two serial ports where guest.h expects them. It boots, has the memory that
 * QEMU gives it, takes commands, answers each once, and says when it panics. Where this fails,
 * the failures of the other guest tests mean nothing.
 */
#include "tests/support/command.h"
#include "tests/support/deadline.h"
#include "tests/support/guest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MIB (1024 * 1024)

static Command *
start_qemu(Scratch *scratch, const char *cmdline)
{
    g_autofree char *console = scratch_mkdir(scratch, "console");
    g_autofree char *log = g_strdup_printf("file:%s/g.log", console);
    g_autofree char *commands = g_strdup_printf("unix:%s/g.sock,server=on,wait=off", console);
    g_autofree char *append = g_strconcat("console=ttyS0 quiet loglevel=1 ", cmdline, NULL);
    const char *const argv[] = { "qemu-system-x86_64",
                                 "-accel",
                                 "tcg",
                                 "-cpu",
                                 "max",
                                 "-machine",
                                 "q35",
                                 "-nodefaults",
                                 "-display",
                                 "none",
                                 "-no-reboot",
                                 "-m",
                                 "size=512M,maxmem=4G",
                                 "-object",
                                 "memory-backend-ram,id=n0,size=512M",
                                 "-numa",
                                 "node,nodeid=0,memdev=n0",
                                 "-object",
                                 "memory-backend-ram,id=m0,size=1G,reserve=off",
                                 "-device",
                                 "virtio-mem-pci,memdev=m0,block-size=2M,"
                                 "requested-size=256M",
                                 "-kernel",
                                 GUEST_IMAGE_DIR "/vmlinuz",
                                 "-initrd",
                                 GUEST_IMAGE_DIR "/initramfs.cpio.gz",
                                 "-append",
                                 append,
                                 "-serial",
                                 log,
                                 "-serial",
                                 commands,
                                 NULL };

    return command_start(scratch, argv);
}

static void
test_memory_and_commands(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(Command) qemu = start_qemu(scratch, "virtkeep.nodriver");
    GuestInfo info = { 0 };
    guint64 without_device;
    g_autofree char *refused = NULL;

    assert_within(60, guest_is_ready(scratch, "g"));
    assert_within(10, guest_last_info(scratch, "g", &info));
    assert_false(info.has_virtio_mem);
    assert_in_range(info.mem_total, 380 * (guint64) MIB, 512 * (guint64) MIB);
    without_device = info.mem_total;

    guest_run(scratch, "g", 10, "load virtio_mem", &info);
    assert_true(info.has_virtio_mem);
    assert_within(10, guest_has_total(scratch, "g", without_device + 256 * MIB));

    guest_run(scratch, "g", 10, "info", &info);
    without_device = info.mem_available;
    guest_run(scratch, "g", 30, "fill 100", &info);
    assert_true(info.mem_available + 90 * (guint64) MIB < without_device);
    guest_run(scratch, "g", 30, "empty", &info);
    assert_true(info.mem_available + 20 * (guint64) MIB > without_device);

    without_device = info.unmovable_slab;
    guest_run(scratch, "g", 30, "pin 20000", &info);
    assert_true(info.unmovable_slab > without_device + 10 * (guint64) MIB);
    guest_run(scratch, "g", 30, "unpin", &info);
    /* Inodes are freed a moment later, by RCU. */
    assert_within(10, (guest_run(scratch, "g", 30, "info", &info),
                       info.unmovable_slab < without_device + 5 * (guint64) MIB));

    refused = guest_command(scratch, "g", 10, "nonsense");
    assert_true(g_str_has_prefix(refused, "ERR"));
    assert_int_equal(info.n_oom_kills, 0);
    assert_int_equal(guest_n_boots(scratch, "g"), 1);
}

static void
test_panic(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(Command) qemu = start_qemu(scratch, "");
    g_autofree char *answer = NULL;

    assert_within(60, guest_is_ready(scratch, "g"));
    assert_false(guest_has_panicked(scratch, "g"));
    answer = guest_command(scratch, "g", 10, "panic");
    assert_string_equal(answer, "OK panic");
    assert_within(10, guest_has_panicked(scratch, "g"));
    assert_true(command_is_running(qemu));
}

static void
test_power_off(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(Command) qemu = start_qemu(scratch, "");
    g_autofree char *answer = NULL;

    assert_within(60, guest_is_ready(scratch, "g"));
    answer = guest_command(scratch, "g", 10, "poweroff");
    assert_string_equal(answer, "OK poweroff");
    assert_within(20, !command_is_running(qemu));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_and_commands),
        cmocka_unit_test(test_panic),
        cmocka_unit_test(test_power_off),
    };

    guest_require_image();
    return cmocka_run_group_tests_name("guest-image", tests, NULL, NULL);
}
