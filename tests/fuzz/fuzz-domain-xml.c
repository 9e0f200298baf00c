/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whatever bytes stand in a domain's file: no crash, no leak, and what is understood of them is
 * canonical.
 *
 * Of a document that is read: its text, read and written again, is the same text. Of a struct that
 * was read without a mistake: what is written is read without a mistake again, as an equal
 * struct, in which nothing differs. Of one read with mistakes: it can be copied, written and freed.
 * The sample's schema is fuzzed beside the domain's, since it has a member of every type.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "model/spec.h"
#include "tests/model/sample-schema.h"

static void
check_text(const XmlNode *node, const char *const *prefixes)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("text");
    g_autoptr(XmlNode) again = NULL;
    g_autofree char *text = xml_format(node, prefixes), *second = NULL;

    /* Indentation may make a large file larger than what is read. */
    if (strlen(text) > XML_MAX_BYTES)
        return;
    again = xml_parse(text, strlen(text), diagnostics);
    g_assert_nonnull(again);
    second = xml_format(again, prefixes);
    g_assert_cmpstr(text, ==, second);
    if (!prefixes)
        g_assert_true(xml_node_equal(node, again));
}

static void
check_good_item(const Schema *schema, gconstpointer item, const char *text)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("text");
    g_autoptr(GPtrArray) changes = g_ptr_array_new_with_free_func((GDestroyNotify) change_free);
    g_autoptr(XmlNode) node = xml_parse(text, strlen(text), diagnostics), formatted = NULL;
    g_autofree char *second = NULL;
    gpointer again;

    g_assert_nonnull(node);
    again = schema_parse(schema, node, "", NULL, diagnostics);
    g_assert_false(diagnostics_has_errors(diagnostics));
    schema_compare(schema, item, again, "", changes);
    g_assert_cmpuint(changes->len, ==, 0);
    g_assert_true(schema_equal(schema, item, again));
    formatted = schema_format(schema, again);
    second = xml_format(formatted, NULL);
    g_assert_cmpstr(text, ==, second);
    schema_free(schema, again);
}

static void
check_schema(const Schema *schema, const XmlNode *root)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("fuzz");
    g_autoptr(PositionMap) positions = position_map_new();
    g_autoptr(XmlNode) formatted = NULL;
    g_autofree char *text = NULL, *lines = NULL;
    gpointer item = schema_parse(schema, root, "", positions, diagnostics);
    gpointer copy = schema_copy(schema, item);

    g_assert_true(schema_equal(schema, item, copy));
    schema_free(schema, copy);
    diagnostics_sort(diagnostics);
    lines = diagnostics_format(diagnostics);
    formatted = schema_format(schema, item);
    text = xml_format(formatted, NULL);
    if (!diagnostics_has_errors(diagnostics) && strlen(text) <= XML_MAX_BYTES)
        check_good_item(schema, item, text);
    schema_free(schema, item);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const prefixes[] = { POLICY_NAMESPACE, "vk", "urn:p", "p", NULL };
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("fuzz");
    g_autoptr(XmlNode) root = xml_parse((const char *) data, size, diagnostics);
    g_autoptr(Spec) spec = spec_parse("fuzz.xml", (const char *) data, size);

    if (spec_is_valid(spec)) {
        g_autofree char *text = domain_format(spec->domain);

        g_assert_nonnull(text);
    }
    if (!root)
        return 0;
    check_text(root, NULL);
    check_text(root, prefixes);
    check_schema(&domain_schema, root);
    check_schema(&sample_schema, root);
    return 0;
}
