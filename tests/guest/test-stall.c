/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests that do not follow: one has no virtio-mem driver, the other's memory is pinned by pages
 * that can't be moved. Both are there at once, under one `watch`, so each also shows that it does
 * not hold up the other. The state is looked at where people and tools look: status, explain and
 * the views; and nothing but the guest's own change ends a stall.
 */
#include "tests/support/deadline.h"
#include "tests/support/guest.h"
#include "tests/support/qemus.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MIB ((guint64) 1 << 20)
#define POLICY "memory-stall-timeout='4s'"
/* A guest without driver is first taken to be booting, for 20 s. */
#define STALL_SECONDS 90
/* The kernel itself keeps some 14 MiB of what `online` made its own, up to 34 were seen. */
#define UNPINNED_MIB 48

static Scratch *scratch;
static Command *watch;
static char *driverless, *pinned; /* identities of their QEMUs */

static void
request_pinned(unsigned mib)
{
    guest_write_domain(scratch, &(Guest){ .name = "pinned",
                                          .requested_mib = mib,
                                          .policy = POLICY,
                                          .cmdline = "virtkeep.online=online" });
}

static int
begin(void **state)
{
    scratch = scratch_new();
    request_pinned(384);
    guest_write_domain(scratch, &(Guest){ .name = "driverless",
                                          .requested_mib = 128,
                                          .policy = POLICY,
                                          .cmdline = "virtkeep.nodriver" });
    watch = virtkeep_start(scratch, "watch");
    return 0;
}

static int
end(void **state)
{
    g_clear_pointer(&watch, command_free);
    g_clear_pointer(&scratch, scratch_free);
    g_clear_pointer(&driverless, g_free);
    g_clear_pointer(&pinned, g_free);
    return 0;
}

/* As `status` and `explain` print it, and `apply` ends with it. */
static void
assert_said(const char *name, const char *reason)
{
    g_autofree char *status = virtkeep_expect(scratch, 20, 0, "status", name);
    g_autofree char *explained = virtkeep_expect(scratch, 20, 0, "explain", name);
    g_autofree char *message =
        view_text(scratch, "SELECT message FROM domains WHERE name = '%s'", name);
    g_autofree char *device = view_text(
        scratch, "SELECT state || ' ' || reason FROM memory_devices WHERE domain = '%s'", name);
    g_autofree char *wanted = g_strdup_printf("stalled %s", reason);

    assert_non_null(strstr(status, "Stalled"));
    assert_non_null(strstr(status, reason));
    assert_non_null(strstr(explained, "Stalled"));
    assert_non_null(strstr(explained, reason));
    assert_non_null(strstr(explained, message));
    assert_string_equal(device, wanted);
    g_free(virtkeep_expect(scratch, 60, 3, "apply", name));
    assert_int_equal(view_int(scratch,
                              "SELECT count(*) FROM actions WHERE domain = '%s'"
                              " AND outcome IS NULL",
                              name),
                     0);
}

static void
test_boot(void **state)
{
    assert_within(90, guest_is_ready(scratch, "pinned") && guest_is_ready(scratch, "driverless"));
    driverless = qemu_identity(scratch, "driverless");
    pinned = qemu_identity(scratch, "pinned");
    assert_non_null(driverless);
    view_wait_domain(scratch, 60, "pinned", "Synced", "Synced");
    assert_int_equal(qemu_current(scratch, "pinned"), 384 * MIB);
}

static void
test_unmovable(void **state)
{
    GuestInfo info = { 0 };

    assert_non_null(pinned);
    guest_run(scratch, "pinned", 120, "pin 80000", &info);
    assert_true(info.unmovable_slab > 56 * MIB);
    request_pinned(UNPINNED_MIB);
    view_wait_domain(scratch, STALL_SECONDS, "pinned", "Stalled", "Unmovable");
    assert_true(qemu_current(scratch, "pinned") > UNPINNED_MIB * MIB);
    assert_said("pinned", "Unmovable");
    assert_false(guest_has_panicked(scratch, "pinned"));
}

static void
test_no_driver(void **state)
{
    gint64 actions;

    assert_non_null(driverless);
    view_wait_domain(scratch, STALL_SECONDS, "driverless", "Stalled", "NoDriver");
    assert_int_equal(qemu_current(scratch, "driverless"), 0);
    actions = view_int(scratch, "SELECT count(*) FROM actions WHERE domain = 'driverless'");
    assert_said("driverless", "NoDriver");
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM actions WHERE domain = 'driverless'"),
                     actions);
}

static void
test_driver_comes(void **state)
{
    guint64 before = guest_mem_total(scratch, "driverless");

    assert_non_null(driverless);
    guest_run(scratch, "driverless", 30, "load virtio_mem", NULL);
    assert_within(30, guest_has_total(scratch, "driverless", before + 128 * MIB));
    view_wait_domain(scratch, 30, "driverless", "Synced", "Synced");
    assert_true(qemu_is(scratch, "driverless", driverless));
}

static void
test_memory_is_freed(void **state)
{
    assert_non_null(pinned);
    guest_run(scratch, "pinned", 60, "unpin", NULL);
    view_wait_domain(scratch, 90, "pinned", "Synced", "Synced");
    assert_int_equal(qemu_current(scratch, "pinned"), UNPINNED_MIB * MIB);
    assert_true(qemu_is(scratch, "pinned", pinned));
    assert_within(10, view_n_open_actions(scratch) == 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boot),
        cmocka_unit_test(test_unmovable),
        cmocka_unit_test(test_no_driver),
        cmocka_unit_test(test_driver_comes),
        cmocka_unit_test(test_memory_is_freed),
    };

    guest_require_image();
    return cmocka_run_group_tests_name("guest-stall", tests, begin, end);
}
