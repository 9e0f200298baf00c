/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Links as they are made for interfaces and removed again, in a network namespace of the test's
 * own. What a kernel doesn't have (bridges, in some) is skipped by name.
 */
#include "qemu/host-link.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "qemu/link.h"
#include "qemu/netlink.h"
#include "qemu/tap.h"
#include "tests/support/network.h"

static char *run, *owner, *other;
static bool can_open_macvtap;
static HostNetwork made = { .bridge = (char *) "vbr0", .is_made = true };
static HostNetwork direct = { .direct = (char *) "up0", .mode = MACVTAP_BRIDGE };

static const HostNetwork *
find_network(gconstpointer networks, const char *name)
{
    return g_str_equal(name, "made") ? &made : g_str_equal(name, "direct") ? &direct : NULL;
}

static const HostFacts facts = { .can_make_links = true, .find_network = find_network };

/* Opened links of one owner. */
typedef struct Opened {
    GArray *fds;
    HostLink link;
} Opened;

static bool
open_for(const char *whose, const Interface *interface, Opened *ret_opened, GError **error)
{
    ret_opened->fds = g_array_new(FALSE, FALSE, sizeof(LaunchFd));
    return host_link_open(interface, &facts, whose, 0, ret_opened->fds, &ret_opened->link, error);
}

static void
close_opened(Opened *opened)
{
    for (guint i = 0; i < opened->fds->len; i++)
        close(g_array_index(opened->fds, LaunchFd, i).fd);
    g_clear_pointer(&opened->fds, g_array_unref);
}

static Opened
must_open(const char *whose, const Interface *interface)
{
    g_autoptr(GError) error = NULL;
    Opened opened;

    if (!open_for(whose, interface, &opened, &error))
        fail_msg("%s", error->message);
    return opened;
}

static void
sweep(const char *whose)
{
    g_autoptr(GError) error = NULL;

    if (!host_links_sweep(whose, &error))
        fail_msg("%s", error->message);
}

static void
assert_names(const char *expected)
{
    g_autofree char *names = network_names();

    assert_string_equal(names, expected);
}

static Interface
bridged(const char *target)
{
    return (Interface){ .info = { .alias = (char *) "net0" },
                        .type = INTERFACE_NETWORK,
                        .network = (char *) "made",
                        .model = (char *) "virtio",
                        .driver_name = NET_DRIVER_QEMU,
                        .mac = (char *) "52:54:00:12:34:56",
                        .target_dev = (char *) target };
}

static bool
has_bridges(void)
{
    bool is_there = network_add("probe", "bridge");
    g_autoptr(Link) link = is_there ? network_link("probe") : NULL;

    if (link)
        assert_true(link_delete(link->index, NULL));
    else
        print_message("this kernel has no bridges\n");
    return is_there;
}

/* ---- taps and macvtap devices ---- */

static void
test_tap(void **state)
{
    Interface interface = { .info = { .alias = (char *) "net0" },
                            .type = INTERFACE_ETHERNET,
                            .model = (char *) "virtio",
                            .driver_name = NET_DRIVER_QEMU,
                            .mac = (char *) "52:54:00:12:34:56",
                            .target_dev = (char *) "mine",
                            .mtu = { .value = 1400, .is_set = true },
                            .queues = { .value = 3, .is_set = true } };
    Opened opened = must_open(owner, &interface);
    g_autoptr(Link) link = network_link("mine");

    assert_int_equal(opened.link.n_queues, 3);
    assert_int_equal(opened.link.first, LAUNCH_FIRST_FREE_FD);
    assert_false(opened.link.has_vhost);
    assert_int_equal(g_array_index(opened.fds, LaunchFd, 2).number, LAUNCH_FIRST_FREE_FD + 2);
    assert_string_equal(link->kind, "tun");
    assert_string_equal(link->mac, "fe:54:00:12:34:56");
    assert_int_equal(link->mtu, 1400);
    assert_true(link->is_up);
    close_opened(&opened);
    assert_names("");
}

/* Names that libvirt makes up are not kept, since they are another's by now. */
static void
test_reserved_name(void **state)
{
    Interface interface = { .info = { .alias = (char *) "net0" },
                            .type = INTERFACE_ETHERNET,
                            .mac = (char *) "52:54:00:12:34:56",
                            .target_dev = (char *) "vnet7" };
    Opened opened = must_open(owner, &interface);

    assert_names("vnet0");
    close_opened(&opened);
}

/* Somebody else's tap is opened, not changed, and still there afterwards. */
static void
test_ready_made(void **state)
{
    Interface interface = { .info = { .alias = (char *) "net0" },
                            .type = INTERFACE_ETHERNET,
                            .managed = TRISTATE_OFF,
                            .mac = (char *) "52:54:00:12:34:56",
                            .target_dev = (char *) "theirs" };
    g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
    g_autoptr(Link) before = NULL, after = NULL;
    char name[IFNAMSIZ];
    Opened opened;

    assert_true(tap_open("/dev/net/tun", "theirs", 2, fds, name, NULL));
    close(g_array_index(fds, int, 1)); /* a queue of its own stays free for the domain */
    interface.model = (char *) "virtio";
    interface.queues = (OptUint){ .value = 2, .is_set = true };
    before = network_link("theirs");
    opened = must_open(owner, &interface);
    after = network_link("theirs");
    assert_string_equal(after->mac, before->mac);
    assert_false(after->is_up);
    close_opened(&opened);
    assert_names("theirs");
    close(g_array_index(fds, int, 0));
}

static void
test_macvtap(void **state)
{
    Interface interface = { .info = { .alias = (char *) "net0" },
                            .type = INTERFACE_NETWORK,
                            .network = (char *) "direct",
                            .model = (char *) "virtio",
                            .driver_name = NET_DRIVER_QEMU,
                            .mac = (char *) "52:54:00:12:34:56",
                            .target_dev = (char *) "mvt",
                            .queues = { .value = 2, .is_set = true } };
    g_autofree char *mark = g_strconcat("virtkeep ", owner, NULL);
    g_autoptr(Link) link = NULL, parent = network_link("up0");
    Opened opened;

    if (!can_open_macvtap)
        skip(); /* device nodes are the machine's root's */
    opened = must_open(owner, &interface);
    link = network_link("mvt");
    assert_string_equal(link->kind, "macvtap");
    assert_string_equal(link->mac, "52:54:00:12:34:56");
    assert_string_equal(link->alias, mark);
    assert_int_equal(link->parent, parent->index);
    assert_true(link->is_up);
    assert_int_equal(opened.link.n_queues, 2);
    close_opened(&opened);
    sweep(other);
    assert_names("mvt"); /* it outlives its descriptors, and is not others' to remove */
    sweep(owner);
    assert_names("");
}

/* Killed between making and marking: the name tells whose it is. */
static void
test_unmarked(void **state)
{
    g_autofree char *draft = g_strdup_printf("vk%08x-0", g_str_hash(owner));
    g_autoptr(Link) parent = network_link("up0");

    assert_true(link_make_macvtap(draft, parent->index, MACVTAP_VEPA, NULL, 0, NULL));
    sweep(other);
    assert_names(draft);
    sweep(owner);
    assert_names("");
}

static void
test_failure_leaves_nothing(void **state)
{
    Interface interface = { .info = { .alias = (char *) "net0" },
                            .type = INTERFACE_DIRECT,
                            .source_dev = (char *) "up0",
                            .target_dev = (char *) "up0",
                            .mac = (char *) "52:54:00:12:34:56" };
    g_autoptr(GError) error = NULL;
    Opened opened;

    assert_false(open_for(owner, &interface, &opened, &error));
    assert_non_null(strstr(error->message, "interface net0: "));
    close_opened(&opened);
    sweep(owner);
    assert_names("");
}

/* ---- bridges ---- */

static void
test_made_bridge(void **state)
{
    Interface interface = bridged("first"), second = bridged("second");
    g_autofree char *mark = g_strconcat("virtkeep ", run, NULL);
    g_autoptr(Link) bridge = NULL, tap = NULL;
    Opened a, b;

    if (!has_bridges())
        skip();
    a = must_open(owner, &interface);
    b = must_open(other, &second);
    bridge = network_link("vbr0");
    tap = network_link("first");
    assert_true(link_is_bridge(bridge));
    assert_true(bridge->is_up);
    assert_string_equal(bridge->alias, mark);
    assert_int_equal(tap->master, bridge->index);
    assert_int_equal(tap->mtu, bridge->mtu);
    sweep(owner);
    close_opened(&a);
    sweep(owner);
    assert_names("second vbr0"); /* the other's port keeps it */
    close_opened(&b);
    sweep(other);
    assert_names("");
}

static void
test_foreign_bridge(void **state)
{
    Interface interface = bridged("first");
    g_autoptr(Link) bridge = NULL, tap = NULL;
    Opened opened;

    if (!has_bridges())
        skip();
    assert_true(network_add("vbr0", "bridge"));
    bridge = network_link("vbr0");
    assert_true(link_change(bridge->index, &(LinkChange){ .mtu = 1300 }, NULL));
    opened = must_open(owner, &interface);
    tap = network_link("first");
    assert_int_equal(tap->master, bridge->index);
    assert_int_equal(tap->mtu, 1300);
    close_opened(&opened);
    sweep(owner);
    assert_names("vbr0"); /* whoever made it removes it */
    assert_true(link_delete(bridge->index, NULL));
}

static void
test_isolated(void **state)
{
    Interface interface = bridged("port");
    g_autoptr(Link) link = NULL;
    Opened opened;
    NetworkPort port;

    if (!has_bridges())
        skip();
    interface.is_isolated = TRISTATE_ON;
    opened = must_open(owner, &interface);
    link = network_link("port");
    port = network_port(link->index);
    assert_true(port.is_isolated);
    g_string_free(port.vlans, TRUE);
    close_opened(&opened);
    sweep(owner);
    assert_names("");
}

static void
test_vlans(void **state)
{
    static VlanTag access[] = { { .id = { .value = 42, .is_set = true } } };
    static VlanTag trunk[] = { { .id = { .value = 42, .is_set = true } },
                               { .id = { .value = 43, .is_set = true },
                                 .native_mode = VLAN_NATIVE_UNTAGGED } };
    const struct {
        VlanTag *tags;
        guint n;
        const char *expected;
    } cases[] = {
        { access, 1, "42 pvid untagged" },
        { trunk, 2, "42, 43 pvid untagged" },
    };
    g_autoptr(Link) bridge = NULL;

    if (!has_bridges())
        skip();
    assert_true(network_add("vbr0", "bridge"));
    bridge = network_link("vbr0");
    if (!network_filter_vlans(bridge->index)) {
        print_message("this kernel's bridges don't filter VLANs\n");
        assert_true(link_delete(bridge->index, NULL));
        skip();
    }
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        Interface interface = bridged("port");
        g_autoptr(GPtrArray) tags = g_ptr_array_new();
        g_autoptr(Link) link = NULL;
        Opened opened;
        NetworkPort port;

        for (guint t = 0; t < cases[i].n; t++)
            g_ptr_array_add(tags, &cases[i].tags[t]);
        interface.vlan_tags = tags;
        opened = must_open(owner, &interface);
        link = network_link("port");
        port = network_port(link->index);
        assert_false(port.is_isolated);
        assert_string_equal(port.vlans->str, cases[i].expected);
        g_string_free(port.vlans, TRUE);
        close_opened(&opened);
    }
    assert_true(link_delete(bridge->index, NULL));
}

static int
begin(void **state)
{
    run = g_dir_make_tmp("vk-links-XXXXXX", NULL);
    owner = g_build_filename(run, "a", NULL);
    other = g_build_filename(run, "b", NULL);
    return run && network_add("up0", "veth") ? 0 : -1;
}

static int
end(void **state)
{
    g_rmdir(run);
    g_free(run);
    g_free(owner);
    g_free(other);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tap),         cmocka_unit_test(test_reserved_name),
        cmocka_unit_test(test_ready_made),  cmocka_unit_test(test_macvtap),
        cmocka_unit_test(test_unmarked),    cmocka_unit_test(test_failure_leaves_nothing),
        cmocka_unit_test(test_made_bridge), cmocka_unit_test(test_foreign_bridge),
        cmocka_unit_test(test_isolated),    cmocka_unit_test(test_vlans),
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
