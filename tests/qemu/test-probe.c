/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Probing: what the installed QEMU says, and what is said of binaries that are missing, no
 * program, no QEMU, dying or hanging. No probe leaves a process behind.
 */
#include "qemu/probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <glib/gstdio.h>
#include <string.h>

#include "tests/qemu/paused-qemu.h"

static Scratch *scratch;
static guint n_children; /* before any probe */

static int
teardown(void **state)
{
    return scratch_end(scratch) == 0 ? 0 : -1;
}

/* Children of this thread, zombies too; the test's guard is one. */
static guint
count_children(void)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) pids = NULL;

    assert_true(g_file_get_contents("/proc/thread-self/children", &text, NULL, NULL));
    pids = g_strsplit(g_strchomp(text), " ", -1);
    return g_strv_length(pids);
}

static int
setup(void **state)
{
    scratch = scratch_new();
    n_children = count_children();
    return 0;
}

static void
test_installed_qemu(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Capabilities) found =
        probe_emulator(PAUSED_QEMU_EMULATOR, PROBE_DEFAULT_TIMEOUT_US, &error);
    g_autoptr(Json) json = NULL;
    g_autofree char *text = NULL;
    g_autoptr(Json) parsed = NULL;
    g_autoptr(Capabilities) cached = NULL;
    const CapabilitiesMachine *q35;
    guint major = 0;

    if (!found)
        fail_msg("%s", error->message);
    assert_int_equal(count_children(), n_children);
    json = capabilities_to_json(found);
    text = json_format(json, false);
    parsed = json_parse(text, -1, NULL);
    cached = capabilities_from_json(parsed, &error); /* what was cached answers the same */
    assert_non_null(cached);
    assert_true(json_equal(parsed, json));
    capabilities_version(cached, &major, NULL, NULL);
    assert_true(major >= 7);
    assert_string_equal(capabilities_target(cached), "x86_64");
    q35 = capabilities_machine(cached, "q35");
    assert_non_null(q35);
    assert_true(g_str_has_prefix(q35->name, "pc-q35-"));
    assert_ptr_equal(capabilities_machine(cached, q35->name), q35);
    assert_string_equal(q35->default_ram_id, "pc.ram");
    assert_string_equal(capabilities_default_machine(cached)->alias, "pc");
    assert_null(capabilities_machine(cached, "no-such-machine"));
    assert_true(capabilities_has_machine_property(cached, "q35", "memory-backend"));
    assert_true(capabilities_has_machine_property(cached, "pc-q35-5.2", "smm"));
    assert_false(capabilities_has_machine_property(cached, "q35", "nonsense"));
    assert_true(capabilities_has_device_property(cached, "virtio-mem-pci", "requested-size"));
    assert_true(capabilities_has_device_property(cached, "virtio-mem-pci", "prealloc"));
    assert_false(capabilities_has_device_property(cached, "virtio-mem-pci", "nonsense"));
    assert_false(capabilities_has_device(cached, "nonsense"));
    assert_true(capabilities_has_object(cached, "memory-backend-memfd"));
    assert_true(capabilities_has_object_property(cached, "memory-backend-memfd", "hugetlbsize"));
    assert_true(capabilities_has_object_property(cached, "memory-backend-ram", "reserve"));
    assert_false(capabilities_has_object_property(cached, "memory-backend-ram", "mem-path"));
    assert_true(capabilities_has_command(cached, "query-memory-devices"));
    assert_false(capabilities_has_command(cached, "query-nonsense"));
    assert_true(capabilities_has_netdev(cached, "user"));
    assert_true(capabilities_has_block_driver(cached, "qcow2"));
    assert_true(capabilities_has_block_driver(cached, "file"));
    assert_true(capabilities_has_block_feature(cached, "qcow2", "lazy-refcounts"));
    assert_true(capabilities_has_block_feature(cached, "rbd", "encrypt.format=luks2"));
    assert_true(capabilities_has_block_feature(cached, "rbd", "server"));
    assert_false(capabilities_has_block_feature(cached, "rbd", "encrypt.format=nonsense"));
    assert_true(capabilities_has_cpu(cached, "qemu64"));
}

static void
test_builtin(void **state)
{
    Capabilities *builtin = capabilities_builtin();

    assert_true(capabilities_is_builtin(builtin));
    assert_null(capabilities_to_json(builtin));
    assert_true(capabilities_has_device_property(builtin, "virtio-mem-pci", "dynamic-memslots"));
    assert_string_equal(capabilities_machine(builtin, "pc-q35-9.9")->default_ram_id, "pc.ram");
    assert_string_equal(capabilities_machine(builtin, "q35")->name, "q35");
    assert_null(capabilities_machine(builtin, "s390-ccw-virtio")->default_ram_id);
    capabilities_free(builtin); /* does nothing */
    assert_true(capabilities_has_command(builtin, "anything"));
    assert_true(capabilities_has_block_feature(builtin, "rbd", "encrypt.parent"));
}

static void
test_other_format(void **state)
{
    static const char *const texts[] = { "{}", "[]", "{\"format_version\":2}",
                                         "{\"format_version\":1,\"version\":{},\"target\":5}" };

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(Json) json = json_parse(texts[i], -1, NULL);
        g_autoptr(GError) error = NULL;

        assert_null(capabilities_from_json(json, &error));
        assert_non_null(error);
    }
}

/* Binaries that are none. */

static void
test_bad_binaries(void **state)
{
    static const struct {
        const char *name;
        const char *script; /* NULL: no file */
        int mode;
        int code;
        const char *words;
    } cases[] = {
        { "missing", NULL, 0, PROBE_ERROR_NOT_FOUND, "No such file" },
        { "plain", "text\n", 0600, PROBE_ERROR_NOT_EXECUTABLE, "not an executable" },
        { "no-program", "text\n", 0700, PROBE_ERROR_FAILED, "not found" },
        { "dying", "#!/bin/sh\necho my own words >&2\nexit 3\n", 0700, PROBE_ERROR_FAILED,
          "my own words" },
        { "silent", "#!/bin/sh\nexit 0\n", 0700, PROBE_ERROR_FAILED, "closed the monitor" },
        { "babbling", "#!/bin/sh\nexec echo hello >&3\n", 0700, PROBE_ERROR_FAILED, "no JSON" },
        { "hanging", "#!/bin/sh\ntrap '' TERM\nexec tail -f /dev/null\n", 0700, PROBE_ERROR_TIMEOUT,
          "in time" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = scratch_path(scratch, cases[i].name);
        g_autoptr(GError) error = NULL;
        gint64 timeout =
            cases[i].code == PROBE_ERROR_TIMEOUT ? G_USEC_PER_SEC / 2 : PROBE_DEFAULT_TIMEOUT_US;

        if (cases[i].script) {
            g_free(scratch_write(scratch, cases[i].name, cases[i].script));
            g_chmod(path, cases[i].mode);
        }
        assert_null(probe_emulator(path, timeout, &error));
        if (!g_error_matches(error, PROBE_ERROR, cases[i].code) ||
            !strstr(error->message, cases[i].words) || !strstr(error->message, path))
            fail_msg("%s: %d '%s'", cases[i].name, error->code, error->message);
        assert_int_equal(count_children(), n_children);
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_installed_qemu),
        cmocka_unit_test(test_builtin),
        cmocka_unit_test(test_other_format),
        cmocka_unit_test(test_bad_binaries),
    };

    return cmocka_run_group_tests_name("probe", tests, setup, teardown);
}
