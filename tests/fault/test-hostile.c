/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A QEMU in the hands of its guest: hostile-qemu.c stands where the record leads. Whatever it
 * answers, `plan` and `apply` end in time, with a word about it, print nothing that a terminal
 * would obey or that looks like a line of their own, and leave the process alone.
 */
#include "qemu/process.h"
#include "tests/fault/plain.h"
#include "tests/support/deadline.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TOKEN "0123456789abcdef0123456789abcdef"

static const struct {
    const char *mode, *words;
} hostilities[] = {
    { "silent", "no greeting" },
    { "closes", "closed the monitor" },
    { "half", "closed the monitor" },
    { "nested", "nested too deeply" },
    { "other-ids", "didn't answer in time" },
    { "no-block", "query-memory-devices: QEMU's answer has another form" },
    { "types", NULL },
    { "escapes", NULL },
};

static bool
has_printed(Command *command, const char *words)
{
    g_autofree char *output = command_output(command);

    return strstr(output, words) != NULL;
}

/* As launch would have recorded it. */
static Command *
start_hostile(Scratch *scratch, const char *mode)
{
    g_autofree char *run = scratch_mkdir(scratch, "run/p");
    g_autofree char *socket = g_build_filename(run, "control.sock", NULL);
    const char *const argv[] = { HOSTILE_QEMU, socket, mode, "virtkeep-" TOKEN "-x", NULL };
    Command *command = command_start(scratch, argv);
    g_autofree char *boot_id = process_boot_id(NULL);
    ProcessRecord record = { .pid = command_pid(command),
                             .boot_id = boot_id,
                             .token = (char *) TOKEN };

    assert_within(10, has_printed(command, "ready"));
    assert_true(process_start_time(record.pid, &record.start_time));
    assert_true(process_record_write(&record, run, NULL));
    return command;
}

static void
assert_plain(const char *text)
{
    assert_null(strchr(text, '\033'));
    assert_null(strstr(text, "\nvirtkeep: p: Synced"));
}

static void
test_hostile(void **state)
{
    static const char *const commands[][3] = {
        { "plan" }, { "apply", "--timeout", "5s" }, { "status" }, { "explain", "p" }
    };

    for (guint i = 0; i < G_N_ELEMENTS(hostilities); i++) {
        g_autoptr(Scratch) scratch = scratch_new();
        g_autoptr(Command) hostile = NULL;

        plain_write(scratch, &(Plain){ .name = "p" });
        hostile = start_hostile(scratch, hostilities[i].mode);
        for (guint j = 0; j < G_N_ELEMENTS(commands); j++) {
            g_autoptr(CommandResult) result =
                virtkeep_run(scratch, 60, commands[j][0], commands[j][1], commands[j][2]);
            g_autofree char *said = g_strconcat(result->out, result->err, NULL);

            if (result->status > 3 ||
                (j < 2 && hostilities[i].words && !strstr(said, hostilities[i].words)))
                fail_msg("%s, %s: status %d:\n%s", hostilities[i].mode, commands[j][0],
                         result->status, said);
            assert_plain(said);
        }
        assert_true(command_is_running(hostile));
        assert_int_equal(view_n_open_actions(scratch), 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_hostile) };

    return cmocka_run_group_tests_name("fault-hostile", tests, NULL, NULL);
}
