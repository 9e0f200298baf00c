/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest must have its part in, as the guest has it: virtual CPUs that come, memory modules
 * that come and are let go, a virtio-mem device that comes, an interface that comes, loses its
 * link, gets it back and is let go; and what somebody else does to it is undone. One guest lives
 * through it. (It runs without KVM, and so keeps the CPUs that it has.)
 */
#include "tests/support/deadline.h"
#include "tests/support/guest.h"
#include "tests/support/qemus.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NAME "g"
#define MIB ((guint64) 1 << 20)
#define BOOT_MIB 512
#define DIMM_MIB 256
#define PORT(index) "<controller type='pci' index='" index "' model='pcie-root-port'/>"
#define PORTS PORT("1") PORT("2") PORT("3") PORT("4") PORT("5") PORT("6")
#define MAC "52:54:00:6e:69:63"
#define NIC(link)                                                                                  \
    "<interface type='user'><mac address='" MAC "'/><model type='virtio'/>" link "</interface>"
#define NIC_UP NIC("")
#define NIC_DOWN NIC("<link state='down'/>")

static Scratch *scratch;
static char *identity;
static guint64 base_total;

typedef struct Machine {
    unsigned vcpus; /* of 4 */
    unsigned n_dimms;
    bool has_virtio_mem; /* of 256 MiB, 128 of them requested */
    unsigned left_out;   /* by the balloon; MiB */
    const char *nic;     /* its element; NULL = none */
} Machine;

/* @text with its only @from replaced; takes @text. */
static char *
replace(char *text, const char *from, const char *to)
{
    g_auto(GStrv) parts = g_strsplit(text, from, -1);

    assert_int_equal(g_strv_length(parts), 2);
    g_free(text);
    return g_strconcat(parts[0], to, parts[1], NULL);
}

static void
write_machine(const Machine *machine)
{
    static const char dimm[] = "<memory model='dimm'><target><size unit='MiB'>256</size>"
                               "<node>0</node></target></memory>";
    static const char virtio_mem[] =
        "<memory model='virtio-mem'><target><size unit='MiB'>256</size><node>0</node>"
        "<block unit='MiB'>2</block><requested unit='MiB'>128</requested></target></memory>";
    g_autofree char *devices =
        g_strconcat(PORTS, machine->nic ? machine->nic : "", machine->n_dimms ? dimm : "",
                    machine->has_virtio_mem ? virtio_mem : "", NULL);
    g_autofree char *vcpu = g_strdup_printf("<vcpu current='%u'>4</vcpu>", machine->vcpus);
    unsigned total =
        BOOT_MIB + (machine->n_dimms ? DIMM_MIB : 0) + (machine->has_virtio_mem ? 256 : 0);
    /* What is above boot memory and DIMMs is not the balloon's. */
    g_autofree char *memory = g_strdup_printf(
        "<memory unit='MiB'>%u</memory><currentMemory unit='MiB'>%u</currentMemory>", total,
        total - (machine->has_virtio_mem ? 256 : 0) - machine->left_out);
    char *xml = guest_domain_xml(scratch, &(Guest){ .name = NAME,
                                                    .boot_mib = BOOT_MIB,
                                                    .has_no_memory_device = true,
                                                    .devices = devices });

    xml = replace(xml, "<vcpu>2</vcpu>", vcpu);
    xml = replace(xml, "cpus='0-1'", "cpus='0-3'");
    xml = replace(xml, "<memory unit='MiB'>512</memory>", memory);
    g_free(scratch_write(scratch, "domains/" NAME ".xml", xml));
    g_free(xml);
}

static void
assert_settled(void)
{
    g_free(virtkeep_expect(scratch, 120, 0, "apply"));
    g_free(virtkeep_expect(scratch, 30, 0, "plan", "--exit-code"));
    assert_true(qemu_is(scratch, NAME, identity));
    assert_int_equal(view_n_open_actions(scratch), 0);
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM removals"), 0);
}

static void
edit(Machine machine)
{
    write_machine(&machine);
    g_free(virtkeep_expect(scratch, 30, 2, "plan", "--exit-code"));
    assert_settled();
}

/* The CPUs that are online in the guest: "0-3". */
static bool
has_cpus(const char *cpus)
{
    g_autofree char *answer = guest_command(scratch, NAME, 20, "info");
    const char *at = strstr(answer, "cpus: ");

    return at && !strcmp(at + strlen("cpus: "), cpus);
}

static void
test_start(void **state)
{
    write_machine(&(Machine){ .vcpus = 2 });
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_within(60, guest_is_ready(scratch, NAME));
    identity = qemu_identity(scratch, NAME);
    assert_within(20, (base_total = guest_mem_total(scratch, NAME)) > 0);
    assert_true(has_cpus("0-1"));
}

static void
test_vcpus_come(void **state)
{
    edit((Machine){ .vcpus = 4 });
    assert_within(30, has_cpus("0-3"));
}

static void
test_dimm_comes_and_goes(void **state)
{
    GuestInfo info = { 0 };

    edit((Machine){ .vcpus = 4, .n_dimms = 1 });
    assert_within(30, guest_has_total(scratch, NAME, base_total + DIMM_MIB * MIB));
    edit((Machine){ .vcpus = 4 });
    /* Asked: what its console says of its memory may be a moment old. */
    guest_run(scratch, NAME, 20, "info", &info);
    assert_in_range(info.mem_total, base_total - MIB, base_total + MIB);
}

static void
test_virtio_mem_comes(void **state)
{
    edit((Machine){ .vcpus = 4, .has_virtio_mem = true });
    assert_within(30, guest_has_total(scratch, NAME, base_total + 128 * MIB));
}

/* Whether the guest's shell finds it true. */
static bool
is_true(const char *test)
{
    g_autofree char *command = g_strdup_printf("sh %s", test);
    g_autofree char *answer = guest_command(scratch, NAME, 30, command);

    return g_str_has_prefix(answer, "OK");
}

/* Nothing in this guest renames interfaces: its only one is eth0. */
static bool
has_nic(void)
{
    return is_true("grep -qx " MAC " /sys/class/net/eth0/address");
}

static bool
has_link(const char *carrier, const char *operstate)
{
    g_autofree char *test = g_strdup_printf("grep -qx %s /sys/class/net/eth0/carrier && "
                                            "grep -qx %s /sys/class/net/eth0/operstate",
                                            carrier, operstate);

    return is_true(test);
}

static Machine
machine_with(const char *nic)
{
    return (Machine){ .vcpus = 4, .has_virtio_mem = true, .nic = nic };
}

static void
test_interface_comes(void **state)
{
    assert_true(is_true("test ! -e /sys/class/net/eth0"));
    edit(machine_with(NIC_UP));
    assert_within(30, has_nic());
    assert_true(is_true("ip link set eth0 up"));
    assert_within(30, has_link("1", "up"));
}

static void
test_link_follows(void **state)
{
    edit(machine_with(NIC_DOWN));
    assert_within(30, has_link("0", "down"));
    edit(machine_with(NIC_UP));
    assert_within(30, has_link("1", "up"));
}

/* Somebody pulls the cable by the debug monitor. */
static void
test_link_is_put_back(void **state)
{
    json_free(qemu_ask(scratch, NAME, "set_link",
                       json_parse("{\"name\": \"net0\", \"up\": false}", -1, NULL)));
    assert_within(30, has_link("0", "down"));
    g_free(virtkeep_expect(scratch, 30, 2, "plan", "--exit-code"));
    assert_settled();
    assert_within(30, has_link("1", "up"));
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM events WHERE kind = 'drift' AND "
                                       "detail = 'net0: link/@state: is down, not the default'"),
                     1);
}

/* Somebody asks the guest for more memory than the file does. */
static void
test_requested_is_put_back(void **state)
{
    json_free(qemu_ask(scratch, NAME, "qom-set",
                       json_parse("{\"path\": \"/machine/peripheral/virtiomem0\", \"property\": "
                                  "\"requested-size\", \"value\": 201326592}",
                                  -1, NULL)));
    assert_within(30, guest_has_total(scratch, NAME, base_total + 192 * MIB));
    assert_settled();
    assert_within(30, guest_has_total(scratch, NAME, base_total + 128 * MIB));
    assert_int_equal(view_int(scratch,
                              "SELECT count(*) FROM events WHERE kind = 'drift' AND "
                              "detail = 'virtiomem0: target/requested: is 192 MiB, not 128 MiB'"),
                     1);
}

/* One that comes with its link down has never had one. */
static void
test_interface_comes_unplugged(void **state)
{
    edit(machine_with(NULL));
    edit(machine_with(NIC_DOWN));
    assert_within(30, has_nic());
    assert_true(is_true("ip link set eth0 up"));
    assert_within(30, has_link("0", "down"));
}

/* It is gone from the guest as soon as virtkeep calls it gone. */
static void
test_interface_goes(void **state)
{
    edit(machine_with(NULL));
    assert_true(is_true("test ! -e /sys/class/net/eth0"));
    assert_true(is_true("! grep -qx " MAC " /sys/class/net/*/address"));
}

#define LEFT_OUT 128

/* What the guest has, less what the balloon took. */
static bool
has_left_out(int mib)
{
    return guest_has_total(scratch, NAME, base_total - (guint64) ((gint64) mib * (gint64) MIB));
}

static void
test_balloon(void **state)
{
    edit((Machine){ .vcpus = 4, .left_out = LEFT_OUT });
    assert_within(5, has_left_out(LEFT_OUT));
    edit((Machine){ .vcpus = 4, .left_out = 2 * LEFT_OUT });
    assert_within(5, has_left_out(2 * LEFT_OUT));
    edit((Machine){ .vcpus = 4, .left_out = LEFT_OUT });
    assert_within(5, has_left_out(LEFT_OUT));
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM actions WHERE kind = 'set-balloon'"
                                       " AND outcome = 'done'"),
                     3);
}

/* QEMU's balloon counts a DIMM, the guest's pages in it stay what they were. */
static void
test_balloon_beside_dimm(void **state)
{
    edit((Machine){ .vcpus = 4, .n_dimms = 1, .left_out = LEFT_OUT });
    assert_within(30, has_left_out(LEFT_OUT - DIMM_MIB));
    edit((Machine){ .vcpus = 4, .n_dimms = 1, .left_out = DIMM_MIB });
    assert_within(5, has_left_out(0));
    edit((Machine){ .vcpus = 4, .n_dimms = 1, .left_out = LEFT_OUT });
    edit((Machine){ .vcpus = 4, .left_out = LEFT_OUT });
    assert_within(5, has_left_out(LEFT_OUT));
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM actions WHERE kind = 'set-balloon'"),
                     5);
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM events WHERE kind = 'drift'"), 0);
}

static guint64
actual_mib(void)
{
    g_autoptr(Json) balloon = qemu_ask(scratch, NAME, "query-balloon", NULL);

    return json_get_uint(balloon, "actual", 0) / MIB;
}

/* Somebody has the balloon take more: seen, put back, and noted. */
static void
test_balloon_drift(void **state)
{
    Json *arguments = json_new_object();

    json_set_uint(arguments, "value", 300 * MIB);
    json_free(qemu_ask(scratch, NAME, "balloon", arguments));
    assert_within(30, actual_mib() == 300);
    {
        g_autofree char *plan = virtkeep_expect(scratch, 30, 2, "plan", "--exit-code");

        assert_non_null(strstr(plan, "balloon0: currentMemory: is 300 MiB, not 384 MiB"));
    }
    assert_settled();
    assert_int_equal(actual_mib(), BOOT_MIB - LEFT_OUT);
    assert_within(5, has_left_out(LEFT_OUT));
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM events WHERE kind = 'drift'"
                                       " AND detail LIKE 'balloon0: currentMemory:%%'"),
                     1);
}

/* Another QEMU: the file's size, without a change of it. */
static void
test_balloon_after_power_cycle(void **state)
{
    qemu_signal(scratch, NAME, SIGKILL);
    assert_within(10, qemus_count(scratch, NAME) == 0);
    g_free(virtkeep_expect(scratch, 120, 0, "apply"));
    g_clear_pointer(&identity, g_free);
    identity = qemu_identity(scratch, NAME);
    assert_settled();
    assert_int_equal(actual_mib(), BOOT_MIB - LEFT_OUT);
    assert_within(60, has_left_out(LEFT_OUT));
    edit((Machine){ .vcpus = 4 });
    assert_int_equal(actual_mib(), BOOT_MIB);
    assert_within(5, has_left_out(0));
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM events WHERE kind = 'drift'"
                                       " AND detail LIKE 'balloon0: currentMemory:%%'"),
                     1);
}

static int
begin(void **state)
{
    scratch = scratch_new();
    return 0;
}

static int
end(void **state)
{
    g_clear_pointer(&scratch, scratch_free);
    g_clear_pointer(&identity, g_free);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_vcpus_come),
        cmocka_unit_test(test_dimm_comes_and_goes),
        cmocka_unit_test(test_balloon),
        cmocka_unit_test(test_balloon_beside_dimm),
        cmocka_unit_test(test_balloon_drift),
        cmocka_unit_test(test_balloon_after_power_cycle),
        cmocka_unit_test(test_virtio_mem_comes),
        cmocka_unit_test(test_interface_comes),
        cmocka_unit_test(test_link_follows),
        cmocka_unit_test(test_link_is_put_back),
        cmocka_unit_test(test_requested_is_put_back),
        cmocka_unit_test(test_interface_comes_unplugged),
        cmocka_unit_test(test_interface_goes),
    };

    guest_require_image();
    return cmocka_run_group_tests_name("guest-live", tests, begin, end);
}
