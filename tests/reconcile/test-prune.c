/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * prune.h: what is pruned, and every reason to hold. Each case starts from a directory in which
 * nothing is wrong and one of four domains has lost its file.
 */
#include "reconcile/prune.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const three[] = { "a", "b", "c", NULL };
static const char *const all[] = { "a", "b", "c", "d", NULL };
static const char *const none[] = { NULL };
static const PruneDomain managed[] = {
    { .name = "d" }, { .name = "c" }, { .name = "b" }, { .name = "a" }
};
static const PruneDirectory known = { .root = "/d", .resolved = "/d", .dev = 1, .ino = 2 };

static PruneFacts
good_facts(void)
{
    return (PruneFacts){ .directory = known, .names = three, .previous = &known, .max_prune = 25 };
}

/* @names: as "a,b". */
static void
assert_decision(const PruneFacts *facts, PruneHold hold, const char *names, bool is_accepted)
{
    g_autoptr(PruneDecision) decision = prune_decide(facts, managed, G_N_ELEMENTS(managed));
    g_autofree char *joined = NULL;

    g_ptr_array_add(decision->names, NULL);
    joined = g_strjoinv(",", (char **) decision->names->pdata);
    assert_int_equal(decision->hold, hold);
    assert_true((decision->reason != NULL) == (hold != PRUNE_HELD_NOT));
    assert_string_equal(joined, names);
    assert_int_equal(decision->is_accepted, is_accepted);
}

static void
test_prunes(void **state)
{
    PruneFacts facts = good_facts();

    assert_decision(&facts, PRUNE_HELD_NOT, "d", true);
    facts.names = all;
    assert_decision(&facts, PRUNE_HELD_NOT, "", true);
    facts.previous = NULL; /* first sight */
    facts.names = three;
    assert_decision(&facts, PRUNE_HELD_NOT, "d", true);
}

/* What is wrong with the directory holds, and such a directory is not the one to compare with. */
static void
test_untrusted_directories(void **state)
{
    PruneFacts facts = good_facts();

    facts.is_missing = true;
    assert_decision(&facts, PRUNE_HELD_MISSING, "d", false);
    facts = good_facts();
    facts.names = none;
    facts.is_empty = true;
    assert_decision(&facts, PRUNE_HELD_EMPTY, "a,b,c,d", false);
    facts = good_facts();
    facts.problem = "sub: Permission denied";
    assert_decision(&facts, PRUNE_HELD_UNREADABLE, "d", false);
    facts = good_facts();
    facts.is_changing = true;
    assert_decision(&facts, PRUNE_HELD_CHANGING, "d", false);
}

/* --accept-directory vouches for which directory it is, and for nothing else. */
static void
test_accepting_is_not_enough(void **state)
{
    PruneFacts facts = good_facts();

    facts.accept_directory = true;
    facts.is_missing = true;
    assert_decision(&facts, PRUNE_HELD_MISSING, "d", false);
    facts.is_missing = false;
    facts.is_empty = true;
    facts.names = none;
    assert_decision(&facts, PRUNE_HELD_EMPTY, "a,b,c,d", false);
    facts = good_facts();
    facts.accept_directory = true;
    facts.problem = "x";
    assert_decision(&facts, PRUNE_HELD_UNREADABLE, "d", false);
    facts = good_facts();
    facts.accept_directory = true;
    facts.invalid_file = "a.xml:1:1: error";
    assert_decision(&facts, PRUNE_HELD_INVALID_FILE, "d", true);
    facts = good_facts();
    facts.accept_directory = true;
    facts.names = none;
    assert_decision(&facts, PRUNE_HELD_TOO_MANY, "a,b,c,d", true);
}

static void
test_invalid_file(void **state)
{
    PruneFacts facts = good_facts();

    facts.invalid_file = "x.xml:3:5: error: bad";
    assert_decision(&facts, PRUNE_HELD_INVALID_FILE, "d", true);
    facts.names = all;
    assert_decision(&facts, PRUNE_HELD_NOT, "", true);
}

static void
test_other_directory(void **state)
{
    PruneFacts facts = good_facts();

    facts.directory.ino = 3; /* replaced in place */
    assert_decision(&facts, PRUNE_HELD_OTHER_DIRECTORY, "d", false);
    facts.directory = known;
    facts.directory.dev = 9; /* mounted over, or no longer mounted */
    assert_decision(&facts, PRUNE_HELD_OTHER_DIRECTORY, "d", false);
    facts.directory = known;
    facts.directory.root = facts.directory.resolved = "/other"; /* configured otherwise */
    facts.directory.ino = 3;
    assert_decision(&facts, PRUNE_HELD_OTHER_DIRECTORY, "d", false);

    facts.accept_directory = true;
    assert_decision(&facts, PRUNE_HELD_NOT, "d", true);
}

static void
test_other_directory_with_every_domain(void **state)
{
    PruneFacts facts = good_facts();

    facts.directory.ino = 3;
    facts.names = all;
    assert_decision(&facts, PRUNE_HELD_NOT, "", true);
    facts.is_changing = true; /* looked at again before it counts */
    assert_decision(&facts, PRUNE_HELD_NOT, "", false);
}

static void
test_switched_symlink(void **state)
{
    PruneFacts facts = good_facts();
    PruneDirectory before = { .root = "/d", .resolved = "/git/1", .dev = 1, .ino = 2 };

    facts.previous = &before;
    facts.directory = (PruneDirectory){ .root = "/d", .resolved = "/git/2", .dev = 1, .ino = 7 };
    assert_decision(&facts, PRUNE_HELD_NOT, "d", true);
    facts.directory.resolved = "/git/1"; /* the same place, and another directory */
    assert_decision(&facts, PRUNE_HELD_OTHER_DIRECTORY, "d", false);
    facts.directory.resolved = "/git/2"; /* a switched link excuses nothing else */
    facts.invalid_file = "x";
    assert_decision(&facts, PRUNE_HELD_INVALID_FILE, "d", true);
    facts.invalid_file = NULL;
    facts.is_empty = true;
    facts.names = none;
    assert_decision(&facts, PRUNE_HELD_EMPTY, "a,b,c,d", false);
}

/* With @n domains of which @n_missing lost their files. */
static PruneHold
hold_of(guint n, guint n_missing, guint n_orphaned, guint percent)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autofree PruneDomain *domains = g_new0(PruneDomain, n);
    g_autoptr(PruneDecision) decision = NULL;
    PruneFacts facts = good_facts();

    for (guint i = 0; i < n; i++) {
        char *name = g_strdup_printf("vm-%03u", i);

        g_ptr_array_add(names, name);
        domains[i].name = name;
        domains[i].is_orphaned = i < n_orphaned;
    }
    g_ptr_array_add(names, NULL);
    facts.max_prune = percent;
    facts.names = (const char *const *) names->pdata + n_missing;
    decision = prune_decide(&facts, domains, n);
    assert_int_equal(decision->names->len, n_missing);
    return decision->hold;
}

static void
test_max_prune(void **state)
{
    assert_int_equal(hold_of(100, 25, 0, 25), PRUNE_HELD_NOT);
    assert_int_equal(hold_of(100, 26, 0, 25), PRUNE_HELD_TOO_MANY);
    assert_int_equal(hold_of(7, 1, 0, 25), PRUNE_HELD_NOT);
    assert_int_equal(hold_of(7, 2, 0, 25), PRUNE_HELD_TOO_MANY);
    assert_int_equal(hold_of(2, 1, 0, 25), PRUNE_HELD_NOT); /* one may always go … */
    assert_int_equal(hold_of(2, 2, 0, 25), PRUNE_HELD_TOO_MANY);
    assert_int_equal(hold_of(100, 1, 0, 0), PRUNE_HELD_TOO_MANY); /* … unless none may */
    assert_int_equal(hold_of(10, 10, 0, 100), PRUNE_HELD_NOT);
    assert_int_equal(hold_of(1000, 999, 0, 99), PRUNE_HELD_TOO_MANY);
}

/* Those that were decided before are no news. */
static void
test_orphans_do_not_count_again(void **state)
{
    assert_int_equal(hold_of(100, 60, 40, 25), PRUNE_HELD_NOT);
    assert_int_equal(hold_of(100, 66, 40, 25), PRUNE_HELD_TOO_MANY);
    assert_int_equal(hold_of(4, 4, 4, 0), PRUNE_HELD_NOT);
}

static void
test_reasons_name_what_to_do(void **state)
{
    PruneFacts facts = good_facts();
    g_autoptr(PruneDecision) other = NULL;
    g_autoptr(PruneDecision) many = NULL;

    facts.directory.ino = 3;
    other = prune_decide(&facts, managed, G_N_ELEMENTS(managed));
    assert_non_null(strstr(other->reason, "--accept-directory"));
    assert_non_null(strstr(other->reason, "inode 2"));
    facts = good_facts();
    facts.names = none;
    many = prune_decide(&facts, managed, G_N_ELEMENTS(managed));
    assert_non_null(strstr(many->reason, "4 of 4 domains"));
    assert_non_null(strstr(many->reason, "max-prune (25%) lets 1 go"));
}

static void
test_nothing_managed(void **state)
{
    PruneFacts facts = good_facts();
    g_autoptr(PruneDecision) decision = NULL;

    facts.is_empty = true;
    facts.names = none;
    facts.previous = NULL;
    decision = prune_decide(&facts, NULL, 0);
    assert_int_equal(decision->hold, PRUNE_HELD_NOT);
    assert_int_equal(decision->names->len, 0);
    assert_false(decision->is_accepted);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prunes),
        cmocka_unit_test(test_untrusted_directories),
        cmocka_unit_test(test_accepting_is_not_enough),
        cmocka_unit_test(test_invalid_file),
        cmocka_unit_test(test_other_directory),
        cmocka_unit_test(test_other_directory_with_every_domain),
        cmocka_unit_test(test_switched_symlink),
        cmocka_unit_test(test_max_prune),
        cmocka_unit_test(test_orphans_do_not_count_again),
        cmocka_unit_test(test_reasons_name_what_to_do),
        cmocka_unit_test(test_nothing_managed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
