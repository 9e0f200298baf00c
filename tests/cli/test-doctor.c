/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtkeep doctor: it answers in bounded time on any host, names what is wrong with what the test
 * broke, and makes and leaves nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/json.h"
#include "tests/support/virtkeep.h"

#define PATIENCE 60 /* seconds: KVM that hangs is given up twice */

typedef struct Doctor {
    Json *json;
    int status;
} Doctor;

static Doctor
ask_doctor(Scratch *scratch)
{
    g_autoptr(CommandResult) result = virtkeep_run(scratch, PATIENCE, "--output", "json", "doctor");
    g_autoptr(GError) error = NULL;
    Doctor doctor = { .status = result->status, .json = json_parse(result->out, -1, &error) };

    if (!doctor.json)
        fail_msg("%s: %s %s", error->message, result->out, result->err);
    assert_int_equal(json_get_int(doctor.json, "format_version", 0), 1);
    return doctor;
}

/* The level of the first finding of @check whose text holds @text. */
static const char *
level_of(const Doctor *doctor, const char *check, const char *text)
{
    const Json *findings = json_get(doctor->json, "findings");

    for (guint i = 0; i < json_length(findings); i++) {
        const Json *finding = json_at(findings, i);

        if (!strcmp(json_get_string(finding, "check"), check) &&
            strstr(json_get_string(finding, "text"), text))
            return json_get_string(finding, "level");
    }
    fail_msg("no finding of '%s' says '%s'", check, text);
    return NULL;
}

static void
test_looks_at_everything(void **state)
{
    static const char *const checks[] = { "config", "kvm",    "qemu",    "firmware",  "memory",
                                          "thp",    "limits", "inotify", "hugepages", "domains",
                                          "state",  "run",    "log",     "network",   "pool",
                                          "cgroup" };
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *left = NULL;
    Doctor doctor = ask_doctor(scratch);

    for (guint i = 0; i < G_N_ELEMENTS(checks); i++)
        level_of(&doctor, checks[i], "");
    assert_string_equal(level_of(&doctor, "qemu", "/usr/bin/qemu-system-x86_64: version"), "ok");
    assert_int_equal(doctor.status,
                     json_get_int(json_get(doctor.json, "summary"), "fail", 0) > 0 ? 1 : 0);
    left = scratch_path(scratch, "run");
    assert_int_equal(access(left, F_OK), -1); /* it made nothing */
    left = (g_free(left), scratch_path(scratch, "state.db"));
    assert_int_equal(access(left, F_OK), -1);
    json_free(doctor.json);
    assert_int_equal(scratch_end(g_steal_pointer(&scratch)), 0); /* and left nothing running */
}

static void
test_finds_what_is_broken(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *domains = scratch_mkdir(scratch, "domains");
    g_autofree char *state_file = scratch_write(scratch, "state.db", "not a database, not at all");
    g_autofree char *run = scratch_write(scratch, "run", "a file");
    Doctor doctor;

    g_free(scratch_write(scratch, "virtkeep.yaml",
                         "emulators: [ /nowhere/qemu, /bin/true ]\n"
                         "networks: { lan: { bridge: vk-none } }\n"
                         "pools: { fast: /nowhere/pool }\n"
                         "host: { memory-reserve: 100TiB, cgroup: /nowhere/cgroup }\n"));
    g_free(scratch_write(scratch, "domains/bad.xml", "<domain"));
    assert_int_equal(chmod(domains, 0777), 0);
    doctor = ask_doctor(scratch);
    assert_int_equal(doctor.status, 1);
    assert_string_equal(level_of(&doctor, "qemu", "/nowhere/qemu"), "fail");
    assert_string_equal(level_of(&doctor, "qemu", "/bin/true"), "fail");
    assert_string_equal(level_of(&doctor, "network", "there is no bridge vk-none"), "warn");
    assert_string_equal(level_of(&doctor, "pool", "/nowhere/pool"), "warn");
    assert_string_equal(level_of(&doctor, "memory", "leaves nothing for guests"), "fail");
    assert_string_equal(level_of(&doctor, "cgroup", "/nowhere/cgroup is no cgroup v2"), "warn");
    assert_string_equal(level_of(&doctor, "state", state_file), "fail");
    assert_string_equal(level_of(&doctor, "run", "is not a directory"), "fail");
    if (geteuid() == 0)
        assert_string_equal(level_of(&doctor, "domains", "others may write to it"), "fail");
    json_free(doctor.json);

    assert_int_equal(chmod(domains, 0755), 0);
    doctor = ask_doctor(scratch);
    assert_string_equal(level_of(&doctor, "domains", "bad.xml:1:"), "warn");
    json_free(doctor.json);
}

static void
test_goes_on_after_a_bad_configuration(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *file = scratch_write(scratch, "virtkeep.yaml", "foo: 1\n");
    g_autofree char *place = g_strdup_printf("%s:1:1: error: unknown key 'foo'", file);
    Doctor doctor = ask_doctor(scratch);

    assert_int_equal(doctor.status, 1);
    assert_string_equal(level_of(&doctor, "config", place), "fail");
    level_of(&doctor, "kvm", "");
    json_free(doctor.json);
}

static void
test_text(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(CommandResult) result = NULL;
    g_autoptr(CommandResult) quiet = NULL;

    g_free(scratch_write(scratch, "virtkeep.yaml", "emulators: [ /nowhere/qemu ]\n"));
    result = virtkeep_run(scratch, PATIENCE, "doctor");
    assert_int_equal(result->status, 1);
    assert_non_null(strstr(result->out, "fail  qemu        /nowhere/qemu: "));
    assert_non_null(strstr(result->out, "                  install it, or change 'emulators'"));
    assert_non_null(strstr(result->out, "\nok    "));
    quiet = virtkeep_run(scratch, PATIENCE, "-q", "doctor");
    assert_int_equal(quiet->status, 1);
    assert_non_null(strstr(quiet->out, "fail  qemu"));
    assert_null(strstr(quiet->out, "ok    "));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_looks_at_everything),
        cmocka_unit_test(test_finds_what_is_broken),
        cmocka_unit_test(test_goes_on_after_a_bad_configuration),
        cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
