/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads of a real, paused QEMU: found by role, pinned, scheduled, read again from the kernel; and
 * virtual CPUs plugged into it. The host's last CPU is the one pinned to, whichever that is.
 */
#include "qemu/placement.h"

#include <errno.h>
#include <gio/gio.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "qemu/vcpu.h"
#include "tests/qemu/paused-qemu.h"
#include "tests/qemu/tuned-domain.h"

static Scratch *scratch;

/* A QEMU with the threads that tuned_spec() has. */
typedef struct Machine {
    Launch *launch;
    Monitor *monitor;
    GArray *threads;
} Machine;

static Machine
start(const char *smp)
{
    const char *more[] = {
        "-smp", smp, "-object", "iothread,id=iothread1", "-object", "iothread,id=iothread2", NULL
    };
    g_autoptr(GError) error = NULL;
    Qmp *control;
    Machine machine = { .launch = paused_qemu_start(scratch, "vm", false, more, &control) };

    machine.monitor = monitor_new_live(control);
    machine.threads = threads_query(machine.monitor, launch_record(machine.launch)->pid, &error);
    if (!machine.threads)
        fail_msg("%s", error->message);
    return machine;
}

static void
stop(Machine *machine)
{
    launch_abort(machine->launch);
    launch_free(machine->launch);
    monitor_free(machine->monitor);
    g_array_unref(machine->threads);
}

static const QemuThread *
find(const Machine *machine, ThreadRole role, guint64 number)
{
    for (guint i = 0; i < machine->threads->len; i++) {
        const QemuThread *thread = &g_array_index(machine->threads, QemuThread, i);

        if (thread->role == role && thread->number == number)
            return thread;
    }
    fail_msg("no thread %d %u", (int) role, (guint) number);
    return NULL;
}

static guint
last_cpu(void)
{
    cpu_set_t set;
    guint last = 0;

    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    for (guint cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set))
            last = cpu;
    return last;
}

static bool
is_pinned(pid_t thread, guint cpu)
{
    cpu_set_t set;

    assert_int_equal(sched_getaffinity(thread, sizeof set, &set), 0);
    return CPU_COUNT(&set) == 1 && CPU_ISSET(cpu, &set);
}

static bool
has_several_cpus(void)
{
    cpu_set_t set;

    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    return CPU_COUNT(&set) > 1;
}

static void
test_threads(void **state)
{
    Machine machine = start("4");
    guint counts[3] = { 0 };

    for (guint i = 0; i < machine.threads->len; i++)
        counts[g_array_index(machine.threads, QemuThread, i).role]++;
    assert_int_equal(counts[THREAD_VCPU], 4);
    assert_int_equal(counts[THREAD_IOTHREAD], 2);
    assert_true(counts[THREAD_EMULATOR] >= 1);
    assert_int_equal(g_array_index(machine.threads, QemuThread, 0).id,
                     launch_record(machine.launch)->pid);
    stop(&machine);
}

static GArray *
query_as(const char *vcpu, const char *iothread, GError **error)
{
    g_autofree char *text = g_strdup_printf(
        "[{\"execute\":\"query-cpus-fast\",\"return\":[{\"cpu-index\":0,\"thread-id\":%s}]},"
        "{\"execute\":\"query-iothreads\",\"return\":[{\"id\":\"iothread1\",\"thread-id\":%s}]}]",
        vcpu, iothread);
    g_autoptr(Json) replies = json_parse(text, -1, NULL);
    g_autoptr(Monitor) monitor = monitor_new_recorded(replies, NULL);

    return threads_query(monitor, getpid(), error);
}

/* A QEMU that its guest has taken over can't have others' threads pinned, nor ours. */
static void
test_foreign_threads(void **state)
{
    static const char *const foreign[] = { "1", "0", "-1", "4294967297", "null", "\"x\"" };
    g_autofree char *own = g_strdup_printf("%d", (int) getpid());
    g_autoptr(GArray) threads = query_as(own, own, NULL);

    assert_non_null(threads);
    assert_int_equal(threads->len, 2);
    for (guint i = 0; i < G_N_ELEMENTS(foreign) * 2; i++) {
        const char *id = foreign[i / 2];
        g_autoptr(GError) error = NULL;

        assert_null(query_as(i % 2 ? id : own, i % 2 ? own : id, &error));
        assert_non_null(strstr(error->message, "none of its own"));
    }
}

static void
test_pins(void **state)
{
    g_autofree char *more =
        g_strdup_printf("<cputune><vcpupin vcpu='1' cpuset='%u'/><emulatorpin cpuset='%u'/>"
                        "<iothreadpin iothread='2' cpuset='%u'/></cputune>",
                        last_cpu(), last_cpu(), last_cpu());
    g_autoptr(Spec) spec = tuned_spec(more);
    g_autoptr(GError) error = NULL;
    Machine machine = start("4");
    g_autofree char *before = placement_drift(spec->domain, machine.threads), *after = NULL;

    if (has_several_cpus())
        assert_non_null(before);
    for (guint twice = 0; twice < 2; twice++)
        if (!placement_apply(NULL, spec->domain, machine.threads, &error))
            fail_msg("%s", error->message);
    after = placement_drift(spec->domain, machine.threads);
    assert_null(after);
    assert_true(is_pinned(find(&machine, THREAD_VCPU, 1)->id, last_cpu()));
    assert_true(is_pinned(find(&machine, THREAD_IOTHREAD, 2)->id, last_cpu()));
    assert_true(is_pinned(launch_record(machine.launch)->pid, last_cpu()));
    if (has_several_cpus()) {
        assert_false(is_pinned(find(&machine, THREAD_VCPU, 0)->id, last_cpu()));
        assert_false(is_pinned(find(&machine, THREAD_IOTHREAD, 1)->id, last_cpu()));
    }
    stop(&machine);
}

/* <vcpu cpuset> is for all who have no pin. */
static void
test_default_set(void **state)
{
    g_autofree char *more = g_strdup_printf("<vcpu cpuset='%u'>4</vcpu>", last_cpu());
    g_autoptr(Spec) spec = tuned_spec(more);
    g_autoptr(GError) error = NULL;
    Machine machine = start("4");

    assert_true(placement_apply(NULL, spec->domain, machine.threads, &error));
    for (guint i = 0; i < machine.threads->len; i++)
        assert_true(is_pinned(g_array_index(machine.threads, QemuThread, i).id, last_cpu()));
    stop(&machine);
}

static void
test_schedulers(void **state)
{
    g_autoptr(Spec) spec = tuned_spec("<cputune><vcpusched vcpus='0-1' scheduler='batch'/>"
                                      "<vcpusched vcpus='2' scheduler='fifo' priority='3'/>"
                                      "<iothreadsched iothreads='1' scheduler='rr' priority='2'/>"
                                      "<emulatorsched scheduler='idle'/></cputune>");
    struct sched_param param = { .sched_priority = 1 }, usual = { 0 };
    g_autoptr(GError) error = NULL;
    g_autofree char *drift = NULL;
    Machine machine;

    if (sched_setscheduler(0, SCHED_FIFO, &param) < 0) {
        print_message("no real-time scheduling for this user here: %s\n", strerror(errno));
        skip();
    }
    assert_int_equal(sched_setscheduler(0, SCHED_OTHER, &usual), 0);
    machine = start("4");
    if (!placement_apply(NULL, spec->domain, machine.threads, &error))
        fail_msg("%s", error->message);
    assert_int_equal(sched_getscheduler(find(&machine, THREAD_VCPU, 1)->id), SCHED_BATCH);
    assert_int_equal(sched_getscheduler(find(&machine, THREAD_VCPU, 2)->id), SCHED_FIFO);
    assert_int_equal(sched_getparam(find(&machine, THREAD_VCPU, 2)->id, &param), 0);
    assert_int_equal(param.sched_priority, 3);
    assert_int_equal(sched_getscheduler(find(&machine, THREAD_VCPU, 3)->id), SCHED_OTHER);
    assert_int_equal(sched_getscheduler(find(&machine, THREAD_IOTHREAD, 1)->id), SCHED_RR);
    assert_int_equal(sched_getscheduler(launch_record(machine.launch)->pid), SCHED_IDLE);
    drift = placement_drift(spec->domain, machine.threads);
    assert_null(drift);
    /* Someone else's hand is seen. */
    assert_int_equal(sched_setscheduler(find(&machine, THREAD_VCPU, 2)->id, SCHED_OTHER, &usual),
                     0);
    drift = placement_drift(spec->domain, machine.threads);
    assert_string_equal(drift, "vcpu2: cputune/vcpusched[1]: is scheduled as other, priority 0");
    stop(&machine);
}

/* What the host hasn't got is named: thread, path and set. */
static void
test_refusal(void **state)
{
    g_autoptr(Spec) spec = tuned_spec("<cputune><vcpupin vcpu='3' cpuset='1000'/></cputune>");
    g_autoptr(GError) error = NULL;
    Machine machine = start("4");

    assert_false(placement_apply(NULL, spec->domain, machine.threads, &error));
    assert_true(g_str_has_prefix(error->message, "cputune/vcpupin[0]: vcpu3: CPUs 1000: "));
    stop(&machine);
}

static void
test_undeclared(void **state)
{
    g_autoptr(Spec) spec = tuned_spec("<cputune><shares>100</shares></cputune>");

    assert_false(placement_is_declared(spec->domain));
}

static void
test_memory_policy(void **state)
{
    g_autoptr(Spec) spec = tuned_spec("<numatune><memory mode='strict' nodeset='0'/></numatune>");
    g_autoptr(GError) error = NULL;
    int policy = -1;

    if (syscall(SYS_get_mempolicy, &policy, NULL, 0UL, NULL, 0UL) < 0) {
        print_message("no memory policies here: %s\n", strerror(errno));
        skip();
    }
    if (!placement_memory_enter(spec->domain, &error))
        fail_msg("%s", error->message);
    assert_int_equal(syscall(SYS_get_mempolicy, &policy, NULL, 0UL, NULL, 0UL), 0);
    assert_int_equal(policy, 2); /* MPOL_BIND */
    placement_memory_leave(spec->domain);
    assert_int_equal(syscall(SYS_get_mempolicy, &policy, NULL, 0UL, NULL, 0UL), 0);
    assert_int_equal(policy, 0);
}

/* In the order that the file gives; what is there stays; and what is plugged can be told by its
 * number, like the others. */
static void
test_plug(void **state)
{
    g_autoptr(Spec) spec = tuned_spec(
        "<vcpu current='3'>4</vcpu><vcpus><vcpu id='0' enabled='yes' hotpluggable='no' order='1'/>"
        "<vcpu id='1' enabled='no' hotpluggable='yes'/>"
        "<vcpu id='2' enabled='yes' hotpluggable='yes' order='3'/>"
        "<vcpu id='3' enabled='yes' hotpluggable='yes' order='2'/></vcpus>");
    g_autoptr(GArray) order = domain_vcpus_plugged(spec->domain);
    Machine machine = start("1,maxcpus=4,sockets=2,cores=2");
    g_autoptr(GPtrArray) slots = NULL;
    g_autoptr(GArray) threads = NULL;
    g_autoptr(GError) error = NULL;
    guint n_vcpus = 0;

    assert_int_equal(order->len, 2);
    assert_int_equal(g_array_index(order, guint, 0), 3);
    assert_int_equal(g_array_index(order, guint, 1), 2);
    for (guint twice = 0; twice < 2; twice++)
        if (!vcpus_plug(machine.monitor, spec->domain, &error))
            fail_msg("%s", error->message);
    slots = vcpu_slots_query(machine.monitor, &error);
    assert_int_equal(slots->len, 4);
    for (guint i = 0; i < slots->len; i++)
        assert_int_equal(((const VcpuSlot *) slots->pdata[i])->path != NULL, i != 1);
    threads = threads_query(machine.monitor, launch_record(machine.launch)->pid, &error);
    for (guint i = 0; i < threads->len; i++) {
        const QemuThread *thread = &g_array_index(threads, QemuThread, i);

        n_vcpus += thread->role == THREAD_VCPU;
        assert_false(thread->role == THREAD_VCPU && thread->number == 1);
    }
    assert_int_equal(n_vcpus, 3);
    stop(&machine);
}

static int
setup(void **state)
{
    scratch = scratch_new();
    return 0;
}

static int
teardown(void **state)
{
    return scratch_end(scratch) == 0 ? 0 : -1;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
        cmocka_unit_test(test_foreign_threads),
        cmocka_unit_test_setup_teardown(test_pins, setup, teardown),
        cmocka_unit_test_setup_teardown(test_default_set, setup, teardown),
        cmocka_unit_test_setup_teardown(test_schedulers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusal, setup, teardown),
        cmocka_unit_test(test_undeclared),
        cmocka_unit_test(test_memory_policy),
        cmocka_unit_test_setup_teardown(test_plug, setup, teardown),
    };

    return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
