/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doctor: the host's memory, limits and networks, read from /proc and /sys.
 *
 * A finding is worth a line when it changes what a user would do: what a virtio-mem block must be a
 * multiple of, whether huge pages that a file asks for exist on its node, which limit will be hit
 * first by many domains.
 */
#include "controller/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "controller/memory-pools.h"
#include "model/memory-claim.h"
#include "model/quantity.h"
#include "qemu/link.h"

#define THP_DIRECTORY "/sys/kernel/mm/transparent_hugepage"
#define NODE_DIRECTORY "/sys/devices/system/node"
#define OVERCOMMIT_NEVER 2
#define FILES_WANTED 4096u
#define WATCHES_WANTED 8192u
#define INSTANCES_WANTED 64u

/* A file's text without the newline; NULL when it can't be read. */
static char *
read_text(const char *path)
{
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? g_strchomp(text) : NULL;
}

static bool
read_number(const char *path, guint64 *ret_number)
{
    g_autofree char *text = read_text(path);

    return text && g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, ret_number, NULL);
}

static void
check_memory(const Config *config, Findings *findings)
{
    g_autofree char *meminfo = read_text("/proc/meminfo");
    g_autoptr(GError) error = NULL;
    g_autoptr(HostMemory) host = host_memory_read("", &error);
    guint64 available = meminfo ? meminfo_bytes(meminfo, "MemAvailable") : 0;
    guint64 total = host ? host->total : 0;
    guint64 huge_pages = host ? host_memory_reserved(host, HOST_NODE_ANY) : 0;
    guint64 budget = config_memory_budget(config, total, huge_pages), overcommit;
    bool is_limited = budget != MEMORY_POOL_UNLIMITED;
    g_autofree char *total_text = size_text(total);
    g_autofree char *huge_text = size_text(huge_pages);
    g_autofree char *available_text = size_text(available);
    g_autofree char *budget_text =
        is_limited ? size_text(budget) : g_strdup("as much as they ask for");

    if (!host)
        findings_add(findings, FINDING_FAIL, "memory", NULL, "%s", error->message);
    else if (budget == 0)
        findings_add(findings, FINDING_FAIL, "memory",
                     "lower host.memory-reserve or set host.memory-budget",
                     "%s in all: the reserve leaves nothing for guests", total_text);
    else if (is_limited && budget > total - MIN(huge_pages, total))
        findings_add(findings, FINDING_WARN, "memory", "lower host.memory-budget",
                     "the budget of %s is more than the host has (%s, %s of it huge pages)",
                     budget_text, total_text, huge_text);
    else
        findings_add(findings, FINDING_OK, "memory", NULL, "%s in all, %s available, %s for guests",
                     total_text, available_text, budget_text);
    if (!read_number("/proc/sys/vm/overcommit_memory", &overcommit))
        return;
    if (overcommit == OVERCOMMIT_NEVER)
        findings_add(findings, FINDING_WARN, "overcommit", "sysctl vm.overcommit_memory=0",
                     "strict: each virtio-mem device counts with its whole size, not with what "
                     "its guest has");
    else
        findings_add(findings, FINDING_OK, "overcommit", NULL,
                     "vm.overcommit_memory=%" G_GUINT64_FORMAT, overcommit);
}

static void
check_transparent_pages(Findings *findings)
{
    g_autofree char *enabled = read_text(THP_DIRECTORY "/enabled");
    guint64 size;

    if (!enabled || !read_number(THP_DIRECTORY "/hpage_pmd_size", &size)) {
        findings_add(findings, FINDING_WARN, "thp", NULL,
                     "this kernel has no transparent huge pages: guests are slower");
        return;
    }
    g_autofree char *text = size_text(size);

    if (strstr(enabled, "[never]"))
        findings_add(findings, FINDING_WARN, "thp", "echo madvise > " THP_DIRECTORY "/enabled",
                     "transparent huge pages are off: guests are slower");
    else
        findings_add(findings, FINDING_OK, "thp", NULL, "%s; a virtio-mem block is at least that",
                     text);
}

/* ---- huge pages ---- */

/* The pool in @directory, e.g. …/hugepages-2048kB, of node @node (NULL: of a host without nodes).
 */
static bool
report_pool(const char *directory, const char *name, const char *node, Findings *findings)
{
    g_autofree char *total_path = g_build_filename(directory, name, "nr_hugepages", NULL);
    g_autofree char *free_path = g_build_filename(directory, name, "free_hugepages", NULL);
    guint64 page = g_ascii_strtoull(name + strlen("hugepages-"), NULL, 10) * 1024, total, n_free;
    g_autofree char *page_text = size_text(page);

    if (!read_number(total_path, &total) || !read_number(free_path, &n_free) || total == 0)
        return false;
    findings_add(findings, FINDING_OK, "hugepages", NULL,
                 "%s%s%s: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " free", page_text,
                 node ? " on " : "", node ? node : "", n_free, total);
    return true;
}

static guint
report_pools(const char *directory, const char *node, Findings *findings)
{
    g_autoptr(GDir) pools = g_dir_open(directory, 0, NULL);
    const char *name;
    guint n = 0;

    while (pools && (name = g_dir_read_name(pools)))
        if (g_str_has_prefix(name, "hugepages-"))
            n += report_pool(directory, name, node, findings);
    return n;
}

static void
check_huge_pages(Findings *findings)
{
    g_autoptr(GDir) nodes = g_dir_open(NODE_DIRECTORY, 0, NULL);
    const char *name;
    guint n = 0;

    while (nodes && (name = g_dir_read_name(nodes))) {
        g_autofree char *directory = g_build_filename(NODE_DIRECTORY, name, "hugepages", NULL);

        if (g_str_has_prefix(name, "node") && g_ascii_isdigit(name[4]))
            n += report_pools(directory, name, findings);
    }
    if (!nodes)
        n = report_pools("/sys/kernel/mm/hugepages", NULL, findings);
    if (n == 0)
        findings_add(findings, FINDING_OK, "hugepages", NULL,
                     "none reserved: <hugepages/> won't start");
}

/* ---- limits ---- */

static void
check_sysctl(const char *path, const char *check, const char *name, guint64 wanted,
             const char *meaning, Findings *findings)
{
    g_autofree char *advice = g_strdup_printf("sysctl %s=%" G_GUINT64_FORMAT, name, wanted);
    guint64 number;

    if (!read_number(path, &number))
        return;
    if (number < wanted)
        findings_add(findings, FINDING_WARN, check, advice, "%s=%" G_GUINT64_FORMAT ": %s", name,
                     number, meaning);
    else
        findings_add(findings, FINDING_OK, check, NULL, "%s=%" G_GUINT64_FORMAT, name, number);
}

static char *
limit_text(rlim_t limit)
{
    return limit == RLIM_INFINITY ? g_strdup("unlimited")
                                  : g_strdup_printf("%" G_GUINT64_FORMAT, (guint64) limit);
}

static void
check_limits(Findings *findings)
{
    g_autofree char *files_text = NULL;
    g_autofree char *locked_text = NULL;
    struct rlimit files, locked;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || getrlimit(RLIMIT_MEMLOCK, &locked) < 0)
        return;
    files_text = limit_text(files.rlim_max);
    if (files.rlim_max < FILES_WANTED)
        findings_add(findings, FINDING_WARN, "limits", "LimitNOFILE=65536 in the service's unit",
                     "at most %s open files", files_text);
    else
        findings_add(findings, FINDING_OK, "limits", NULL, "at most %s open files", files_text);
    locked_text =
        locked.rlim_cur == RLIM_INFINITY ? g_strdup("unlimited") : size_text(locked.rlim_cur);
    findings_add(findings, FINDING_OK, "limits", NULL, "locked memory: %s", locked_text);
}

/* ---- networks ---- */

static void
check_network(const ConfigNetwork *network, Findings *findings)
{
    const HostNetwork *to = &network->to;
    const char *name = to->bridge ? to->bridge : to->direct;
    g_autoptr(Link) link = name ? link_find(name, NULL) : NULL;

    if (to->is_user)
        findings_add(findings, FINDING_OK, "network", NULL, "%s: user networking", network->name);
    else if (to->bridge && (link ? link_is_bridge(link) : to->is_made))
        findings_add(findings, FINDING_OK, "network", NULL, "%s: bridge %s%s", network->name, name,
                     link ? "" : ", made when it is needed");
    else if (to->direct && link)
        findings_add(findings, FINDING_OK, "network", NULL, "%s: macvtap on %s", network->name,
                     name);
    else
        findings_add(findings, FINDING_WARN, "network",
                     to->bridge ? "create the bridge, or change 'networks' in virtkeep.yaml"
                                : "change 'networks' in virtkeep.yaml",
                     "%s: there is no %s %s", network->name, to->bridge ? "bridge" : "link", name);
}

static void
check_networks(const Config *config, Findings *findings)
{
    for (guint i = 0; i < config->networks->len; i++)
        check_network(config->networks->pdata[i], findings);
}

void
doctor_check_host(const Config *config, Findings *findings)
{
    check_memory(config, findings);
    check_transparent_pages(findings);
    check_huge_pages(findings);
    check_sysctl("/proc/sys/fs/inotify/max_user_watches", "inotify", "fs.inotify.max_user_watches",
                 WATCHES_WANTED, "large domain directories can't be watched wholly", findings);
    check_sysctl("/proc/sys/fs/inotify/max_user_instances", "inotify",
                 "fs.inotify.max_user_instances", INSTANCES_WANTED,
                 "`watch` may not get to watch at all", findings);
    check_limits(findings);
    check_networks(config, findings);
}
