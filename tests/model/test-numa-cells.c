/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How many NUMA cells a domain may have: as many as QEMU has nodes, 128. What is beyond is refused
 * before anything is counted in arrays of that size, with ids and without.
 */
#include "model/spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static Spec *
parse_cells(guint n)
{
    g_autoptr(GString) xml = g_string_new("<domain type='qemu'><name>a</name>"
                                          "<memory unit='MiB'>256</memory><vcpu>1</vcpu>"
                                          "<os><type arch='x86_64' machine='q35'>hvm</type></os>"
                                          "<cpu><numa>");

    for (guint i = 0; i < n; i++)
        g_string_append_printf(xml, "<cell %s memory='2' unit='MiB'/>", i ? "" : "cpus='0'");
    g_string_append(xml, "</numa></cpu></domain>");
    return spec_parse("a.xml", xml->str, xml->len);
}

static void
test_most(void **state)
{
    g_autoptr(Spec) spec = parse_cells(128);

    assert_true(spec_is_valid(spec));
}

static void
test_more(void **state)
{
    static const guint counts[] = { 129, 5000, 50000 };

    for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
        g_autoptr(Spec) spec = parse_cells(counts[i]);
        const Diagnostic *first = diagnostics_first_error(spec->diagnostics);

        assert_non_null(first);
        assert_string_equal(first->code, "numa-cell");
        assert_non_null(strstr(first->text, "at most 128"));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_most),
        cmocka_unit_test(test_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
