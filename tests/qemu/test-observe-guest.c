/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A real Linux guest, observed: its driver, the memory it has, and its statistics, which come at
 * once when they are asked for by taking the polling away and giving it back (QEMU 7.2: setting the
 * interval alone waits for the old one to pass).
 */
#include "qemu/observe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "model/spec.h"
#include "qemu/command-line.h"
#include "qemu/device.h"
#include "qemu/probe.h"
#include "qemu/verbs.h"
#include "reconcile/resolve.h"
#include "tests/qemu/paused-qemu.h"
#include "tests/support/deadline.h"
#include "tests/support/guest.h"

#define MIB ((guint64) 1 << 20)
#define INTERVAL 300 /* s: nothing comes by itself while a test runs */

static Launch *
start_guest(Scratch *scratch, const Guest *guest, Monitor **ret_monitor)
{
    g_autofree char *xml = guest_domain_xml(scratch, guest);
    g_autofree char *run = scratch_path(scratch, "run"), *log = scratch_path(scratch, "log");
    g_autofree char *token = process_token_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(Spec) spec = spec_parse("guest.xml", xml, strlen(xml));
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("guest.xml");
    g_autoptr(Domain) domain = resolve_domain(spec->domain, NULL, &(ResolveContext){ "test" },
                                              spec->positions, diagnostics);
    g_autoptr(Capabilities) capabilities =
        probe_emulator(PAUSED_QEMU_EMULATOR, PROBE_DEFAULT_TIMEOUT_US, NULL);
    HostFacts facts = { .page_size = 4096, .memory_directory = run, .socket_directory = run };
    g_autoptr(CommandLine) line =
        command_line_build(domain, capabilities, &facts, NULL, diagnostics);
    g_auto(GStrv) argv = line ? command_line_argv(line, PAUSED_QEMU_EMULATOR) : NULL;
    Launch *launch;
    Qmp *qmp;

    assert_false(diagnostics_has_errors(diagnostics));
    launch = launch_prepare(&(LaunchSpec){ .name = guest->name,
                                           .run_directory = run,
                                           .log_path = log,
                                           .token = token,
                                           .argv = (const char *const *) argv },
                            &error);
    assert_non_null(launch);
    assert_true(launch_go(launch, &error));
    qmp = launch_connect(launch, PAUSED_QEMU_TIMEOUT_US, &error);
    if (!qmp)
        fail_msg("%s", error->message);
    *ret_monitor = monitor_new_live(qmp);
    assert_true(device_prepare_all(*ret_monitor, domain, &error));
    assert_true(monitor_cont(*ret_monitor, &error));
    return launch;
}

static guint64
current_of(Monitor *monitor, const Observed *before)
{
    g_autoptr(Observed) now = observe_memory(monitor, before, 1, NULL);

    assert_non_null(now);
    return observed_memory(now, "virtiomem0")->current;
}

static gint64
statistics_at(Monitor *monitor, const Observed *before)
{
    g_autoptr(Observed) now = observe_statistics(monitor, before, "balloon0", 1, NULL);

    assert_non_null(now);
    return now->statistics_at;
}

/* Asks for statistics and waits for them: their times are whole seconds, so not before the second
 * of the last ones has passed. */
static gint64
ask_statistics(Monitor *monitor, const Observed *before)
{
    gint64 last = statistics_at(monitor, before);

    assert_within(5, g_get_real_time() >= last + G_USEC_PER_SEC);
    assert_true(verb_refresh_statistics(monitor, "balloon0", INTERVAL, NULL));
    assert_within(5, statistics_at(monitor, before) > last);
    return statistics_at(monitor, before);
}

static void
test_guest(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    const Guest guest = { .name = "g", .requested_mib = 128 };
    g_autoptr(Monitor) monitor = NULL;
    g_autoptr(Launch) launch = start_guest(scratch, &guest, &monitor);
    g_autoptr(Observed) before = NULL, ready = NULL, gone = NULL;
    g_autoptr(GError) error = NULL;
    gint64 first;

    before = observe(monitor, 1, NULL);
    assert_int_equal(before->run_state, RUN_STATE_RUNNING);
    assert_within(120, guest_is_ready(scratch, "g"));
    assert_within(30, current_of(monitor, before) == 128 * MIB);

    first = ask_statistics(monitor, before);
    assert_within(10, g_get_real_time() >= first + 2 * G_USEC_PER_SEC);
    assert_int_equal(statistics_at(monitor, before), first);
    assert_true(ask_statistics(monitor, before) > first);

    ready = observe(monitor, 1, NULL);
    assert_int_equal(observed_memory(ready, "virtiomem0")->driver, DRIVER_BOUND);
    assert_int_equal(ready->statistics_interval, INTERVAL);
    assert_true(ready->has_statistics);
    assert_in_range(ready->statistics_available, 100 * MIB, 640 * MIB);
    assert_in_range(ready->statistics_total, 500 * MIB, 640 * MIB);

    /* A dead QEMU is an error, never an empty observation. */
    launch_abort(launch);
    gone = observe(monitor, 1, &error);
    assert_null(gone);
    assert_true(g_error_matches(error, QMP_ERROR, QMP_ERROR_CLOSED));
    assert_int_equal(scratch_end(g_steal_pointer(&scratch)), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_guest) };

    guest_require_image();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
