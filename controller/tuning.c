/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a domain is given of the host, and what it is not to take.
 *
 *     plan, apply   tuning_check     the host has it, or the file's line says what is missing
 *     start         tuning_enclose   a cgroup with the limits in it
 *     held child    tuning_prepare   memory from the nodes that the file names
 *                   tuning_confine   into the cgroup, like each companion; then exec
 *     paused        tuning_settle    CPUs plugged; threads into their groups, pinned, scheduled
 *     edited        tuning_update    what differs of limits; threads placed anew
 *     looked at     tuning_drift     what somebody else has placed otherwise since
 *     ended         tuning_release   the cgroup removed
 *
 * A domain that declares nothing passes all of them without touching anything: neither cgroups nor
 * root's rights are needed then. One that declares something runs with it or not at all.
 *
 * What libvirt refuses only when it starts a domain is refused here too and not by `validate`:
 * whether CPUs are plugged in an order, and in groups, that QEMU can make.
 */
#include "controller/tuning.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <sched.h>

#include "model/quantity.h"
#include "model/regular-file.h"
#include "model/tuning.h"
#include "qemu/cgroup-limits.h"
#include "qemu/cgroup.h"
#include "qemu/placement.h"
#include "qemu/vcpu.h"

#define ONLINE_CPUS "/sys/devices/system/cpu/online"
#define ONLINE_NODES "/sys/devices/system/node/online"

/* ---- sets of CPUs and nodes ---- */

typedef struct SetCheck {
    const Validation *validation;
    const char *code, *what; /* "no-cpu", "CPU" */
    char *online;            /* canonical; NULL: nobody asks, or the host doesn't say */
} SetCheck;

static char *
read_set(const char *path)
{
    g_autofree char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? cpuset_normalize(g_strstrip(text)) : NULL;
}

static void
check_set(const SetCheck *check, const char *set, const char *path)
{
    g_autoptr(GArray) members = cpuset_members(set);

    for (guint i = 0; check->online && i < members->len; i++)
        if (!cpuset_contains(check->online, g_array_index(members, guint, i)))
            return validation_error(check->validation, path, check->code,
                                    "this host has no %s %u (it has %s)", check->what,
                                    g_array_index(members, guint, i), check->online);
}

static void
check_pins(const SetCheck *check, const GPtrArray *pins, const char *name)
{
    for (guint i = 0; i < list_length(pins); i++) {
        g_autofree char *path = g_strdup_printf("cputune/%s[%u]/@cpuset", name, i);

        check_set(check, list_at(pins, i, ThreadPin)->cpus, path);
    }
}

static void
check_cpus(const Validation *v)
{
    g_autofree char *online = placement_is_declared(v->domain) ? read_set(ONLINE_CPUS) : NULL;
    SetCheck check = { v, "no-cpu", "CPU", online };
    const CpuTune *tune = v->domain->cpu_tune;

    check_set(&check, v->domain->vcpu_cpuset, "vcpu/@cpuset");
    if (!tune)
        return;
    check_pins(&check, tune->vcpu_pins, "vcpupin");
    check_pins(&check, tune->iothread_pins, "iothreadpin");
    check_set(&check, tune->emulator_cpus, "cputune/emulatorpin/@cpuset");
}

static void
check_nodes(const Validation *v)
{
    bool is_declared = v->domain->numa_nodeset || list_length(v->domain->memory_nodes);
    g_autofree char *online = is_declared ? read_set(ONLINE_NODES) : NULL;
    SetCheck check = { v, "no-node", "NUMA node", online };

    check_set(&check, v->domain->numa_nodeset, "numatune/memory/@nodeset");
    for (guint i = 0; i < list_length(v->domain->memory_nodes); i++) {
        g_autofree char *path = g_strdup_printf("numatune/memnode[%u]/@nodeset", i);

        check_set(&check, list_at(v->domain->memory_nodes, i, MemoryNode)->nodeset, path);
    }
}

/* ---- schedulers ---- */

static void
check_priority(const Validation *v, int scheduler, const OptInt *priority, const char *path)
{
    int lowest = sched_get_priority_min(SCHED_FIFO), highest = sched_get_priority_max(SCHED_FIFO);

    if (scheduler < SCHEDULER_FIFO || (priority->value >= lowest && priority->value <= highest))
        return;
    validation_error(v, path, "priority", "this host's priorities are %d to %d", lowest, highest);
}

static void
check_schedulings(const Validation *v, const GPtrArray *list, const char *name)
{
    for (guint i = 0; i < list_length(list); i++) {
        const ThreadScheduling *scheduling = list_at(list, i, ThreadScheduling);
        g_autofree char *path = g_strdup_printf("cputune/%s[%u]/@priority", name, i);

        check_priority(v, scheduling->scheduler, &scheduling->priority, path);
    }
}

static void
check_schedulers(const Validation *v)
{
    const CpuTune *tune = v->domain->cpu_tune;

    if (!tune)
        return;
    check_schedulings(v, tune->vcpu_schedulings, "vcpusched");
    check_schedulings(v, tune->iothread_schedulings, "iothreadsched");
    check_priority(v, tune->emulator_scheduler, &tune->emulator_priority,
                   "cputune/emulatorsched/@priority");
}

/* ---- limits ---- */

static void
check_memory(const Validation *v)
{
    const MemoryLimits *limits = v->domain->memory_limits;

    if (!limits || !limits->swap_hard.is_set)
        return;
    if (!limits->hard.is_set)
        validation_error(v, "memtune/swap_hard_limit", "memtune",
                         "needs a hard_limit: cgroup v2 bounds memory and swap one by one");
    else if (limits->swap_hard.value < limits->hard.value)
        validation_error(v, "memtune/swap_hard_limit", "memtune",
                         "memory and swap together are less than hard_limit");
}

static void
check_limit(const Validation *v, const Config *config, const CgroupWrite *write)
{
    g_autofree char *refusal = cgroup_refusal(config->cgroup, write->controller);
    g_autoptr(GError) problem = NULL;
    g_autofree char *number = write->device ? cgroup_device_number(write->device, &problem) : NULL;

    if (refusal)
        validation_error(v, write->path, "no-cgroup",
                         "this host can't hold the domain to it: %s (host.cgroup)", refusal);
    if (problem)
        validation_error(v, write->path, "no-device", "%s", problem->message);
}

static void
check_limits(const Validation *v, const Config *config)
{
    g_autoptr(GPtrArray) writes = cgroup_limits(v->domain);
    const char *checked = NULL;

    for (guint i = 0; i < writes->len; i++) {
        const CgroupWrite *write = writes->pdata[i];

        /* A quota of all virtual CPUs is one element. */
        if (g_strcmp0(write->path, checked))
            check_limit(v, config, write);
        checked = write->path;
    }
}

/* ---- virtual CPUs ---- */

/* What -smp makes are the first ones; the order of the others is said for all or for none. */
static void
check_vcpus(const Validation *v)
{
    const GPtrArray *list = v->domain->vcpu_list;
    g_autoptr(GArray) plugged = domain_vcpus_plugged(v->domain);
    guint n_cold = domain_vcpus_current(v->domain) - plugged->len, n_ordered = 0, n_enabled = 0;

    for (guint i = 0; i < list_length(list); i++) {
        const Vcpu *vcpu = list_at(list, i, Vcpu);
        bool is_cold = vcpu->enabled == TRISTATE_ON && vcpu->hotpluggable != TRISTATE_ON;
        g_autofree char *path = g_strdup_printf("vcpus/vcpu[%u]", i);

        n_enabled += vcpu->enabled == TRISTATE_ON;
        n_ordered += vcpu->enabled == TRISTATE_ON && vcpu->order.is_set;
        if (is_cold && vcpu->id.value >= n_cold)
            validation_error(v, path, "vcpus",
                             "virtual CPUs that can't be taken out are the first ones, without a "
                             "gap; make this one hotpluggable");
    }
    if (n_ordered && n_ordered != n_enabled)
        validation_error(v, "vcpus", "vcpus", "an order is for all enabled CPUs or for none");
}

void
tuning_check(const Domain *domain, const Config *config, const PositionMap *positions,
             Diagnostics *diagnostics)
{
    Validation v = { domain, positions, diagnostics, (char *) "" };

    check_cpus(&v);
    check_nodes(&v);
    check_schedulers(&v);
    check_memory(&v);
    check_limits(&v, config);
}

void
tuning_check_vcpus(const Domain *domain, const PositionMap *positions, Diagnostics *diagnostics)
{
    Validation v = { domain, positions, diagnostics, (char *) "" };

    check_vcpus(&v);
}

/* ---- doing ---- */

Launch *
tuning_prepare(const Domain *domain, const LaunchSpec *spec, GError **error)
{
    Launch *launch = NULL;

    if (placement_memory_enter(domain, error))
        launch = launch_prepare(spec, error);
    placement_memory_leave(domain);
    return launch;
}

/* Where the parent of a domain's cgroup is noted: the configuration can name another one since. */
static char *
note_path(const char *name, const Config *config)
{
    return g_build_filename(config->run, name, "cgroup", NULL);
}

/* NULL: it has none. */
static char *
noted_parent(const char *name, const Config *config)
{
    g_autofree char *path = note_path(name, config);
    char *parent = regular_file_read(path, PATH_MAX, NULL);

    return parent ? g_strchomp(parent) : NULL;
}

/* The same of one whose run directory was made by a virtkeep that noted nothing. */
static char *
present_parent(const char *name, const Config *config)
{
    char *parent = noted_parent(name, config);
    g_autofree char *directory = parent ? NULL : cgroup_directory(config->cgroup, name);

    return directory && g_file_test(directory, G_FILE_TEST_IS_DIR) ? g_strdup(config->cgroup)
                                                                   : parent;
}

/* The one that it has, else the configuration's, noted from now on. NULL with @error. */
static char *
take_parent(const char *name, const Config *config, GError **error)
{
    g_autofree char *path = note_path(name, config);
    char *parent = noted_parent(name, config);

    if (parent)
        return parent;
    return g_file_set_contents(path, config->cgroup, -1, error) ? g_strdup(config->cgroup) : NULL;
}

char *
tuning_cgroup(const char *name, const Config *config)
{
    g_autofree char *parent = noted_parent(name, config);

    return parent ? cgroup_directory(parent, name) : NULL;
}

bool
tuning_enclose(const Domain *domain, const Config *config, GError **error)
{
    g_autoptr(GPtrArray) writes = cgroup_limits(domain);
    g_autofree char *parent = NULL;

    tuning_release(domain->name, config); /* what a former QEMU left */
    if (!writes->len)
        return true;
    parent = take_parent(domain->name, config, error);
    return parent && cgroup_create(parent, domain->name, writes, error);
}

bool
tuning_confine(const char *name, const Config *config, pid_t pid, GError **error)
{
    g_autofree char *directory = tuning_cgroup(name, config);

    return !directory || cgroup_enter(directory, pid, error);
}

static bool
check_placement(const Domain *domain, const GArray *threads, GError **error)
{
    g_autofree char *drift = placement_drift(domain, threads);

    if (drift)
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, drift);
    return !drift;
}

/* @before: the domain as it has been until now; NULL: it is new. */
static bool
place_threads(const Domain *before, const Domain *domain, const Config *config, Monitor *monitor,
              pid_t pid, GError **error)
{
    g_autoptr(GPtrArray) writes = cgroup_limits(domain);
    g_autoptr(GArray) threads = NULL;
    g_autofree char *parent = present_parent(domain->name, config);

    if (!writes->len && !placement_is_declared(domain) &&
        !(before && placement_is_declared(before)))
        return true;
    threads = threads_query(monitor, pid, error);
    return threads && (!parent || cgroup_attach_threads(parent, domain->name, threads, error)) &&
           placement_apply(before, domain, threads, error) &&
           check_placement(domain, threads, error);
}

bool
tuning_settle(const Domain *domain, const Config *config, Monitor *monitor, pid_t pid,
              GError **error)
{
    return vcpus_plug(monitor, domain, error) &&
           place_threads(NULL, domain, config, monitor, pid, error);
}

bool
tuning_update(const Domain *before, const Domain *after, const Config *config, Monitor *monitor,
              pid_t pid, GError **error)
{
    g_autoptr(GPtrArray) writes = cgroup_limits_changed(before, after);
    g_autofree char *parent = writes->len ? take_parent(after->name, config, error) : NULL;

    return (!writes->len || (parent && cgroup_change(parent, after->name, pid, writes, error))) &&
           place_threads(before, after, config, monitor, pid, error);
}

char *
tuning_drift(const Domain *domain, Monitor *monitor, pid_t pid)
{
    g_autoptr(GArray) threads =
        placement_is_declared(domain) ? threads_query(monitor, pid, NULL) : NULL;

    return threads ? placement_drift(domain, threads) : NULL;
}

void
tuning_release(const char *name, const Config *config)
{
    g_autofree char *parent = noted_parent(name, config), *path = note_path(name, config);

    if (cgroup_remove(parent ? parent : config->cgroup, name, NULL) && parent)
        (void) g_unlink(path);
}
