/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the host gives a domain, as its operator sees it: threads pinned and virtual CPUs plugged
 * before the guest runs, QEMU in its cgroup from the start, and what this host can't give refused
 * with the file's line, by `plan` and `apply` alike. A directory stands in for the cgroup, so that
 * it works on any host.
 */
#include "tests/cli/domain-file.h"
#include "tests/support/qemus.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "model/json.h"

static Scratch *scratch;

/* Domain "tuned" of 3 virtual CPUs, @vcpu standing for its <vcpu>, @more after it. */
static void
write_domain(const char *vcpu, const char *more)
{
    g_autofree char *plain = domain_file_xml(&(DomainFile){ .name = "tuned", .vcpus = 3 });
    g_auto(GStrv) parts = g_strsplit(plain, "<vcpu>3</vcpu>\n", 2);
    g_autofree char *xml = g_strconcat(parts[0], vcpu, "\n", more, "\n", parts[1], NULL);

    g_free(scratch_write(scratch, "domains/tuned.xml", xml));
}

static void
set_cgroup(const char *path)
{
    g_autofree char *yaml = g_strdup_printf("host: { cgroup: %s }\n", path);

    g_free(scratch_write(scratch, "virtkeep.yaml", yaml));
}

/* `plan` says so and `apply` fails with it; nothing is started. */
static void
assert_blocked(const char *where, const char *words)
{
    g_autofree char *plan = virtkeep_expect(scratch, 20, 0, "plan");
    g_autoptr(CommandResult) applied = virtkeep_run(scratch, 60, "apply");

    if (!strstr(plan, where) || !strstr(plan, words))
        fail_msg("'%s' and '%s' are not both in:\n%s", where, words, plan);
    assert_int_not_equal(applied->status, 0);
    assert_non_null(strstr(applied->err, words));
    assert_int_equal(qemus_count(scratch, "tuned"), 0);
}

static void
test_missing_cpu(void **state)
{
    write_domain("<vcpu>3</vcpu>", "<cputune><vcpupin vcpu='0' cpuset='0,1000'/></cputune>");
    assert_blocked("tuned.xml:9:", "this host has no CPU 1000 (it has 0");
    write_domain("<vcpu cpuset='1001'>3</vcpu>", "");
    assert_blocked("tuned.xml:8:", "this host has no CPU 1001");
}

/* One of several things that the host hasn't got: all are told, and the file is not to blame. */
static void
test_missing_among_others(void **state)
{
    g_autofree char *status = NULL;

    write_domain("<vcpu cpuset='1001'>3</vcpu>",
                 "<memoryBacking><hugepages><page size='64' unit='TiB'/></hugepages>"
                 "</memoryBacking>");
    assert_blocked("tuned.xml:8:", "this host has no CPU 1001");
    assert_blocked("tuned.xml:9:", "no huge pages of ");
    status = virtkeep_expect(scratch, 20, 0, "status");
    assert_non_null(strstr(status, "Failed  Missing"));
}

static void
test_missing_node(void **state)
{
    write_domain("<vcpu>3</vcpu>", "<numatune><memory mode='strict' nodeset='100'/></numatune>");
    assert_blocked("tuned.xml:9:", "this host has no NUMA node 100");
}

static void
test_priority(void **state)
{
    write_domain("<vcpu>3</vcpu>",
                 "<cputune><vcpusched vcpus='1' scheduler='fifo' priority='0'/></cputune>");
    assert_blocked("tuned.xml:9:", "priorities are 1 to 99");
}

static void
test_no_cgroup(void **state)
{
    set_cgroup("/nowhere");
    write_domain("<vcpu>3</vcpu>", "<memtune><hard_limit unit='MiB'>512</hard_limit></memtune>");
    assert_blocked("tuned.xml:9:", "can't hold the domain to it: /nowhere is no cgroup v2");
}

static void
test_vcpus_with_gap(void **state)
{
    write_domain("<vcpu current='2'>3</vcpu>",
                 "<vcpus><vcpu id='0' enabled='yes' hotpluggable='no'/>\n"
                 "<vcpu id='1' enabled='no' hotpluggable='yes'/>\n"
                 "<vcpu id='2' enabled='yes' hotpluggable='no'/></vcpus>");
    assert_blocked("tuned.xml:11:", "make this one hotpluggable");
}

/* The thread of a virtual CPU; 0 when there is none. */
static pid_t
vcpu_thread(guint number)
{
    g_autoptr(Json) cpus = qemu_ask(scratch, "tuned", "query-cpus-fast", NULL);

    for (guint i = 0; i < json_length(cpus); i++)
        if (json_get_uint(json_at(cpus, i), "cpu-index", 0) == number)
            return (pid_t) json_get_int(json_at(cpus, i), "thread-id", 0);
    return 0;
}

static void
test_pinned_and_plugged(void **state)
{
    cpu_set_t set;

    write_domain("<vcpu current='2'>3</vcpu>",
                 "<vcpus><vcpu id='0' enabled='yes' hotpluggable='no'/>"
                 "<vcpu id='1' enabled='no' hotpluggable='yes'/>"
                 "<vcpu id='2' enabled='yes' hotpluggable='yes'/></vcpus>"
                 "<cputune><vcpupin vcpu='2' cpuset='0'/></cputune>");
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_true(vcpu_thread(0) > 0);
    assert_int_equal(vcpu_thread(1), 0);
    assert_true(vcpu_thread(2) > 0);
    assert_int_equal(sched_getaffinity(vcpu_thread(2), sizeof set, &set), 0);
    assert_int_equal(CPU_COUNT(&set), 1);
    assert_true(CPU_ISSET(0, &set));
    g_free(virtkeep_expect(scratch, 20, 0, "plan", "--exit-code"));
}

static void
make_cgroup(void)
{
    g_autofree char *parent = scratch_path(scratch, "cgroup");

    g_free(scratch_write(scratch, "cgroup/cgroup.controllers", "cpu io memory\n"));
    g_free(scratch_write(scratch, "cgroup/cgroup.subtree_control", "memory\n"));
    g_free(scratch_write(scratch, "cgroup/cgroup.procs", "1\n"));
    set_cgroup(parent);
}

static void
test_confined(void **state)
{
    g_autofree char *processes = NULL, *limit = NULL, *pid = NULL, *identity = NULL;

    make_cgroup();
    write_domain("<vcpu>3</vcpu>", "<memtune><hard_limit unit='MiB'>512</hard_limit></memtune>");
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    identity = qemu_identity(scratch, "tuned");
    pid = g_strndup(identity, strcspn(identity, " "));
    processes = scratch_read(scratch, "cgroup/guest-tuned/cgroup.procs");
    limit = scratch_read(scratch, "cgroup/guest-tuned/memory.max");
    assert_string_equal(g_strchomp(processes), pid);
    assert_string_equal(limit, "536870912\n");
    /* What runs is left alone when the host can't any more. */
    set_cgroup("/nowhere");
    g_free(virtkeep_expect(scratch, 20, 0, "plan", "--exit-code"));
}

/* Removes what the kernel has in a cgroup, which does not keep it from being removed there. */
static void
empty_stand_in(const char *directory)
{
    g_autofree char *path = scratch_path(scratch, directory);
    g_autoptr(GDir) files = g_dir_open(path, 0, NULL);
    const char *name;

    while (files && (name = g_dir_read_name(files))) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        assert_int_equal(g_unlink(file), 0);
    }
}

static bool
is_directory(const char *name)
{
    g_autofree char *path = scratch_path(scratch, name);

    return g_file_test(path, G_FILE_TEST_IS_DIR);
}

/* A domain stays in the cgroup that it was started in when the configuration names another one, and
 * nothing of it is left behind. */
static void
test_cgroup_elsewhere(void **state)
{
    g_autofree char *other = NULL, *limit = NULL;

    make_cgroup();
    write_domain("<vcpu>3</vcpu>", "<memtune><hard_limit unit='MiB'>512</hard_limit></memtune>");
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    g_free(scratch_write(scratch, "other/cgroup.controllers", "cpu io memory\n"));
    g_free(scratch_write(scratch, "other/cgroup.subtree_control", "memory\n"));
    g_free(scratch_write(scratch, "other/cgroup.procs", ""));
    other = scratch_path(scratch, "other");
    set_cgroup(other);
    write_domain("<vcpu>3</vcpu>", "<memtune><hard_limit unit='MiB'>640</hard_limit></memtune>");
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    limit = scratch_read(scratch, "cgroup/guest-tuned/memory.max");
    assert_string_equal(limit, "536870912\n671088640\n");
    assert_false(is_directory("other/guest-tuned"));
    empty_stand_in("cgroup/guest-tuned");
    domain_file_write(scratch, &(DomainFile){ .name = "tuned", .policy = "run-strategy='halted'" });
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_false(is_directory("cgroup/guest-tuned"));
    assert_false(is_directory("run/tuned"));
    write_domain("<vcpu>3</vcpu>", "<memtune><hard_limit unit='MiB'>512</hard_limit></memtune>");
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_true(is_directory("other/guest-tuned"));
}

#define TPM "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>"

static void
write_companion_domain(const char *limits)
{
    domain_file_write(scratch, &(DomainFile){ .name = "tuned", .devices = TPM, .head = limits });
}

static bool
has_line(const char *file, gint64 number)
{
    g_autofree char *text = scratch_read(scratch, file);
    g_autofree char *line = g_strdup_printf("%" G_GINT64_FORMAT, number);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    return g_strv_contains((const char *const *) lines, line);
}

/* What runs beside QEMU is held to the domain's limits too: from its first instruction, and when
 * the domain gets limits while it runs. */
static void
test_companions_confined(void **state)
{
    g_autofree char *swtpm = g_find_program_in_path("swtpm");

    if (!swtpm)
        skip();
    make_cgroup();
    write_companion_domain("<memtune><hard_limit unit='MiB'>512</hard_limit></memtune>");
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_true(has_line("cgroup/guest-tuned/cgroup.procs",
                         view_int(scratch, "SELECT pid FROM companions")));
    empty_stand_in("cgroup/guest-tuned");
    domain_file_write(scratch, &(DomainFile){ .name = "tuned", .policy = "run-strategy='halted'" });
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    write_companion_domain("");
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_false(is_directory("cgroup/guest-tuned"));
    g_free(scratch_write(scratch, "cgroup/cgroup.procs", ""));
    write_companion_domain("<cputune><shares>2048</shares></cputune>");
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_true(has_line("cgroup/guest-tuned/cgroup.procs",
                         view_int(scratch, "SELECT pid FROM companions")));
}

/* A limit that can't be set is a domain that doesn't run: not even for a moment, and with nothing
 * left of the attempt. */
static void
test_never_unconfined(void **state)
{
    g_autofree char *in_the_way = NULL, *run = NULL;
    g_autoptr(CommandResult) applied = NULL;

    make_cgroup();
    in_the_way = scratch_write(scratch, "cgroup/guest-tuned", "no directory\n");
    write_domain("<vcpu>3</vcpu>", "<memtune><hard_limit unit='MiB'>512</hard_limit></memtune>");
    applied = virtkeep_run(scratch, 60, "apply");
    assert_int_not_equal(applied->status, 0);
    assert_non_null(strstr(applied->err, "guest-tuned: Not a directory"));
    assert_int_equal(qemus_count(scratch, "tuned"), 0);
    run = scratch_path(scratch, "run/tuned/process.json");
    assert_false(g_file_test(run, G_FILE_TEST_EXISTS));
    assert_int_equal(g_unlink(in_the_way), 0);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_int_equal(qemus_count(scratch, "tuned"), 1);
}

static int
set_up(void **state)
{
    scratch = scratch_new();
    return 0;
}

static int
tear_down(void **state)
{
    scratch_end(scratch);
    return 0;
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_missing_cpu),         TEST(test_missing_among_others),
        TEST(test_missing_node),        TEST(test_priority),
        TEST(test_no_cgroup),           TEST(test_vcpus_with_gap),
        TEST(test_pinned_and_plugged),  TEST(test_confined),
        TEST(test_never_unconfined),    TEST(test_cgroup_elsewhere),
        TEST(test_companions_confined),
    };

    return cmocka_run_group_tests_name("tuning", tests, NULL, NULL);
}
