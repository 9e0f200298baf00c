/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Virtual CPUs, and what the host's scheduler, cgroups and NUMA placement give the domain.
 *
 * How many CPUs there are is the guest's affair; the rest of this file is the host's: affinity and
 * scheduling of QEMU's threads, limits that cgroups hold it to, NUMA nodes. Here is only what a
 * document can be wrong about by itself; whether this host has the CPUs, nodes and cgroups is
 * looked at before a start. What libvirt does with resctrl and numad is read and checked in full,
 * kept, and said to be without effect.
 */
#include <string.h>

#include "model/domain-section.h"
#include "model/iothread.h"
#include "model/quantity.h"
#include "model/tuning.h"

static const char *const numa_mode_names[] = {
    [NUMA_MODE_STRICT] = "strict",
    [NUMA_MODE_PREFERRED] = "preferred",
    [NUMA_MODE_INTERLEAVE] = "interleave",
    [NUMA_MODE_RESTRICTIVE] = "restrictive",
    NULL,
};
static const char *const placement_names[] = {
    [PLACEMENT_STATIC] = "static",
    [PLACEMENT_AUTO] = "auto",
    NULL,
};
static const char *const scheduler_names[] = {
    [SCHEDULER_BATCH] = "batch",
    [SCHEDULER_IDLE] = "idle",
    [SCHEDULER_FIFO] = "fifo",
    [SCHEDULER_RR] = "rr",
    NULL,
};
enum { CACHE_BOTH = 1 };
static const char *const cache_type_names[] = { NULL, [CACHE_BOTH] = "both", "code", "data", NULL };

#define NO_RESCTRL "virtkeep uses no resctrl: caches and memory bandwidth are shared"

static const Field memory_node_fields[] = {
    FIELD_UINT(MemoryNode, cell, .path = "@cellid", .is_required = true, .doc = "Guest NUMA node."),
    FIELD_ENUM(MemoryNode, mode, numa_mode_names, .path = "@mode",
               .doc = "How the host's nodes are used; `strict` by default."),
    FIELD_CPUSET(MemoryNode, nodeset, .path = "@nodeset", .is_required = true,
                 .doc = "Host NUMA nodes."),
    FIELD_END,
};
static const Schema memory_node_schema = { .element = "memnode",
                                           .size = sizeof(MemoryNode),
                                           .fields = memory_node_fields,
                                           .doc = "Placement of one guest NUMA node's memory." };

static const Field vcpu_fields[] = {
    FIELD_UINT(Vcpu, id, .path = "@id", .change = CHANGE_LIVE, .is_required = true, .max = 4095,
               .doc = "Number."),
    FIELD_YES_NO(Vcpu, enabled, .path = "@enabled", .change = CHANGE_LIVE, .is_required = true,
                 .doc = "Whether it is there at start."),
    FIELD_YES_NO(Vcpu, hotpluggable, .path = "@hotpluggable", .change = CHANGE_LIVE,
                 .doc = "Whether it can be taken out again."),
    FIELD_UINT(Vcpu, order, .path = "@order", .change = CHANGE_LIVE, .min = 1,
               .doc = "When it is plugged."),
    FIELD_END,
};

static char *
number_text(const OptUint *number)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT, number->value);
}

static char *
vcpu_key(gconstpointer item)
{
    return number_text(&((const Vcpu *) item)->id);
}

static const Schema vcpu_schema = { .element = "vcpu",
                                    .size = sizeof(Vcpu),
                                    .fields = vcpu_fields,
                                    .key = vcpu_key,
                                    .doc = "One virtual CPU." };

static char *
pin_key(gconstpointer item)
{
    return number_text(&((const ThreadPin *) item)->thread);
}

static const Field vcpu_pin_fields[] = {
    FIELD_UINT(ThreadPin, thread, .path = "@vcpu", .change = CHANGE_LIVE, .is_required = true,
               .doc = "Virtual CPU."),
    FIELD_CPUSET(ThreadPin, cpus, .path = "@cpuset", .change = CHANGE_LIVE, .is_required = true,
                 .doc = "Host CPUs."),
    FIELD_END,
};
static const Schema vcpu_pin_schema = { .element = "vcpupin",
                                        .size = sizeof(ThreadPin),
                                        .fields = vcpu_pin_fields,
                                        .key = pin_key,
                                        .doc = "Where a virtual CPU runs." };
static const Field iothread_pin_fields[] = {
    FIELD_UINT(ThreadPin, thread, .path = "@iothread", .change = CHANGE_LIVE, .is_required = true,
               .doc = "I/O thread."),
    FIELD_CPUSET(ThreadPin, cpus, .path = "@cpuset", .change = CHANGE_LIVE, .is_required = true,
                 .doc = "Host CPUs."),
    FIELD_END,
};
static const Schema iothread_pin_schema = { .element = "iothreadpin",
                                            .size = sizeof(ThreadPin),
                                            .fields = iothread_pin_fields,
                                            .key = pin_key,
                                            .doc = "Where an I/O thread runs." };

#define SCHEDULING_FIELDS(set)                                                                     \
    FIELD_CPUSET(ThreadScheduling, threads, .path = "@" set, .change = CHANGE_LIVE,                \
                 .is_required = true, .doc = "Which threads."),                                    \
        FIELD_ENUM(ThreadScheduling, scheduler, scheduler_names, .path = "@scheduler",             \
                   .change = CHANGE_LIVE, .is_required = true, .doc = "Scheduler."),               \
        FIELD_INT(ThreadScheduling, priority, .path = "@priority", .change = CHANGE_LIVE,          \
                  .doc = "Of fifo and rr.")
static const Field vcpu_scheduling_fields[] = { SCHEDULING_FIELDS("vcpus"), FIELD_END };
static const Schema vcpu_scheduling_schema = { .element = "vcpusched",
                                               .size = sizeof(ThreadScheduling),
                                               .fields = vcpu_scheduling_fields,
                                               .doc = "How virtual CPUs are scheduled." };
static const Field iothread_scheduling_fields[] = { SCHEDULING_FIELDS("iothreads"), FIELD_END };
static const Schema iothread_scheduling_schema = { .element = "iothreadsched",
                                                   .size = sizeof(ThreadScheduling),
                                                   .fields = iothread_scheduling_fields,
                                                   .doc = "How I/O threads are scheduled." };

static const Field cache_part_fields[] = {
    FIELD_UINT(CachePart, id, .path = "@id", .is_required = true, .doc = "The host's cache."),
    FIELD_UINT(CachePart, level, .path = "@level", .is_required = true, .doc = "Its level."),
    FIELD_ENUM(CachePart, type, cache_type_names, .path = "@type", .is_required = true,
               .doc = "For what."),
    FIELD_SIZE(CachePart, size, .path = "@size", .is_required = true, .doc = "How much."),
    FIELD_END,
};
static const Schema cache_part_schema = { .element = "cache",
                                          .size = sizeof(CachePart),
                                          .fields = cache_part_fields,
                                          .doc = "A part of a cache." };
static const Field monitor_fields[] = {
    FIELD_UINT(ResourceMonitor, level, .path = "@level", .doc = "Cache level."),
    FIELD_CPUSET(ResourceMonitor, vcpus, .path = "@vcpus", .is_required = true,
                 .doc = "Virtual CPUs."),
    FIELD_END,
};
static const Schema monitor_schema = { .element = "monitor",
                                       .size = sizeof(ResourceMonitor),
                                       .fields = monitor_fields,
                                       .doc = "What is measured." };
static const Field cache_tune_fields[] = {
    FIELD_CPUSET(CacheTune, vcpus, .path = "@vcpus", .is_required = true, .doc = "Virtual CPUs."),
    { .type = TYPE_NONE, .path = "@id", .is_output = true, .doc = "libvirt's name of it." },
    FIELD_LIST(CacheTune, caches, &cache_part_schema, .path = "cache", .doc = "Parts of caches."),
    FIELD_LIST(CacheTune, monitors, &monitor_schema, .path = "monitor", .doc = "Measured."),
    FIELD_END,
};
static const Schema cache_tune_schema = { .element = "cachetune",
                                          .size = sizeof(CacheTune),
                                          .fields = cache_tune_fields,
                                          .doc = "Caches of virtual CPUs (resctrl)." };
static const Field memory_bandwidth_fields[] = {
    FIELD_UINT(MemoryBandwidth, id, .path = "@id", .is_required = true, .doc = "Host node."),
    FIELD_UINT(MemoryBandwidth, bandwidth, .path = "@bandwidth", .is_required = true, .max = 100,
               .doc = "Per cent."),
    FIELD_END,
};
static const Schema memory_bandwidth_schema = { .element = "node",
                                                .size = sizeof(MemoryBandwidth),
                                                .fields = memory_bandwidth_fields,
                                                .doc = "A host node's bandwidth." };
static const Field memory_tune_fields[] = {
    FIELD_CPUSET(MemoryTune, vcpus, .path = "@vcpus", .is_required = true, .doc = "Virtual CPUs."),
    FIELD_LIST(MemoryTune, nodes, &memory_bandwidth_schema, .path = "node", .doc = "Bandwidths."),
    FIELD_LIST(MemoryTune, monitors, &monitor_schema, .path = "monitor", .doc = "Measured."),
    FIELD_END,
};
static const Schema memory_tune_schema = { .element = "memorytune",
                                           .size = sizeof(MemoryTune),
                                           .fields = memory_tune_fields,
                                           .doc = "Memory bandwidth of virtual CPUs (resctrl)." };

#define PERIOD(member, name)                                                                       \
    FIELD_UINT(CpuTune, member, .path = name, .change = CHANGE_LIVE, .min = 1000, .max = 1000000,  \
               .doc = "Period, us.")
#define QUOTA(member, name)                                                                        \
    FIELD_INT(CpuTune, member, .path = name, .change = CHANGE_LIVE, .doc = "Time a period, us.")
static const Field cpu_tune_fields[] = {
    FIELD_UINT(CpuTune, shares, .path = "shares", .change = CHANGE_LIVE,
               .doc = "Weight beside others, 1024 being theirs who say nothing (`cpu.weight`)."),
    PERIOD(period, "period"),
    QUOTA(quota, "quota"),
    PERIOD(global_period, "global_period"),
    QUOTA(global_quota, "global_quota"),
    PERIOD(emulator_period, "emulator_period"),
    QUOTA(emulator_quota, "emulator_quota"),
    PERIOD(iothread_period, "iothread_period"),
    QUOTA(iothread_quota, "iothread_quota"),
    FIELD_LIST(CpuTune, vcpu_pins, &vcpu_pin_schema, .path = "vcpupin", .change = CHANGE_LIVE,
               .doc = "Where CPUs run."),
    FIELD_CPUSET(CpuTune, emulator_cpus, .path = "emulatorpin/@cpuset", .is_needed = true,
                 .change = CHANGE_LIVE, .doc = "Where the rest of QEMU runs."),
    FIELD_LIST(CpuTune, iothread_pins, &iothread_pin_schema, .path = "iothreadpin",
               .change = CHANGE_LIVE, .doc = "Where I/O threads run."),
    FIELD_LIST(CpuTune, vcpu_schedulings, &vcpu_scheduling_schema, .path = "vcpusched",
               .change = CHANGE_LIVE, .doc = "How CPUs are scheduled."),
    FIELD_LIST(CpuTune, iothread_schedulings, &iothread_scheduling_schema, .path = "iothreadsched",
               .change = CHANGE_LIVE, .doc = "How I/O threads are scheduled."),
    FIELD_ENUM(CpuTune, emulator_scheduler, scheduler_names, .path = "emulatorsched/@scheduler",
               .change = CHANGE_LIVE, .doc = "How the rest of QEMU is scheduled."),
    FIELD_INT(CpuTune, emulator_priority, .path = "emulatorsched/@priority", .change = CHANGE_LIVE,
              .doc = "Priority."),
    FIELD_LIST(CpuTune, cache_tunes, &cache_tune_schema, .path = "cachetune",
               .no_effect = NO_RESCTRL, .doc = "Caches."),
    FIELD_LIST(CpuTune, memory_tunes, &memory_tune_schema, .path = "memorytune",
               .no_effect = NO_RESCTRL, .doc = "Memory bandwidth."),
    FIELD_END,
};
static const Schema cpu_tune_schema = { .element = "cputune",
                                        .size = sizeof(CpuTune),
                                        .fields = cpu_tune_fields,
                                        .doc = "What the host's CPUs give." };

static const Field memory_limit_fields[] = {
    FIELD_SIZE(MemoryLimits, hard, .path = "hard_limit", .change = CHANGE_LIVE,
               .doc = "What QEMU may have in all; beyond it the kernel kills it (`memory.max`)."),
    FIELD_SIZE(MemoryLimits, soft, .path = "soft_limit", .change = CHANGE_LIVE,
               .doc = "Beyond it the kernel takes pages back (`memory.high`)."),
    FIELD_SIZE(MemoryLimits, swap_hard, .path = "swap_hard_limit", .change = CHANGE_LIVE,
               .doc = "Memory and swap together; needs a `hard_limit` (`memory.swap.max`)."),
    FIELD_REFUSED("QEMU's memory has no guaranteed minimum", .path = "min_guarantee",
                  .doc = "At least."),
    FIELD_END,
};
static const Schema memory_limit_schema = { .element = "memtune",
                                            .size = sizeof(MemoryLimits),
                                            .fields = memory_limit_fields,
                                            .doc = "What the host's memory gives." };

static const Field block_tune_device_fields[] = {
    FIELD_STRING(BlockTuneDevice, device, .path = "path", .change = CHANGE_LIVE,
                 .is_required = true, .doc = "The host's block device."),
    FIELD_UINT(BlockTuneDevice, weight, .path = "weight", .change = CHANGE_LIVE, .doc = "Weight."),
    FIELD_UINT(BlockTuneDevice, read_bytes, .path = "read_bytes_sec", .change = CHANGE_LIVE,
               .doc = "Bytes a second."),
    FIELD_UINT(BlockTuneDevice, write_bytes, .path = "write_bytes_sec", .change = CHANGE_LIVE,
               .doc = "Bytes a second."),
    FIELD_UINT(BlockTuneDevice, read_iops, .path = "read_iops_sec", .change = CHANGE_LIVE,
               .doc = "Requests a second."),
    FIELD_UINT(BlockTuneDevice, write_iops, .path = "write_iops_sec", .change = CHANGE_LIVE,
               .doc = "Requests a second."),
    FIELD_END,
};

static char *
block_tune_device_key(gconstpointer item)
{
    return g_strdup(((const BlockTuneDevice *) item)->device);
}

static const Schema block_tune_device_schema = { .element = "device",
                                                 .size = sizeof(BlockTuneDevice),
                                                 .fields = block_tune_device_fields,
                                                 .key = block_tune_device_key,
                                                 .doc = "Limits on one device." };
static const Field block_tune_fields[] = {
    FIELD_UINT(BlockTune, weight, .path = "weight", .change = CHANGE_LIVE,
               .doc = "Weight beside others, 500 being theirs who say nothing (`io.weight`)."),
    FIELD_LIST(BlockTune, devices, &block_tune_device_schema, .path = "device",
               .change = CHANGE_LIVE, .doc = "Limits by device."),
    FIELD_END,
};
static const Schema block_tune_schema = { .element = "blkiotune",
                                          .size = sizeof(BlockTune),
                                          .fields = block_tune_fields,
                                          .doc = "What the host's disks give." };

static const Field tuning_fields[] = {
    FIELD_STRUCT(Domain, block_tune, &block_tune_schema, .path = "blkiotune", .change = CHANGE_LIVE,
                 .doc = "What the host's disks give."),
    FIELD_STRUCT(Domain, memory_limits, &memory_limit_schema, .path = "memtune",
                 .change = CHANGE_LIVE, .doc = "What the host's memory gives."),
    FIELD_UINT(Domain, vcpus, .path = "vcpu", .min = 1, .max = 4096, .doc = "Virtual CPUs."),
    FIELD_ENUM(Domain, vcpu_placement, placement_names, .path = "vcpu/@placement",
               .doc = "`static`; `auto` needs numad and gives no placement."),
    FIELD_CPUSET(Domain, vcpu_cpuset, .path = "vcpu/@cpuset", .change = CHANGE_LIVE,
                 .doc = "Host CPUs for every thread that has no pin of its own."),
    FIELD_UINT(Domain, vcpus_current, .path = "vcpu/@current", .change = CHANGE_LIVE, .min = 1,
               .doc = "How many of them are there at start."),
    FIELD_LIST(Domain, vcpu_list, &vcpu_schema, .path = "vcpus/vcpu", .change = CHANGE_LIVE,
               .doc = "Which of them are there at start."),
    FIELD_STRUCT(Domain, cpu_tune, &cpu_tune_schema, .path = "cputune", .change = CHANGE_LIVE,
                 .doc = "What the host's CPUs give."),
    FIELD_ENUM(Domain, numa_mode, numa_mode_names, .path = "numatune/memory/@mode",
               .doc = "How the host's NUMA nodes are used; `strict` by default."),
    FIELD_CPUSET(Domain, numa_nodeset, .path = "numatune/memory/@nodeset",
                 .doc = "Host NUMA nodes."),
    FIELD_ENUM(Domain, numa_placement, placement_names, .path = "numatune/memory/@placement",
               .doc = "`static`; `auto` needs numad and gives no placement."),
    FIELD_LIST(Domain, memory_nodes, &memory_node_schema, .path = "numatune/memnode",
               .doc = "Placement by guest NUMA node."),
    FIELD_NO_EFFECT("virtkeep puts QEMU in no partition of cgroups", .path = "resource",
                    .doc = "Partition, fibre channel application id."),
    FIELD_NO_EFFECT("virtkeep reads no performance events", .path = "perf",
                    .doc = "Performance events."),
    FIELD_NO_EFFECT("it is for containers", .path = "idmap", .doc = "User and group ids."),
    FIELD_END,
};

static int
compare_uint(gconstpointer a, gconstpointer b)
{
    return *(const guint *) a < *(const guint *) b ? -1 : *(const guint *) a > *(const guint *) b;
}

/* Numbers must differ; 0 is not one. */
static void
check_distinct(const Validation *v, const char *path, GArray *numbers, const char *what)
{
    g_array_sort(numbers, compare_uint);
    for (guint i = 1; i < numbers->len; i++)
        if (g_array_index(numbers, guint, i) &&
            g_array_index(numbers, guint, i) == g_array_index(numbers, guint, i - 1))
            return validation_error(v, path, "vcpus", "%s %u is there twice", what,
                                    g_array_index(numbers, guint, i) - 1);
}

static void
validate_vcpu_list(const Validation *v)
{
    const Domain *domain = v->domain;
    guint64 vcpus = domain->vcpus.is_set ? domain->vcpus.value : 1;
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autoptr(GArray) orders = g_array_new(FALSE, FALSE, sizeof(guint));

    for (guint i = 0; i < list_length(domain->vcpu_list); i++) {
        const Vcpu *vcpu = list_at(domain->vcpu_list, i, Vcpu);
        g_autofree char *path = g_strdup_printf("vcpus/vcpu[%u]", i);
        guint id = vcpu->id.value + 1, order = vcpu->order.is_set ? vcpu->order.value + 1 : 0;

        g_array_append_val(ids, id);
        g_array_append_val(orders, order);
        if (vcpu->id.value >= vcpus)
            validation_error(v, path, "vcpus", "the guest has no virtual CPU %u",
                             (guint) vcpu->id.value);
        if (vcpu->id.value == 0 && vcpu->enabled == TRISTATE_OFF)
            validation_error(v, path, "vcpus", "virtual CPU 0 is always there");
        if (vcpu->id.value == 0 && vcpu->hotpluggable == TRISTATE_ON)
            validation_error(v, path, "vcpus", "virtual CPU 0 can't be taken out");
        if (vcpu->enabled == TRISTATE_OFF && vcpu->hotpluggable == TRISTATE_OFF)
            validation_error(v, path, "vcpus",
                             "a virtual CPU that is not there at start must be hotpluggable");
        if (vcpu->enabled == TRISTATE_OFF && vcpu->order.is_set)
            validation_error(v, path, "vcpus", "an order is for CPUs that are there at start");
    }
    check_distinct(v, "vcpus", ids, "virtual CPU");
    check_distinct(v, "vcpus", orders, "order");
}

guint
domain_vcpus_current(const Domain *domain)
{
    guint vcpus = domain->vcpus.is_set ? (guint) domain->vcpus.value : 1, n = 0;

    if (!list_length(domain->vcpu_list))
        return domain->vcpus_current.is_set ? (guint) domain->vcpus_current.value : vcpus;
    for (guint i = 0; i < list_length(domain->vcpu_list); i++)
        n += list_at(domain->vcpu_list, i, Vcpu)->enabled == TRISTATE_ON;
    return n;
}

static void
validate_numa_tuning(const Validation *v)
{
    const Domain *domain = v->domain;
    guint n_cells = list_length(domain->cells), n_nodes = list_length(domain->memory_nodes);
    bool seen[128] = { false };

    if (domain->numa_nodeset && !*domain->numa_nodeset)
        validation_error(v, "numatune/memory/@nodeset", "numatune", "no node is left in it");
    if (domain->numa_placement == PLACEMENT_AUTO && domain->numa_nodeset)
        validation_error(v, "numatune/memory/@nodeset", "numatune", "excludes placement='auto'");
    if ((domain->numa_placement == PLACEMENT_STATIC ||
         (domain->numa_mode && !domain->numa_placement &&
          domain->vcpu_placement != PLACEMENT_AUTO)) &&
        !domain->numa_nodeset)
        validation_error(v, "numatune/memory", "missing-attribute",
                         "without placement='auto' it needs a nodeset");
    if (n_nodes && domain->numa_placement == PLACEMENT_AUTO)
        validation_error(v, "numatune/memory/@placement", "numatune",
                         "placement='auto' and <memnode> exclude each other");
    if (n_nodes && !n_cells)
        validation_error(v, "numatune/memnode", "numatune", "<memnode> is for guest NUMA cells");
    for (guint i = 0; i < n_nodes; i++) {
        const MemoryNode *node = list_at(domain->memory_nodes, i, MemoryNode);
        g_autofree char *path = g_strdup_printf("numatune/memnode[%u]", i);

        if (n_cells && node->cell.value >= n_cells)
            validation_error(v, path, "numatune", "the guest has no NUMA cell %u",
                             (guint) node->cell.value);
        else if (node->cell.value < G_N_ELEMENTS(seen) && seen[node->cell.value])
            validation_error(v, path, "numatune", "cell %u is there twice",
                             (guint) node->cell.value);
        else if (node->cell.value < G_N_ELEMENTS(seen))
            seen[node->cell.value] = true;
        if ((node->mode == NUMA_MODE_RESTRICTIVE) != (domain->numa_mode == NUMA_MODE_RESTRICTIVE) &&
            (node->mode == NUMA_MODE_RESTRICTIVE || domain->numa_mode == NUMA_MODE_RESTRICTIVE))
            validation_error(v, path, "numatune",
                             "mode 'restrictive' is for <memory> and every <memnode> or for none");
    }
}

static void
validate_quotas(const Validation *v, const CpuTune *tune)
{
    const struct {
        const char *path;
        const OptInt *quota;
    } rows[] = {
        { "cputune/quota", &tune->quota },
        { "cputune/global_quota", &tune->global_quota },
        { "cputune/emulator_quota", &tune->emulator_quota },
        { "cputune/iothread_quota", &tune->iothread_quota },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].quota->is_set && rows[i].quota->value >= 0 &&
            (rows[i].quota->value < 1000 || rows[i].quota->value > 17592186044415))
            validation_error(v, rows[i].path, "cputune", "a quota is at least 1000, or negative");
}

static void
validate_pins(const Validation *v, const GPtrArray *pins, const char *name, const char *what)
{
    g_autoptr(GArray) threads = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autofree char *path = g_strdup_printf("cputune/%s", name);
    guint64 vcpus = v->domain->vcpus.is_set ? v->domain->vcpus.value : 1;
    bool is_iothread = !strcmp(name, "iothreadpin");

    for (guint i = 0; i < list_length(pins); i++) {
        guint64 number = list_at(pins, i, ThreadPin)->thread.value;
        g_autofree char *place = g_strdup_printf("%s[%u]", path, i);
        guint thread = number + 1;

        g_array_append_val(threads, thread);
        if (is_iothread && !domain_has_iothread(v->domain, number))
            validation_error(v, place, "iothread", "the domain has no %s %" G_GUINT64_FORMAT, what,
                             number);
        else if (!is_iothread && number >= vcpus) /* libvirt drops it too */
            validation_warning(v, place, "no-effect",
                               "has no effect: the domain has no %s %" G_GUINT64_FORMAT, what,
                               number);
    }
    check_distinct(v, path, threads, what);
}

/* Whether the sets @a and @b have a member in common. */
static bool
is_overlapping(const char *a, const char *b)
{
    g_autoptr(GArray) as = a ? cpuset_members(a) : NULL, bs = b ? cpuset_members(b) : NULL;

    for (guint i = 0; as && bs && i < as->len; i++)
        for (guint k = 0; k < bs->len; k++)
            if (g_array_index(as, guint, i) == g_array_index(bs, guint, k))
                return true;
    return false;
}

/* Threads of one list: each at most once, and all of them the domain's. */
static void
validate_scheduled(const Validation *v, const char *path, const ThreadScheduling *scheduling,
                   bool is_iothread, GHashTable *seen)
{
    g_autoptr(GArray) threads = cpuset_members(scheduling->threads);
    guint64 vcpus = v->domain->vcpus.is_set ? v->domain->vcpus.value : 1;

    for (guint i = 0; i < threads->len; i++) {
        guint thread = g_array_index(threads, guint, i);
        bool is_there = is_iothread ? domain_has_iothread(v->domain, thread) : thread < vcpus;

        if (!is_there)
            return validation_error(v, path, is_iothread ? "iothread" : "vcpus",
                                    "the domain has no %s %u",
                                    is_iothread ? "I/O thread" : "virtual CPU", thread);
        if (!g_hash_table_add(seen, GUINT_TO_POINTER(thread)))
            return validation_error(v, path, "cputune", "%u is scheduled twice", thread);
    }
}

static void
validate_schedulings(const Validation *v, const GPtrArray *list, const char *name)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_direct_hash, g_direct_equal);
    bool is_iothread = !strcmp(name, "iothreadsched");

    for (guint i = 0; i < list_length(list); i++) {
        const ThreadScheduling *scheduling = list_at(list, i, ThreadScheduling);
        g_autofree char *path = g_strdup_printf("cputune/%s[%u]", name, i);
        bool needs_priority = scheduling->scheduler >= SCHEDULER_FIFO;

        if (needs_priority && !scheduling->priority.is_set)
            validation_error(v, path, "missing-attribute", "scheduler '%s' needs a priority",
                             scheduler_names[scheduling->scheduler]);
        validate_scheduled(v, path, scheduling, is_iothread, seen);
    }
}

static void
validate_emulator_scheduler(const Validation *v, const CpuTune *tune)
{
    if (tune->emulator_scheduler >= SCHEDULER_FIFO && !tune->emulator_priority.is_set)
        validation_error(v, "cputune/emulatorsched", "missing-attribute",
                         "scheduler '%s' needs a priority",
                         scheduler_names[tune->emulator_scheduler]);
}

/* Parts of caches and bandwidths are groups of the kernel's: a CPU is in one. */
static void
validate_resource_groups(const Validation *v, const CpuTune *tune)
{
    for (guint i = 0; i < list_length(tune->cache_tunes); i++) {
        const CacheTune *cache = list_at(tune->cache_tunes, i, CacheTune);
        g_autofree char *path = g_strdup_printf("cputune/cachetune[%u]", i);

        for (guint k = 0; k < i; k++)
            if (is_overlapping(list_at(tune->cache_tunes, k, CacheTune)->vcpus, cache->vcpus))
                validation_error(v, path, "cputune", "a virtual CPU is in another <cachetune>");
        for (guint a = 0; a < list_length(cache->caches); a++)
            for (guint b = 0; b < a; b++) {
                const CachePart *x = list_at(cache->caches, a, CachePart);
                const CachePart *y = list_at(cache->caches, b, CachePart);

                if (x->id.value == y->id.value && x->level.value == y->level.value &&
                    (x->type == y->type || x->type == CACHE_BOTH || y->type == CACHE_BOTH))
                    validation_error(v, path, "cputune", "cache %u is there twice",
                                     (guint) x->id.value);
            }
    }
    for (guint i = 0; i < list_length(tune->memory_tunes); i++) {
        const MemoryTune *memory = list_at(tune->memory_tunes, i, MemoryTune);
        g_autofree char *path = g_strdup_printf("cputune/memorytune[%u]", i);

        for (guint a = 0; a < list_length(memory->nodes); a++)
            for (guint b = 0; b < a; b++)
                if (list_at(memory->nodes, a, MemoryBandwidth)->id.value ==
                    list_at(memory->nodes, b, MemoryBandwidth)->id.value)
                    validation_error(v, path, "cputune", "a node is there twice");
    }
}

static void
validate_block_tune(const Validation *v, const BlockTune *tune)
{
    for (guint i = 0; i < list_length(tune->devices); i++)
        for (guint k = 0; k < i; k++) {
            const char *device = list_at(tune->devices, i, BlockTuneDevice)->device;
            g_autofree char *path = g_strdup_printf("blkiotune/device[%u]", i);

            if (!g_strcmp0(device, list_at(tune->devices, k, BlockTuneDevice)->device))
                validation_error(v, path, "blkiotune", "device '%s' is there twice", device);
        }
}

static void
tuning_validate(const Validation *v)
{
    const Domain *domain = v->domain;
    guint64 vcpus = domain->vcpus.is_set ? domain->vcpus.value : 1;

    if (domain->vcpus_current.value > vcpus)
        validation_error(v, "vcpu/@current", "vcpu-current", "more than the %u virtual CPUs",
                         (guint) vcpus);
    if (domain->vcpu_placement == PLACEMENT_AUTO)
        validation_warning(v, "vcpu/@placement", "no-effect",
                           "has no effect: placement 'auto' needs numad");
    if (domain->numa_placement == PLACEMENT_AUTO)
        validation_warning(v, "numatune/memory/@placement", "no-effect",
                           "has no effect: placement 'auto' needs numad");
    validate_vcpu_list(v);
    validate_numa_tuning(v);
    if (domain->block_tune)
        validate_block_tune(v, domain->block_tune);
    if (!domain->cpu_tune)
        return;
    validate_emulator_scheduler(v, domain->cpu_tune);
    validate_resource_groups(v, domain->cpu_tune);
    validate_quotas(v, domain->cpu_tune);
    validate_pins(v, domain->cpu_tune->vcpu_pins, "vcpupin", "virtual CPU");
    validate_pins(v, domain->cpu_tune->iothread_pins, "iothreadpin", "I/O thread");
    validate_schedulings(v, domain->cpu_tune->vcpu_schedulings, "vcpusched");
    validate_schedulings(v, domain->cpu_tune->iothread_schedulings, "iothreadsched");
}

const DomainSection domain_tuning_section = { tuning_fields, tuning_validate };
