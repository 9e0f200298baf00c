/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * yaml.h: the tree, positions in bytes, and everything that is refused: what is ambiguous, what is
 * large, what expands.
 */
#include "controller/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static YamlNode *
parse(const char *text, Diagnostics **ret_diagnostics)
{
    *ret_diagnostics = diagnostics_new("f.yaml");
    return yaml_parse(text, strlen(text), *ret_diagnostics);
}

static const YamlNode *
child(const YamlNode *node, guint index)
{
    assert_non_null(node->children);
    assert_true(index < node->children->len);
    return node->children->pdata[index];
}

/* The first diagnostic as text, for a document that must be refused. */
static void
assert_refused(const char *text, const char *expected)
{
    g_autoptr(Diagnostics) diagnostics = NULL;
    g_autoptr(YamlNode) node = parse(text, &diagnostics);
    g_autofree char *line = NULL;

    assert_null(node);
    assert_true(diagnostics->items->len > 0);
    line = diagnostic_format(diagnostics, diagnostics->items->pdata[0]);
    assert_string_equal(line, expected);
}

/* The code of the first diagnostic. */
static void
assert_code(const char *text, gsize length, const char *code)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("f.yaml");
    g_autoptr(YamlNode) node = yaml_parse(text, length, diagnostics);
    const Diagnostic *first;

    assert_null(node);
    assert_true(diagnostics->items->len > 0);
    first = diagnostics->items->pdata[0];
    assert_string_equal(first->code, code);
}

static void
test_tree(void **state)
{
    g_autoptr(Diagnostics) diagnostics = NULL;
    g_autoptr(YamlNode) root = parse("a: 1\n"
                                     "list: [x, \"null\", ~]\n"
                                     "map:\n"
                                     "  inner: 'no'\n"
                                     "empty:\n",
                                     &diagnostics);

    assert_non_null(root);
    assert_int_equal(root->type, YAML_MAPPING);
    assert_int_equal(root->children->len, 4);
    assert_string_equal(child(root, 0)->key, "a");
    assert_string_equal(child(root, 0)->text, "1");
    assert_int_equal(child(root, 1)->type, YAML_SEQUENCE);
    assert_string_equal(child(child(root, 1), 0)->text, "x");
    assert_false(child(child(root, 1), 1)->is_null);
    assert_string_equal(child(child(root, 1), 1)->text, "null");
    assert_true(child(child(root, 1), 2)->is_null);
    assert_int_equal(child(root, 2)->type, YAML_MAPPING);
    assert_string_equal(child(child(root, 2), 0)->text, "no");
    assert_int_equal(child(child(root, 2), 0)->key_at.line, 4);
    assert_int_equal(child(child(root, 2), 0)->key_at.column, 3);
    assert_int_equal(child(child(root, 2), 0)->at.column, 10);
    assert_true(child(root, 3)->is_null);
}

static void
test_empty_documents_are_empty_mappings(void **state)
{
    static const char *const texts[] = { "", "\n# only a comment\n", "---\n", "null\n", "{}" };

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(Diagnostics) diagnostics = NULL;
        g_autoptr(YamlNode) root = parse(texts[i], &diagnostics);

        assert_non_null(root);
        assert_int_equal(root->type, YAML_MAPPING);
        assert_int_equal(root->children->len, 0);
    }
}

static void
test_columns_count_bytes(void **state)
{
    g_autoptr(Diagnostics) diagnostics = NULL;
    g_autoptr(YamlNode) root = parse("\xEF\xBB\xBF"
                                     "é: {ü: ö, ä: x}\r\n"
                                     "日本: y\n",
                                     &diagnostics);

    assert_non_null(root);
    assert_int_equal(child(root, 0)->at.column, 5);
    assert_int_equal(child(child(root, 0), 0)->at.column, 10);
    assert_int_equal(child(child(root, 0), 1)->key_at.column, 14);
    assert_int_equal(child(child(root, 0), 1)->at.column, 18);
    assert_int_equal(child(root, 1)->key_at.line, 2);
    assert_int_equal(child(root, 1)->key_at.column, 1);
    assert_int_equal(child(root, 1)->at.column, 9);
}

static void
test_refused(void **state)
{
    assert_refused("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: error: key 'a' stands here a second time; "
                                         "the first is on line 1 [yaml-duplicate]");
    assert_refused("a: &x 1\nb: 2\n", "f.yaml:1:4: error: anchors and aliases are not supported: "
                                      "write the value out [yaml-alias]");
    assert_refused("a: *x\n", "f.yaml:1:4: error: anchors and aliases are not supported: write "
                              "the value out [yaml-alias]");
    assert_refused("a: !!str 1\n", "f.yaml:1:4: error: tags are not supported [yaml-syntax]");
    assert_refused("a: 1\n---\nb: 2\n", "f.yaml:2:1: error: a second document begins here: only "
                                        "one is read [yaml-syntax]");
    assert_refused("[a, b]: 1\n", "f.yaml:1:1: error: a key must be a single value [yaml-key]");
    assert_refused("? \n: 1\n", "f.yaml:1:2: error: a key is empty [yaml-key]");
    assert_refused("a: [1\n", "f.yaml:2:1: error: while parsing a flow sequence, did not find "
                              "expected ',' or ']' [yaml-syntax]");
    assert_refused("a: \"x\\0y\"\n", "f.yaml:1:4: error: a value holds a zero byte [yaml-syntax]");
}

static void
test_all_mistakes_at_once(void **state)
{
    g_autoptr(Diagnostics) diagnostics = NULL;
    g_autoptr(YamlNode) root = parse("a: 1\na: 2\nb: !x 1\nc: &y 2\na: 3\n", &diagnostics);

    assert_null(root);
    assert_int_equal(diagnostics->n_errors, 4);
}

/* Nine lines of which the last would be a billion values. */
static void
test_alias_bomb(void **state)
{
    g_autoptr(GString) text = g_string_new("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");

    for (int i = 1; i < 9; i++)
        g_string_append_printf(text, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i,
                               i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    assert_code(text->str, text->len, "yaml-alias");
}

static void
test_limits(void **state)
{
    g_autofree char *large = g_strnfill(YAML_MAX_BYTES + 1, ' ');
    g_autofree char *deep = g_strnfill(100000, '[');
    g_autoptr(GString) many = g_string_new("[");

    for (guint i = 0; i <= YAML_MAX_NODES; i++)
        g_string_append(many, "1,");
    g_string_append_c(many, ']');
    assert_code(large, YAML_MAX_BYTES + 1, "yaml-too-large");
    assert_code(deep, 100000, "yaml-too-deep");
    assert_code(many->str, many->len, "yaml-too-many");
    assert_code("a: \xff\n", 5, "yaml-syntax");
    assert_code("a: \0\n", 5, "yaml-syntax");
}

/* Nothing that is cut off or garbled crashes or is accepted without an answer. */
static void
test_every_prefix_and_flip(void **state)
{
    const char *text = "domains: /x\npolicy: { memory: { step: 8 } }\noverrides:\n- match: \"w*\"\n"
                       "  prune: keep # c\nlist: [ 'a', |\n  b\n ]\n";
    size_t length = strlen(text);

    for (size_t i = 0; i <= length; i++) {
        g_autoptr(Diagnostics) diagnostics = diagnostics_new("f.yaml");
        g_autoptr(YamlNode) node = yaml_parse(text, i, diagnostics);

        assert_true((node != NULL) == (diagnostics->n_errors == 0));
    }
    for (size_t i = 0; i < length; i++) {
        for (int bit = 0; bit < 8; bit++) {
            g_autofree char *copy = g_strdup(text);
            g_autoptr(Diagnostics) diagnostics = diagnostics_new("f.yaml");
            g_autoptr(YamlNode) node = NULL;

            copy[i] ^= 1 << bit;
            node = yaml_parse(copy, length, diagnostics);
            assert_true((node != NULL) == (diagnostics->n_errors == 0));
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_empty_documents_are_empty_mappings),
        cmocka_unit_test(test_columns_count_bytes),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_all_mistakes_at_once),
        cmocka_unit_test(test_alias_bomb),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_every_prefix_and_flip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
