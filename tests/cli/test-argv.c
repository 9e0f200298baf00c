/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `virtkeep argv` without a state file asks an emulator once what it can do, and again when that is
 * another, or what was kept is damaged. The emulator is the real one, behind a script that counts.
 */
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define PATIENCE 60 /* seconds */

static void
write_emulator(Scratch *scratch, const char *comment)
{
    g_autofree char *text = g_strdup_printf("#!/bin/sh\n# %s\necho >>%s/asked\n"
                                            "exec /usr/bin/qemu-system-x86_64 \"$@\"\n",
                                            comment, scratch_dir(scratch));
    g_autofree char *path = scratch_write(scratch, "qemu", text);

    assert_int_equal(chmod(path, 0700), 0);
}

static void
write_files(Scratch *scratch)
{
    g_autofree char *emulator = scratch_path(scratch, "qemu");
    g_autofree char *config = g_strdup_printf("emulators: [ %s ]\n", emulator);
    g_autofree char *domain =
        g_strdup_printf("<domain type='qemu'><name>web</name><memory unit='MiB'>64</memory>\n"
                        "<os><type arch='x86_64' machine='q35'>hvm</type></os>\n"
                        "<devices><emulator>%s</emulator></devices></domain>\n",
                        emulator);

    write_emulator(scratch, "first");
    g_free(scratch_write(scratch, "virtkeep.yaml", config));
    g_free(scratch_write(scratch, "web.xml", domain));
}

/* How often the emulator was started until after another argv. */
static gsize
n_asked(Scratch *scratch)
{
    g_autofree char *file = scratch_path(scratch, "web.xml");
    g_autofree char *argv = virtkeep_expect(scratch, PATIENCE, 0, "argv", file);
    g_autofree char *asked = scratch_read(scratch, "asked");

    assert_non_null(strstr(argv, "guest=web"));
    return asked ? strlen(asked) : 0;
}

static char *
cache_file(Scratch *scratch)
{
    g_autofree char *directory = scratch_path(scratch, "cache/virtkeep");
    g_autoptr(GDir) files = g_dir_open(directory, 0, NULL);
    const char *name = files ? g_dir_read_name(files) : NULL;

    assert_non_null(name);
    return g_strconcat("cache/virtkeep/", name, NULL);
}

static void
test_asks_once(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *cache = scratch_path(scratch, "cache"), *file = NULL;
    static const char *const damaged[] = { "", "{", "[]", "{\"basis\":{}}", "null" };
    gsize n;

    g_setenv("XDG_CACHE_HOME", cache, TRUE);
    write_files(scratch);
    n = n_asked(scratch);
    assert_int_equal(n, 1);
    assert_int_equal(n_asked(scratch), n);
    file = cache_file(scratch);
    for (guint i = 0; i < G_N_ELEMENTS(damaged); i++) {
        g_free(scratch_write(scratch, file, damaged[i]));
        assert_int_equal(n_asked(scratch), ++n);
        assert_int_equal(n_asked(scratch), n); /* it was written anew */
    }
    write_emulator(scratch, "another");
    assert_int_equal(n_asked(scratch), ++n);
    assert_int_equal(n_asked(scratch), n);
}

static void
test_where_nothing_can_be_kept(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();

    g_setenv("XDG_CACHE_HOME", "/dev/null/cache", TRUE);
    write_files(scratch);
    assert_int_equal(n_asked(scratch), 1);
    assert_int_equal(n_asked(scratch), 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks_once),
        cmocka_unit_test(test_where_nothing_can_be_kept),
    };

    return cmocka_run_group_tests_name("argv", tests, NULL, NULL);
}
