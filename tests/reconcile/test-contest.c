/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When putting back is left alone, and for how long: by what was undone within the window, for
 * each device or field by itself.
 */
#include "reconcile/contest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW ((gint64) 100000 * G_USEC_PER_SEC)

static GPtrArray *
undoings_new(const char *what, guint n, gint64 first, gint64 step)
{
    GPtrArray *undoings = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < n; i++) {
        PlanUndoing *undoing = g_new0(PlanUndoing, 1);

        *undoing = (PlanUndoing){ (char *) what, first + i * step };
        g_ptr_array_add(undoings, undoing);
    }
    return undoings;
}

static void
few_are_put_back(void **state)
{
    g_autoptr(GPtrArray) five = undoings_new("rng0", CONTEST_MOST, NOW - 60 * G_USEC_PER_SEC, 1000);
    Contest contest;

    assert_false(contest_find(NULL, "rng0", false, NOW, &contest));
    assert_false(contest_find(five, "rng0", false, NOW, &contest));
}

static void
many_are_not(void **state)
{
    gint64 first = NOW - 60 * G_USEC_PER_SEC;
    g_autoptr(GPtrArray) many = undoings_new("rng0", 8, first, G_USEC_PER_SEC);
    Contest contest;

    assert_false(contest_find(many, "rng1", false, NOW, &contest));
    assert_true(contest_find(many, "rng0", false, NOW, &contest));
    assert_int_equal(contest.n, 8);
    assert_int_equal(contest.since, first);
    /* Of eight, three must have left the window. */
    assert_int_equal(contest.until, first + 2 * G_USEC_PER_SEC + CONTEST_WINDOW_US);
    assert_true(contest_find(many, "rng0", false, contest.until - 1, &contest));
    assert_int_equal(contest.n, 6);
    assert_false(contest_find(many, "rng0", false, contest.until, &contest));
    /* The clock was set back to before them. */
    assert_false(contest_find(many, "rng0", false, first - 1, &contest));
}

/* What is noted when it was put back has been undone once more than that. */
static void
the_present_one_counts(void **state)
{
    gint64 first = NOW - 60 * G_USEC_PER_SEC;
    g_autoptr(GPtrArray) five = undoings_new("net0: link/@state", CONTEST_MOST, first, 1000);
    g_autoptr(GPtrArray) four = undoings_new("net0: link/@state", CONTEST_MOST - 1, first, 1000);
    Contest contest;

    assert_false(contest_find(four, "net0: link/@state", true, NOW, &contest));
    assert_false(contest_find(five, "net0", true, NOW, &contest));
    assert_true(contest_find(five, "net0: link/@state", true, NOW, &contest));
    assert_int_equal(contest.n, 6);
    assert_int_equal(contest.until, first + CONTEST_WINDOW_US);
    assert_false(contest_find(five, "net0: link/@state", true, contest.until, &contest));
}

static void
drift_says_of_what(void **state)
{
    g_autofree char *field = drift_what("net0: link/@state: is down, not up");
    g_autofree char *device = drift_what("vcpu2: is missing"), *bare = drift_what("vcpu2");
    g_autofree char *file = drift_what("cdrom0: source/@file: is /isos/a: b.iso, not /isos/c.iso");
    g_autofree char *thread = drift_what("iothread1: polls otherwise");

    assert_string_equal(field, "net0: link/@state");
    assert_string_equal(device, "vcpu2");
    assert_string_equal(bare, "vcpu2");
    assert_string_equal(file, "cdrom0: source/@file");
    assert_string_equal(thread, "iothread1");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_are_put_back),
        cmocka_unit_test(many_are_not),
        cmocka_unit_test(the_present_one_counts),
        cmocka_unit_test(drift_says_of_what),
    };

    return cmocka_run_group_tests_name("contest", tests, NULL, NULL);
}
