/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where QEMU's threads run.
 *
 * libvirt's rules (formatdomain "CPU Allocation", "CPU Tuning"): a thread's own pin wins; without
 * one <vcpu cpuset> holds; without that, all the host's CPUs. <vcpu cpuset> is for the emulator and
 * the I/O threads too. Pins take hold once QEMU runs, before the guest does. A thread that begins
 * later (a worker of the main loop) inherits from the one that made it.
 *
 * In a domain that says anything, a thread of which nothing is said is given all CPUs rather than
 * left alone: a virtual CPU that is plugged later begins with what the emulator has.
 *
 * What was set is read again: the kernel takes a set of which the host, or the cgroup, has only a
 * part, and says nothing.
 *
 * NUMA: guest memory is bound by its backends (qemu/memory-backend.c). QEMU's own follows the
 * policy it is started with, which a process inherits from the thread that forks it, as libvirt
 * does where it has no cpuset cgroup. `restrictive` sets no policy: that is the cgroup's
 * (cgroup-limits.c).
 */
#include "qemu/placement.h"

#include <errno.h>
#include <gio/gio.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "model/quantity.h"

#define MAX_NODES 1024u
#define BITS_PER_LONG (8 * sizeof(unsigned long))

static const struct {
    int policy;
    const char *name;
    bool has_priority;
} schedulers[] = {
    [0] = { SCHED_OTHER, "other", false },
    [SCHEDULER_BATCH] = { SCHED_BATCH, "batch", false },
    [SCHEDULER_IDLE] = { SCHED_IDLE, "idle", false },
    [SCHEDULER_FIFO] = { SCHED_FIFO, "fifo", true },
    [SCHEDULER_RR] = { SCHED_RR, "rr", true },
};

/* ---- what the domain says ---- */

bool
placement_is_declared(const Domain *domain)
{
    const CpuTune *tune = domain->cpu_tune;

    return domain->vcpu_cpuset ||
           (tune && (list_length(tune->vcpu_pins) || tune->emulator_cpus ||
                     list_length(tune->iothread_pins) || list_length(tune->vcpu_schedulings) ||
                     list_length(tune->iothread_schedulings) || tune->emulator_scheduler));
}

static void
find_pin(const GPtrArray *pins, guint64 number, const char *name, ThreadPlacement *ret)
{
    for (guint i = 0; i < list_length(pins); i++) {
        const ThreadPin *pin = list_at(pins, i, ThreadPin);

        if (pin->thread.value != number)
            continue;
        ret->cpus = pin->cpus;
        ret->cpus_path = g_strdup_printf("cputune/%s[%u]", name, i);
        return;
    }
}

static void
find_scheduling(const GPtrArray *schedulings, guint64 number, const char *name,
                ThreadPlacement *ret)
{
    for (guint i = 0; i < list_length(schedulings); i++) {
        const ThreadScheduling *scheduling = list_at(schedulings, i, ThreadScheduling);

        if (number > G_MAXUINT || !cpuset_contains(scheduling->threads, (guint) number))
            continue;
        ret->scheduler = scheduling->scheduler;
        ret->priority = (int) scheduling->priority.value;
        ret->scheduler_path = g_strdup_printf("cputune/%s[%u]", name, i);
        return;
    }
}

static void
find_emulator(const CpuTune *tune, ThreadPlacement *ret)
{
    if (tune->emulator_cpus) {
        ret->cpus = tune->emulator_cpus;
        ret->cpus_path = g_strdup("cputune/emulatorpin");
    }
    if (tune->emulator_scheduler) {
        ret->scheduler = tune->emulator_scheduler;
        ret->priority = (int) tune->emulator_priority.value;
        ret->scheduler_path = g_strdup("cputune/emulatorsched");
    }
}

void
placement_find(const Domain *domain, ThreadRole role, guint64 number, ThreadPlacement *ret)
{
    const CpuTune *tune = domain->cpu_tune;

    *ret = (ThreadPlacement){ 0 };
    if (tune) {
        switch (role) {
        case THREAD_VCPU:
            find_pin(tune->vcpu_pins, number, "vcpupin", ret);
            find_scheduling(tune->vcpu_schedulings, number, "vcpusched", ret);
            break;
        case THREAD_IOTHREAD:
            find_pin(tune->iothread_pins, number, "iothreadpin", ret);
            find_scheduling(tune->iothread_schedulings, number, "iothreadsched", ret);
            break;
        case THREAD_EMULATOR:
            find_emulator(tune, ret);
            break;
        }
    }
    if (!ret->cpus && domain->vcpu_cpuset) {
        ret->cpus = domain->vcpu_cpuset;
        ret->cpus_path = g_strdup("vcpu/@cpuset");
    }
}

void
placement_clear(ThreadPlacement *placement)
{
    g_clear_pointer(&placement->cpus_path, g_free);
    g_clear_pointer(&placement->scheduler_path, g_free);
}

/* ---- doing it ---- */

static void
fill_set(const char *cpus, cpu_set_t *set)
{
    g_autoptr(GArray) members = cpuset_members(cpus);

    CPU_ZERO(set);
    for (guint cpu = 0; !cpus && cpu < CPU_SETSIZE; cpu++)
        CPU_SET(cpu, set);
    for (guint i = 0; i < members->len; i++)
        if (g_array_index(members, guint, i) < CPU_SETSIZE)
            CPU_SET(g_array_index(members, guint, i), set);
}

static bool
refuse(const QemuThread *thread, const char *path, const char *what, GError **error)
{
    g_autofree char *name = thread_name(thread->role, thread->number);

    g_set_error(error, G_IO_ERROR, (int) g_io_error_from_errno(errno), "%s: %s: %s: %s",
                path ? path : "cputune", name, what, g_strerror(errno));
    return false;
}

static bool
set_affinity(const QemuThread *thread, const ThreadPlacement *placement, GError **error)
{
    g_autofree char *what =
        g_strdup_printf("CPUs %s", placement->cpus ? placement->cpus : "of the host");
    cpu_set_t set;

    fill_set(placement->cpus, &set);
    return sched_setaffinity(thread->id, sizeof set, &set) == 0 ||
           refuse(thread, placement->cpus_path, what, error);
}

static bool
set_scheduling(const QemuThread *thread, const ThreadPlacement *placement, GError **error)
{
    bool has_priority = schedulers[placement->scheduler].has_priority;
    struct sched_param param = { .sched_priority = has_priority ? placement->priority : 0 };
    g_autofree char *what = g_strdup_printf(
        "scheduler %s, priority %d", schedulers[placement->scheduler].name, param.sched_priority);

    return !placement->scheduler ||
           sched_setscheduler(thread->id, schedulers[placement->scheduler].policy, &param) == 0 ||
           refuse(thread, placement->scheduler_path, what, error);
}

/* Back to what every thread has. */
static bool
leave_scheduling(const QemuThread *thread, const ThreadPlacement *was, GError **error)
{
    struct sched_param param = { 0 };

    return sched_setscheduler(thread->id, SCHED_OTHER, &param) == 0 ||
           refuse(thread, was->scheduler_path, "scheduler other", error);
}

/* Workers of the emulator come and go. */
static bool
is_gone(const QemuThread *thread)
{
    return thread->role == THREAD_EMULATOR && sched_getscheduler(thread->id) < 0 && errno == ESRCH;
}

static bool
place(const Domain *before, const Domain *domain, const QemuThread *thread, GError **error)
{
    ThreadPlacement was = { 0 }, placement;
    bool is_set;

    if (before)
        placement_find(before, thread->role, thread->number, &was);
    placement_find(domain, thread->role, thread->number, &placement);
    is_set = set_affinity(thread, &placement, error) && set_scheduling(thread, &placement, error) &&
             (placement.scheduler || !was.scheduler || leave_scheduling(thread, &was, error));
    placement_clear(&was);
    placement_clear(&placement);
    return is_set;
}

bool
placement_apply(const Domain *before, const Domain *domain, const GArray *threads, GError **error)
{
    if (!placement_is_declared(domain) && !(before && placement_is_declared(before)))
        return true;
    for (guint i = 0; i < threads->len; i++) {
        const QemuThread *thread = &g_array_index(threads, QemuThread, i);
        g_autoptr(GError) problem = NULL;

        if (place(before, domain, thread, &problem) || is_gone(thread))
            continue;
        g_propagate_error(error, g_steal_pointer(&problem));
        return false;
    }
    return true;
}

/* ---- looking at it ---- */

static char *
set_text(const cpu_set_t *set)
{
    g_autoptr(GString) list = g_string_new(NULL);

    for (guint cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, set))
            g_string_append_printf(list, list->len ? ",%u" : "%u", cpu);
    return cpuset_normalize(list->str);
}

static char *
scheduling_drift(const QemuThread *thread, const ThreadPlacement *placement)
{
    int wanted = schedulers[placement->scheduler].policy, is = sched_getscheduler(thread->id);
    struct sched_param param = { 0 };

    if (!placement->scheduler || is < 0)
        return NULL;
    is &= ~SCHED_RESET_ON_FORK;
    (void) sched_getparam(thread->id, &param);
    if (is == wanted && (!schedulers[placement->scheduler].has_priority ||
                         param.sched_priority == placement->priority))
        return NULL;
    for (guint i = 0; i < G_N_ELEMENTS(schedulers); i++)
        if (schedulers[i].policy == is)
            return g_strdup_printf("%s: is scheduled as %s, priority %d", placement->scheduler_path,
                                   schedulers[i].name, param.sched_priority);
    return g_strdup_printf("%s: is scheduled by policy %d", placement->scheduler_path, is);
}

static char *
thread_drift(const QemuThread *thread, const ThreadPlacement *placement)
{
    g_autofree char *text = NULL;
    cpu_set_t set;

    if (placement->cpus && sched_getaffinity(thread->id, sizeof set, &set) == 0) {
        text = set_text(&set);
        if (g_strcmp0(text, placement->cpus))
            return g_strdup_printf("%s: runs on CPUs %s, not %s", placement->cpus_path, text,
                                   placement->cpus);
    }
    return scheduling_drift(thread, placement);
}

char *
placement_drift(const Domain *domain, const GArray *threads)
{
    for (guint i = 0; i < threads->len; i++) {
        const QemuThread *thread = &g_array_index(threads, QemuThread, i);
        g_autofree char *name = thread_name(thread->role, thread->number), *drift = NULL;
        ThreadPlacement placement;

        placement_find(domain, thread->role, thread->number, &placement);
        drift = thread_drift(thread, &placement);
        placement_clear(&placement);
        if (drift)
            return g_strdup_printf("%s: %s", name, drift);
    }
    return NULL;
}

/* ---- memory ---- */

static const int memory_policies[] = {
    [0] = MPOL_BIND, /* strict */
    [NUMA_MODE_STRICT] = MPOL_BIND,
    [NUMA_MODE_PREFERRED] = MPOL_PREFERRED,
    [NUMA_MODE_INTERLEAVE] = MPOL_INTERLEAVE,
    [NUMA_MODE_RESTRICTIVE] = MPOL_DEFAULT,
};

static bool
has_policy(const Domain *domain)
{
    return domain->numa_nodeset && memory_policies[domain->numa_mode] != MPOL_DEFAULT;
}

bool
placement_memory_enter(const Domain *domain, GError **error)
{
    unsigned long mask[MAX_NODES / BITS_PER_LONG] = { 0 };
    g_autoptr(GArray) nodes = cpuset_members(domain->numa_nodeset);

    if (!has_policy(domain))
        return true;
    for (guint i = 0; i < nodes->len; i++) {
        guint node = g_array_index(nodes, guint, i);

        if (node < MAX_NODES)
            mask[node / BITS_PER_LONG] |= 1UL << (node % BITS_PER_LONG);
    }
    if (syscall(SYS_set_mempolicy, memory_policies[domain->numa_mode], mask,
                (unsigned long) MAX_NODES + 1) == 0)
        return true;
    g_set_error(error, G_IO_ERROR, (int) g_io_error_from_errno(errno),
                "numatune/memory: nodes %s: %s", domain->numa_nodeset, g_strerror(errno));
    return false;
}

void
placement_memory_leave(const Domain *domain)
{
    if (has_policy(domain))
        (void) syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0UL);
}
