/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What of processors, memory and threads changes while the guest runs: a file is edited, `apply` is
 * run, and the kernel and QEMU are asked what they have. One QEMU lives through all of it, in the
 * order of the tests; nothing of the guest's is needed (tests/guest/test-live.c has the rest). A
 * directory stands in for the cgroup: each write is a line there, so the last one counts.
 */
#include "tests/cli/domain-file.h"
#include "tests/support/deadline.h"
#include "tests/support/qemus.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "model/json.h"

static Scratch *scratch;
static char *identity;
static const char *name = "live";

/* Domain of 4 virtual CPUs, @vcpu standing for its <vcpu>, @more after it. */
static void
edit(const char *vcpu, const char *more)
{
    g_autofree char *plain = domain_file_xml(&(DomainFile){ .name = name, .vcpus = 4 });
    g_autofree char *path = g_strdup_printf("domains/%s.xml", name);
    g_auto(GStrv) parts = g_strsplit(plain, "<vcpu>4</vcpu>\n", 2);
    g_autofree char *xml =
        g_strconcat(parts[0], vcpu, "\n<features><acpi/></features>", more, "\n", parts[1], NULL);

    g_free(scratch_write(scratch, path, xml));
}

static void
assert_settled(void)
{
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    g_free(virtkeep_expect(scratch, 10, 0, "plan", "--exit-code"));
    assert_true(qemu_is(scratch, name, identity));
    assert_int_equal(view_n_open_actions(scratch), 0);
}

static void
edit_settled(const char *vcpu, const char *more)
{
    edit(vcpu, more);
    g_free(virtkeep_expect(scratch, 10, 2, "plan", "--exit-code"));
    assert_settled();
}

/* ---- threads ---- */

static pid_t
thread_of(const char *command, const char *member, const char *value)
{
    g_autoptr(Json) list = qemu_ask(scratch, name, command, NULL);

    for (guint i = 0; i < json_length(list); i++) {
        const Json *item = json_at(list, i), *is = json_get(item, member);
        g_autofree char *text = json_get_string(item, member)
                                    ? g_strdup(json_get_string(item, member))
                                    : g_strdup_printf("%" G_GINT64_FORMAT, json_int(is, -1));

        if (!g_strcmp0(text, value))
            return (pid_t) json_get_int(item, "thread-id", 0);
    }
    return 0;
}

static pid_t
vcpu_thread(const char *number)
{
    return thread_of("query-cpus-fast", "cpu-index", number);
}

static pid_t
iothread_thread(const char *id)
{
    return thread_of("query-iothreads", "id", id);
}

static pid_t
main_thread(void)
{
    return (pid_t) strtol(identity, NULL, 10);
}

/* Only CPU 0, where there are others. */
static bool
is_on_first(pid_t thread)
{
    cpu_set_t set;

    assert_int_equal(sched_getaffinity(thread, sizeof set, &set), 0);
    assert_true(CPU_ISSET(0, &set));
    return CPU_COUNT(&set) == 1;
}

/* Where the host has one only, nothing can be told. */
static void
require_cpus(void)
{
    if (g_get_num_processors() < 2)
        skip();
}

static void
test_start(void **state)
{
    edit("<vcpu current='2'>4</vcpu>", "<iothreads>1</iothreads>");
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    identity = qemu_identity(scratch, name);
    assert_non_null(identity);
    g_free(virtkeep_expect(scratch, 10, 0, "plan", "--exit-code"));
}

static void
test_pins(void **state)
{
    require_cpus();
    edit_settled("<vcpu current='2'>4</vcpu>",
                 "<iothreads>1</iothreads><cputune><vcpupin vcpu='1' cpuset='0'/></cputune>");
    assert_true(is_on_first(vcpu_thread("1")));
    assert_false(is_on_first(vcpu_thread("0")) || is_on_first(main_thread()));
    edit_settled("<vcpu current='2'>4</vcpu>",
                 "<iothreads>1</iothreads><cputune><vcpupin vcpu='0' cpuset='0'/>"
                 "<emulatorpin cpuset='0'/></cputune>");
    assert_false(is_on_first(vcpu_thread("1")));
    assert_true(is_on_first(vcpu_thread("0")) && is_on_first(main_thread()));
    edit_settled("<vcpu current='2'>4</vcpu>",
                 "<iothreads>1</iothreads><cputune><iothreadpin iothread='1' cpuset='0'/>"
                 "</cputune>");
    assert_true(is_on_first(iothread_thread("iothread1")));
    assert_false(is_on_first(vcpu_thread("0")) || is_on_first(main_thread()));
    edit_settled("<vcpu current='2' cpuset='0'>4</vcpu>", "<iothreads>1</iothreads>");
    assert_true(is_on_first(vcpu_thread("0")) && is_on_first(main_thread()));
    edit_settled("<vcpu current='2'>4</vcpu>", "<iothreads>1</iothreads>");
    assert_false(is_on_first(vcpu_thread("0")) || is_on_first(main_thread()));
}

static void
test_schedulers(void **state)
{
    edit_settled("<vcpu current='2'>4</vcpu>",
                 "<iothreads>1</iothreads><cputune><vcpusched vcpus='0' scheduler='batch'/>"
                 "<iothreadsched iothreads='1' scheduler='batch'/></cputune>");
    assert_int_equal(sched_getscheduler(vcpu_thread("0")), SCHED_BATCH);
    assert_int_equal(sched_getscheduler(vcpu_thread("1")), SCHED_OTHER);
    assert_int_equal(sched_getscheduler(iothread_thread("iothread1")), SCHED_BATCH);
    edit_settled("<vcpu current='2'>4</vcpu>",
                 "<iothreads>1</iothreads><cputune><vcpusched vcpus='1' scheduler='batch'/>"
                 "<emulatorsched scheduler='batch'/></cputune>");
    assert_int_equal(sched_getscheduler(vcpu_thread("0")), SCHED_OTHER);
    assert_int_equal(sched_getscheduler(vcpu_thread("1")), SCHED_BATCH);
    assert_int_equal(sched_getscheduler(main_thread()), SCHED_BATCH);
    edit_settled("<vcpu current='2'>4</vcpu>", "<iothreads>1</iothreads>");
    assert_int_equal(sched_getscheduler(vcpu_thread("1")), SCHED_OTHER);
    assert_int_equal(sched_getscheduler(main_thread()), SCHED_OTHER);
}

/* Somebody else places a thread: seen, put back, and noted. */
static void
test_placement_drift(void **state)
{
    g_autofree char *plan = NULL;
    cpu_set_t other;

    require_cpus();
    edit_settled("<vcpu current='2'>4</vcpu>",
                 "<iothreads>1</iothreads><cputune><vcpupin vcpu='1' cpuset='0'/></cputune>");
    CPU_ZERO(&other);
    CPU_SET(1, &other);
    assert_int_equal(sched_setaffinity(vcpu_thread("1"), sizeof other, &other), 0);
    plan = virtkeep_expect(scratch, 10, 2, "plan", "--exit-code");
    assert_non_null(strstr(plan, "vcpu1: cputune/vcpupin[0]: runs on CPUs 1, not 0"));
    assert_settled();
    assert_true(is_on_first(vcpu_thread("1")));
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM events WHERE kind = 'drift'"
                                       " AND detail LIKE 'vcpu1: %%'"),
                     1);
}

/* ---- virtual CPUs ---- */

static bool
has_vcpus(const char *numbers)
{
    g_autoptr(Json) cpus = qemu_ask(scratch, name, "query-cpus-fast", NULL);
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < json_length(cpus); i++)
        g_string_append_printf(text, "%" G_GINT64_FORMAT,
                               json_get_int(json_at(cpus, i), "cpu-index", -1));
    return !strcmp(text->str, numbers);
}

static void
test_vcpus_come(void **state)
{
    edit_settled("<vcpu current='3'>4</vcpu>",
                 "<iothreads>1</iothreads><cputune><vcpupin vcpu='2' cpuset='0'/>"
                 "<vcpusched vcpus='2' scheduler='batch'/></cputune>");
    assert_true(has_vcpus("012"));
    assert_true(is_on_first(vcpu_thread("2")));
    assert_int_equal(sched_getscheduler(vcpu_thread("2")), SCHED_BATCH);
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM actions WHERE kind = 'add-vcpu'"), 1);
}

static void
test_vcpus_listed(void **state)
{
    edit_settled("<vcpu current='4'>4</vcpu>",
                 "<vcpus><vcpu id='0' enabled='yes' hotpluggable='no'/>"
                 "<vcpu id='1' enabled='yes' hotpluggable='yes'/>"
                 "<vcpu id='2' enabled='yes' hotpluggable='yes'/>"
                 "<vcpu id='3' enabled='yes' hotpluggable='yes'/></vcpus>"
                 "<iothreads>1</iothreads>");
    assert_true(has_vcpus("0123"));
}

/* QEMU can't take one out without KVM, so that is the next start's; and called off. */
static void
test_vcpus_stay(void **state)
{
    g_autofree char *plan = NULL;

    edit("<vcpu current='3'>4</vcpu>", "<iothreads>1</iothreads>");
    plan = virtkeep_expect(scratch, 10, 2, "plan", "--exit-code");
    assert_non_null(strstr(plan, "(restart)"));
    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    view_wait_domain(scratch, 10, name, "RestartRequired", "RestartRequired");
    assert_true(has_vcpus("0123") && qemu_is(scratch, name, identity));
    edit("<vcpu>4</vcpu>", "<iothreads>1</iothreads>");
    assert_settled();
}

/* Beyond what this QEMU has room for is the next one's. */
static void
test_vcpus_beyond(void **state)
{
    g_autofree char *plan = NULL;

    edit("<vcpu>5</vcpu>", "<iothreads>1</iothreads>");
    plan = virtkeep_expect(scratch, 10, 2, "plan", "--exit-code");
    assert_non_null(strstr(plan, "(restart)"));
    edit("<vcpu>4</vcpu>", "<iothreads>1</iothreads>");
    assert_settled();
}

/* ---- I/O threads ---- */

static void
tell(const char *command, const char *members)
{
    json_free(qemu_ask(scratch, name, command, json_parse(members, -1, NULL)));
}

static gint64
iothread_setting(const char *id, const char *property)
{
    g_autofree char *members =
        g_strdup_printf("{\"path\": \"/objects/%s\", \"property\": \"%s\"}", id, property);
    g_autoptr(Json) value = qemu_ask(scratch, name, "qom-get", json_parse(members, -1, NULL));

    return json_int(value, -1);
}

static void
test_iothreads_come_and_go(void **state)
{
    edit_settled("<vcpu>4</vcpu>", "<iothreads>3</iothreads>");
    assert_true(iothread_thread("iothread2") && iothread_thread("iothread3"));
    edit_settled("<vcpu>4</vcpu>",
                 "<iothreads>2</iothreads><iothreadids><iothread id='1'/><iothread id='9'>"
                 "<poll max='5000'/></iothread></iothreadids>");
    assert_true(iothread_thread("iothread9") && !iothread_thread("iothread2"));
    assert_int_equal(iothread_setting("iothread9", "poll-max-ns"), 5000);
    edit_settled("<vcpu>4</vcpu>", "<iothreads>1</iothreads>");
    assert_true(iothread_thread("iothread1") && !iothread_thread("iothread9"));
}

static void
test_iothread_settings(void **state)
{
    edit_settled("<vcpu>4</vcpu>",
                 "<iothreads>1</iothreads><iothreadids>"
                 "<iothread id='1' thread_pool_min='70' thread_pool_max='80'>"
                 "<poll max='1000' grow='2' shrink='3'/></iothread></iothreadids>");
    assert_int_equal(iothread_setting("iothread1", "poll-max-ns"), 1000);
    assert_int_equal(iothread_setting("iothread1", "poll-grow"), 2);
    assert_int_equal(iothread_setting("iothread1", "poll-shrink"), 3);
    assert_int_equal(iothread_setting("iothread1", "thread-pool-min"), 70);
    assert_int_equal(iothread_setting("iothread1", "thread-pool-max"), 80);
    edit_settled("<vcpu>4</vcpu>",
                 "<iothreads>1</iothreads><iothreadids>"
                 "<iothread id='1' thread_pool_max='4'><poll max='1000'/></iothread>"
                 "</iothreadids>");
    assert_int_equal(iothread_setting("iothread1", "poll-grow"), 0);
    assert_int_equal(iothread_setting("iothread1", "thread-pool-min"), 0);
    assert_int_equal(iothread_setting("iothread1", "thread-pool-max"), 4);
}

/* What somebody else did to them is undone. */
static void
test_iothread_drift(void **state)
{
    tell("qom-set",
         "{\"path\": \"/objects/iothread1\", \"property\": \"poll-max-ns\", \"value\": 77}");
    tell("object-add", "{\"qom-type\": \"iothread\", \"id\": \"iothread5\"}");
    g_free(virtkeep_expect(scratch, 10, 2, "plan", "--exit-code"));
    assert_settled();
    assert_int_equal(iothread_setting("iothread1", "poll-max-ns"), 1000);
    assert_int_equal(iothread_thread("iothread5"), 0);
    tell("object-del", "{\"id\": \"iothread1\"}");
    g_free(virtkeep_expect(scratch, 10, 2, "plan", "--exit-code"));
    assert_settled();
    assert_int_equal(iothread_setting("iothread1", "poll-max-ns"), 1000);
    assert_true(view_int(scratch, "SELECT count(*) FROM events WHERE kind = 'drift'"
                                  " AND detail LIKE 'iothread%%'") >= 3);
    edit_settled("<vcpu>4</vcpu>", "<iothreads>1</iothreads>");
}

/* ---- limits ---- */

/* The last value that was written; "" where none was. Caller frees. */
static char *
written(const char *file)
{
    g_autofree char *path = g_strdup_printf("cgroup/guest-%s/%s", name, file);
    g_autofree char *full = scratch_path(scratch, path), *text = NULL;
    const char *last;

    if (!g_file_get_contents(full, &text, NULL, NULL))
        return g_strdup("");
    last = strrchr(g_strchomp(text), '\n');
    return g_strdup(last ? last + 1 : text);
}

static void
assert_written(const char *file, const char *value)
{
    g_autofree char *text = written(file);

    if (strcmp(text, value))
        fail_msg("%s: \"%s\", not \"%s\"", file, text, value);
}

static void
test_cpu_limits(void **state)
{
    g_autofree char *pid = g_strdup_printf("%d", (int) main_thread());

    edit_settled("<vcpu>4</vcpu>",
                 "<iothreads>1</iothreads><cputune><shares>2048</shares>"
                 "<global_period>50000</global_period><global_quota>25000</global_quota>"
                 "</cputune>");
    assert_written("cgroup.procs", pid); /* it had no cgroup until now */
    assert_written("cpu.weight", "200");
    assert_written("cpu.max", "25000 50000");
    edit_settled("<vcpu>4</vcpu>",
                 "<iothreads>1</iothreads><cputune><shares>512</shares>"
                 "<global_period>100000</global_period><global_quota>25000</global_quota>"
                 "</cputune>");
    assert_written("cpu.weight", "50");
    assert_written("cpu.max", "25000 100000");
    edit_settled("<vcpu>4</vcpu>", "<iothreads>1</iothreads>");
    assert_written("cpu.weight", "100");
    assert_written("cpu.max", "max");
}

static void
test_thread_limits(void **state)
{
    g_autofree char *vcpu = g_strdup_printf("%d", (int) vcpu_thread("1"));
    g_autofree char *iothread = g_strdup_printf("%d", (int) iothread_thread("iothread1"));

    edit_settled("<vcpu>4</vcpu>",
                 "<iothreads>1</iothreads><cputune><period>20000</period><quota>10000</quota>"
                 "<emulator_period>30000</emulator_period><emulator_quota>11000</emulator_quota>"
                 "<iothread_period>40000</iothread_period><iothread_quota>12000</iothread_quota>"
                 "</cputune>");
    assert_written("vcpu1/cpu.max", "10000 20000");
    assert_written("vcpu1/cgroup.threads", vcpu);
    assert_written("emulator/cpu.max", "11000 30000");
    assert_written("iothread1/cpu.max", "12000 40000");
    assert_written("iothread1/cgroup.threads", iothread);
    edit_settled("<vcpu>4</vcpu>",
                 "<iothreads>1</iothreads><cputune><period>25000</period><quota>10000</quota>"
                 "</cputune>");
    assert_written("vcpu1/cpu.max", "10000 25000");
    assert_written("emulator/cpu.max", "max");
    assert_written("iothread1/cpu.max", "max");
    edit_settled("<vcpu>4</vcpu>", "<iothreads>1</iothreads>");
    assert_written("vcpu1/cpu.max", "max");
}

static void
test_block_weight(void **state)
{
    edit_settled("<vcpu>4</vcpu>",
                 "<iothreads>1</iothreads><blkiotune><weight>1000</weight></blkiotune>");
    assert_written("io.weight", "200");
    edit_settled("<vcpu>4</vcpu>", "<iothreads>1</iothreads>");
    assert_written("io.weight", "100");
}

#define LIMITED(hard, more)                                                                        \
    "<iothreads>1</iothreads><memtune><hard_limit unit='MiB'>" hard "</hard_limit>" more           \
    "</memtune>"

/* A limit on memory that was not counted from the start would not hold. From then on it moves. */
static void
test_memory_limits(void **state)
{
    g_autofree char *plan = NULL;

    edit("<vcpu>4</vcpu>", LIMITED("512", ""));
    plan = virtkeep_expect(scratch, 10, 2, "plan", "--exit-code");
    assert_non_null(strstr(plan, "(restart)"));
    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    assert_true(qemu_is(scratch, name, identity));
    view_wait_domain(scratch, 10, name, "RestartRequired", "RestartRequired");

    edit("<vcpu>4</vcpu>", "<iothreads>1</iothreads>");
    assert_settled();

    name = "counted";
    edit("<vcpu>4</vcpu>", LIMITED("512", ""));
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    g_free(identity);
    identity = qemu_identity(scratch, name);
    assert_written("memory.max", "536870912");
    edit_settled("<vcpu>4</vcpu>",
                 LIMITED("640", "<soft_limit unit='MiB'>600</soft_limit>"
                                "<swap_hard_limit unit='MiB'>650</swap_hard_limit>"));
    assert_written("memory.max", "671088640");
    assert_written("memory.high", "629145600");
    assert_written("memory.swap.max", "10485760");
    edit_settled("<vcpu>4</vcpu>", LIMITED("640", ""));
    assert_written("memory.high", "max");
    assert_written("memory.swap.max", "max");
    edit_settled("<vcpu>4</vcpu>", "<iothreads>1</iothreads>");
    assert_written("memory.max", "max");
}

static int
begin(void **state)
{
    g_autofree char *parent = NULL, *yaml = NULL;

    scratch = scratch_new();
    g_free(scratch_mkdir(scratch, "domains"));
    parent = scratch_path(scratch, "cgroup");
    yaml = g_strdup_printf("host: { cgroup: %s }\n", parent);
    g_free(scratch_write(scratch, "virtkeep.yaml", yaml));
    g_free(scratch_write(scratch, "cgroup/cgroup.controllers", "cpu io memory\n"));
    g_free(scratch_write(scratch, "cgroup/cgroup.subtree_control", "memory\n"));
    g_free(scratch_write(scratch, "cgroup/cgroup.procs", ""));
    return 0;
}

static int
end(void **state)
{
    g_clear_pointer(&identity, g_free);
    scratch_end(g_steal_pointer(&scratch));
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_pins),
        cmocka_unit_test(test_schedulers),
        cmocka_unit_test(test_placement_drift),
        cmocka_unit_test(test_vcpus_come),
        cmocka_unit_test(test_vcpus_listed),
        cmocka_unit_test(test_vcpus_stay),
        cmocka_unit_test(test_vcpus_beyond),
        cmocka_unit_test(test_iothreads_come_and_go),
        cmocka_unit_test(test_iothread_settings),
        cmocka_unit_test(test_iothread_drift),
        cmocka_unit_test(test_cpu_limits),
        cmocka_unit_test(test_thread_limits),
        cmocka_unit_test(test_block_weight),
        cmocka_unit_test(test_memory_limits),
    };

    return cmocka_run_group_tests_name("cli-live-cpus", tests, begin, end);
}
