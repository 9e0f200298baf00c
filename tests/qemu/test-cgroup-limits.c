/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What elements become in cgroup v2: each row of the table, its conversions and its bounds, and
 * what means no limit.
 */
#include "qemu/cgroup-limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/qemu/tuned-domain.h"

/* "GROUP/FILE=VALUE …"; a device's path is before the value. */
static char *
writes_text(const GPtrArray *writes)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < writes->len; i++) {
        const CgroupWrite *write = writes->pdata[i];

        assert_true(g_str_has_prefix(write->file, write->controller));
        g_string_append_printf(text, "%s%s%s%s=%s%s%s", i ? "; " : "", write->group,
                               *write->group ? "/" : "", write->file,
                               write->device ? write->device : "", write->device ? " " : "",
                               write->value);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* Of the domain with @more. */
static char *
limits_text(const char *more)
{
    g_autoptr(Spec) spec = tuned_spec(more);
    g_autoptr(GPtrArray) writes = cgroup_limits(spec->domain);

    return writes_text(writes);
}

static const struct {
    const char *more, *limits;
} rows[] = {
    { "", "" },
    { "<cputune><shares>1024</shares></cputune>", "cpu.weight=100" },
    { "<cputune><shares>2048</shares></cputune>", "cpu.weight=200" },
    { "<cputune><shares>2</shares></cputune>", "cpu.weight=1" },
    { "<cputune><shares>262144</shares></cputune>", "cpu.weight=10000" },
    { "<cputune><global_period>50000</global_period><global_quota>25000</global_quota></cputune>",
      "cpu.max=25000 50000" },
    { "<cputune><global_quota>25000</global_quota></cputune>", "cpu.max=25000 100000" },
    { "<cputune><global_quota>-1</global_quota><quota>-1</quota></cputune>", "" },
    { "<cputune><period>50000</period></cputune>", "" },
    { "<vcpu current='1'>3</vcpu><cputune><quota>2000</quota></cputune>",
      "vcpu0/cpu.max=2000 100000; vcpu1/cpu.max=2000 100000; vcpu2/cpu.max=2000 100000" },
    { "<cputune><emulator_quota>3000</emulator_quota><emulator_period>9000</emulator_period>"
      "<iothread_quota>4000</iothread_quota></cputune>",
      "emulator/cpu.max=3000 9000; iothread1/cpu.max=4000 100000; "
      "iothread2/cpu.max=4000 100000" },
    { "<memtune><hard_limit unit='MiB'>128</hard_limit><soft_limit unit='MiB'>64</soft_limit>"
      "<swap_hard_limit unit='MiB'>160</swap_hard_limit></memtune>",
      "memory.max=134217728; memory.high=67108864; memory.swap.max=33554432" },
    { "<memtune><hard_limit>9007199254740991</hard_limit></memtune>", "" },
    { "<blkiotune><weight>500</weight></blkiotune>", "io.weight=100" },
    { "<blkiotune><weight>1000</weight></blkiotune>", "io.weight=200" },
    { "<blkiotune><device><path>/dev/sda</path><weight>100</weight>"
      "<read_bytes_sec>1</read_bytes_sec><write_bytes_sec>2</write_bytes_sec>"
      "<read_iops_sec>3</read_iops_sec><write_iops_sec>0</write_iops_sec></device></blkiotune>",
      "io.weight=/dev/sda 20; io.max=/dev/sda rbps=1; io.max=/dev/sda wbps=2; "
      "io.max=/dev/sda riops=3" },
    { "<numatune><memory mode='restrictive' nodeset='0-1'/></numatune>", "cpuset.mems=0-1" },
    { "<numatune><memory mode='strict' nodeset='0-1'/></numatune>", "" },
};

static void
test_rows(void **state)
{
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = limits_text(rows[i].more);

        assert_string_equal(text, rows[i].limits);
    }
}

static const struct {
    const char *before, *after, *writes;
} changes[] = {
    { "<cputune><shares>512</shares></cputune>", "<cputune><shares>512</shares></cputune>", "" },
    { "<cputune><shares>512</shares></cputune>", "", "cpu.weight=100" },
    { "", "<cputune><shares>512</shares></cputune>", "cpu.weight=50" },
    { "<memtune><hard_limit unit='KiB'>8</hard_limit></memtune>",
      "<memtune><hard_limit unit='KiB'>4</hard_limit></memtune>", "memory.max=4096" },
    { "<blkiotune><device><path>/dev/sda</path><weight>100</weight>"
      "<read_bytes_sec>1</read_bytes_sec><read_iops_sec>3</read_iops_sec></device></blkiotune>",
      "<blkiotune><device><path>/dev/sdb</path><read_iops_sec>3</read_iops_sec></device>"
      "<device><path>/dev/sda</path><read_bytes_sec>2</read_bytes_sec></device></blkiotune>",
      "io.weight=/dev/sda default; io.max=/dev/sda riops=max; io.max=/dev/sdb riops=3; "
      "io.max=/dev/sda rbps=2" },
};

/* What is gone is written as the kernel's own, one key of a device at a time. */
static void
test_changes(void **state)
{
    for (guint i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autoptr(Spec) before = tuned_spec(changes[i].before),
                        after = tuned_spec(changes[i].after);
        g_autoptr(GPtrArray) writes = cgroup_limits_changed(before->domain, after->domain);
        g_autofree char *text = writes_text(writes);

        assert_string_equal(text, changes[i].writes);
    }
}

/* Messages lead to the line that asks. */
static void
test_paths(void **state)
{
    const char *more = "<memtune><soft_limit unit='MiB'>64</soft_limit></memtune>"
                       "<blkiotune><device><path>/dev/sda</path>"
                       "<write_iops_sec>4</write_iops_sec></device></blkiotune>";
    g_autoptr(Spec) spec = tuned_spec(more);
    g_autoptr(GPtrArray) writes = cgroup_limits(spec->domain);

    assert_int_equal(writes->len, 2);
    assert_string_equal(((const CgroupWrite *) writes->pdata[0])->path, "memtune/soft_limit");
    assert_string_equal(((const CgroupWrite *) writes->pdata[1])->path,
                        "blkiotune/device[0]/write_iops_sec");
    for (guint i = 0; i < writes->len; i++) {
        const char *path = ((const CgroupWrite *) writes->pdata[i])->path;

        assert_true(position_map_get(spec->positions, path).column >
                    position_map_get(spec->positions, "memory").column);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_paths),
    };

    return cmocka_run_group_tests_name("cgroup-limits", tests, NULL, NULL);
}
