/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each kind of device that plugs, put into a running QEMU and taken out again, with nothing left
 * behind it. A reset stands for the guest that lets a PCI device go.
 */
#include "tests/cli/domain-file.h"
#include "tests/support/deadline.h"
#include "tests/support/qemus.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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
    PORT("5") PORT("6")                                                                            \
        PORT("7") "<controller type='pci' index='8' model='pcie-to-pci-bridge'/>"                  \
                  "<controller type='usb' model='qemu-xhci'/><controller type='virtio-serial'/>"

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

static void
come_and_go(const char *device)
{
    guint before = count_all();
    g_autoptr(CommandResult) result = NULL;

    settle(device);
    assert_true(count_all() > before);
    domain_file_write(scratch, &(DomainFile){ .name = "a", .devices = ALWAYS });
    result = virtkeep_run(scratch, 60, "apply", "--timeout", "300ms");
    if (result->status)
        json_free(qemu_ask(scratch, "a", "system_reset", NULL));
    settle("");
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
    come_and_go("<controller type='scsi' index='0' model='virtio-scsi'/>");
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
        cmocka_unit_test(test_channel), cmocka_unit_test(test_redirdev),
        cmocka_unit_test(test_shmem),   cmocka_unit_test(test_watchdog),
        cmocka_unit_test(test_crypto),  cmocka_unit_test(test_controller),
    };

    return cmocka_run_group_tests_name("cli-live-kinds", tests, begin, end);
}
