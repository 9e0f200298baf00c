/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The shrink guard. A guest that uses 700 MiB is asked, by an edit, to give all it was given: done
 * in one jump that ends in the guest's panic. Held back by the balloon's statistics it must end
 * alive and Guarded, say with which figures, and go on by itself when the memory is free again.
 * A second guest has no balloon, so that there are no statistics: there policy decides.
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
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MIB ((guint64) 1 << 20)
#define USED_MIB 700
#define RESERVE_MIB 128 /* guest-reserve's least */
#define USER_MIB 768    /* what the user of the memory is given, beside 512 MiB at boot */
#define PLAIN_MIB 384   /* and the one without balloon */
#define SECTION_MIB 128
#define NIBBLE_MIB 24 /* less than 16 MiB are not worth a step; and the guest lives */

static Scratch *scratch;
static Command *watch;

static void
request_user(unsigned mib)
{
    guest_write_domain(scratch, &(Guest){ .name = "user", .requested_mib = mib });
}

static void
request_plain(unsigned mib, const char *policy)
{
    guest_write_domain(scratch, &(Guest){ .name = "plain",
                                          .requested_mib = mib,
                                          .has_no_balloon = true,
                                          .policy = policy });
}

static int
begin(void **state)
{
    scratch = scratch_new();
    request_user(USER_MIB);
    request_plain(PLAIN_MIB, "memory-shrink-unguarded='refuse'");
    watch = virtkeep_start(scratch, "watch");
    return 0;
}

static int
end(void **state)
{
    g_clear_pointer(&watch, command_free);
    g_clear_pointer(&scratch, scratch_free);
    return 0;
}

static void
assert_alive(const char *name)
{
    GuestInfo info = { 0 };

    assert_false(guest_has_panicked(scratch, name));
    guest_run(scratch, name, 30, "info", &info);
    assert_int_equal(info.n_oom_kills, 0);
    assert_int_equal(guest_n_boots(scratch, name), 1);
}

static void
wait_converged(const char *name, unsigned mib)
{
    assert_within(120, view_int(scratch, "SELECT current FROM memory_devices WHERE domain = '%s'",
                                name) == mib * MIB);
    view_wait_domain(scratch, 30, name, "Synced", "Synced");
    assert_alive(name);
    assert_within(10, view_n_open_actions(scratch) == 0);
}

static void
test_boot(void **state)
{
    assert_within(90, guest_is_ready(scratch, "user") && guest_is_ready(scratch, "plain"));
    wait_converged("user", USER_MIB);
    wait_converged("plain", PLAIN_MIB);
}

/* What the domain's sentence says, in MiB. */
typedef struct Figures {
    unsigned held, available, reserve;
} Figures;

/* False where it says something else. */
static bool
read_figures(Figures *ret_figures)
{
    g_autofree char *message =
        view_text(scratch, "SELECT message FROM domains WHERE name = 'user'");

    return message &&
           sscanf(message,
                  "held at %u MiB of 0 B: guest has %u MiB available, %u MiB are kept back",
                  &ret_figures->held, &ret_figures->available, &ret_figures->reserve) == 3;
}

static bool
is_said(const char *command, const char *part)
{
    g_autofree char *text = virtkeep_expect(scratch, 20, 0, command, "user");

    return strstr(text, part) != NULL;
}

/* Held back, and not only until the next statistics: there is no step's worth left to give. All of
 * it is so at the same time; a guest that frees a little is asked for that, and is at rest again.
 */
static bool
is_at_rest(Figures *ret_figures)
{
    return view_domain_is(scratch, "user", "Guarded", "GuestReserve") &&
           read_figures(ret_figures) &&
           ret_figures->available < ret_figures->reserve + NIBBLE_MIB &&
           ret_figures->held * MIB == qemu_current(scratch, "user") &&
           ret_figures->held * MIB == qemu_requested(scratch, "user") &&
           is_said("status", "Guarded") && is_said("explain", "MiB available");
}

static void
test_memory_in_use_is_left(void **state)
{
    g_autofree char *fill = g_strdup_printf("fill %u", USED_MIB);
    Figures figures = { 0 };

    guest_run(scratch, "user", 60, fill, NULL);
    request_user(0);
    assert_within(120, is_at_rest(&figures));
    print_message("held at %u MiB, %u available, %u kept back\n", figures.held, figures.available,
                  figures.reserve);
    assert_in_range(figures.held, 256, USER_MIB - 64);
    assert_int_equal(figures.reserve, RESERVE_MIB);
    assert_true(figures.available >= RESERVE_MIB - NIBBLE_MIB);
    assert_alive("user");
    g_free(virtkeep_expect(scratch, 60, 3, "apply", "user"));
    assert_alive("user");
}

static void
test_freed_memory_is_given(void **state)
{
    guest_run(scratch, "user", 60, "empty", NULL);
    wait_converged("user", 0);
}

static void
test_unguarded_refuse(void **state)
{
    request_plain(0, "memory-shrink-unguarded='refuse'");
    view_wait_domain(scratch, 60, "plain", "Guarded", "NoStatistics");
    assert_int_equal(qemu_requested(scratch, "plain"), PLAIN_MIB * MIB);
    assert_int_equal(qemu_current(scratch, "plain"), PLAIN_MIB * MIB);
}

/* The most that was asked back at once. The state has a sample of each step that was asked for, but
 * of a step that the guest answered within the same pass none with the memory still there: so what
 * is asked for is held against what was there one sample before. */
static gint64
largest_shrink(void)
{
    return view_int(scratch, "SELECT max(before - requested) FROM ("
                             " SELECT lag(current) OVER (ORDER BY at) AS before, requested, target"
                             " FROM samples WHERE domain = 'plain') WHERE target = 0");
}

static void
test_unguarded_small_steps(void **state)
{
    request_plain(0, "memory-shrink-unguarded='small-steps'");
    wait_converged("plain", 0);
    assert_in_range(largest_shrink(), 1, SECTION_MIB * MIB);
}

static void
test_unguarded_allow(void **state)
{
    request_plain(PLAIN_MIB, "memory-shrink-unguarded='allow'");
    wait_converged("plain", PLAIN_MIB);
    request_plain(0, "memory-shrink-unguarded='allow' memory-step='all'");
    wait_converged("plain", 0);
    assert_true(largest_shrink() > SECTION_MIB * MIB);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boot),
        cmocka_unit_test(test_memory_in_use_is_left),
        cmocka_unit_test(test_unguarded_refuse),
        cmocka_unit_test(test_freed_memory_is_given),
        cmocka_unit_test(test_unguarded_small_steps),
        cmocka_unit_test(test_unguarded_allow),
    };

    guest_require_image();
    return cmocka_run_group_tests_name("guest-guard", tests, begin, end);
}
