/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtkeep validate as a user calls it: files, directories, configurations and standard input; all
 * mistakes with their places; and that nasty input is an answer in bounded time, never a crash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "model/json.h"
#include "tests/support/virtkeep.h"

#define GOOD                                                                                       \
    "<domain type='qemu'>\n"                                                                       \
    "  <name>%s</name>\n"                                                                          \
    "  <memory unit='MiB'>64</memory>\n"                                                           \
    "  <vcpu>1</vcpu>\n"                                                                           \
    "  <os><type arch='x86_64' machine='q35'>hvm</type></os>\n"                                    \
    "%s"                                                                                           \
    "</domain>\n"

static char *
write_domain(Scratch *scratch, const char *file, const char *name, const char *more)
{
    g_autofree char *text = g_strdup_printf(GOOD, name, more);

    return scratch_write(scratch, file, text);
}

static void
assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in:\n%s", part, text);
}

static void
test_good_file(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *file = write_domain(scratch, "a.xml", "a", "");
    g_autofree char *before = scratch_read(scratch, "a.xml");
    g_autoptr(CommandResult) result = virtkeep_run(scratch, 10, "validate", file);
    g_autoptr(CommandResult) quiet = virtkeep_run(scratch, 10, "-q", "validate", file);
    g_autofree char *after = scratch_read(scratch, "a.xml");
    g_autofree char *state_file = scratch_read(scratch, "state.db");

    assert_int_equal(result->status, 0);
    assert_string_equal(result->err, "");
    assert_string_equal(result->out, "1 file: 1 valid, 0 not\n");
    assert_string_equal(quiet->out, "");
    assert_string_equal(before, after);
    assert_null(state_file);
}

static void
test_microvm(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *good = g_strdup_printf(GOOD, "a", "");
    g_auto(GStrv) parts = g_strsplit(good, "q35", 2);
    g_autofree char *xml = g_strjoinv("microvm", parts);
    g_autofree char *file = scratch_write(scratch, "a.xml", xml);
    g_autoptr(CommandResult) result = virtkeep_run(scratch, 10, "validate", file);

    assert_int_equal(result->status, 1);
    assert_contains(result->err, "a.xml:5:27: error: os/type/@machine: virtkeep builds no microvm");
}

/* What no element says by itself: two devices in one place. */
static void
test_places(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *file = write_domain(scratch, "domains/a.xml", "a",
                                         "  <devices>\n"
                                         "    <serial type='null'><target port='0'/></serial>\n"
                                         "    <serial type='null'><target port='0'/></serial>\n"
                                         "  </devices>\n");
    g_autofree char *directory = scratch_path(scratch, "domains");
    g_autofree char *place = g_strdup_printf("%s:8:33: error: ", file);
    g_autoptr(CommandResult) alone = virtkeep_run(scratch, 10, "validate", file);
    g_autoptr(CommandResult) all = virtkeep_run(scratch, 10, "validate", directory);

    assert_int_equal(alone->status, 1);
    assert_contains(alone->err, place);
    assert_contains(alone->err, "[address-conflict]");
    assert_int_equal(all->status, 1);
    assert_string_equal(all->out, "1 file: 0 valid, 1 not\n");
}

/* What a name may have been meant to be; and one mistake is told once. */
static void
test_slips(void **state)
{
    static const struct {
        const char *xml, *message;
    } cases[] = {
        { "  <memmory>1</memmory>\n", "no element <memmory>; did you mean <memory>? [" },
        { "  <devices><interfce/></devices>\n", "did you mean <interface>?" },
        { "  <devices><disk typ='file'/></devices>\n", "no attribute 'typ'; did you mean 'type'?" },
        { "  <fnord/>\n", "no element <fnord> [" },
        { "  <memory xmlns='urn:x'>1</memory>\n", "no element <memory> of namespace urn:x [" },
    };
    g_autoptr(Scratch) scratch = scratch_new();

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *file = write_domain(scratch, "a.xml", "a", cases[i].xml);
        g_autoptr(CommandResult) result = virtkeep_run(scratch, 10, "validate", file);

        assert_int_equal(result->status, 1);
        assert_contains(result->err, cases[i].message);
    }
}

static void
test_memory(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *good = g_strdup_printf(GOOD, "a", "");
    g_auto(GStrv) parts = g_strsplit(good, "  <memory unit='MiB'>64</memory>\n", 2);
    g_autofree char *bad = g_strjoinv("  <memory unit='mega'>64</memory>\n", parts);
    g_autofree char *none = g_strjoinv("", parts);
    g_autofree char *bad_file = scratch_write(scratch, "bad.xml", bad);
    g_autofree char *no_file = scratch_write(scratch, "none.xml", none);
    g_autoptr(CommandResult) result = virtkeep_run(scratch, 10, "validate", bad_file);
    g_autoptr(CommandResult) missing = virtkeep_run(scratch, 10, "validate", no_file);

    assert_contains(result->err, "bad.xml:3:11: error: <memory unit='mega'>");
    assert_null(strstr(result->err, "needs <memory>"));
    assert_contains(missing->err, "none.xml:1:1: error: <domain> needs <memory>");
}

static void
test_mistakes_have_their_places(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *file = write_domain(scratch, "a.xml", "a", "  <fnord/>\n  <vcpus>2</vcpus>\n");
    g_autofree char *first = g_strdup_printf("%s:6:3: error: ", file);
    g_autofree char *second = g_strdup_printf("%s:7:3: error: ", file);
    g_autoptr(CommandResult) result = virtkeep_run(scratch, 10, "validate", file);

    assert_int_equal(result->status, 1);
    assert_contains(result->err, first);
    assert_contains(result->err, second);
    assert_contains(result->err, "[unknown-element]");
    assert_string_equal(result->out, "1 file: 0 valid, 1 not\n");
}

static void
test_directory(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *directory = scratch_path(scratch, "d");
    g_autoptr(CommandResult) result = NULL;

    g_free(write_domain(scratch, "d/a.xml", "web", ""));
    g_free(write_domain(scratch, "d/sub/b.xml", "web", ""));
    g_free(write_domain(scratch, "d/c.xml", "db", ""));
    g_free(scratch_write(scratch, "d/.hidden.xml", "<rubbish"));
    result = virtkeep_run(scratch, 10, "validate", directory);
    assert_int_equal(result->status, 1);
    assert_contains(result->err, "d/a.xml:2:3: error: the same name stands in ");
    assert_contains(result->err, "d/sub/b.xml:2:3: error: ");
    assert_contains(result->err, "[duplicate-name]");
    assert_null(strstr(result->err, "hidden"));
    assert_string_equal(result->out, "3 files: 1 valid, 2 not\n");
}

static void
test_what_is_not_there(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *file = scratch_path(scratch, "no.xml");
    g_autofree char *config = scratch_path(scratch, "no.yaml");
    g_autofree char *good = write_domain(scratch, "a.xml", "a", "");
    g_autofree char *empty = scratch_mkdir(scratch, "empty");
    g_autoptr(CommandResult) result = virtkeep_run(scratch, 10, "validate", file, config, good);
    g_autoptr(CommandResult) nothing = virtkeep_run(scratch, 10, "validate", empty);

    assert_int_equal(result->status, 1);
    assert_contains(result->err, "/no.xml:0:0: error: No such file or directory [unreadable]");
    assert_contains(result->err, "/no.yaml:0:0: error: No such file or directory [unreadable]");
    assert_string_equal(result->out, "3 files: 1 valid, 2 not\n");
    assert_int_equal(nothing->status, 0);
    assert_contains(nothing->err, "holds no *.xml");
}

static void
test_configuration(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *good = scratch_write(scratch, "good.yaml", "workers: 2\n");
    g_autofree char *bad = scratch_write(scratch, "bad.yml", "worker: 2\n");
    g_autoptr(CommandResult) one = virtkeep_run(scratch, 10, "validate", good);
    g_autoptr(CommandResult) two = virtkeep_run(scratch, 10, "validate", good, bad);

    assert_int_equal(one->status, 0);
    assert_int_equal(two->status, 1);
    assert_contains(two->err, "bad.yml:1:1: error: unknown key 'worker'");
}

static Json *
parse_output(const CommandResult *result)
{
    g_autoptr(GError) error = NULL;
    Json *json = json_parse(result->out, -1, &error);

    if (!json)
        fail_msg("%s: %s", error->message, result->out);
    assert_int_equal(json_get_int(json, "format_version", 0), 1);
    return json;
}

static void
test_json(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *good = write_domain(scratch, "a.xml", "a", "");
    g_autofree char *bad = write_domain(scratch, "b.xml", "b", "  <fnord/>\n");
    g_autoptr(CommandResult) result =
        virtkeep_run(scratch, 10, "--output", "json", "validate", good, bad);
    g_autoptr(Json) json = parse_output(result);
    const Json *files = json_get(json, "files"), *diagnostics = json_get(json, "diagnostics");
    const Json *diagnostic = json_at(diagnostics, 0), *summary = json_get(json, "summary");

    assert_int_equal(result->status, 1);
    assert_string_equal(result->err, "");
    assert_int_equal(json_length(files), 2);
    assert_string_equal(json_get_string(json_at(files, 0), "name"), "a");
    assert_true(json_get_bool(json_at(files, 0), "valid", false));
    assert_false(json_get_bool(json_at(files, 1), "valid", true));
    assert_int_equal(json_length(diagnostics), 1);
    assert_string_equal(json_get_string(diagnostic, "file"), bad);
    assert_int_equal(json_get_int(diagnostic, "line", 0), 6);
    assert_int_equal(json_get_int(diagnostic, "column", 0), 3);
    assert_string_equal(json_get_string(diagnostic, "severity"), "error");
    assert_string_equal(json_get_string(diagnostic, "code"), "unknown-element");
    assert_int_equal(json_get_int(summary, "files", 0), 2);
    assert_int_equal(json_get_int(summary, "valid", 0), 1);
    assert_int_equal(json_get_int(summary, "errors", 0), 1);
}

static void
test_standard_input(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *file = write_domain(scratch, "a.xml", "a", "  <fnord/>\n");
    g_auto(GStrv) program = virtkeep_argv(scratch, (const char *const[]){ "validate", "-", NULL });
    g_autoptr(GStrvBuilder) argv = g_strv_builder_new();
    g_auto(GStrv) wrapped = NULL;
    g_autoptr(CommandResult) result = NULL;

    g_strv_builder_add_many(argv, "sh", "-c", "f=$1; shift; exec \"$@\" <\"$f\"", "sh", file, NULL);
    g_strv_builder_addv(argv, (const char **) program);
    wrapped = g_strv_builder_end(argv);
    result = command_run(scratch, 10, (const char *const *) wrapped);
    assert_int_equal(result->status, 1);
    assert_contains(result->err, "<stdin>:6:3: error: ");
}

/* Each is refused within the time that a command may take here, with a line that says why. */
static void
assert_refused(Scratch *scratch, const char *name, const char *code)
{
    g_autofree char *path = scratch_path(scratch, name);
    g_autoptr(CommandResult) result = virtkeep_run(scratch, 10, "validate", path);

    assert_int_equal(result->status, 1);
    assert_contains(result->err, code);
    assert_true(strlen(result->err) < 100000);
}

static void
test_nasty_files(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(GString) deep = g_string_new(NULL);
    g_autofree char *fifo = scratch_path(scratch, "fifo.xml");

    while (deep->len < 10 << 20)
        g_string_append(deep, "<domain>");
    g_free(scratch_write(scratch, "deep.xml", deep->str));
    g_string_truncate(deep, 1 << 20);
    g_free(scratch_write(scratch, "deep1.xml", deep->str));
    g_free(
        scratch_write(scratch, "bomb.xml",
                      "<!DOCTYPE d [<!ENTITY a 'xxxxxxxxxx'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>"
                      "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>]><domain><name>&c;</name></domain>"));
    g_free(scratch_write(scratch, "external.xml",
                         "<!DOCTYPE d [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"
                         "<domain><name>&a;</name></domain>"));
    g_free(scratch_write(scratch, "cut.xml", "<domain type='qemu'><name>a</na"));
    g_free(scratch_write(scratch, "empty.xml", ""));
    g_free(scratch_write(scratch, "other.xml", "<html/>"));
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_refused(scratch, "deep.xml", "[xml-too-large]");
    assert_refused(scratch, "deep1.xml", "[xml-too-deep]");
    assert_refused(scratch, "bomb.xml", "[xml-dtd]");
    assert_refused(scratch, "external.xml", "[xml-dtd]");
    assert_refused(scratch, "cut.xml", "[xml-syntax]");
    assert_refused(scratch, "empty.xml", "error: ");
    assert_refused(scratch, "other.xml", "[not-a-domain]");
    assert_refused(scratch, "fifo.xml", "not a regular file");
}

/* A name in a file can't steer the terminal of whoever reads the message. */
static void
test_control_characters(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *file = write_domain(scratch, "a.xml", "a", "  <x&#27;/>\n");
    g_autofree char *named = write_domain(scratch, "\033[2Jb.xml", "b", "  <fnord/>\n");
    g_autoptr(CommandResult) one = virtkeep_run(scratch, 10, "validate", file);
    g_autoptr(CommandResult) two = virtkeep_run(scratch, 10, "validate", named);

    assert_int_equal(one->status, 1);
    assert_null(strchr(one->err, '\033'));
    assert_int_equal(two->status, 1);
    assert_null(strchr(two->err, '\033'));
    assert_contains(two->err, "\\x1b[2Jb.xml:6:3");
}

static void
test_colour(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *file = scratch_write(scratch, "x.yaml", "foo: 1\n");
    g_autoptr(CommandResult) plain = virtkeep_run(scratch, 10, "validate", file);
    g_autoptr(CommandResult) colored =
        virtkeep_run(scratch, 10, "--color=always", "validate", file);

    assert_null(strchr(plain->err, '\033'));
    assert_contains(colored->err, "\033[31m");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_file),
        cmocka_unit_test(test_slips),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_mistakes_have_their_places),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_microvm),
        cmocka_unit_test(test_directory),
        cmocka_unit_test(test_what_is_not_there),
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_standard_input),
        cmocka_unit_test(test_nasty_files),
        cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_colour),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
