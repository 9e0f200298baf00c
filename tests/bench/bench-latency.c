/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long an edit takes to reach its guest: from the rename of the file to QEMU's answer to the
 * first command, while `watch` looks after a directory of 200 domains. All but one are halted.
 *
 *     rename ── settle-time ── scan ── pass: gather, plan, intent on disk ── command, answer
 *                                                                                     └ finished_at
 *
 * The end is the journal's: the time at which the action was known to be done, which is after
 * QEMU's answer, so the figure is never too good. The settle time is what an operator chose to
 * wait; the bound is on what comes on top of it.
 */
#include "tests/bench/figures.h"
#include "tests/support/deadline.h"
#include "tests/support/qemus.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define N_DOMAINS 200
#define N_ROUNDS 41
#define SETTLE_MS 100
#define BOUND_MS 15.0
#define PATIENCE 120 /* seconds */
#define WATCHED "guest-000"

/* As an editor does it: written, synced, renamed. Returns the wall clock just before the rename,
 * us. */
static gint64
write_domain(Scratch *scratch, guint number, guint period)
{
    g_autofree char *file = g_strdup_printf("domains/guest-%03u.xml", number);
    g_autofree char *path = scratch_path(scratch, file);
    g_autofree char *written = NULL;
    g_autofree char *text = g_strdup_printf(
        "<domain type='qemu'><name>guest-%03u</name>\n"
        "<metadata><vk:policy xmlns:vk='urn:virtkeep:policy:1' run-strategy='%s'/></metadata>\n"
        "<memory unit='MiB'>64</memory><vcpu>1</vcpu>\n"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os>\n"
        "<devices>\n"
        "<interface type='user'><model type='virtio'/></interface>\n"
        "<rng model='virtio'><backend model='builtin'/></rng>\n"
        "<memballoon model='virtio'><stats period='%u'/></memballoon>\n"
        "</devices></domain>\n",
        number, number ? "halted" : "always", period);
    gint64 now;

    written = scratch_write(scratch, "written.xml", text);
    now = g_get_real_time();
    assert_int_equal(rename(written, path), 0);
    return now;
}

static gint64
last_done(Scratch *scratch)
{
    return view_int(scratch, "SELECT max(finished_at) FROM t_action WHERE kind = 'set-device'"
                             " AND outcome = 'done' AND domain = '" WATCHED "'");
}

static void
test_latency(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(Figures) figures = figures_new();
    g_autoptr(Command) watch = NULL;
    g_autofree char *text = NULL, *identity = NULL;

    g_free(scratch_mkdir(scratch, "domains"));
    g_free(scratch_write(scratch, "virtkeep.yaml", "settle-time: " G_STRINGIFY(SETTLE_MS) "ms\n"));
    for (guint i = 0; i < N_DOMAINS; i++)
        (void) write_domain(scratch, i, 1);
    watch = virtkeep_start(scratch, "watch");
    assert_within(PATIENCE, view_int(scratch, "SELECT count(*) FROM domains"
                                              " WHERE sync = 'Synced'") == N_DOMAINS);
    identity = qemu_identity(scratch, WATCHED);
    for (guint round = 0; round < N_ROUNDS; round++) {
        gint64 renamed = write_domain(scratch, 0, 2 + round % 7);

        assert_within(PATIENCE, last_done(scratch) > renamed);
        figures_add(figures, (last_done(scratch) - renamed) / 1000.0 - SETTLE_MS);
        view_wait_domain(scratch, PATIENCE, WATCHED, "Synced", "Synced");
    }
    text = figures_text(figures);
    printf("%d domains; ms from rename to QEMU's answer above the settle time of %d ms: "
           "median (range)\n%s\n",
           N_DOMAINS, SETTLE_MS, text);
    assert_true(qemu_is(scratch, WATCHED, identity));
    command_signal(watch, SIGTERM);
    command_result_free(command_wait(g_steal_pointer(&watch), PATIENCE));
    if (figures_median(figures) > BOUND_MS)
        fail_msg("more than %g ms", BOUND_MS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_latency) };

    return cmocka_run_group_tests_name("latency", tests, NULL, NULL);
}
