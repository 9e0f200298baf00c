/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest must have its part in, as the guest has it: virtual CPUs that come, memory modules
 * that come and are let go, a virtio-mem device that comes. One guest lives through it. (It runs
 * without KVM, and so keeps the CPUs that it has.)
 */
#include "tests/support/deadline.h"
#include "tests/support/guest.h"
#include "tests/support/qemus.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NAME "g"
#define MIB ((guint64) 1 << 20)
#define BOOT_MIB 512
#define DIMM_MIB 256

static Scratch *scratch;
static char *identity;
static guint64 base_total;

typedef struct Machine {
    unsigned vcpus; /* of 4 */
    unsigned n_dimms;
    bool has_virtio_mem; /* of 256 MiB, 128 of them requested */
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
        g_strconcat(machine->n_dimms ? dimm : "", machine->has_virtio_mem ? virtio_mem : "", NULL);
    g_autofree char *vcpu = g_strdup_printf("<vcpu current='%u'>4</vcpu>", machine->vcpus);
    unsigned total =
        BOOT_MIB + (machine->n_dimms ? DIMM_MIB : 0) + (machine->has_virtio_mem ? 256 : 0);
    g_autofree char *memory = g_strdup_printf("<memory unit='MiB'>%u</memory>", total);
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
    edit((Machine){ .vcpus = 4, .n_dimms = 1 });
    assert_within(30, guest_has_total(scratch, NAME, base_total + DIMM_MIB * MIB));
    edit((Machine){ .vcpus = 4 });
    assert_true(guest_has_total(scratch, NAME, base_total));
}

static void
test_virtio_mem_comes(void **state)
{
    edit((Machine){ .vcpus = 4, .has_virtio_mem = true });
    assert_within(30, guest_has_total(scratch, NAME, base_total + 128 * MIB));
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
        cmocka_unit_test(test_virtio_mem_comes),
    };

    guest_require_image();
    return cmocka_run_group_tests_name("guest-live", tests, begin, end);
}
