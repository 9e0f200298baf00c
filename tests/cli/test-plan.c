/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `plan` and `argv` as scripts use them. What plans say is for the golden cases (tests/cases); here
 * it is exit statuses, saved files, and mistakes in recordings.
 */
#include "tests/cli/domain-file.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/json.h"

static Scratch *scratch;

/* How many lines of @text have @part. */
static guint
count_lines(const char *text, const char *part)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    guint n = 0;

    for (guint i = 0; lines[i]; i++)
        n += strstr(lines[i], part) != NULL;
    return n;
}

static void
test_exit_code(void **state)
{
    g_free(virtkeep_expect(scratch, 10, 0, "plan"));
    g_free(virtkeep_expect(scratch, 10, 2, "plan", "--exit-code"));
    domain_file_write(scratch, &(DomainFile){ .name = "a", .policy = "run-strategy='halted'" });
    g_free(virtkeep_expect(scratch, 10, 0, "plan", "--exit-code"));
    /* What can't be planned is something to do, too. */
    g_free(scratch_write(scratch, "domains/b.xml", "<domain"));
    g_free(virtkeep_expect(scratch, 10, 2, "plan", "--exit-code"));
    g_free(virtkeep_expect(scratch, 10, 0, "plan"));
}

static void
test_invalid_file_is_named(void **state)
{
    g_autoptr(CommandResult) result = NULL;

    g_free(scratch_write(scratch, "domains/b.xml", "\n  <nme>b</nme>\n"));
    result = virtkeep_run(scratch, 10, "plan");
    assert_int_equal(result->status, 0);
    assert_non_null(strstr(result->err, "domains/b.xml:2:3: error: the root element is <nme>"));
}

#define LABEL "<seclabel type='none'/>"

/* What a file declares in vain is said on stderr, of the domains that are asked for. */
static void
test_remarks(void **state)
{
    static const char remark[] = "domains/a.xml:";
    g_autoptr(CommandResult) text = NULL, json = NULL, quiet = NULL, other = NULL;
    g_autoptr(Json) plan = NULL;

    domain_file_write(scratch, &(DomainFile){ .name = "a", .head = LABEL });
    domain_file_write(scratch, &(DomainFile){ .name = "b" });
    text = virtkeep_run(scratch, 10, "plan");
    assert_non_null(strstr(text->err, remark));
    assert_non_null(strstr(text->err, ": note: "));
    assert_null(strstr(text->out, ": note: "));
    json = virtkeep_run(scratch, 10, "plan", "--output", "json");
    plan = json_parse(json->out, -1, NULL);
    assert_non_null(plan);
    assert_string_equal(json->err, text->err);
    quiet = virtkeep_run(scratch, 10, "plan", "-q");
    assert_string_equal(quiet->err, "");
    other = virtkeep_run(scratch, 10, "plan", "b");
    assert_null(strstr(other->err, remark));
}

/* Each thing that a start lacks has a line of its own, and one line in `status` in all. */
static void
test_causes(void **state)
{
    g_autoptr(CommandResult) apply = NULL, explain = NULL, status = NULL;

    domain_file_write(scratch,
                      &(DomainFile){ .name = "a",
                                     .devices = "<disk type='file'><source file='/no/such/1'/>"
                                                "<target dev='vda' bus='virtio'/></disk>\n"
                                                "<disk type='file'><source file='/no/such/2'/>"
                                                "<target dev='vdb' bus='virtio'/></disk>\n" });
    apply = virtkeep_run(scratch, 20, "apply");
    assert_int_equal(apply->status, 1);
    assert_int_equal(count_lines(apply->err, "virtkeep: a: "), 2);
    assert_int_equal(count_lines(apply->err, "/no/such/1: No such file"), 1);
    assert_int_equal(count_lines(apply->err, "/no/such/2: No such file"), 1);
    explain = virtkeep_run(scratch, 10, "explain", "a");
    assert_null(strstr(explain->out, "[host-lacks]; "));
    status = virtkeep_run(scratch, 10, "status");
    assert_non_null(strstr(status->out, "/no/such/1: No such file or directory [host-lacks] and "
                                        "1 more\n"));
    assert_null(strstr(status->out, "/no/such/2"));
}

static void
test_saved_plan(void **state)
{
    g_autofree char *file = scratch_path(scratch, "today.plan");
    g_autofree char *text = NULL;
    g_autoptr(Json) json = NULL;
    struct stat status;

    g_free(virtkeep_expect(scratch, 10, 0, "plan", "--out", file));
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    text = scratch_read(scratch, "today.plan");
    json = json_parse(text, -1, NULL);
    assert_non_null(json);
    assert_int_equal(json_get_int(json, "format_version", 0), 1);
    assert_string_equal(json_get_string(json_at(json_get(json, "domains"), 0), "name"), "a");
    assert_string_equal(json_get_string(json_at(json_get(json, "domains"), 0), "action"), "start");
}

/* A plan that no longer holds says of which domain which field moved. */
static void
test_stale_plan(void **state)
{
    g_autofree char *file = scratch_path(scratch, "today.plan");
    g_autoptr(CommandResult) result = NULL;

    g_free(virtkeep_expect(scratch, 10, 0, "plan", "--out", file));
    domain_file_write(scratch, &(DomainFile){ .name = "a", .vcpus = 3 });
    result = virtkeep_run(scratch, 10, "apply", "--plan", file);
    assert_int_equal(result->status, 1);
    assert_non_null(strstr(result->err, "no longer holds, nothing was done"));
    assert_non_null(strstr(result->err, "a: its file or policy changed"));
    assert_non_null(strstr(result->err, "; vcpu changed"));
    assert_null(strstr(result->err, "; memory changed"));
    domain_file_write(scratch, &(DomainFile){ .name = "a", .policy = "run-strategy='manual'" });
    command_result_free(g_steal_pointer(&result));
    result = virtkeep_run(scratch, 10, "apply", "--plan", file);
    assert_non_null(strstr(result->err, "policy/run-strategy changed"));
    domain_file_write(scratch, &(DomainFile){ .name = "a" });
}

/* A plan is not trusted to name domains only: a name becomes part of paths. */
static void
test_forged_plan(void **state)
{
    static const char *const names[] = { "../a", "..", "", "a/b", "a\\nb", ".a" };
    g_autofree char *file = scratch_path(scratch, "today.plan");
    g_autofree char *good = NULL;

    g_free(virtkeep_expect(scratch, 10, 0, "plan", "--out", file));
    good = scratch_read(scratch, "today.plan");
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *forged = g_strdup_printf("\"name\": \"%s\"", names[i]);
        g_auto(GStrv) parts = g_strsplit(good, "\"name\": \"a\"", -1);
        g_autofree char *text = g_strjoinv(forged, parts);
        g_autoptr(CommandResult) result = NULL;

        assert_string_not_equal(text, good);
        g_free(scratch_write(scratch, "today.plan", text));
        result = virtkeep_run(scratch, 10, "apply", "--plan", file);
        assert_int_equal(result->status, 1);
        assert_non_null(strstr(result->err, "domain 0 of the plan is not complete"));
    }
}

static void
test_saved_plan_replaces_files_only(void **state)
{
    g_autofree char *fifo = scratch_path(scratch, "fifo");
    g_autofree char *directory = scratch_mkdir(scratch, "somewhere");
    g_autofree char *nowhere = scratch_path(scratch, "no/such/file");
    const char *const targets[] = { fifo, directory, nowhere };
    struct stat status;

    assert_int_equal(mkfifo(fifo, 0600), 0);
    for (gsize i = 0; i < G_N_ELEMENTS(targets); i++)
        g_free(virtkeep_expect(scratch, 10, 1, "plan", "--out", targets[i]));
    assert_int_equal(stat(fifo, &status), 0);
    assert_true(S_ISFIFO(status.st_mode));
}

static void
test_bad_recordings(void **state)
{
    static const struct {
        const char *text, *mistake;
    } bad[] = {
        { "", "" },
        { "[]", "format_version 1" },
        { "{\"format_version\": 2, \"domains\": []}", "format_version 1" },
        { "{\"format_version\": 1}", "'domains'" },
        { "{\"format_version\": 1, \"now\": \"noon\", \"domains\": []}", "'now'" },
        { "{\"format_version\": 1, \"domains\": [{\"run_state\": \"off\"}]}", "no name" },
        { "{\"format_version\": 1, \"domains\": [{\"name\": \"a\"}]}", "'a': neither 'qmp'" },
        { "{\"format_version\": 1, \"domains\": [{\"name\": \"a\", \"run_state\": \"tired\"}]}",
          "'tired'" },
        { "{\"format_version\": 1, \"domains\": [{\"name\": \"a\", \"qmp\": []}]}",
          "query-status" },
        { "{\"format_version\": 1, \"domains\": [{\"name\": \"a\", \"run_state\": \"off\","
          " \"aplied\": \"x\"}]}",
          "unknown member 'aplied'" },
        { "{\"format_version\": 1, \"domains\": [{\"name\": \"a\", \"run_state\": \"running\","
          " \"applied\": \"none.xml\"}]}",
          "none.xml" },
        { "{\"format_version\": 1, \"domains\": [{\"name\": \"a\", \"run_state\": \"running\","
          " \"applied\": \"<domain\"}]}",
          "'applied'" },
        { "{\"format_version\": 1, \"domains\": [{\"name\": \"a\", \"run_state\": \"off\"},"
          " {\"name\": \"a\", \"run_state\": \"off\"}]}",
          "twice" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *file = scratch_write(scratch, "observed.json", bad[i].text);
        g_autoptr(CommandResult) result = virtkeep_run(scratch, 10, "plan", "--observed", file);

        if (result->status != 1 || !strstr(result->err, bad[i].mistake) ||
            !strstr(result->err, "observed.json"))
            fail_msg("case %zu: status %d, %s", i, result->status, result->err);
        assert_string_equal(result->out, "");
    }
}

/* What the text form prints is, to a shell, what the JSON form says. */
static void
test_recording_of_many_starts(void **state)
{
    g_autofree char *file = scratch_write(scratch, "observed.json",
                                          "{\"format_version\": 1, \"domains\": [{\"name\": \"a\","
                                          " \"run_state\": \"off\", \"n_starts\": 4294967295}]}");

    g_free(virtkeep_expect(scratch, 10, 0, "plan", "--observed", file));
}

static void
test_argv_is_shell_quoted(void **state)
{
    g_autofree char *file = scratch_path(scratch, "domains/a.xml");
    g_autofree char *text = NULL, *json_text = NULL;
    g_autoptr(Json) json = NULL;
    g_auto(GStrv) words = NULL;
    int n_words;

    domain_file_write(scratch, &(DomainFile){ .name = "a", .has_memory_device = true });
    text = virtkeep_expect(scratch, 30, 0, "argv", file);
    json_text = virtkeep_expect(scratch, 30, 0, "argv", file, "--output", "json");
    json = json_parse(json_text, -1, NULL);
    assert_true(g_shell_parse_argv(text, &n_words, &words, NULL));
    assert_int_equal(json_length(json), n_words);
    for (int i = 0; i < n_words; i++)
        assert_string_equal(words[i], json_string(json_at(json, i)));
}

static void
test_argv_needs_nothing(void **state)
{
    g_autofree char *file = scratch_path(scratch, "domains/a.xml");
    g_autofree char *text = NULL;

    domain_file_write(scratch,
                      &(DomainFile){ .name = "a",
                                     .devices = "    <emulator>/no/such/qemu</emulator>\n"
                                                "    <disk type='file' device='disk'>"
                                                "<source file='/no/such/image'/>"
                                                "<target dev='vda' bus='virtio'/></disk>\n" });
    text = virtkeep_expect(scratch, 30, 0, "argv", file);
    assert_true(g_str_has_prefix(text, "/no/such/qemu\n"));
    assert_non_null(strstr(text, "/no/such/image"));
}

/* A file must not choose what is executed here. */
static void
test_argv_executes_no_foreign_emulator(void **state)
{
    g_autofree char *witness = scratch_path(scratch, "witness");
    g_autofree char *script = g_strdup_printf("#!/bin/sh\ntouch '%s'\n", witness);
    g_autofree char *emulator = scratch_write(scratch, "evil", script);
    g_autofree char *devices = g_strdup_printf("    <emulator>%s</emulator>\n", emulator);
    g_autofree char *file = scratch_path(scratch, "domains/a.xml");

    assert_int_equal(chmod(emulator, 0755), 0);
    domain_file_write(scratch, &(DomainFile){ .name = "a", .devices = devices });
    g_free(virtkeep_expect(scratch, 30, 0, "argv", file));
    assert_false(g_file_test(witness, G_FILE_TEST_EXISTS));
}

static void
test_argv_refuses(void **state)
{
    g_autofree char *file = scratch_write(scratch, "bad.xml", "<domain type='qemu'/>");
    g_autoptr(CommandResult) result = virtkeep_run(scratch, 10, "argv", file);

    assert_int_equal(result->status, 1);
    assert_string_equal(result->out, "");
    assert_non_null(strstr(result->err, "bad.xml:1:1: error: "));
    g_free(virtkeep_expect(scratch, 10, 1, "argv", "/no/such/file.xml"));
}

static int
set_up(void **state)
{
    scratch = scratch_new();
    domain_file_write(scratch, &(DomainFile){ .name = "a" });
    return 0;
}

static int
tear_down(void **state)
{
    scratch_free(scratch);
    return 0;
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_exit_code),
        TEST(test_invalid_file_is_named),
        TEST(test_remarks),
        TEST(test_causes),
        TEST(test_saved_plan),
        TEST(test_stale_plan),
        TEST(test_forged_plan),
        TEST(test_saved_plan_replaces_files_only),
        TEST(test_bad_recordings),
        TEST(test_recording_of_many_starts),
        TEST(test_argv_is_shell_quoted),
        TEST(test_argv_needs_nothing),
        TEST(test_argv_executes_no_foreign_emulator),
        TEST(test_argv_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
