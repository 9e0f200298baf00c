/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each kind of device that plugs, put into a running QEMU and taken out again, with nothing left
 * behind it. A reset stands for the guest that lets a PCI device go.
 *
 * Of the host's devices QEMU takes one that is not there: a USB device by its ids, which may be
 * plugged in at any time. The others are put in where the host has them, and else it is the refusal
 * that must leave nothing behind and keep nobody else waiting.
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
#include <glib/gstdio.h>

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
    "<controller type='pci' index='8' model='pcie-to-pci-bridge'/>"                                \
    "<controller type='usb' model='qemu-xhci'/><controller type='virtio-serial'/>"                 \
    "<controller type='scsi' index='0' model='virtio-scsi'/>"

static guint
count(const char *command, const char *path)
{
    Json *arguments = path ? json_new_object() : NULL;
    g_autoptr(Json) list = NULL;

    if (path)
        json_set_string(arguments, "path", path);
    list = qemu_ask(scratch, "a", command, arguments);
    return json_length(list);
}

static guint
count_all(void)
{
    return count("qom-list", "/machine/peripheral") + count("qom-list", "/objects") +
           count("query-chardev", NULL);
}

static void
settle(const char *devices)
{
    g_autofree char *all = g_strconcat(ALWAYS, devices, NULL);

    domain_file_write(scratch, &(DomainFile){ .name = "a", .devices = all });
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    g_free(virtkeep_expect(scratch, 30, 0, "plan", "--exit-code"));
    if (identity)
        assert_true(qemu_is(scratch, "a", identity));
}

/* Until the file has only @devices. */
static void
let_go(const char *devices)
{
    g_autofree char *all = g_strconcat(ALWAYS, devices, NULL);

    domain_file_write(scratch, &(DomainFile){ .name = "a", .devices = all });
    unplug_by_resets(scratch, "a");
    settle(devices);
}

static void
come_and_go(const char *device)
{
    guint before = count_all();

    settle(device);
    assert_true(count_all() > before);
    let_go("");
    assert_int_equal(count_all(), before);
}

static void
test_channel(void **state)
{
    come_and_go("<channel type='unix'><target type='virtio' name='org.test.0'/></channel>");
}

static void
test_redirdev(void **state)
{
    come_and_go("<redirdev bus='usb' type='tcp'><source mode='bind' host='127.0.0.1' "
                "service='0'/></redirdev>");
}

static void
test_shmem(void **state)
{
    g_autofree char *name =
        g_strdup_printf("virtkeep-test-%d", (int) g_random_int_range(1, 1 << 30));
    g_autofree char *file = g_strconcat("/dev/shm/", name, NULL);
    g_autofree char *device = g_strdup_printf("<shmem name='%s'><model type='ivshmem-plain'/>"
                                              "<size unit='M'>1</size></shmem>",
                                              name);

    come_and_go(device);
    (void) g_unlink(file);
}

static void
test_watchdog(void **state)
{
    come_and_go("<watchdog model='i6300esb' action='reset'/>");
}

static void
test_crypto(void **state)
{
    come_and_go(
        "<crypto model='virtio' type='qemu'><backend model='builtin' queues='1'/></crypto>");
}

static void
test_controller(void **state)
{
    come_and_go("<controller type='scsi' index='1' model='virtio-scsi'/>");
}

/* Plugged in empty, given a medium, and gone with it. */
static void
test_drive(void **state)
{
    guint n_nodes = count("query-named-block-nodes", NULL);
    g_autofree char *medium = scratch_write(scratch, "medium.iso", "a medium of 512 bytes");
    g_autofree char *full = g_strdup_printf(
        "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='%s'/>"
        "<target dev='sda' bus='scsi'/></disk>",
        medium);

    settle("<disk type='file' device='cdrom'><target dev='sda' bus='scsi'/></disk>");
    settle(full);
    assert_true(count("query-named-block-nodes", NULL) > n_nodes);
    settle("");
    assert_int_equal(count("query-named-block-nodes", NULL), n_nodes);
}

/* ---- devices of the host ---- */

#define HOSTDEV(type, source)                                                                      \
    "<hostdev mode='subsystem' type='" type "' managed='no'><source>" source "</source></hostdev>"

static bool
has_device(const char *id)
{
    Json *arguments = json_new_object();
    g_autoptr(Json) list = NULL;

    json_set_string(arguments, "path", "/machine/peripheral");
    list = qemu_ask(scratch, "a", "qom-list", arguments);
    for (guint i = 0; i < json_length(list); i++)
        if (!g_strcmp0(json_get_string(json_at(list, i), "name"), id))
            return true;
    return false;
}

static void
test_usb_host(void **state)
{
    static const char device[] = HOSTDEV("usb", "<vendor id='0x1209'/><product id='0xfffe'/>");

    come_and_go(device);
    settle(device);
    assert_true(has_device("hostdev0"));
    settle("");
    assert_false(has_device("hostdev0"));
}

/* What the host must have for it, and what QEMU says where it has not. */
static const struct {
    const char *needs, *device, *words;
} host_devices[] = {
    { "/dev/vhost-vsock", "<vsock model='virtio'><cid auto='no' address='4242'/></vsock>",
      "open vhost" },
    { "/dev/bus/usb/009/099", HOSTDEV("usb", "<address bus='9' device='99'/>"), "usb" },
    { "/sys/kernel/config/target/vhost/naa.5001405bc3d7b6a5",
      "<hostdev mode='subsystem' type='scsi_host' managed='no'>"
      "<source protocol='vhost' wwpn='naa.5001405bc3d7b6a5'/></hostdev>",
      "vhost" },
    { "/sys/bus/pci/devices/0000:99:1e.7",
      HOSTDEV("pci", "<address domain='0' bus='0x99' slot='0x1e' function='7'/>"), "vfio" },
    { "/sys/bus/mdev/devices/4b20d080-1b54-4048-85b3-a6a62d165c01",
      "<hostdev mode='subsystem' type='mdev' managed='no' model='vfio-pci'><source>"
      "<address uuid='4b20d080-1b54-4048-85b3-a6a62d165c01'/></source></hostdev>",
      "vfio" },
    { "/sys/bus/scsi/devices/77:0:0:0",
      HOSTDEV("scsi", "<adapter name='scsi_host77'/><address bus='0' target='0' unit='0'/>"),
      "SCSI" },
};

#define RNG "<rng model='virtio'><backend model='builtin'/></rng>"

/* Refused, with the reason; what else the edit has is done; and nothing is left of it. */
static void
assert_refused(const char *device, const char *words)
{
    guint before = count_all(), with_rng;
    g_autofree char *both = g_strconcat(ALWAYS, device, RNG, NULL), *message = NULL;
    g_autoptr(CommandResult) result = NULL;

    settle(RNG);
    with_rng = count_all();
    let_go("");
    assert_int_equal(count_all(), before);
    domain_file_write(scratch, &(DomainFile){ .name = "a", .devices = both });
    result = virtkeep_run(scratch, 60, "apply");
    assert_int_not_equal(result->status, 0);
    view_wait_domain(scratch, 10, "a", "OutOfSync", "Refused");
    message = view_text(scratch, "SELECT message FROM domains WHERE name = 'a'");
    if (!strstr(message, words))
        fail_msg("'%s' does not say '%s'", message, words);
    assert_int_equal(count_all(), with_rng);
    let_go("");
    assert_int_equal(count_all(), before);
}

static void
test_host_devices(void **state)
{
    for (guint i = 0; i < G_N_ELEMENTS(host_devices); i++)
        if (g_file_test(host_devices[i].needs, G_FILE_TEST_EXISTS))
            come_and_go(host_devices[i].device);
        else
            assert_refused(host_devices[i].device, host_devices[i].words);
}

static int
begin(void **state)
{
    scratch = scratch_new();
    g_free(scratch_mkdir(scratch, "domains"));
    settle("");
    identity = qemu_identity(scratch, "a");
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
        cmocka_unit_test(test_channel),      cmocka_unit_test(test_redirdev),
        cmocka_unit_test(test_shmem),        cmocka_unit_test(test_watchdog),
        cmocka_unit_test(test_crypto),       cmocka_unit_test(test_controller),
        cmocka_unit_test(test_drive),        cmocka_unit_test(test_usb_host),
        cmocka_unit_test(test_host_devices),
    };

    return cmocka_run_group_tests_name("cli-live-kinds", tests, begin, end);
}
