/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * causes.h: several causes are told apart by their file's name, and by nothing else: QEMU's words
 * may hold the same marks. On one line stand the first of them and how many more there are.
 */
#include "controller/causes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TWO "/d/a.xml:3:5: error: no disk; really; /d/a.xml:9:1: error: no CPU"

static void
assert_split(const char *reason, const char *file, const char *first, const char *second)
{
    g_auto(GStrv) causes = causes_split(reason, file);

    assert_int_equal(g_strv_length(causes), second ? 2 : 1);
    assert_string_equal(causes[0], first);
    if (second)
        assert_string_equal(causes[1], second);
}

static void
test_split(void **state)
{
    assert_split(TWO, "/d/a.xml", "/d/a.xml:3:5: error: no disk; really",
                 "/d/a.xml:9:1: error: no CPU");
    assert_split(TWO, NULL, TWO, NULL);
    assert_split(TWO, "/d/b.xml", TWO, NULL);
    assert_split("device_add: no; /d/a.xml.bak is not it", "/d/a.xml",
                 "device_add: no; /d/a.xml.bak is not it", NULL);
    assert_split("", "/d/a.xml", "", NULL);
}

static void
test_brief(void **state)
{
    g_autofree char *several = causes_brief(TWO, "/d/a.xml");
    g_autofree char *one = causes_brief("QEMU exited: a\nb", "/d/a.xml");

    assert_string_equal(several, "/d/a.xml:3:5: error: no disk; really and 1 more");
    assert_string_equal(one, "QEMU exited: a; b");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_brief),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
