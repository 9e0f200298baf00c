/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a domain needs, looked for among real files: there and good, absent, of another kind, not to
 * be opened, a secret that everyone may read. And SCSI units, in a tree made like sysfs.
 *
 * Which needs a domain has is the golden cases' matter (tests/cases/host-lacks).
 */
#include "controller/host-check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "controller/host-devices.h"
#include "tests/support/scratch.h"

/* What is there: a file of mode 0600, one of 0644, a directory, a FIFO. */
static const struct {
    HostNeedKind kind;
    const char *path, *otherwise;
    bool is_written;
    const char *wrong; /* NULL: nothing */
} rows[] = {
    { HOST_IMAGE, "own", .wrong = NULL },
    { HOST_IMAGE, "own", .is_written = true },
    { HOST_IMAGE, "absent", .wrong = "absent: No such file or directory" },
    { HOST_IMAGE, "absent", .otherwise = "own" },
    { HOST_IMAGE, "absent", .otherwise = "gone", .wrong = "gone: No such file or directory" },
    { HOST_IMAGE, "directory", .wrong = "directory is not a file" },
    { HOST_BLOCK, "own", .wrong = "own is not a block device" },
    { HOST_CHARACTER, "/dev/null", .is_written = true },
    { HOST_CHARACTER, "own", .wrong = "own is not a character device" },
    { HOST_DIRECTORY, "directory" },
    { HOST_DIRECTORY, "own", .wrong = "own is not a directory" },
    { HOST_SOCKET, "fifo", .wrong = "fifo is not a socket" },
    { HOST_PIPE, "fifo" },
    { HOST_PIPE, "own", .wrong = "own is not a FIFO" },
    { HOST_PLACE, "directory/new" },
    { HOST_PLACE, "absent/new", .wrong = "absent: No such file or directory" },
    { HOST_SECRET, "own" },
    { HOST_SECRET, "public",
      .wrong = "public is a secret, and its mode lets everyone at it (0644)" },
    { HOST_ENTRY, "directory" },
    { HOST_ENTRY, "absent", .wrong = "absent: No such file or directory" },
};

static char *
path_of(const Scratch *scratch, const char *name)
{
    return !name || *name == '/' ? g_strdup(name) : scratch_path(scratch, name);
}

static void
put_file(const Scratch *scratch, const char *name, int mode)
{
    g_autofree char *path = scratch_path(scratch, name);

    assert_true(g_file_set_contents(path, "x", 1, NULL));
    assert_int_equal(g_chmod(path, mode), 0);
}

static void
test_things(void **unused)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *directory = scratch_mkdir(scratch, "directory");
    g_autofree char *fifo = scratch_path(scratch, "fifo");

    put_file(scratch, "own", 0600);
    put_file(scratch, "public", 0644);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = path_of(scratch, rows[i].path);
        g_autofree char *otherwise = path_of(scratch, rows[i].otherwise);
        const HostNeed need = { rows[i].kind, path, otherwise, NULL, rows[i].is_written };
        g_autofree char *wrong = host_need_look(&need);

        if (!wrong != !rows[i].wrong || (wrong && !g_str_has_suffix(wrong, rows[i].wrong)))
            fail_msg("row %u: %s", i, wrong ? wrong : "nothing is wrong");
    }
}

static void
test_neither(void **unused)
{
    const HostNeed need = { HOST_IMAGE, (char *) "/no/store", (char *) "/no/template" };
    g_autofree char *wrong = host_need_look(&need);

    assert_string_equal(wrong, "neither /no/store nor /no/template: No such file or directory");
}

static void
test_scsi_units(void **unused)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *unit =
        scratch_mkdir(scratch, "bus/scsi/devices/3:0:1:1074872354/scsi_generic/sg7");
    g_autofree char *found = host_scsi_generic(scratch_dir(scratch), 3, 0, 1, 1074872354);
    g_autofree char *other = host_scsi_generic(scratch_dir(scratch), 3, 0, 1, 2);

    assert_string_equal(found, "/dev/sg7");
    assert_null(other);
}

static void
test_addresses(void **unused)
{
    g_autofree char *loopback = host_link_address("lo");
    g_autofree char *absent = host_link_address("no-such-link");

    assert_true(!loopback || !strcmp(loopback, "127.0.0.1") || !strcmp(loopback, "::1"));
    assert_null(absent);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_things),
        cmocka_unit_test(test_neither),
        cmocka_unit_test(test_scsi_units),
        cmocka_unit_test(test_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
