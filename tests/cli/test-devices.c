/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices that come and go by edits of the file: a real QEMU that runs no system. USB devices leave
 * at once; PCI devices leave when the guest lets them, for which a reset stands here (QEMU then
 * takes out what it was asked to). One QEMU lives through all of it: the tests run in this order.
 */
#include "tests/cli/domain-file.h"
#include "tests/cli/unplug.h"
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

static Scratch *scratch;
static char *identity;

#define PORT(index) "<controller type='pci' index='" index "' model='pcie-root-port'/>"
#define ALWAYS                                                                                     \
    PORT("1")                                                                                      \
    PORT("2")                                                                                      \
    PORT("3")                                                                                      \
    PORT("4")                                                                                      \
    PORT("5")                                                                                      \
    PORT("6")                                                                                      \
    PORT("7")                                                                                      \
    PORT("8") "<controller type='usb' model='qemu-xhci'/><controller type='scsi' "                 \
              "model='virtio-scsi'/>"
#define TABLET "<input type='tablet' bus='usb'/>"
#define RNG "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
#define NET(last)                                                                                  \
    "<interface type='user'><mac address='52:54:00:00:00:" last "'/><model type='virtio'/>"        \
    "</interface>"

static void
edit(const char *devices)
{
    g_autofree char *all = g_strconcat(ALWAYS, devices, NULL);

    domain_file_write(scratch, &(DomainFile){ .name = "a", .devices = all });
}

static char *
disk(const char *target, const char *bus)
{
    g_autofree char *name = g_strconcat(target, ".img", NULL), *path = scratch_path(scratch, name);
    g_autofree char *content = g_malloc0(1 << 16);

    assert_true(g_file_set_contents(path, content, 1 << 16, NULL));
    return g_strdup_printf("<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
                           "<source file='%s'/><target dev='%s' bus='%s'/></disk>",
                           path, target, bus);
}

static Json *
ask(const char *command, const char *argument, const char *value)
{
    Json *arguments = argument ? json_new_object() : NULL;

    if (argument)
        json_set_string(arguments, argument, value);
    return qemu_ask(scratch, "a", command, arguments);
}

static bool
has(const Json *list, const char *member, const char *value)
{
    for (guint i = 0; i < json_length(list); i++)
        if (!g_strcmp0(json_get_string(json_at(list, i), member), value))
            return true;
    return false;
}

static bool
has_device(const char *id)
{
    g_autoptr(Json) devices = ask("qom-list", "path", "/machine/peripheral");

    return has(devices, "name", id);
}

static guint
count(const char *command, const char *argument, const char *value)
{
    g_autoptr(Json) list = ask(command, argument, value);

    return json_length(list);
}

/* What is behind the devices: objects, block nodes, chardevs. */
static guint
count_backends(void)
{
    return count("qom-list", "path", "/objects") + count("query-named-block-nodes", NULL, NULL) +
           count("query-chardev", NULL, NULL);
}

static void
assert_settled(void)
{
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    g_free(virtkeep_expect(scratch, 10, 0, "plan", "--exit-code"));
    assert_true(qemu_is(scratch, "a", identity));
    assert_int_equal(view_n_open_actions(scratch), 0);
}

static void
test_devices_come(void **state)
{
    g_autofree char *vda = disk("vda", "virtio"), *sda = disk("sda", "scsi");
    g_autofree char *all = g_strconcat(vda, sda, TABLET, RNG, NET("01"), NULL);
    static const char *const ids[] = { "virtio-disk0", "scsi0-0-0-0", "input2", "rng0", "net0" };

    edit("");
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    identity = qemu_identity(scratch, "a");
    edit(all);
    assert_settled();
    for (guint i = 0; i < G_N_ELEMENTS(ids); i++)
        if (!has_device(ids[i]))
            fail_msg("no device %s", ids[i]);
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM actions WHERE kind = 'add-device'"),
                     5);
}

/* A device in front of another one moves no other. */
static void
test_ids_stay(void **state)
{
    g_autofree char *vda = disk("vda", "virtio"), *sda = disk("sda", "scsi");
    g_autofree char *all = g_strconcat(vda, sda, TABLET, RNG, NET("02"), NET("01"), NULL);

    edit(all);
    assert_settled();
    assert_true(has_device("net0") && has_device("net1"));
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM actions WHERE kind = 'add-device'"),
                     6);
}

static void
test_devices_leave(void **state)
{
    g_autoptr(CommandResult) result = NULL;
    guint n_before;

    edit("");
    result = virtkeep_run(scratch, 60, "apply", "--no-wait");
    assert_int_equal(result->status, 3); /* not converged: no guest answers */
    assert_false(has_device("input2"));  /* USB asks nobody */
    assert_true(has_device("virtio-disk0") && has_device("net0"));
    view_wait_domain(scratch, 10, "a", "Progressing", "DeviceLeaving");
    assert_true(view_int(scratch, "SELECT count(*) FROM removals") >= 3);
    n_before = count_backends();
    json_free(ask("system_reset", NULL, NULL));
    assert_within(30, !has_device("virtio-disk0") && !has_device("net0") && !has_device("net1") &&
                          !has_device("rng0"));
    assert_settled();
    assert_true(count_backends() < n_before);
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM removals"), 0);
    /* Whoever asked has long ended; that it was waited for is what history tells. */
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM actions"
                                       " WHERE kind = 'remove-device' AND outcome <> 'done'"),
                     0);
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM actions WHERE kind = 'remove-device'"),
                     6);
    assert_int_equal(count("query-named-block-nodes", NULL, NULL), 0);
    assert_int_equal(count("query-chardev", NULL, NULL), 3); /* the monitors */
}

static gint64
statistics_period(void)
{
    Json *arguments = json_new_object();
    g_autoptr(Json) answer = NULL;

    json_set_string(arguments, "path", "/machine/peripheral/balloon0");
    json_set_string(arguments, "property", "guest-stats-polling-interval");
    answer = qemu_ask(scratch, "a", "qom-get", arguments);
    return json_int(answer, -1);
}

static void
test_statistics_period(void **state)
{
    edit("<memballoon model='virtio'><stats period='7'/></memballoon>");
    assert_settled();
    assert_int_equal(statistics_period(), 7);
    edit("<memballoon model='virtio'><stats period='3'/></memballoon>");
    assert_settled();
    assert_int_equal(statistics_period(), 3);
    edit("<memballoon model='virtio'/>");
    assert_settled();
    assert_int_equal(statistics_period(), 0);
}

/* Taken away behind virtkeep's back: put back, and noted. */
static void
test_drift(void **state)
{
    edit(TABLET RNG);
    assert_settled();
    json_free(ask("device_del", "id", "input2"));
    assert_within(10, !has_device("input2"));
    g_free(virtkeep_expect(scratch, 10, 2, "plan", "--exit-code"));
    assert_settled();
    assert_true(has_device("input2"));
    assert_true(view_is(scratch, "input2", "SELECT detail FROM events WHERE kind = 'device-gone'"));
}

static bool
is_object(const char *id, const char *type)
{
    g_autoptr(Json) objects = ask("qom-list", "path", "/objects");

    for (guint i = 0; i < json_length(objects); i++)
        if (!g_strcmp0(json_get_string(json_at(objects, i), "name"), id))
            return !g_strcmp0(json_get_string(json_at(objects, i), "type"), type);
    return false;
}

/* One removed and another one added in the same edit, which nothing names: it comes when the former
 * has left, without a restart. */
static void
test_replaced(void **state)
{
    assert_true(is_object("objrng0", "child<rng-random>"));
    edit(TABLET "<rng model='virtio'><backend model='builtin'/></rng>");
    g_free(virtkeep_expect(scratch, 60, 3, "apply", "--no-wait"));
    view_wait_domain(scratch, 10, "a", "Progressing", "DeviceLeaving");
    unplug_by_resets(scratch, "a");
    assert_settled();
    assert_true(has_device("rng0") && is_object("objrng0", "child<rng-builtin>"));
    edit(TABLET RNG);
    unplug_by_resets(scratch, "a");
    assert_settled();
}

/* What failed once leaves nothing in the way of the next attempt, and keeps nobody else waiting. */
static void
test_refused(void **state)
{
    g_autofree char *missing =
        g_strdup_printf("<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
                        "<source file='%s/not-an-image'/><target dev='vdb' bus='virtio'/></disk>",
                        scratch_dir(scratch));
    g_autofree char *path = scratch_path(scratch, "not-an-image");
    g_autofree char *all = g_strconcat(missing, TABLET, RNG, NET("05"), NULL);
    g_autoptr(CommandResult) result = NULL;

    assert_true(g_file_set_contents(path, "this is no qcow2 image", -1, NULL));
    edit(all);
    result = virtkeep_run(scratch, 60, "apply");
    assert_int_not_equal(result->status, 0);
    assert_true(has_device("net0") && !has_device("virtio-disk1"));
    assert_int_equal(count("query-named-block-nodes", NULL, NULL), 0);
    view_wait_domain(scratch, 10, "a", "OutOfSync", "Refused");
    assert_true(view_int(scratch, "SELECT message LIKE '%%virtio-disk1%%qcow2%%' FROM domains") ==
                1);
    edit(TABLET RNG NET("05"));
    assert_settled();
}

/* What needs a restart is said, and unsaid when the file is changed back. */
static void
test_changed_back(void **state)
{
    g_autofree char *ide = disk("sdz", "sata");
    g_autofree char *more = g_strconcat(TABLET RNG NET("05"), ide, NULL);

    edit(more);
    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    view_wait_domain(scratch, 10, "a", "RestartRequired", "RestartRequired");
    edit(TABLET RNG NET("05"));
    assert_settled();
    domain_file_write(scratch, &(DomainFile){ .name = "a", .policy = "run-strategy='halted'" });
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
}

/* Somebody takes it out as often as it is put back. */
static void
test_contended(void **state)
{
    g_autofree char *sdb = disk("sdb", "usb");

    edit(sdb);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    g_free(identity);
    identity = qemu_identity(scratch, "a");
    for (guint i = 0; i < 6; i++) {
        json_free(ask("device_del", "id", "usb-disk1"));
        assert_within(10, !has_device("usb-disk1"));
        g_free(virtkeep_expect(scratch, 60, i < 5 ? 0 : 3, "apply"));
    }
    assert_false(has_device("usb-disk1"));
    view_wait_domain(scratch, 10, "a", "OutOfSync", "Contended");
    assert_int_equal(view_int(scratch, "SELECT message LIKE 'usb-disk1 was undone 6 times since %%'"
                                       " FROM domains"),
                     1);
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM events WHERE kind = 'device-gone'"
                                       " AND detail = 'usb-disk1'"),
                     6);
    edit(""); /* what the file does not ask for is nothing to fight over */
    assert_settled();
    domain_file_write(scratch, &(DomainFile){ .name = "a", .policy = "run-strategy='halted'" });
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
}

static int
begin(void **state)
{
    scratch = scratch_new();
    g_free(scratch_mkdir(scratch, "domains"));
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
        cmocka_unit_test(test_devices_come),  cmocka_unit_test(test_ids_stay),
        cmocka_unit_test(test_devices_leave), cmocka_unit_test(test_statistics_period),
        cmocka_unit_test(test_drift),         cmocka_unit_test(test_replaced),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_changed_back),
        cmocka_unit_test(test_contended),
    };

    return cmocka_run_group_tests_name("cli-devices", tests, begin, end);
}
