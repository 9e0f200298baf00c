/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * <cputune>, <memtune>, <blkiotune> and <numatune> as files of cgroup v2, by table.
 *
 * The format's numbers are those of cgroup v1 (formatdomain: shares 2 to 262144, weights 100 to
 * 1000), where 1024 shares and a weight of 500 are what everyone has who says nothing; in v2 that
 * is 100 for both. They are converted as systemd documents it (systemd.resource-control,
 * CPUShares=, BlockIOWeight=), so that a file means beside other processes what it always meant.
 *
 *     shares                cpu.weight        x 100 / 1024
 *     global_quota          cpu.max           of the whole domain
 *     quota                 cpu.max           of each virtual CPU's thread
 *     emulator_quota, iothread_quota          likewise
 *     hard_limit            memory.max        the kernel kills beyond it
 *     soft_limit            memory.high       it reclaims beyond it
 *     swap_hard_limit       memory.swap.max   less hard_limit, since it counts both
 *     weight                io.weight         x 100 / 500
 *     device                io.weight, io.max with the device's number
 *     numatune restrictive  cpuset.mems       the other modes are memory policies (placement.c)
 *
 * While a guest runs its limits change by what differs. A limit that is taken away is written as
 * the kernel's own value, since the cgroup stays.
 */
#include "qemu/cgroup-limits.h"

#include <string.h>

#include "model/iothread.h"
#include "model/tuning.h"
#include "qemu/threads.h"

#define PERIOD_US 100000u /* the kernel's own */
#define MIN_WEIGHT 1u
#define MAX_WEIGHT 10000u

static void
write_free(gpointer data)
{
    CgroupWrite *write = data;

    g_free(write->group);
    g_free(write->value);
    g_free(write->device);
    g_free(write->path);
    g_free(write);
}

/* Takes @value; nothing to be done with NULL. */
static CgroupWrite *
add(GPtrArray *writes, const char *group, const char *file, char *value, const char *path)
{
    static const struct {
        const char *prefix, *controller;
    } controllers[] = {
        { "cpu.", "cpu" }, { "cpuset.", "cpuset" }, { "io.", "io" }, { "memory.", "memory" }
    };
    CgroupWrite *write;

    if (!value)
        return NULL;
    write = g_new0(CgroupWrite, 1);
    write->group = g_strdup(group);
    write->file = file;
    write->value = value;
    write->path = g_strdup(path);
    for (guint i = 0; i < G_N_ELEMENTS(controllers); i++)
        if (g_str_has_prefix(file, controllers[i].prefix))
            write->controller = controllers[i].controller;
    g_ptr_array_add(writes, write);
    return write;
}

static char *
number(guint64 value)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT, value);
}

/* ---- values; NULL = no limit ---- */

static char *
weight(const OptUint *value, guint64 usual)
{
    if (!value->is_set || !value->value)
        return NULL;
    /* Beyond this it is the highest anyway, and can't overflow. */
    return number(CLAMP(MIN(value->value, 1 << 30) * 100 / usual, MIN_WEIGHT, MAX_WEIGHT));
}

static char *
cpu_max(const OptInt *quota, const OptUint *period)
{
    if (!quota->is_set || quota->value <= 0)
        return NULL;
    return g_strdup_printf("%" G_GINT64_FORMAT " %" G_GUINT64_FORMAT, quota->value,
                           period->is_set && period->value ? period->value : PERIOD_US);
}

static char *
bytes(const OptUint *limit)
{
    return limit->is_set && limit->value < MEMORY_UNLIMITED ? number(limit->value) : NULL;
}

static char *
shares(const Domain *domain)
{
    return domain->cpu_tune ? weight(&domain->cpu_tune->shares, 1024) : NULL;
}

static char *
global_max(const Domain *domain)
{
    const CpuTune *tune = domain->cpu_tune;

    return tune ? cpu_max(&tune->global_quota, &tune->global_period) : NULL;
}

static char *
hard_limit(const Domain *domain)
{
    return domain->memory_limits ? bytes(&domain->memory_limits->hard) : NULL;
}

static char *
soft_limit(const Domain *domain)
{
    return domain->memory_limits ? bytes(&domain->memory_limits->soft) : NULL;
}

static char *
swap_limit(const Domain *domain)
{
    const MemoryLimits *limits = domain->memory_limits;

    if (!limits || !limits->swap_hard.is_set || limits->swap_hard.value >= MEMORY_UNLIMITED)
        return NULL;
    return number(limits->swap_hard.value - MIN(limits->hard.value, limits->swap_hard.value));
}

static char *
block_weight(const Domain *domain)
{
    return domain->block_tune ? weight(&domain->block_tune->weight, 500) : NULL;
}

static char *
memory_nodes(const Domain *domain)
{
    return domain->numa_mode == NUMA_MODE_RESTRICTIVE ? g_strdup(domain->numa_nodeset) : NULL;
}

static const struct {
    const char *path, *file;
    char *(*value)(const Domain *domain);
} domain_rows[] = {
    { "cputune/shares", "cpu.weight", shares },
    { "cputune/global_quota", "cpu.max", global_max },
    { "memtune/hard_limit", "memory.max", hard_limit },
    { "memtune/soft_limit", "memory.high", soft_limit },
    { "memtune/swap_hard_limit", "memory.swap.max", swap_limit },
    { "blkiotune/weight", "io.weight", block_weight },
    { "numatune/memory/@nodeset", "cpuset.mems", memory_nodes },
};

/* ---- lists ---- */

static void
add_threads(const Domain *domain, GPtrArray *writes)
{
    const CpuTune *tune = domain->cpu_tune;
    g_autoptr(GArray) iothreads = domain_iothread_ids(domain);
    guint64 vcpus = domain->vcpus.is_set ? domain->vcpus.value : 1;

    add(writes, "emulator", "cpu.max", cpu_max(&tune->emulator_quota, &tune->emulator_period),
        "cputune/emulator_quota");
    /* Those too that are plugged later. */
    for (guint64 i = 0; i < vcpus; i++) {
        g_autofree char *group = thread_name(THREAD_VCPU, i);

        add(writes, group, "cpu.max", cpu_max(&tune->quota, &tune->period), "cputune/quota");
    }
    for (guint i = 0; i < iothreads->len; i++) {
        g_autofree char *group = thread_name(THREAD_IOTHREAD, g_array_index(iothreads, guint64, i));

        add(writes, group, "cpu.max", cpu_max(&tune->iothread_quota, &tune->iothread_period),
            "cputune/iothread_quota");
    }
}

static void
add_device(const BlockTuneDevice *device, guint index, GPtrArray *writes)
{
    const struct {
        const char *element, *key;
        const OptUint *limit;
    } rows[] = {
        { "read_bytes_sec", "rbps", &device->read_bytes },
        { "write_bytes_sec", "wbps", &device->write_bytes },
        { "read_iops_sec", "riops", &device->read_iops },
        { "write_iops_sec", "wiops", &device->write_iops },
    };
    g_autofree char *path = g_strdup_printf("blkiotune/device[%u]", index);
    g_autofree char *weight_path = g_strconcat(path, "/weight", NULL);
    CgroupWrite *write = add(writes, "", "io.weight", weight(&device->weight, 500), weight_path);

    if (write)
        write->device = g_strdup(device->device);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *limit_path = g_strconcat(path, "/", rows[i].element, NULL);

        if (!rows[i].limit->is_set || !rows[i].limit->value)
            continue;
        write = add(writes, "", "io.max",
                    g_strdup_printf("%s=%" G_GUINT64_FORMAT, rows[i].key, rows[i].limit->value),
                    limit_path);
        write->device = g_strdup(device->device);
    }
}

GPtrArray *
cgroup_limits(const Domain *domain)
{
    GPtrArray *writes = g_ptr_array_new_with_free_func(write_free);

    for (guint i = 0; i < G_N_ELEMENTS(domain_rows); i++)
        add(writes, "", domain_rows[i].file, domain_rows[i].value(domain), domain_rows[i].path);
    if (domain->block_tune)
        for (guint i = 0; i < list_length(domain->block_tune->devices); i++)
            add_device(list_at(domain->block_tune->devices, i, BlockTuneDevice), i, writes);
    if (domain->cpu_tune)
        add_threads(domain, writes);
    return writes;
}

/* ---- what differs ---- */

/* The part of a file that a write is about: one of the limits of a device has a key of its own. */
static gsize
key_length(const CgroupWrite *write)
{
    const char *end = strchr(write->value, '=');

    return end ? (gsize) (end - write->value) : 0;
}

static bool
is_about_the_same(const CgroupWrite *a, const CgroupWrite *b)
{
    gsize length = key_length(a);

    return !g_strcmp0(a->group, b->group) && !g_strcmp0(a->file, b->file) &&
           !g_strcmp0(a->device, b->device) && length == key_length(b) &&
           !strncmp(a->value, b->value, length);
}

static const CgroupWrite *
find_write(const GPtrArray *writes, const CgroupWrite *write)
{
    for (guint i = 0; i < writes->len; i++)
        if (is_about_the_same(writes->pdata[i], write))
            return writes->pdata[i];
    return NULL;
}

/* What the kernel has where nobody said anything (admin-guide/cgroup-v2). */
static char *
unlimited(const CgroupWrite *write)
{
    if (key_length(write))
        return g_strdup_printf("%.*s=max", (int) key_length(write), write->value);
    if (write->device)
        return g_strdup("default");
    if (g_str_has_suffix(write->file, ".weight"))
        return g_strdup("100");
    return g_strdup(g_str_has_prefix(write->file, "cpuset.") ? "" : "max");
}

GPtrArray *
cgroup_limits_changed(const Domain *before, const Domain *after)
{
    g_autoptr(GPtrArray) old = cgroup_limits(before), all = cgroup_limits(after);
    GPtrArray *writes = g_ptr_array_new_with_free_func(write_free);

    for (guint i = 0; i < old->len; i++) {
        const CgroupWrite *was = old->pdata[i];
        CgroupWrite *write = find_write(all, was)
                                 ? NULL
                                 : add(writes, was->group, was->file, unlimited(was), was->path);

        if (write)
            write->device = g_strdup(was->device);
    }
    for (guint i = 0; i < all->len; i++) {
        const CgroupWrite *is = all->pdata[i], *was = find_write(old, is);
        CgroupWrite *write = was && !g_strcmp0(was->value, is->value)
                                 ? NULL
                                 : add(writes, is->group, is->file, g_strdup(is->value), is->path);

        if (write)
            write->device = g_strdup(is->device);
    }
    return writes;
}
