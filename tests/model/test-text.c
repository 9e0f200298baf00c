/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What others wrote, repeated: names that would deceive are refused where they stand, and a message
 * has of a value what is needed to find it. And a file of thousands of disks is not worse than its
 * length: the test would run into its time limit were they compared each with each.
 */
#include "model/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "model/spec.h"

static Spec *
spec_of(const char *name, const char *more)
{
    g_autofree char *text = g_strdup_printf("<domain type='qemu'><name>%s</name>"
                                            "<memory>65536</memory>"
                                            "<os><type arch='x86_64' machine='q35'>hvm</type></os>"
                                            "%s</domain>",
                                            name, more);

    return spec_parse("a.xml", text, strlen(text));
}

static void
test_names(void **state)
{
    static const struct {
        const char *name;
        bool is_good;
    } rows[] = {
        { "web-1", true },
        { "größe", true },
        { "سرور", true },
        { "web\tone", false },
        { "web&#127;", false },
        { "web\xc2\x9b"
          "31m",
          false },
        { "web-\u202e1", false },
        { "\u2067web", false },
        { "web\u200f", false },
        { "web\u061c", false },
        { "web\u2028one", false },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Spec) spec = spec_of(rows[i].name, "");
        const Diagnostic *first = diagnostics_first_error(spec->diagnostics);

        assert_int_equal(spec_is_valid(spec), rows[i].is_good);
        if (!rows[i].is_good)
            assert_string_equal(first->code, "domain-name");
    }
}

static void
assert_excerpt(const char *text, gsize max, const char *expected)
{
    g_autofree char *excerpt = text_excerpt(text, max);

    assert_string_equal(excerpt, expected);
}

static void
test_excerpts(void **state)
{
    assert_excerpt("", 3, "");
    assert_excerpt("abc", 3, "abc");
    assert_excerpt("abcd", 3, "abc…");
    assert_excerpt("äöüß", 3, "äöü…");
}

/* A value of megabytes, wherever a message repeats it. */
static void
test_long_values(void **state)
{
    g_autofree char *value = g_strnfill(3900000, 'x');
    const char *const forms[] = {
        "<vcpu>%s</vcpu>",
        "<devices><disk type='%s'/></devices>",
        "<devices><disk><source file='/a'/><target dev='%s'/></disk></devices>",
        "<maxMemory unit='%s'>4</maxMemory>",
        "<title/><devices><emulator>/q</emulator><disk %s='1'/></devices>",
    };

    for (guint i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_auto(GStrv) halves = g_strsplit(forms[i], "%s", 2);
        bool is_name = halves[1][0] == '=';
        g_autofree char *more =
            g_strconcat(halves[0], is_name ? value + 3900000 - 40000 : value, halves[1], NULL);
        g_autoptr(Spec) spec = spec_of("a", more);

        assert_false(spec_is_valid(spec));
        for (guint j = 0; j < spec->diagnostics->items->len; j++) {
            const Diagnostic *diagnostic = spec->diagnostics->items->pdata[j];

            assert_true(strlen(diagnostic->text) < 1024);
            assert_true(g_utf8_validate(diagnostic->text, -1, NULL));
        }
    }
}

/* "vda" ... "vdzzz" */
static char *
target_name(guint number)
{
    GString *name = g_string_new(NULL);

    for (number++; number; number = (number - 1) / 26)
        g_string_prepend_c(name, 'a' + (number - 1) % 26);
    g_string_prepend(name, "vd");
    return g_string_free(name, FALSE);
}

static void
test_many_disks(void **state)
{
    g_autoptr(GString) disks = g_string_new("<devices>");
    g_autoptr(Spec) spec = NULL;

    for (guint i = 0; i < 25000; i++) {
        g_autofree char *target = target_name(i);

        g_string_append_printf(disks, "<disk><source file='/a'/><target dev='%s'/></disk>", target);
    }
    g_string_append(disks, "<disk><source file='/a'/><target dev='vdc'/></disk></devices>");
    spec = spec_of("a", disks->str);
    assert_int_equal(spec->diagnostics->n_errors, 1);
    assert_string_equal(diagnostics_first_error(spec->diagnostics)->code, "disk-target-duplicate");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_excerpts),
        cmocka_unit_test(test_long_values),
        cmocka_unit_test(test_many_disks),
    };

    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
