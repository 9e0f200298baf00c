/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What somebody changes by the debug monitor of a running QEMU: seen in what QEMU shows of it, put
 * back, and told in the history; and left alone where it is undone again and again, by field. The
 * QEMU stays in its firmware, which has mapped the network cards' registers. The cards have no boot
 * ROM, whose driver would take them away from the firmware now and then.
 */
#include "tests/cli/domain-file.h"
#include "tests/support/deadline.h"
#include "tests/support/qemus.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MIB ((guint64) 1 << 20)
#define PORT(index) "<controller type='pci' index='" index "' model='pcie-root-port'/>"
#define PORTS PORT("1") PORT("2") PORT("3") PORT("4") PORT("5") PORT("6")
#define NIC(last, model, link)                                                                     \
    "<interface type='user'><mac address='52:54:00:00:00:" last "'/><model type='" model           \
    "'/>" link "<rom enabled='no'/></interface>"
#define DOWN "<link state='down'/>"
#define CDROM(medium)                                                                              \
    "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>" medium                     \
    "<target dev='sda' bus='sata'/></disk>"

static Scratch *scratch;
static char *identity;

/* What the file says at the moment. */
static struct {
    const char *nics, *medium;
} said;

static void
edit(void)
{
    g_autofree char *medium =
        said.medium ? g_strdup_printf("<source file='%s/%s'/>", scratch_dir(scratch), said.medium)
                    : g_strdup("");
    g_autofree char *devices = g_strdup_printf(PORTS "%s" CDROM("%s"), said.nics, medium);

    domain_file_write(scratch,
                      &(DomainFile){ .name = "a", .has_memory_device = true, .devices = devices });
}

static void
assert_settled(void)
{
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    g_free(virtkeep_expect(scratch, 30, 0, "plan", "--exit-code"));
    assert_true(qemu_is(scratch, "a", identity));
    assert_int_equal(view_n_open_actions(scratch), 0);
}

static void
settle(void)
{
    edit();
    assert_settled();
}

static void
tell(const char *command, const char *arguments)
{
    json_free(qemu_ask(scratch, "a", command, json_parse(arguments, -1, NULL)));
}

static gint64
n_drifts(const char *detail)
{
    return view_int(
        scratch, "SELECT count(*) FROM events WHERE kind = 'drift' AND detail LIKE '%s'", detail);
}

/* It is seen as @field, put back, and told once, as @detail. */
static void
assert_put_back(const char *field, const char *detail)
{
    gint64 before = n_drifts(detail);
    g_autofree char *plan = virtkeep_expect(scratch, 30, 2, "plan", "--exit-code");

    if (!strstr(plan, field))
        fail_msg("%s is not in the plan:\n%s", field, plan);
    assert_settled();
    if (n_drifts(detail) != before + 1) {
        g_autofree char *events = view_rows(scratch, "SELECT kind, detail FROM events");

        fail_msg("\"%s\" was not told once more:\n%s", detail, events);
    }
}

/* ---- links ---- */

/* Of a bridge's devices too. */
static bool
is_mapped(const Json *devices, const char *id, guint bar)
{
    for (guint i = 0; i < json_length(devices); i++) {
        const Json *device = json_at(devices, i), *regions = json_get(device, "regions");

        if (is_mapped(json_get(json_get(device, "pci_bridge"), "devices"), id, bar))
            return true;
        for (guint r = 0;
             !g_strcmp0(json_get_string(device, "qdev_id"), id) && r < json_length(regions); r++)
            if (json_get_uint(json_at(regions, r), "bar", 9) == bar)
                return json_get_int(json_at(regions, r), "address", -1) > 0;
    }
    return false;
}

static bool
is_card_mapped(const char *id, guint bar)
{
    g_autoptr(Json) buses = qemu_ask(scratch, "a", "query-pci", NULL);

    for (guint i = 0; i < json_length(buses); i++)
        if (is_mapped(json_get(json_at(buses, i), "devices"), id, bar))
            return true;
    return false;
}

static void
test_start(void **state)
{
    said.nics = NIC("01", "virtio", "") NIC("02", "rtl8139", "") NIC("03", "e1000e", "");
    said.medium = "a.iso";
    edit();
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    identity = qemu_identity(scratch, "a");
    assert_within(60, is_card_mapped("net0", 4) && is_card_mapped("net1", 1) &&
                          is_card_mapped("net2", 0));
    assert_settled();
    assert_int_equal(n_drifts("%"), 0);
}

static bool
differs(void)
{
    g_autoptr(CommandResult) result = virtkeep_run(scratch, 30, "plan", "--exit-code");

    return result->status == 2;
}

static void
test_link_taken_down(void **state)
{
    tell("set_link", "{\"name\": \"net0\", \"up\": false}");
    assert_put_back("devices/interface[0]/link/@state",
                    "net0: link/@state: is down, not the default");
    tell("set_link", "{\"name\": \"net1\", \"up\": false}");
    assert_put_back("devices/interface[1]/link/@state", "net1: link/@state: is down, not %");
}

static void
test_link_put_up(void **state)
{
    said.nics = NIC("01", "virtio", DOWN) NIC("02", "rtl8139", DOWN) NIC("03", "e1000e", DOWN);
    settle();
    tell("set_link", "{\"name\": \"net0\", \"up\": true}");
    assert_put_back("devices/interface[0]/link/@state", "net0: link/@state: is up, not down");
    tell("set_link", "{\"name\": \"net1\", \"up\": true}");
    assert_put_back("devices/interface[1]/link/@state", "net1: link/@state: is up, not down");
    tell("set_link", "{\"name\": \"net2\", \"up\": true}");
    assert_within(10, differs()); /* once it has negotiated with nobody */
    assert_put_back("devices/interface[2]/link/@state", "net2: link/@state: is up, not down");
}

/* An edit of the very field that somebody changed is an edit. */
static void
test_link_edited(void **state)
{
    gint64 before = n_drifts("%");

    tell("set_link", "{\"name\": \"net0\", \"up\": true}");
    said.nics = NIC("01", "virtio", "") NIC("02", "rtl8139", "") NIC("03", "e1000e", "");
    settle();
    assert_int_equal(n_drifts("%"), before);
}

/* ---- media ---- */

static bool
has_medium(const char *name)
{
    g_autoptr(Json) list = qemu_ask(scratch, "a", "query-block", NULL);
    const char *file = NULL;

    for (guint i = 0; i < json_length(list); i++)
        if (!g_strcmp0(json_get_string(json_at(list, i), "qdev"), "sata0-0-0"))
            file = json_get_string(json_get(json_at(list, i), "inserted"), "file");
    return name ? file && g_str_has_suffix(file, name) : !file;
}

static void
take_medium_out(void)
{
    tell("blockdev-open-tray", "{\"id\": \"sata0-0-0\", \"force\": true}");
    tell("blockdev-remove-medium", "{\"id\": \"sata0-0-0\"}");
}

static void
put_other_in(void)
{
    g_autofree char *node = g_strdup_printf(
        "{\"driver\": \"file\", \"node-name\": \"mine\", \"read-only\": true, \"filename\": "
        "\"%s/b.iso\"}",
        scratch_dir(scratch));

    tell("blockdev-add", node);
    tell("blockdev-insert-medium", "{\"id\": \"sata0-0-0\", \"node-name\": \"mine\"}");
    tell("blockdev-close-tray", "{\"id\": \"sata0-0-0\"}");
    assert_true(has_medium("/b.iso"));
}

static void
test_medium_ejected(void **state)
{
    assert_true(has_medium("/a.iso"));
    take_medium_out();
    assert_put_back("devices/disk[0]/source", "sata0-0-0: source: is gone");
    assert_true(has_medium("/a.iso"));
}

static void
test_medium_changed(void **state)
{
    take_medium_out();
    put_other_in();
    assert_put_back("devices/disk[0]/source", "sata0-0-0: source/@file: is %/b.iso, not %/a.iso");
    assert_true(has_medium("/a.iso"));
    tell("blockdev-del", "{\"node-name\": \"mine\"}"); /* nobody has it any more */
}

/* Where the file wants none. */
static void
test_medium_put_in(void **state)
{
    said.medium = NULL;
    settle();
    assert_true(has_medium(NULL));
    tell("blockdev-open-tray", "{\"id\": \"sata0-0-0\", \"force\": true}");
    put_other_in();
    assert_put_back("devices/disk[0]/source", "sata0-0-0: source: is there");
    assert_true(has_medium(NULL));
    tell("blockdev-del", "{\"node-name\": \"mine\"}");
}

/* ---- memory ---- */

static void
ask_for(const char *bytes)
{
    g_autofree char *arguments =
        g_strdup_printf("{\"path\": \"/machine/peripheral/virtiomem0\", \"property\": "
                        "\"requested-size\", \"value\": %s}",
                        bytes);

    tell("qom-set", arguments);
}

static void
test_requested_size(void **state)
{
    ask_for("67108864");
    assert_put_back("virtiomem0", "virtiomem0: target/requested: is 64 MiB, not 0%");
    assert_int_equal(qemu_requested(scratch, "a"), 0);
}

/* ---- fought over ---- */

static void
assert_contended(const char *what)
{
    g_autofree char *words = g_strdup_printf("%s was undone 6 times since ", what);
    g_autofree char *status = NULL, *explanation = NULL, *plan = NULL;
    gint64 before;

    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    view_wait_domain(scratch, 10, "a", "OutOfSync", "Contended");
    status = virtkeep_expect(scratch, 10, 0, "status", "a");
    explanation = virtkeep_expect(scratch, 10, 0, "explain", "a");
    if (!strstr(explanation, words))
        fail_msg("\"%s\" is not explained:\n%s", words, explanation);
    assert_non_null(strstr(status, words));
    before = n_drifts("%");
    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    assert_int_equal(n_drifts("%"), before); /* looking at it again is no undoing */
}

static void
test_link_contended(void **state)
{
    while (n_drifts("net0: link/@state%") < 5) {
        tell("set_link", "{\"name\": \"net0\", \"up\": false}");
        assert_put_back("devices/interface[0]/link/@state", "net0: link/@state: is down, not %");
    }
    tell("set_link", "{\"name\": \"net0\", \"up\": false}");
    assert_contended("net0: link/@state");
    /* The file gives in. */
    said.nics = NIC("01", "virtio", DOWN) NIC("02", "rtl8139", "") NIC("03", "e1000e", "");
    settle();
}

static void
test_requested_size_contended(void **state)
{
    while (n_drifts("virtiomem0: target/requested%") < 5) {
        ask_for("67108864");
        assert_put_back("virtiomem0", "virtiomem0: target/requested: is 64 MiB, not 0%");
    }
    ask_for("134217728");
    assert_contended("virtiomem0: target/requested");
    assert_int_equal(qemu_requested(scratch, "a"), 128 * MIB);
    ask_for("0"); /* the other one gives in */
    assert_settled();
}

static int
begin(void **state)
{
    g_autofree char *medium = g_strnfill(4096, 'x');

    scratch = scratch_new();
    g_free(scratch_mkdir(scratch, "domains"));
    g_free(scratch_write(scratch, "a.iso", medium));
    g_free(scratch_write(scratch, "b.iso", medium));
    return 0;
}

static int
end(void **state)
{
    g_clear_pointer(&identity, g_free);
    domain_file_write(scratch, &(DomainFile){ .name = "a", .policy = "run-strategy='halted'" });
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    return scratch_end(g_steal_pointer(&scratch)) == 0 ? 0 : -1;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),          cmocka_unit_test(test_link_taken_down),
        cmocka_unit_test(test_link_put_up),    cmocka_unit_test(test_link_edited),
        cmocka_unit_test(test_medium_ejected), cmocka_unit_test(test_medium_changed),
        cmocka_unit_test(test_medium_put_in),  cmocka_unit_test(test_requested_size),
        cmocka_unit_test(test_link_contended), cmocka_unit_test(test_requested_size_contended),
    };

    return cmocka_run_group_tests_name("cli-drift", tests, begin, end);
}
