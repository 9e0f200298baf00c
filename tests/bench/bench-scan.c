/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A directory of many files: what reading it costs, first and again, and what an idle `watch` over
 * it weighs. The domains are halted by policy, so no QEMU starts and every one of them is Synced
 * once it was looked at.
 *
 *     first scan     nothing is known
 *     again          nothing has changed: stat, no parsing
 *     one changed    one file was edited
 *
 * Then commands as processes, from fork to exit: what `virsh list --all` shows, `status` does.
 * `plan` has no counterpart: it reads every file and every row and compares them.
 *
 *     new      no state file yet                known    all have a row, with their allocations
 *     halted   nothing is to be started         start    all are, more than the host has memory for
 *
 * CPU is what the process took of it: the time is that and what others on the machine did.
 *
 * Memory is that of a `watch` that was started on a state file which knows the domains already, as
 * after an update, when it has looked at all of them: /proc/PID/smaps_rollup.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <cmocka.h>

#include "controller/directory.h"
#include "model/json.h"
#include "tests/bench/figures.h"
#include "tests/support/deadline.h"
#include "tests/support/virtkeep.h"

#define N_FILES 1000
#define N_ROUNDS 7
#define PATIENCE 120 /* seconds */
#define HALTED "policy: { run-strategy: halted }\n"

static char *
domain_xml(guint number, guint memory_mib, const char *image)
{
    return g_strdup_printf(
        "<domain type='qemu'>\n"
        "  <name>guest-%04u</name>\n"
        "  <maxMemory slots='16' unit='GiB'>8</maxMemory>\n"
        "  <memory unit='MiB'>%u</memory>\n"
        "  <vcpu>2</vcpu>\n"
        "  <os><type arch='x86_64' machine='q35'>hvm</type><boot dev='hd'/></os>\n"
        "  <features><acpi/></features>\n"
        "  <cpu mode='maximum'><numa>\n"
        "    <cell id='0' cpus='0-1' memory='512' unit='MiB'/>\n"
        "  </numa></cpu>\n"
        "  <devices>\n"
        "    <emulator>/usr/bin/qemu-system-x86_64</emulator>\n"
        "    <disk type='file' device='disk'>\n"
        "      <driver name='qemu' type='qcow2'/>\n"
        "      <source file='%s'/>\n"
        "      <target dev='vda' bus='virtio'/>\n"
        "    </disk>\n"
        "    <interface type='user'><model type='virtio'/></interface>\n"
        "    <serial type='pty'><target port='0'/></serial>\n"
        "    <channel type='unix'>\n"
        "      <target type='virtio' name='org.qemu.guest_agent.0'/>\n"
        "    </channel>\n"
        "    <memballoon model='virtio'/>\n"
        "    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>\n"
        "    <memory model='virtio-mem'>\n"
        "      <target><size unit='GiB'>2</size><node>0</node><block unit='MiB'>2</block>\n"
        "        <requested unit='MiB'>256</requested></target>\n"
        "    </memory>\n"
        "  </devices>\n"
        "</domain>\n",
        number, memory_mib, image);
}

static void
write_file(Scratch *scratch, guint number, guint memory_mib)
{
    g_autofree char *image_name = g_strdup_printf("images/guest-%04u.qcow2", number);
    g_autofree char *image = scratch_write(scratch, image_name, "");
    g_autofree char *text = domain_xml(number, memory_mib, image);
    g_autofree char *name = g_strdup_printf("domains/guest-%04u.xml", number);

    g_free(scratch_write(scratch, name, text));
}

static void
write_files(Scratch *scratch, guint n)
{
    for (guint i = 0; i < n; i++)
        write_file(scratch, i, 2560);
}

static void
scan(const char *root, DirectoryCache *cache, guint n_parsed, Figures *figures)
{
    gint64 start = g_get_monotonic_time();
    g_autoptr(DirectoryScan) result = directory_scan(root, false, cache);

    figures_add(figures, milliseconds_since(start));
    assert_int_equal(result->n_valid, N_FILES);
    assert_int_equal(result->n_parsed, n_parsed);
}

static void
test_scan(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *root = scratch_mkdir(scratch, "domains");
    g_autoptr(Figures) first = figures_new();
    g_autoptr(Figures) again = figures_new();
    g_autoptr(Figures) changed = figures_new();
    g_autofree char *first_text = NULL;
    g_autofree char *again_text = NULL;
    g_autofree char *changed_text = NULL;

    write_files(scratch, N_FILES);
    for (guint round = 0; round < N_ROUNDS; round++) {
        g_autoptr(DirectoryCache) cache = directory_cache_new();

        scan(root, cache, N_FILES, first);
        scan(root, cache, 0, again);
        write_file(scratch, round, 2560 + 2 * round + 2);
        scan(root, cache, 1, changed);
    }
    first_text = figures_text(first);
    again_text = figures_text(again);
    changed_text = figures_text(changed);
    printf("a directory of %d files; ms: median (range)\n"
           "| scan | ms |\n| --- | --- |\n| first | %s |\n| again | %s |\n| one changed | %s |\n",
           N_FILES, first_text, again_text, changed_text);
}

/* ---- watch ---- */

static guint
n_synced(Scratch *scratch)
{
    g_autofree char *text = virtkeep_expect(scratch, PATIENCE, 0, "--output", "json", "status");
    g_autoptr(Json) json = json_parse(text, -1, NULL);
    const Json *domains = json_get(json, "domains");
    guint n = 0;

    for (guint i = 0; i < json_length(domains); i++)
        n += !g_strcmp0(json_get_string(json_at(domains, i), "sync"), "Synced");
    return n;
}

/* A figure of smaps_rollup, KiB. */
static guint
memory_figure(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    guint value = 0;

    if (!at || sscanf(at + strlen(name), "%u", &value) != 1)
        fail_msg("no %s", name);
    return value;
}

/* Until each of @n domains was looked at by this watch; returns the ms that took. */
static double
wait_for_watch(Scratch *scratch, Command *watch, guint n)
{
    gint64 start = g_get_monotonic_time();

    assert_within(PATIENCE, !command_is_running(watch) || n_synced(scratch) == n);
    if (!command_is_running(watch)) {
        g_autofree char *errors = command_errors(watch);

        fail_msg("watch ended: %s", errors);
    }
    return milliseconds_since(start);
}

/* CPU time of all its threads so far, ns. */
static gint64
cpu_time(pid_t pid)
{
    struct timespec time;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &time))
        fail_msg("no CPU time of process %d", (int) pid);
    return time.tv_sec * G_GINT64_CONSTANT(1000000000) + time.tv_nsec;
}

/* A watch that has taken next to no CPU time for four seconds has looked at everything, and put
 * away what it needed for that. */
static void
wait_until_idle(Command *watch)
{
    Deadline deadline = deadline_in(PATIENCE);
    gint64 since = g_get_monotonic_time();
    gint64 before = cpu_time(command_pid(watch));

    while (g_get_monotonic_time() - since < 4 * G_USEC_PER_SEC) {
        gint64 now = cpu_time(command_pid(watch));

        if (now - before > 5 * 1000000) {
            since = g_get_monotonic_time();
            before = now;
        }
        assert_true(deadline_pause(&deadline));
    }
}

static void
end_watch(Command *watch)
{
    g_autoptr(CommandResult) result = NULL;

    command_signal(watch, SIGTERM);
    result = command_wait(watch, PATIENCE);
    assert_int_equal(result->status, 0);
}

/* CPU time of all processes that ended as children of this one, ms. */
static double
children_cpu(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_CHILDREN, &usage), 0);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

static void
time_command(Scratch *scratch, guint n, const char *label, const char *const *words)
{
    g_autoptr(Figures) figures = figures_new(), cpu = figures_new();
    g_autofree char *text = NULL, *cpu_text = NULL;

    for (guint round = 0; round < N_ROUNDS; round++) {
        gint64 start = g_get_monotonic_time();
        double before = children_cpu();
        g_autoptr(CommandResult) result = virtkeep_run_argv(scratch, PATIENCE, words);

        figures_add(figures, milliseconds_since(start));
        figures_add(cpu, children_cpu() - before);
        assert_int_equal(result->status, 0);
    }
    text = figures_text(figures);
    cpu_text = figures_text(cpu);
    printf("| %u | %s | %s | %s |\n", n, label, text, cpu_text);
    fflush(stdout);
}

/* A state file that knows @n domains, and the ms until it did. */
static double
learn(Scratch *scratch, guint n)
{
    g_autoptr(Command) watch = NULL;
    double took;

    g_free(scratch_write(scratch, "virtkeep.yaml", HALTED));
    write_files(scratch, n);
    watch = virtkeep_start(scratch, "watch");
    took = wait_for_watch(scratch, watch, n);
    wait_until_idle(watch);
    end_watch(watch);
    return took;
}

static void
time_plan(Scratch *scratch, guint n, const char *label, const char *config)
{
    g_free(scratch_write(scratch, "virtkeep.yaml", config));
    time_command(scratch, n, label, (const char *[]){ "plan", NULL });
}

static void
time_commands(guint n)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *domains = scratch_mkdir(scratch, "domains");

    write_files(scratch, n);
    time_plan(scratch, n, "plan: new, halted", HALTED);
    time_plan(scratch, n, "plan: new, start", "{}\n");
    learn(scratch, n);
    time_command(scratch, n, "--help", (const char *[]){ "--help", NULL });
    time_command(scratch, n, "status", (const char *[]){ "status", NULL });
    time_plan(scratch, n, "plan: known, halted", HALTED);
    time_command(scratch, n, "plan --output json: known, halted",
                 (const char *[]){ "plan", "--output", "json", NULL });
    /* That may be started, and so may run forgotten by all. */
    time_plan(scratch, n, "plan: known, start", "{}\n");
}

static void
test_commands(void **state)
{
    printf("commands as processes; ms: median (range)\n| domains | command | ms | CPU |\n"
           "| --- | --- | --- | --- |\n");
    time_commands(0);
    time_commands(N_FILES);
    printf("libvirt 9.0, on another machine: virsh --version 17.6, virsh list --all with 1, 100, "
           "1000 domains 24, 51, 320; libvirtd started until it lists 1000: 783\n");
    fflush(stdout);
}

static void
weigh(guint n)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *domains = scratch_mkdir(scratch, "domains");
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;
    g_autoptr(Command) second = NULL;
    double took = learn(scratch, n);

    second = virtkeep_start(scratch, "watch");
    wait_until_idle(second);
    path = g_strdup_printf("/proc/%d/smaps_rollup", (int) command_pid(second));
    if (!g_file_get_contents(path, &text, NULL, NULL))
        fail_msg("cannot read %s", path);
    printf("| %u | %.0f | %.1f | %.1f |\n", n, took, memory_figure(text, "\nRss:") / 1024.0,
           memory_figure(text, "\nPss:") / 1024.0);
    end_watch(second);
}

static void
test_watch(void **state)
{
    printf("virtkeep watch; halted domains\n"
           "| files | ms from start until each has a row that says Synced | RSS, MiB, restarted | "
           "PSS, MiB |\n| --- | --- | --- | --- |\n");
    weigh(0);
    weigh(100);
    weigh(N_FILES);
    printf("libvirtd 9.0 restarted with 0, 100, 1000 domains, on another machine: RSS 25.0, 29.7, "
           "38.9; PSS 16.8, 21.5, 30.6\n");
    fflush(stdout);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_watch),
    };

    return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
