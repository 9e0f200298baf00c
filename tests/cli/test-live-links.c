/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Interfaces of a running guest whose links are ours: plugged, moved to another bridge, taken out
 * again. One real QEMU, paused in no system, in a network namespace of the test's own; a reset
 * stands for the guest that lets a device go.
 */
#include "qemu/monitor.h"
#include "tests/cli/domain-file.h"
#include "tests/cli/unplug.h"
#include "tests/support/deadline.h"
#include "tests/support/network.h"
#include "tests/support/qemus.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static Scratch *scratch;
static char *identity;
static bool can_open_macvtap, has_bridges;
static const char *bridges = ""; /* names of those that are there */

#define PORT(index) "<controller type='pci' index='" index "' model='pcie-root-port'/>"
#define PORTS PORT("1") PORT("2") PORT("3") PORT("4") PORT("5") PORT("6") PORT("7")
#define BRIDGED(bridge, more)                                                                      \
    "<interface type='bridge'><mac address='52:54:00:00:00:07'/><source bridge='" bridge           \
    "'/><model type='virtio'/>" more "</interface>"

#define NETWORKED(network)                                                                         \
    "<interface type='network'><mac address='52:54:00:00:00:07'/><source network='" network        \
    "'/><model type='virtio'/></interface>"

static void
edit(const char *interfaces)
{
    g_autofree char *all = g_strconcat(PORTS, interfaces, NULL);

    domain_file_write(scratch, &(DomainFile){ .name = "a", .devices = all });
}

/* Beside the bridges. */
static void
assert_names(const char *expected)
{
    g_autofree char *names = network_names();
    g_autofree char *all = g_strconcat(bridges, *bridges && *expected ? " " : "", expected, NULL);

    assert_string_equal(names, all);
}

static void
assert_settled(void)
{
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    g_free(virtkeep_expect(scratch, 30, 0, "plan", "--exit-code"));
    assert_true(qemu_is(scratch, "a", identity));
    assert_int_equal(view_n_open_actions(scratch), 0);
}

/* What was asked to leave does so at a reset. */
static void
leave(const char *rest)
{
    edit(rest);
    unplug_by_resets(scratch, "a");
    assert_settled();
}

/* virtkeep's own monitor: what was passed over it is known to no other. */
static Monitor *
control(void)
{
    g_autofree char *path = scratch_path(scratch, "run/a/control.sock");
    Qmp *qmp = qmp_open(path, QMP_DEFAULT_TIMEOUT_US, NULL);

    assert_non_null(qmp);
    return monitor_new_live(qmp);
}

/* Descriptors that were passed and not taken would keep a tap that is closed. */
static void
assert_nothing_passed(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Monitor) monitor = control();
    Json *arguments = json_new_object();

    json_set_string(arguments, "fdname", "virtkeep-10");
    assert_false(monitor_run(monitor, "closefd", arguments, &error));
    assert_non_null(strstr(error->message, "not found"));
}

/* ---- taps ---- */

static void
test_tap(void **state)
{
    g_autoptr(Link) link = NULL;

    edit("<interface type='ethernet'><mac address='52:54:00:00:00:01'/>"
         "<source><ip address='10.77.0.1' prefix='24'/></source>"
         "<target dev='mine'/><model type='virtio'/><mtu size='1400'/><driver queues='2'/>"
         "</interface>");
    assert_settled();
    link = network_link("mine");
    assert_string_equal(link->mac, "fe:54:00:00:00:01");
    assert_int_equal(link->mtu, 1400);
    assert_true(link->is_up);
    assert_nothing_passed();
    leave("");
    assert_names("");
}

/* Its name is free again at once. */
static void
test_tap_again(void **state)
{
    for (guint i = 0; i < 3; i++) {
        edit("<interface type='ethernet'><mac address='52:54:00:00:00:01'/><target dev='mine'/>"
             "<model type='virtio'/></interface>");
        assert_settled();
        assert_names("mine");
        leave("");
        assert_names("");
    }
}

/* A descriptor that a controller, killed right then, had passed already. */
static void
test_left_descriptor(void **state)
{
    int pipe_ends[2];
    g_autoptr(Monitor) monitor = control();

    assert_int_equal(pipe(pipe_ends), 0);
    assert_true(monitor_pass_fd(monitor, "virtkeep-10", pipe_ends[1], NULL));
    g_clear_pointer(&monitor, monitor_free);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    edit("<interface type='ethernet'><mac address='52:54:00:00:00:01'/><target dev='mine'/>"
         "<model type='virtio'/></interface>");
    assert_settled();
    assert_nothing_passed();
    leave("");
    assert_names("");
}

/* Said with the file's line; nothing is left, and nobody else waits. */
static void
test_refused(void **state)
{
    g_autoptr(CommandResult) result = NULL;

    edit("<interface type='bridge'><mac address='52:54:00:00:00:02'/><source bridge='nobr0'/>"
         "<model type='virtio'/></interface>"
         "<interface type='ethernet'><mac address='52:54:00:00:00:01'/><target dev='mine'/>"
         "<model type='virtio'/></interface>");
    result = virtkeep_run(scratch, 60, "apply");
    assert_int_not_equal(result->status, 0);
    view_wait_domain(scratch, 10, "a", "OutOfSync", "Refused");
    assert_int_equal(view_int(scratch,
                              "SELECT message LIKE '%%a.xml:%%there is no link ''nobr0''%%' "
                              "FROM domains"),
                     1);
    assert_names("mine");
    leave("");
    assert_names("");
}

/* ---- bridges ---- */

static void
assert_port_of(const char *bridge)
{
    g_autoptr(Link) tap = network_link("vnet0"), master = network_link(bridge);

    assert_int_equal(tap->master, master->index);
    assert_true(tap->is_up);
}

static void
assert_isolated(bool is_isolated)
{
    g_autoptr(Link) tap = network_link("vnet0");
    NetworkPort port = network_port(tap->index);

    g_string_free(port.vlans, TRUE);
    assert_int_equal(port.is_isolated, is_isolated);
}

static void
test_bridge(void **state)
{
    if (!has_bridges)
        skip();
    edit(BRIDGED("br7", ""));
    assert_settled();
    assert_port_of("br7");
    edit(BRIDGED("br8", ""));
    assert_settled();
    assert_port_of("br8");
    edit(BRIDGED("br8", "<port isolated='yes'/>"));
    assert_settled();
    assert_port_of("br8");
    assert_isolated(true);
    edit(BRIDGED("br7", ""));
    assert_settled();
    assert_port_of("br7");
    assert_isolated(false);
}

static void
assert_vlans(const char *expected)
{
    g_autoptr(Link) tap = network_link("vnet0");
    NetworkPort port = network_port(tap->index);

    assert_string_equal(port.vlans->str, expected);
    g_string_free(port.vlans, TRUE);
}

static void
test_vlans(void **state)
{
    g_autoptr(Link) bridge = has_bridges ? network_link("br7") : NULL;

    if (!bridge || !network_filter_vlans(bridge->index))
        skip();
    edit(BRIDGED("br7", "<vlan><tag id='42'/></vlan>"));
    assert_settled();
    assert_vlans("42 pvid untagged");
    edit(BRIDGED("br7", "<vlan trunk='yes'><tag id='42'/><tag id='43'/></vlan>"));
    assert_settled();
    assert_vlans("42, 43");
    edit(BRIDGED("br7", ""));
    assert_settled();
    assert_vlans("1 pvid untagged");
}

/* Names of the configuration, looked up when it moves; one that is no bridge is no place for it. */
static void
test_network(void **state)
{
    g_autoptr(CommandResult) result = NULL;

    if (!has_bridges)
        skip();
    leave("");
    edit(NETWORKED("seven"));
    assert_settled();
    assert_port_of("br7");
    edit(NETWORKED("eight"));
    assert_settled();
    assert_port_of("br8");
    edit(NETWORKED("slow"));
    result = virtkeep_run(scratch, 60, "apply");
    assert_int_not_equal(result->status, 0);
    view_wait_domain(scratch, 10, "a", "OutOfSync", "Refused");
    assert_port_of("br8");
    leave("");
    edit(BRIDGED("br7", ""));
    assert_settled();
}

/* Where it can't go it stays; what is said is unsaid when the file is changed back. */
static void
test_move_refused(void **state)
{
    g_autoptr(CommandResult) result = NULL;

    if (!has_bridges)
        skip();
    edit(BRIDGED("nobr0", ""));
    result = virtkeep_run(scratch, 60, "apply");
    assert_int_not_equal(result->status, 0);
    view_wait_domain(scratch, 10, "a", "OutOfSync", "Refused");
    assert_port_of("br7");
    edit(BRIDGED("br7", ""));
    assert_settled();
}

/* The bridge goes and its tap with it, out of the guest's sight: said, and mended when there is
 * such a bridge again. */
static void
test_bridge_vanishes(void **state)
{
    g_autofree char *plan = NULL;
    g_autoptr(CommandResult) result = NULL;

    if (!has_bridges)
        skip();
    assert_true(network_remove("br7"));
    bridges = "br8";
    plan = virtkeep_expect(scratch, 30, 2, "plan", "--exit-code");
    assert_non_null(strstr(plan, "devices/interface[0]/source/@bridge"));
    result = virtkeep_run(scratch, 60, "apply");
    assert_int_not_equal(result->status, 0);
    view_wait_domain(scratch, 10, "a", "OutOfSync", "Refused");
    assert_int_equal(view_int(scratch, "SELECT message LIKE '%%net0%%there is no link ''br7''%%' "
                                       "FROM domains"),
                     1);
    assert_true(network_add("br7", "bridge"));
    bridges = "br7 br8";
    assert_settled();
    assert_port_of("br7");
    assert_true(view_is(scratch, "net0: source/@bridge: is absent, not br7",
                        "SELECT detail FROM events WHERE kind = 'drift'"));
    /* Moved by somebody. */
    {
        g_autoptr(Link) tap = network_link("vnet0"), other = network_link("br8");

        assert_true(link_change(tap->index, &(LinkChange){ .master = other->index }, NULL));
    }
    assert_settled();
    assert_port_of("br7");
}

static void
test_cable(void **state)
{
    if (!has_bridges)
        skip();
    edit(BRIDGED("br7", "<link state='down'/>"));
    assert_settled();
    edit(BRIDGED("br7", "<link state='up'/>"));
    assert_settled();
    assert_true(view_int(scratch, "SELECT count(*) FROM actions WHERE kind = 'set-device'") >= 2);
    leave("");
    assert_names("");
}

/* ---- macvtap ---- */

#define MACVTAP(last, target)                                                                      \
    "<interface type='direct'><mac address='52:54:00:00:00:" last                                  \
    "'/><source dev='up0' mode='bridge'/>" target "<model type='virtio'/></interface>"

static void
test_macvtap(void **state)
{
    g_autoptr(Link) link = NULL;

    if (!can_open_macvtap)
        skip();
    edit(MACVTAP("11", "<target dev='mvt0'/>"));
    assert_settled();
    link = network_link("mvt0");
    assert_string_equal(link->kind, "macvtap");
    assert_string_equal(link->mac, "52:54:00:00:00:11");
    assert_names("mvt0");
    edit(MACVTAP("11", "<target dev='mvt0'/>") MACVTAP("12", "") MACVTAP("13", ""));
    assert_settled();
    leave(MACVTAP("11", "<target dev='mvt0'/>") MACVTAP("13", ""));
    edit(MACVTAP("11", "<target dev='mvt0'/>") MACVTAP("13", "") MACVTAP("14", ""));
    assert_settled();
    leave(MACVTAP("11", "<target dev='mvt0'/>"));
    assert_names("mvt0"); /* the others' have gone with them */
    leave("");
    assert_names("");
}

/* A macvtap device goes with its parent, and no other one can be given to the guest's card. */
static void
test_parent_vanishes(void **state)
{
    g_autofree char *plan = NULL;

    if (!can_open_macvtap)
        skip();
    edit(MACVTAP("11", "<target dev='mvt0'/>"));
    assert_settled();
    assert_true(network_remove("up0"));
    plan = virtkeep_expect(scratch, 30, 2, "plan", "--exit-code");
    assert_non_null(strstr(plan, "devices/interface[0]/source/@dev"));
    g_free(virtkeep_expect(scratch, 60, 3, "apply", "--timeout", "1s"));
    view_wait_domain(scratch, 10, "a", "RestartRequired", "RestartRequired");
    assert_true(network_add("up0", "veth"));
    leave("");
    assert_names("");
}

static void
test_end(void **state)
{
    domain_file_write(scratch, &(DomainFile){ .name = "a", .policy = "run-strategy='halted'" });
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_names("");
}

static int
begin(void **state)
{
    scratch = scratch_new();
    g_free(scratch_mkdir(scratch, "domains"));
    g_free(scratch_write(scratch, "virtkeep.yaml",
                         "networks:\n"
                         "  seven: { bridge: br7 }\n"
                         "  eight: { bridge: br8 }\n"
                         "  slow: { user: true }\n"));
    if (!network_add("up0", "veth"))
        return -1;
    has_bridges = network_add("br7", "bridge") && network_add("br8", "bridge");
    bridges = has_bridges ? "br7 br8" : "";
    edit("");
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    identity = qemu_identity(scratch, "a");
    return 0;
}

static int
end(void **state)
{
    g_clear_pointer(&identity, g_free);
    return scratch_end(g_steal_pointer(&scratch)) == 0 ? 0 : -1;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tap),
        cmocka_unit_test(test_tap_again),
        cmocka_unit_test(test_left_descriptor),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bridge),
        cmocka_unit_test(test_vlans),
        cmocka_unit_test(test_network),
        cmocka_unit_test(test_move_refused),
        cmocka_unit_test(test_bridge_vanishes),
        cmocka_unit_test(test_cable),
        cmocka_unit_test(test_macvtap),
        cmocka_unit_test(test_parent_vanishes),
        cmocka_unit_test(test_end),
    };
    const char *reason;

    can_open_macvtap = geteuid() == 0;
    reason = network_enter();
    if (reason) {
        fprintf(stderr, "%s\n", reason);
        return 77;
    }
    return cmocka_run_group_tests_name("cli-live-links", tests, begin, end);
}
