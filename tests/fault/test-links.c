/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For N = 1, 2, … a start of a domain with links on the host is killed at, or with "fail" has fail,
 * the Nth thing by which it leaves a trace (tests/fault/injector.c). Then its QEMU, if there is
 * one, is killed too, and the next `apply`, which has nothing to start, must leave the host as it
 * was: no tap, no macvtap device, no bridge.
 *
 *     test-links kill|fail
 */
#include "tests/fault/faulty.h"
#include "tests/support/deadline.h"
#include "tests/support/network.h"
#include "tests/support/qemus.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

/* Less than so many: the injector sees nothing. */
#define LEAST_POINTS 20
#define MOST_POINTS 400
/* Making, marking and tying together a bridge, a tap and a macvtap device. */
#define LEAST_LINK_POINTS 7

static const char *mode;
static bool can_open_macvtap;
static Scratch *scratch;

static void
write_domain(void)
{
    g_autofree char *xml =
        g_strdup_printf("<domain type='qemu'><name>p</name><memory unit='MiB'>64</memory>"
                        "<metadata><vk:policy xmlns:vk='urn:virtkeep:policy:1'"
                        " run-strategy='manual'/></metadata>"
                        "<os><type machine='q35'>hvm</type></os><devices>"
                        "<interface type='network'><source network='made'/></interface>"
                        "%s</devices></domain>",
                        can_open_macvtap ? "<interface type='network'><source network='up'/>"
                                           "<target dev='mvt'/></interface>"
                                         : "");

    g_free(
        scratch_write(scratch, "virtkeep.yaml",
                      "networks: { made: { bridge: vkbr, create: true }, up: { direct: up0 } }\n"));
    g_free(scratch_write(scratch, "domains/p.xml", xml));
}

static bool
names_are(const char *expected)
{
    g_autofree char *names = network_names();

    return g_str_equal(names, expected);
}

static void
kill_qemu(void)
{
    if (qemus_count(scratch, "p"))
        qemu_signal(scratch, "p", SIGKILL);
    assert_within(10, qemus_count(scratch, "p") == 0);
}

/* Nothing is started, since nobody asks by name. */
static void
assert_swept(const char *point)
{
    g_autofree char *names = NULL;

    kill_qemu();
    g_free(virtkeep_expect(scratch, 60, 0, "apply", "--timeout", "30s"));
    names = network_names();
    if (*names)
        fail_msg("%s at '%s' left %s", mode, point ? point : "nothing", names);
    assert_int_equal(view_n_open_actions(scratch), 0);
}

static void
test_start(void **state)
{
    const char *arguments[] = { "apply", "p", "--timeout", "30s", NULL };
    unsigned n = 0, n_links = 0;
    bool is_over = false;

    write_domain();
    /* What the emulator can do is in the state from here on, and all of it works. */
    g_free(virtkeep_expect(scratch, 60, 0, "apply", "p"));
    assert_true(names_are(can_open_macvtap ? "mvt vkbr vnet0" : "vkbr vnet0"));
    assert_swept(NULL);
    while (!is_over) {
        g_auto(FaultyRun) run = faulty_run(scratch, mode, ++n, arguments);

        is_over = !run.point;
        n_links += run.point && g_str_has_prefix(run.point, "netlink");
        if (is_over)
            assert_int_equal(run.result->status, 0);
        assert_swept(run.point);
        assert_true(n < MOST_POINTS);
    }
    print_message("%u points, %u of them links\n", n - 1, n_links);
    assert_true(n > LEAST_POINTS);
    assert_true(n_links >= (can_open_macvtap ? LEAST_LINK_POINTS : LEAST_LINK_POINTS - 2));
}

static int
begin(void **state)
{
    g_autoptr(Link) probe = network_link("probe");

    scratch = scratch_new();
    return link_delete(probe->index, NULL) && network_add("up0", "veth") ? 0 : -1;
}

static int
end(void **state)
{
    scratch_free(scratch);
    return 0;
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_start) };
    const char *reason;

    mode = argc > 1 ? argv[1] : "kill";
    can_open_macvtap = geteuid() == 0;
    reason = network_enter();
    if (!reason && !network_add("probe", "bridge"))
        reason = "this kernel has no bridges";
    if (reason) {
        fprintf(stderr, "%s\n", reason);
        return 77;
    }
    return cmocka_run_group_tests(tests, begin, end);
}
