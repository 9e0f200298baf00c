/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON values: what is built reads back, what is parsed formats to the same text, numbers at the
 * edges of 64 bits survive, and hostile text is refused without being recursed into.
 */
#include "model/json.h"

#include <gio/gio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

static void
test_round_trip(void **state)
{
    static const char *const texts[] = {
        "{\"b\":1,\"a\":[true,false,null],\"c\":{\"d\":\"\\\"\\\\\\n\\u0001\"}}",
        "[]",
        "{}",
        "\"x\"",
        "-9223372036854775808",
        "9223372036854775807",
        "0.1",
        "-2.5e+300",
        "[1.0,\"ä€😀\"]",
        "null",
    };

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Json) json = json_parse(texts[i], -1, &error);
        g_autoptr(Json) copy = NULL;
        g_autofree char *formatted = NULL;

        if (!json)
            fail_msg("%s: %s", texts[i], error->message);
        formatted = json_format(json, false);
        assert_string_equal(formatted, texts[i]);
        copy = json_copy(json);
        assert_true(json_equal(copy, json));
    }
}

static void
test_build(void **state)
{
    g_autoptr(Json) object = json_new_object();
    g_autofree char *text = NULL;
    g_autofree char *pretty = NULL;
    Json *array = json_new_array();

    json_append_string(array, "one");
    json_append(array, json_new_double(NAN));
    json_set_uint(object, "size", G_MAXUINT64);
    json_set_int(object, "node", -1);
    json_set_bool(object, "on", true);
    json_set_string(object, "absent", NULL);
    json_set_string(object, "bytes", "a\xff"); /* made valid, never broken output */
    json_set(object, "list", array);
    json_set_int(object, "node", 7); /* replaces in place */
    text = json_format(object, false);
    assert_string_equal(text, "{\"size\":18446744073709551615,\"node\":7,\"on\":true,"
                              "\"bytes\":\"a\xef\xbf\xbd\",\"list\":[\"one\",null]}");
    json_remove(object, "list");
    json_remove(object, "bytes");
    json_remove(object, "nothing");
    pretty = json_format(object, true);
    assert_string_equal(pretty,
                        "{\n  \"size\": 18446744073709551615,\n  \"node\": 7,\n  \"on\": true\n}");
}

static void
test_getters(void **state)
{
    g_autoptr(Json) json =
        json_parse("{\"i\":5,\"s\":\"t\",\"b\":true,\"n\":-1,\"a\":[1]}", -1, NULL);

    assert_int_equal(json_get_int(json, "i", 0), 5);
    assert_true(json_get_uint(json, "i", 0) == 5);
    assert_string_equal(json_get_string(json, "s"), "t");
    assert_true(json_get_bool(json, "b", false));
    assert_int_equal(json_get_int(json, "s", 9), 9);
    assert_true(json_get_uint(json, "none", G_MAXUINT64) == G_MAXUINT64);
    assert_null(json_get_string(json, "i"));
    assert_null(json_get(NULL, "i"));
    assert_null(json_get(json_get(json, "i"), "x"));
    assert_int_equal(json_length(json), 5);
    assert_int_equal(json_length(json_get(json, "a")), 1);
    assert_int_equal(json_length(NULL), 0);
    assert_null(json_at(json_get(json, "a"), 1));
    assert_string_equal(json_name_at(json, 1), "s");
    assert_null(json_name_at(json, 5));
    assert_int_equal(json_type(json_get(json, "n")), JSON_INT);
}

/* QEMU's "no value" in balloon statistics. */
static void
test_beyond_signed(void **state)
{
    g_autoptr(Json) json =
        json_parse("{\"s\":18446744073709551615,\"t\":9223372036854775808}", -1, NULL);

    assert_true(json_get_uint(json, "s", 0) == G_MAXUINT64);
    assert_true(json_get_uint(json, "t", 0) == (guint64) 1 << 63);
}

/* An object large enough to be indexed behaves as a small one. */
static void
test_large_object(void **state)
{
    g_autoptr(Json) object = json_new_object();
    g_autoptr(Json) other = json_new_object();
    char name[16];

    for (int i = 0; i < 200; i++) {
        g_snprintf(name, sizeof name, "m%d", i);
        json_set_int(object, name, i);
        g_snprintf(name, sizeof name, "m%d", 199 - i);
        json_set_int(other, name, 199 - i);
    }
    assert_true(json_equal(object, other));
    json_set_int(object, "m100", 1);
    assert_false(json_equal(object, other));
    for (int i = 0; i < 195; i++) {
        g_snprintf(name, sizeof name, "m%d", i);
        json_remove(object, name);
        assert_null(json_get(object, name));
        assert_int_equal(json_get_int(object, "m199", 0), 199);
    }
    assert_int_equal(json_length(object), 5);
    assert_string_equal(json_name_at(object, 0), "m195");
}

static void
test_refused(void **state)
{
    static const struct {
        const char *text;
        const char *message; /* a part of it */
    } cases[] = {
        { "", "line 1" },
        { "{\n\"a\":}", "line 2" },
        { "{\"a\":1", "too early" },
        { "[1,]", "" },
        { "[1] [2]", "" },
        { "{\"a\" 1}", "" },
        { "/* \" */ []", "column 1" },
        { "['a']", "column 2" },
        { "\"a", "string" },
        { "]", "bracket" },
        { "[\"\xff\"]", "UTF-8" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Json) json = json_parse(cases[i].text, -1, &error);

        if (json)
            fail_msg("accepted: %s", cases[i].text);
        assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA));
        if (!strstr(error->message, cases[i].message))
            fail_msg("%s: %s", cases[i].text, error->message);
    }
}

static void
test_deep_nesting(void **state)
{
    g_autofree char *text = g_malloc(10 * 1024 * 1024);
    g_autoptr(GError) error = NULL;

    memset(text, '[', 10 * 1024 * 1024);
    assert_null(json_parse(text, 10 * 1024 * 1024, &error));
    assert_non_null(strstr(error->message, "deeply"));
}

/* A few bytes of text each, a few hundred of memory. */
static void
test_many_values(void **state)
{
    static const char *const units[] = { "[],", "{},", "0,", "{\"a\":0}," };

    for (guint i = 0; i < G_N_ELEMENTS(units); i++) {
        g_autoptr(GString) text = g_string_new("[");
        g_autoptr(GError) error = NULL;

        while (text->len < 4 * 1024 * 1024)
            g_string_append(text, units[i]);
        g_string_append(text, "0]");
        assert_null(json_parse(text->str, -1, &error));
        assert_non_null(strstr(error->message, "too many values"));
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_build),
        cmocka_unit_test(test_getters),      cmocka_unit_test(test_beyond_signed),
        cmocka_unit_test(test_large_object), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_deep_nesting), cmocka_unit_test(test_many_values),
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
