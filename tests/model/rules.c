/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each row as a whole document: parsed, validated, and its first error's code compared.
 *
 * The document around the row is the smallest that is good, so whatever is refused is the row's
 * fault. An error without a line fails too: it could not be shown to anyone.
 */
#include "tests/model/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/domain.h"

static void
check_rule(const Rule *rule)
{
    g_autofree char *text =
        g_strdup_printf("<domain type='qemu'><name>t</name><memory>65536</memory>"
                        "<os><type arch='x86_64' machine='pc'>hvm</type>%s</os>%s"
                        "<devices>%s</devices></domain>",
                        rule->os ? rule->os : "", rule->domain, rule->devices);
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("t.xml");
    g_autoptr(XmlNode) node = xml_parse(text, strlen(text), diagnostics);
    g_autoptr(PositionMap) positions = position_map_new();
    g_autoptr(Domain) domain = NULL;
    const Diagnostic *first;

    assert_non_null(node);
    domain = schema_parse(&domain_schema, node, "", positions, diagnostics);
    if (!diagnostics_has_errors(diagnostics))
        domain_validate(domain, positions, diagnostics);
    first = diagnostics_first_error(diagnostics);
    if (g_strcmp0(first ? first->code : NULL, rule->code) || diagnostics->n_errors > 1)
        fail_msg("%s\nwanted %s, got %u errors, the first: %s [%s]", text,
                 rule->code ? rule->code : "none", diagnostics->n_errors, first ? first->text : "",
                 first ? first->code : "");
    if (first)
        assert_true(first->at.line > 0);
}

static const Rule *all;
static guint n_all;

static void
test_rules(void **unused)
{
    for (guint i = 0; i < n_all; i++)
        check_rule(&all[i]);
}

int
rules_check(const Rule *rules, guint n_rules)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rules) };

    all = rules;
    n_all = n_rules;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
