/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The XML border: positions to the column, and hostile files.
 *
 * Positions are not compared with numbers counted by hand alone: for a document full of what
 * could mislead the search for a tag's beginning, every element and attribute must stand where
 * its name really is in the text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/xml.h"

static XmlNode *
read_good(const char *text)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("x");
    XmlNode *node = xml_parse(text, strlen(text), diagnostics);

    if (!node || diagnostics->items->len)
        fail_msg("%s\n%s", text, diagnostics_format(diagnostics));
    return node;
}

/* The diagnostics of a file that must be refused. */
static char *
read_bad(const char *text, gssize length)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("x");
    g_autoptr(XmlNode) node =
        xml_parse(text, length < 0 ? strlen(text) : (gsize) length, diagnostics);

    assert_null(node);
    assert_int_equal(diagnostics->n_errors, 1);
    return diagnostics_format(diagnostics);
}

/* ---- positions ---- */

static gsize
offset_of(const char *text, Position at)
{
    const char *p = text;

    for (guint line = 1; line < at.line; line++)
        p = strchr(p, '\n') + 1;
    return p - text + at.column - 1;
}

/* Every element at a '<' with its name behind it, every attribute at its name. */
static guint
check_positions(const char *text, const XmlNode *node)
{
    gsize offset = offset_of(text, node->at);
    const char *name = text + offset + 1, *end = name + strcspn(name, " \t\r\n/>");
    const char *colon = memchr(name, ':', end - name);
    guint n = 1;

    if (colon)
        name = colon + 1;
    if (text[offset] != '<' || strncmp(name, node->name, end - name) ||
        strlen(node->name) != (gsize) (end - name))
        fail_msg("<%s> is not at %u:%u", node->name, node->at.line, node->at.column);
    for (guint i = 0; node->attributes && i < node->attributes->len; i++) {
        const XmlAttribute *attribute = node->attributes->pdata[i];
        gsize at = offset_of(text, attribute->at), length = strlen(attribute->name);

        if (g_str_has_prefix(attribute->name, "xmlns:"))
            continue;
        if (at <= offset || strncmp(text + at, attribute->name, length) ||
            !strchr(" \t\r\n=", text[at + length]) || !strchr(" \t\r\n", text[at - 1]))
            fail_msg("%s of <%s> is not at %u:%u", attribute->name, node->name, attribute->at.line,
                     attribute->at.column);
        n++;
    }
    for (guint i = 0; node->children && i < node->children->len; i++)
        n += check_positions(text, node->children->pdata[i]);
    return n;
}

static void
positions_are_those_of_the_text(void **state)
{
    static const char text[] =
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        "<!-- <a b='c'> -->\n"
        "<?target <a b='c'> ?>\n"
        "<root\n"
        "\ta = '1' ab\n = \"a='2'\"\n\n   b='>'\r\n\tabc='x > a=\"1\"'>\n"
        "<!-- <a> --><one/><two a='1'/><![CDATA[<three a='1'/> ]]><four   a='/>'  />\n"
        "\xc3\xa4\xc3\xb6 &lt;five a='1'> <six\nb='&lt;&quot;&apos;&gt;&amp;a=&#10;' "
        "a='\xe2\x82\xac'"
        "\n c=''></six><seven></seven  ><eight\n/></root\n>\n<!-- end <a/> -->\n";
    g_autoptr(XmlNode) root = read_good(text);
    const XmlNode *six = xml_node_child(root, "six");

    assert_int_equal(check_positions(text, root), 7 + 9);
    assert_int_equal(root->at.line, 4);
    assert_int_equal(root->at.column, 1);
    assert_int_equal(xml_node_attribute(root, "ab")->at.line, 5);
    assert_int_equal(xml_node_attribute(root, "ab")->at.column, 10);
    assert_string_equal(xml_node_attribute(root, "abc")->value, "x > a=\"1\"");
    assert_int_equal(xml_node_attribute(root, "abc")->at.line, 9);
    assert_string_equal(xml_node_attribute(six, "b")->value, "<\"'>&a=\n");
    assert_int_equal(xml_node_child(root, "two")->at.column, 19);
    /* Columns are bytes: two letters of two bytes each, a space, "&lt;five a='1'> ". */
    assert_int_equal(six->at.column, 4 + 1 + 16 + 1);
}

static void
far_lines_are_counted(void **state)
{
    GString *text = g_string_new("<a>");
    g_autoptr(XmlNode) root = NULL;

    for (guint i = 0; i < 70000; i++)
        g_string_append(text, "<!---->\n");
    g_string_append(text, " <b\nc=''/></a>");
    root = read_good(text->str);
    assert_int_equal(xml_node_child(root, "b")->at.line, 70001);
    assert_int_equal(xml_node_child(root, "b")->at.column, 2);
    assert_int_equal(xml_node_attribute(xml_node_child(root, "b"), "c")->at.line, 70002);
    g_string_free(text, TRUE);
}

static void
a_byte_order_mark_is_no_column(void **state)
{
    g_autoptr(XmlNode) root = read_good("\xef\xbb\xbf<a b='1'/>");

    assert_int_equal(root->at.column, 1);
    assert_int_equal(xml_node_attribute(root, "b")->at.column, 4);
}

/* ---- content ---- */

static void
text_is_stripped(void **state)
{
    g_autoptr(XmlNode) root = read_good("<a> \n x &amp; <b/><![CDATA[ <y> ]]>&#x41;\n </a>");

    assert_string_equal(root->text, "x &  <y> A");
    assert_null(xml_node_child(root, "b")->text);
}

static void
namespaces_are_kept(void **state)
{
    g_autoptr(XmlNode) root =
        read_good("<a xmlns:p='urn:p' xmlns:q='urn:q'><p:b c='1' q:d='2' xml:lang='en'/>"
                  "<e xmlns='urn:e'><f/><g xmlns=''/></e></a>");
    const XmlNode *b = xml_node_child(root, "b"), *e = xml_node_child(root, "e");

    assert_null(root->namespace_);
    assert_string_equal(b->namespace_, "urn:p");
    assert_string_equal(xml_node_attribute(b, "q:d")->value, "2");
    assert_string_equal(xml_node_attribute(b, "xmlns:q")->value, "urn:q");
    assert_null(xml_node_attribute(b, "xmlns:p"));
    assert_string_equal(xml_node_attribute(b, "xml:lang")->value, "en");
    assert_string_equal(xml_node_child(e, "f")->namespace_, "urn:e");
    assert_null(xml_node_child(e, "g")->namespace_);
}

/* Format and read again: the same tree, and the same text the second time. */
static void
format_round_trips(void **state)
{
    static const char *const prefixes[] = { "urn:p", "p", "urn:q", "q", NULL };
    static const char *const texts[] = {
        "<a/>",
        "<a b='&lt;&amp;&quot;&apos;&#9;&#10;&#13;>'>&lt;&amp;\n>\"'&#13;x</a>",
        "<a xmlns='urn:x'><p:b xmlns:p='urn:p'><c xmlns=''/><p:d><p:e/></p:d></p:b></a>",
        "<p:a xmlns:p='urn:p'><q:b xmlns:q='urn:q' q:c='1' p:d='2'><p:e/><f/></q:b></p:a>",
        /* The prefixes that we would use, bound to something else. */
        "<r:a xmlns:r='urn:p' xmlns:p='urn:other' p:x='1'><r:b/><p:c/></r:a>",
        "<a xmlns:p='urn:p'><r:b xmlns:r='urn:p' xmlns:p='urn:other'><r:c p:x=''/></r:b></a>",
        "<a xmlns:p='urn:p' p:x='1'/>",
        "<a xmlns='urn:&amp;&apos;'/>",
    };

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        const char *const *const lists[] = { NULL, prefixes };

        for (guint j = 0; j < 2; j++) {
            g_autoptr(XmlNode) node = read_good(texts[i]), again = NULL, copy = NULL;
            g_autofree char *text = xml_format(node, lists[j]), *second = NULL;

            again = read_good(text);
            copy = xml_node_copy(again);
            second = xml_format(copy, lists[j]);
            assert_string_equal(second, text);
            assert_string_equal(again->name, node->name);
            assert_int_equal(g_strcmp0(again->namespace_, node->namespace_), 0);
            /* Without prefixes nothing is declared that wasn't. */
            if (!j && !xml_node_equal(node, again))
                fail_msg("%s\nis not\n%s", texts[i], text);
        }
    }
}

static void
format_is_exact(void **state)
{
    static const char *const prefixes[] = { "urn:p", "p", NULL };
    g_autoptr(XmlNode) root =
        read_good("<a b=\"it's\"><c>t</c><d xmlns='urn:p'><e/></d><d xmlns='urn:q'><e/></d></a>");
    g_autofree char *text = xml_format(root, prefixes);

    assert_string_equal(text, "<a b='it&apos;s'>\n"
                              "  <c>t</c>\n"
                              "  <p:d xmlns:p='urn:p'>\n"
                              "    <p:e/>\n"
                              "  </p:d>\n"
                              "  <d xmlns='urn:q'>\n"
                              "    <e/>\n"
                              "  </d>\n"
                              "</a>\n");
}

static void
equality_is_of_content(void **state)
{
    static const struct {
        const char *a, *b;
        bool is_equal;
    } cases[] = {
        { "<a b='1' c='2'/>", "<a\nc='2' b='1'></a>", true },
        { "<a b='1'/>", "<a b='2'/>", false },
        { "<a b='1'/>", "<a/>", false },
        { "<a><b/><c/></a>", "<a><c/><b/></a>", false },
        { "<a xmlns='urn:a'/>", "<a/>", false },
        { "<a>t</a>", "<a/>", false },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(XmlNode) a = read_good(cases[i].a), b = read_good(cases[i].b);

        assert_int_equal(xml_node_equal(a, b), cases[i].is_equal);
    }
}

/* ---- bad files ---- */

static void
bad_files_are_refused(void **state)
{
    static const struct {
        const char *text;
        const char *where_and_code[2];
    } cases[] = {
        { "", { "x:1:1: ", "[xml-syntax]" } },
        { " \n\t", { "x:1:1: ", "[xml-syntax]" } },
        { "hello", { "x:1:1: ", "[xml-syntax]" } },
        { "<a>\n  <b>\n</a>", { "x:3:", "[xml-syntax]" } },
        { "<a>", { "x:1:4: ", "the file ends before" } },
        { "<a>\n <b>\n  <c/>\n", { "x:4:1: ", "before <b> of line 2 is closed [xml-syntax]" } },
        { "<a b='1'>\n<c d='1", { "x:2:8: ", "[xml-syntax]" } },
        { "<a>\nb & c</a>", { "x:2:3: ", "'&amp;' [xml-syntax]" } },
        { "<a>\nb &c d</a>", { "x:2:3: ", "'&amp;' [xml-syntax]" } },
        { "<a b='x=1&y=2'/>", { "x:1:10: ", "'&amp;' [xml-syntax]" } },
        { "<a b='1' b='2'/>", { "x:1:15: ", "[xml-syntax]" } },
        { "<a b=1/>", { "x:1:6: ", "[xml-syntax]" } },
        { "<a b='<'/>", { "x:1:7: ", "[xml-syntax]" } },
        { "<a/><b/>", { "x:1:5: ", "[xml-syntax]" } },
        { "<p:a/>", { "x:1:", "[xml-syntax]" } },
        { "<a>&#0;</a>", { "x:1:", "[xml-syntax]" } },
        { "<!DOCTYPE a><a/>", { "x:1:1: ", "[xml-dtd]" } },
        { "\n<!DOCTYPE a SYSTEM 'http://127.0.0.1:1/x'>\n<a/>", { "x:2:1: ", "[xml-dtd]" } },
        { "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY e 'v'>]><a>&e;</a>",
          { "x:1:22: ", "[xml-dtd]" } },
        { "<a>\n &nbsp;</a>", { "x:2:2: ", "[xml-entity]" } },
        { "<a b='&nbsp;'/>", { "x:1:7: ", "[xml-entity]" } },
        { "<a>\n  \xff</a>", { "x:2:3: ", "[xml-encoding]" } },
        { "<?xml version='1.0' encoding='ISO-8859-1'?>\n<a>\xc3\xa4</a>",
          { "x:1:21: ", "[xml-encoding]" } },
        { "<?xml version='1.0' encoding = \"utf-16\" ?><a/>", { "x:1:21: ", "[xml-encoding]" } },
        { "<?xml version='1.0' encoding='utf-8x'?><a/>", { "x:1:21: ", "[xml-encoding]" } },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *diagnostics = read_bad(cases[i].text, -1);

        if (!g_str_has_prefix(diagnostics, cases[i].where_and_code[0]) ||
            !strstr(diagnostics, cases[i].where_and_code[1]))
            fail_msg("%s\nis %s, not %s %s", cases[i].text, diagnostics, cases[i].where_and_code[0],
                     cases[i].where_and_code[1]);
    }
}

static void
good_encodings_are_read(void **state)
{
    static const char *const heads[] = { "<?xml version='1.0'?>",
                                         "<?xml version='1.0' encoding='utf-8'?>",
                                         "<?xml version='1.0' encoding=\"UTF8\"?>",
                                         "<?xml version=\"1.0\" encoding='US-ASCII'?>" };

    for (guint i = 0; i < G_N_ELEMENTS(heads); i++) {
        g_autofree char *text = g_strconcat(heads[i], "\n<a>\n <b/></a>", NULL);
        g_autoptr(XmlNode) root = read_good(text);

        assert_int_equal(xml_node_child(root, "b")->at.line, 3);
        assert_int_equal(xml_node_child(root, "b")->at.column, 2);
    }
}

/* A declaration is read however far away its encoding stands. */
static void
an_encoding_does_not_hide(void **state)
{
    g_autofree char *spaces = g_strnfill(5000, ' ');
    g_autofree char *text =
        g_strconcat("<?xml version='1.0'", spaces, "encoding='latin1'?><a/>", NULL);
    g_autofree char *diagnostics = read_bad(text, -1);

    assert_non_null(strstr(diagnostics, "x:1:5020: error"));
    assert_non_null(strstr(diagnostics, "[xml-encoding]"));
}

static void
other_encodings_are_refused(void **state)
{
    static const char utf16[] = "\xff\xfe<\0a\0/\0>\0", zero[] = "<a>\0</a>";
    g_autofree char *first = read_bad(utf16, sizeof utf16 - 1);
    g_autofree char *second = read_bad(zero, sizeof zero - 1);

    assert_string_equal(first, "x:1:1: error: not UTF-8 text [xml-encoding]\n");
    assert_string_equal(second, "x:1:4: error: not UTF-8 text [xml-encoding]\n");
}

static char *
repeat(const char *head, const char *text, guint n, const char *tail)
{
    GString *out = g_string_new(head);

    for (guint i = 0; i < n; i++)
        g_string_append(out, text);
    g_string_append(out, tail);
    return g_string_free(out, FALSE);
}

/* What would take memory or time without end is refused before it does. */
static void
bombs_are_refused(void **state)
{
    gint64 start = g_get_monotonic_time();
    g_autofree char *laughs =
        repeat("<!DOCTYPE a [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"
               "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'><!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;'>",
               "<!ENTITY % x SYSTEM 'file:///etc/passwd'>%x;", 1000, "]><a>&d;&d;</a>");
    const struct {
        char *text;
        const char *where, *code;
    } cases[] = {
        { g_strdup(laughs), "x:1:1: ", "[xml-dtd]" },
        { repeat("", "<a>", 64, ""), "x:1:193: ", "[xml-syntax]" },
        { repeat("", "<a>\n", 1000000, ""), "x:65:1: ", "[xml-too-deep]" },
        { repeat("", "<elements>", 1 << 20, ""), "x:1:1: ", "[xml-too-large]" },
        { repeat("<a>", "<b/>\n", 200000, "</a>"), "x:100000:1: ", "[xml-too-many]" },
        { repeat("<a>\n<!-- <b c='--><b", " a=''", 300, "/></a>"), "x:2:15: ", "[xml-too-many]" },
        { repeat("<a\n", "a ", 2000000, "/>"), "x:2:", "[xml-syntax]" },
        { repeat("<a>", "&", 4000000, "</a>"), "x:1:", "[xml-syntax]" },
        { repeat("<!--", "<", 4000000, ""), "x:1:", "[xml-syntax]" },
        { repeat("", "<", 4000000, ""), "x:1:", "[xml-syntax]" },
        { repeat("<a>", "<![CDATA[", 400000, ""), "x:1:", "[xml-syntax]" },
        { repeat("<a b='", "\"", 4000000, ""), "x:1:", "[xml-syntax]" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *diagnostics = read_bad(cases[i].text, -1);

        if (!g_str_has_prefix(diagnostics, cases[i].where) || !strstr(diagnostics, cases[i].code))
            fail_msg("bomb %u is %s, not %s %s", i, diagnostics, cases[i].where, cases[i].code);
        g_free(cases[i].text);
    }
    assert_true(g_get_monotonic_time() - start < 20 * G_USEC_PER_SEC);
}

/* Just within the limits is read, and in reasonable time. */
static void
limits_are_reached(void **state)
{
    g_autofree char *open = repeat("", "<a>", 64, ""), *close = repeat("", "</a>", 64, "");
    g_autofree char *deep = g_strconcat(open, close, NULL);
    g_autofree char *many = repeat("<a>", "<b c='1' d=''/>\n", 99999, "</a>");
    GString *wide = g_string_new("<a");
    gint64 start = g_get_monotonic_time();
    g_autoptr(XmlNode) deep_root = read_good(deep), many_root = read_good(many), wide_root = NULL;

    for (guint i = 0; i < XML_MAX_ATTRIBUTES; i++)
        g_string_append_printf(wide, "\na%u='%u=='", i, i);
    g_string_append(wide, "/>");
    wide_root = read_good(wide->str);
    assert_non_null(deep_root);
    assert_int_equal(many_root->children->len, 99999);
    assert_int_equal(((XmlNode *) many_root->children->pdata[99998])->at.line, 99999);
    assert_int_equal(check_positions(wide->str, wide_root), 1 + XML_MAX_ATTRIBUTES);
    assert_true(g_get_monotonic_time() - start < 10 * G_USEC_PER_SEC);
    g_string_free(wide, TRUE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_are_those_of_the_text),
        cmocka_unit_test(far_lines_are_counted),
        cmocka_unit_test(a_byte_order_mark_is_no_column),
        cmocka_unit_test(text_is_stripped),
        cmocka_unit_test(namespaces_are_kept),
        cmocka_unit_test(format_round_trips),
        cmocka_unit_test(format_is_exact),
        cmocka_unit_test(equality_is_of_content),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(good_encodings_are_read),
        cmocka_unit_test(an_encoding_does_not_hide),
        cmocka_unit_test(other_encodings_are_refused),
        cmocka_unit_test(bombs_are_refused),
        cmocka_unit_test(limits_are_reached),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
