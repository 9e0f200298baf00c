/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Interfaces on the host's side, as an operator meets them: links are there while the domain runs,
 * as its file says, and gone after it; what is missing is said before anything is started. Real
 * QEMUs in a network namespace of the test's own.
 */
#include "tests/cli/domain-file.h"
#include "tests/support/deadline.h"
#include "tests/support/network.h"
#include "tests/support/qemus.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static Scratch *scratch;
static bool can_open_macvtap;

static void
write_domain(const char *policy, const char *interfaces)
{
    domain_file_write(scratch,
                      &(DomainFile){ .name = "linked", .policy = policy, .devices = interfaces });
}

static void
assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in:\n%s", part, text);
}

static void
assert_names(const char *expected)
{
    g_autofree char *names = network_names();

    assert_string_equal(names, expected);
}

static bool
names_are(const char *expected)
{
    g_autofree char *names = network_names();

    return g_str_equal(names, expected);
}

/* The QEMU is ended from outside; the file says once, so that it stays so. */
static void
end_qemu(void)
{
    qemu_signal(scratch, "linked", SIGKILL);
    assert_within(10, qemus_count(scratch, "linked") == 0);
}

#define ONCE "run-strategy='once'"

/* ---- what is missing ---- */

static void
test_absences(void **state)
{
    static const struct {
        const char *interface, *expected;
    } cases[] = {
        { "<interface type='bridge'><source bridge='nobr0'/></interface>",
          "there is no link 'nobr0' on this host [no-link]" },
        { "<interface type='bridge'><source bridge='up0'/></interface>",
          "'up0' is not a bridge [no-link]" },
        { "<interface type='network'><source network='nonet'/></interface>",
          "the configuration has no network 'nonet' [no-network]" },
        { "<interface type='direct'><source dev='nodev0'/></interface>",
          "there is no link 'nodev0' on this host [no-link]" },
        { "<interface type='direct'><source dev='down0'/></interface>",
          "link 'down0' is down [no-link]" },
        { "<interface type='ethernet'><target dev='nosuch' managed='no'/></interface>",
          "there is no link 'nosuch' on this host [no-link]" },
        { "<interface type='ethernet'><target dev='up0'/></interface>",
          "there is another link 'up0' already [link-in-use]" },
        { "<interface type='ethernet'><script path='/bin/true'/></interface>",
          "virtkeep runs no scripts" },
        { "<interface type='ethernet'><backend tap='/dev/nosuch'/></interface>",
          "/dev/nosuch: No such file or directory [no-device]" },
        { "<interface type='ethernet'><model type='virtio'/><driver name='vhost'/>"
          "<backend vhost='/dev/nosuch'/></interface>",
          "/dev/nosuch: No such file or directory [no-device]" },
        { "<interface type='vdpa'><source dev='/dev/nosuch'/></interface>",
          "/dev/nosuch: No such file or directory [no-device]" },
        { "<interface type='ethernet'><bandwidth><inbound average='1'/></bandwidth></interface>",
          "virtkeep sets no limits of traffic [not-launchable]" },
        { "<interface type='direct'><source dev='up0' mode='passthrough'/>"
          "<vlan><tag id='3'/></vlan></interface>",
          "virtkeep sets VLAN tags on ports of bridges only [not-launchable]" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *plan = NULL;
        g_autoptr(CommandResult) apply = NULL;

        write_domain(NULL, cases[i].interface);
        plan = virtkeep_expect(scratch, 60, 2, "plan", "--exit-code");
        assert_has(plan, "1 blocked");
        assert_has(plan, "linked.xml:12:");
        assert_has(plan, cases[i].expected);
        apply = virtkeep_run(scratch, 60, "apply");
        assert_int_equal(apply->status, 1);
        assert_has(apply->err, cases[i].expected);
        assert_int_equal(qemus_count(scratch, NULL), 0);
        assert_names("");
    }
}

/* ---- what is there while it runs ---- */

static void
test_ethernet(void **state)
{
    g_autoptr(Link) link = NULL;

    write_domain(ONCE, "<interface type='ethernet'><mac address='52:54:00:00:00:01'/>"
                       "<source><ip address='10.77.0.1' prefix='24'/></source>"
                       "<target dev='mine'/><model type='virtio'/><mtu size='1400'/>"
                       "<driver queues='2'/></interface>"
                       "<interface type='ethernet'><mac address='52:54:00:00:00:02'/>"
                       "<model type='e1000e'/></interface>");
    g_free(virtkeep_expect(scratch, 60, 0, "apply", "linked"));
    assert_int_equal(qemus_count(scratch, "linked"), 1);
    link = network_link("mine");
    assert_string_equal(link->mac, "fe:54:00:00:00:01");
    assert_int_equal(link->mtu, 1400);
    assert_true(link->is_up);
    assert_names("mine vnet0");
    g_free(virtkeep_expect(scratch, 60, 0, "plan", "--exit-code"));
    end_qemu();
    assert_within(10, names_are("")); /* nobody had to remove them */
}

static void
test_bridge(void **state)
{
    g_autoptr(Link) bridge = NULL, tap = NULL;

    if (!network_add("br7", "bridge"))
        skip();
    write_domain(ONCE, "<interface type='bridge'><mac address='52:54:00:00:00:01'/>"
                       "<source bridge='br7'/><target dev='port'/><port isolated='yes'/>"
                       "<model type='virtio'/></interface>");
    g_free(virtkeep_expect(scratch, 60, 0, "apply", "linked"));
    bridge = network_link("br7");
    tap = network_link("port");
    assert_int_equal(tap->master, bridge->index);
    end_qemu();
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_names("br7");
    assert_true(link_delete(bridge->index, NULL));
}

/* A bridge that the configuration has made comes with the first domain and goes with the last. */
static void
test_made_bridge(void **state)
{
    g_autoptr(Link) bridge = NULL, tap = NULL;

    if (!network_add("probe", "bridge"))
        skip();
    bridge = network_link("probe");
    assert_true(link_delete(bridge->index, NULL));
    g_clear_pointer(&bridge, link_free);
    write_domain(ONCE, "<interface type='network'><source network='made'/>"
                       "<target dev='port'/></interface>"
                       "<interface type='network'><source network='slow'/></interface>");
    g_free(virtkeep_expect(scratch, 60, 0, "apply", "linked"));
    bridge = network_link("vkbr");
    tap = network_link("port");
    assert_int_equal(tap->master, bridge->index);
    write_domain("run-strategy='halted'", "");
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_names("");
}

static void
test_macvtap(void **state)
{
    g_autofree char *run = scratch_path(scratch, "run/linked");
    g_autofree char *mark = g_strconcat("virtkeep ", run, NULL);
    g_autoptr(Link) link = NULL, parent = network_link("up0");

    if (!can_open_macvtap)
        skip();
    write_domain(ONCE, "<interface type='direct'><mac address='52:54:00:00:00:01'/>"
                       "<source dev='up0' mode='bridge'/><target dev='mvt0'/>"
                       "<model type='virtio'/><driver queues='2'/></interface>"
                       "<interface type='network'><mac address='52:54:00:00:00:02'/>"
                       "<source network='up'/><target dev='mvt1'/></interface>");
    g_free(virtkeep_expect(scratch, 60, 0, "apply", "linked"));
    link = network_link("mvt0");
    assert_string_equal(link->kind, "macvtap");
    assert_string_equal(link->mac, "52:54:00:00:00:01");
    assert_string_equal(link->alias, mark);
    assert_int_equal(link->parent, parent->index);
    assert_names("mvt0 mvt1");
    end_qemu();
    assert_names("mvt0 mvt1"); /* these outlive their QEMU … */
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_names(""); /* … until the next pass */
}

/* A QEMU that doesn't like its command line. */
static void
test_failed_start(void **state)
{
    g_autoptr(CommandResult) result = NULL;

    if (!can_open_macvtap)
        skip();
    write_domain(NULL, "<interface type='direct'><source dev='up0'/><target dev='mvt0'/>"
                       "</interface>"
                       "<disk type='file' device='disk'><source file='/nosuch'/>"
                       "<target dev='vda'/></disk>");
    result = virtkeep_run(scratch, 60, "apply");
    assert_int_equal(result->status, 1);
    assert_has(result->err, "/nosuch");
    assert_names("");
}

/* ---- vhost ---- */

static void
test_vhost(void **state)
{
    if (access("/dev/vhost-net", F_OK) == 0)
        skip(); /* then it is used */
    write_domain(ONCE, "<interface type='ethernet'><target dev='mine'/><model type='virtio'/>"
                       "</interface>");
    g_free(virtkeep_expect(scratch, 60, 0, "apply", "linked"));
    assert_names("mine");
    end_qemu();
}

/* The next test's domain is a new one. */
static int
forget(void **state)
{
    write_domain("run-strategy='halted'", "");
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    return 0;
}

static int
begin(void **state)
{
    scratch = scratch_new();
    g_free(scratch_write(scratch, "virtkeep.yaml",
                         "networks:\n"
                         "  made: { bridge: vkbr, create: true }\n"
                         "  up: { direct: up0, mode: bridge }\n"
                         "  slow: { user: true }\n"));
    return network_add("up0", "veth") && network_add_down("down0") ? 0 : -1;
}

static int
end(void **state)
{
    scratch_free(scratch);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_absences),
        cmocka_unit_test_teardown(test_ethernet, forget),
        cmocka_unit_test_teardown(test_bridge, forget),
        cmocka_unit_test_teardown(test_made_bridge, forget),
        cmocka_unit_test_teardown(test_macvtap, forget),
        cmocka_unit_test_teardown(test_failed_start, forget),
        cmocka_unit_test_teardown(test_vhost, forget),
    };
    const char *reason;

    can_open_macvtap = geteuid() == 0;
    reason = network_enter();
    if (reason) {
        fprintf(stderr, "%s\n", reason);
        return 77;
    }
    return cmocka_run_group_tests(tests, begin, end);
}
