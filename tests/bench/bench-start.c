/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starting a small domain: `virtkeep apply NAME` as a process, from fork to exit, against QEMU with
 * the same command line run by hand until it answers query-status, in turns. The command line is
 * `virtkeep argv`'s, and the guest, which has nothing to boot from, is never waited for.
 *
 * Beside it what apply costs when there is nothing to do, and what the first start ever adds: QEMU
 * is asked what it can do, once a binary.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "model/json.h"
#include "qemu/launch.h"
#include "qemu/monitor.h"
#include "tests/bench/figures.h"
#include "tests/support/virtkeep.h"

#define N_ROUNDS 10
#define PATIENCE 60 /* seconds */

static void
write_domain(Scratch *scratch, const char *name)
{
    g_autofree char *file = g_strdup_printf("domains/%s.xml", name);
    g_autofree char *text =
        g_strdup_printf("<domain type='qemu'>\n"
                        "  <name>%s</name>\n"
                        "  <memory unit='MiB'>64</memory>\n"
                        "  <vcpu>1</vcpu>\n"
                        "  <os><type arch='x86_64' machine='q35'>hvm</type></os>\n"
                        "  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices>\n"
                        "</domain>\n",
                        name);

    g_free(scratch_write(scratch, file, text));
}

static Monitor *
connect_to(Scratch *scratch, const char *name, const char *which)
{
    g_autofree char *run = g_strconcat("run/", name, NULL);
    g_autofree char *directory = scratch_mkdir(scratch, run);
    g_autofree char *path = launch_socket_path(directory, which);
    gint64 end = g_get_monotonic_time() + PATIENCE * G_USEC_PER_SEC;
    Qmp *qmp;

    while (!(qmp = qmp_open(path, QMP_DEFAULT_TIMEOUT_US, NULL))) {
        assert_true(g_get_monotonic_time() < end);
        poll(NULL, 0, 1); /* by hand there is nothing but trying until the socket is there */
    }
    return monitor_new_live(qmp);
}

static void
quit(Monitor *monitor)
{
    monitor_quit(monitor, NULL);
    monitor_free(monitor);
}

static double
apply(Scratch *scratch, const char *name)
{
    gint64 start = g_get_monotonic_time();

    g_free(virtkeep_expect(scratch, PATIENCE, 0, "--quiet", "apply", name));
    return milliseconds_since(start);
}

static double
apply_and_quit(Scratch *scratch, guint number, Figures *idle)
{
    g_autofree char *name = g_strdup_printf("apply-%u", number);
    double duration;

    write_domain(scratch, name);
    duration = apply(scratch, name);
    if (idle)
        figures_add(idle, apply(scratch, name));
    quit(connect_to(scratch, name, LAUNCH_DEBUG));
    return duration;
}

static char **
command_line(Scratch *scratch, const char *name)
{
    g_autofree char *file = g_strdup_printf("%s/domains/%s.xml", scratch_dir(scratch), name);
    g_autofree char *text = virtkeep_expect(scratch, PATIENCE, 0, "--output", "json", "argv", file);
    g_autoptr(Json) json = json_parse(text, -1, NULL);
    g_autoptr(GStrvBuilder) argv = g_strv_builder_new();

    assert_true(json_length(json) > 10);
    for (guint i = 0; i < json_length(json); i++)
        g_strv_builder_add(argv, json_string(json_at(json, i)));
    return g_strv_builder_end(argv);
}

static double
start_by_hand(Scratch *scratch, guint number)
{
    g_autofree char *name = g_strdup_printf("hand-%u", number);
    g_autofree char *run = g_strconcat("run/", name, NULL);
    g_autofree char *directory = scratch_mkdir(scratch, run);
    g_autofree char *status = NULL;
    g_auto(GStrv) argv = NULL;
    g_autoptr(Command) qemu = NULL;
    Monitor *monitor;
    double duration;
    gint64 start;

    write_domain(scratch, name);
    argv = command_line(scratch, name);
    start = g_get_monotonic_time();
    qemu = command_start(scratch, (const char *const *) argv);
    monitor = connect_to(scratch, name, LAUNCH_CONTROL);
    assert_true(monitor_query_status(monitor, &status, NULL, NULL));
    duration = milliseconds_since(start);
    assert_string_equal(status, "prelaunch");
    quit(monitor);
    return duration;
}

static void
test_start(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(Figures) by_hand = figures_new();
    g_autoptr(Figures) by_apply = figures_new();
    g_autoptr(Figures) idle = figures_new();
    g_autofree char *by_hand_text = NULL;
    g_autofree char *by_apply_text = NULL;
    g_autofree char *idle_text = NULL;
    double first = apply_and_quit(scratch, N_ROUNDS, NULL);

    for (guint round = 0; round < N_ROUNDS; round++) {
        if (round % 2)
            figures_add(by_hand, start_by_hand(scratch, round));
        figures_add(by_apply, apply_and_quit(scratch, round, idle));
        if (round % 2 == 0)
            figures_add(by_hand, start_by_hand(scratch, round));
    }
    by_hand_text = figures_text(by_hand);
    by_apply_text = figures_text(by_apply);
    idle_text = figures_text(idle);
    printf("a domain of 64 MiB, TCG; ms: median (range)\n"
           "| what | ms |\n| --- | --- |\n"
           "| QEMU by hand until it answers | %s |\n"
           "| virtkeep apply, until it has ended | %s |\n"
           "| virtkeep apply, nothing to do | %s |\n"
           "| virtkeep apply, first start ever: QEMU probed | %.0f |\n"
           "apply / by hand: %.2f; libvirt 9.0, on another machine: virsh start / by hand 7.28\n",
           by_hand_text, by_apply_text, idle_text, first, figures_ratio(by_apply, by_hand));
    fflush(stdout);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
    };

    return cmocka_run_group_tests_name("start", tests, NULL, NULL);
}
