/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing limits: what is written where, into a directory that stands in for a cgroup; and making,
 * entering and removing real ones, which needs no controller, so that it works beside cgroup v1
 * too.
 */
#include "qemu/cgroup.h"

#include <gio/gio.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "qemu/cgroup-limits.h"
#include "qemu/threads.h"
#include "tests/qemu/tuned-domain.h"
#include "tests/support/scratch.h"

static Scratch *scratch;

static const char limits[] =
    "<cputune><shares>2048</shares><emulator_quota>5000</emulator_quota></cputune>"
    "<memtune><hard_limit unit='MiB'>128</hard_limit></memtune>";

/* A directory with the files of a delegated cgroup. */
static char *
stand_in(const char *controllers, const char *given, const char *processes)
{
    g_free(scratch_write(scratch, "parent/cgroup.controllers", controllers));
    g_free(scratch_write(scratch, "parent/cgroup.subtree_control", given));
    g_free(scratch_write(scratch, "parent/cgroup.procs", processes));
    return scratch_path(scratch, "parent");
}

static void
assert_file(const char *name, const char *text)
{
    g_autofree char *path = g_strconcat("parent/", name, NULL), *is = scratch_read(scratch, path);

    if (!is || strcmp(is, text))
        fail_msg("%s holds '%s', not '%s'", name, is ? is : "(nothing)", text);
}

static bool
enter(const char *parent, pid_t pid, GError **error)
{
    g_autofree char *group = cgroup_directory(parent, "tuned");

    return cgroup_enter(group, pid, error);
}

static void
test_refusals(void **state)
{
    static const struct {
        const char *controllers, *given, *processes, *words;
    } rows[] = {
        { "cpu io memory\n", "", "", NULL },
        { "cpu io memory\n", "memory\n", "12\n", NULL },
        { "cpu io memory\n", "cpu\n", "12\n", "holds processes itself" },
        { "hugetlb\n", "", "", "no controller 'memory' (it has: hugetlb)" },
        { "\n", "", "", "(it has: none)" },
    };
    g_autofree char *nowhere = scratch_path(scratch, "nowhere"), *none = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *parent = stand_in(rows[i].controllers, rows[i].given, rows[i].processes);
        g_autofree char *refusal = cgroup_refusal(parent, "memory");

        if (!rows[i].words)
            assert_null(refusal);
        else if (!refusal || !strstr(refusal, rows[i].words))
            fail_msg("row %u: %s", i, refusal ? refusal : "(none)");
    }
    none = cgroup_refusal(nowhere, "memory");
    assert_non_null(strstr(none, "is no cgroup v2"));
}

static void
test_writes(void **state)
{
    g_autofree char *parent = stand_in("cpu io memory\n", "", "");
    g_autoptr(Spec) spec = tuned_spec(limits);
    g_autoptr(GPtrArray) writes = cgroup_limits(spec->domain);
    g_autoptr(GArray) threads = g_array_new(FALSE, FALSE, sizeof(QemuThread));
    QemuThread thread = { .id = getpid(), .role = THREAD_EMULATOR };
    g_autoptr(GError) error = NULL;

    assert_true(cgroup_create(parent, "tuned", writes, &error));
    assert_true(enter(parent, 4711, &error));
    /* Each of the two once, although two writes need the first. */
    assert_file("cgroup.subtree_control", "+cpu\n+memory\n+cpu\n");
    assert_file("guest-tuned/cpu.weight", "200\n");
    assert_file("guest-tuned/memory.max", "134217728\n");
    assert_file("guest-tuned/cgroup.procs", "4711\n");
    assert_file("guest-tuned/cgroup.subtree_control", "+cpu\n");
    assert_file("guest-tuned/emulator/cgroup.type", "threaded\n");
    assert_file("guest-tuned/emulator/cpu.max", "5000 100000\n");
    g_array_append_val(threads, thread);
    thread.role = THREAD_VCPU; /* has no group here */
    g_array_append_val(threads, thread);
    assert_true(cgroup_attach_threads(parent, "tuned", threads, &error));
    {
        g_autofree char *id = g_strdup_printf("%d\n", (int) getpid());

        assert_file("guest-tuned/emulator/cgroup.threads", id);
    }
}

static void
test_devices(void **state)
{
    g_autoptr(GError) error = NULL;

    assert_null(cgroup_device_number("/dev/null", &error));
    assert_string_equal(error->message, "/dev/null: not a block device");
    g_clear_error(&error);
    assert_null(cgroup_device_number("/dev/there-is-none", &error));
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND));
}

/* ---- in the kernel's own ---- */

#define PREFIX "virtkeep-test-"

/* What tests left that were killed: their processes have been ended by their guards. */
static void
remove_stale(const char *root)
{
    g_autoptr(GDir) groups = g_dir_open(root, 0, NULL);
    const char *name;

    while (groups && (name = g_dir_read_name(groups))) {
        g_autofree char *path = g_build_filename(root, name, NULL);

        if (!g_str_has_prefix(name, PREFIX) ||
            kill((pid_t) g_ascii_strtoll(name + strlen(PREFIX), NULL, 10), 0) == 0)
            continue;
        (void) cgroup_remove(path, "tuned", NULL);
        g_rmdir(path);
    }
}

/* A new cgroup of this test; NULL where none can be made. */
static char *parent;

static char *
make_parent(void)
{
    static const char *const roots[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };

    for (guint i = 0; i < G_N_ELEMENTS(roots); i++) {
        g_autofree char *type = g_build_filename(roots[i], "cgroup.controllers", NULL);
        g_autofree char *name = g_strdup_printf(PREFIX "%d", (int) getpid());
        g_autofree char *path = g_build_filename(roots[i], name, NULL);

        remove_stale(roots[i]);
        if (g_file_test(type, G_FILE_TEST_EXISTS) && mkdir(path, 0755) == 0)
            return g_steal_pointer(&path);
    }
    return NULL;
}

/* Whether cgroups below @parent can have all of these; says why not. Apart from the tests, since
 * skip() jumps out of them past every release of memory. */
static bool
is_usable(const char *const *controllers)
{
    if (!parent)
        print_message("no cgroup v2 here that this user may change\n");
    for (; parent && *controllers; controllers++) {
        g_autofree char *refusal = cgroup_refusal(parent, *controllers);

        if (!refusal)
            continue;
        print_message("%s\n", refusal);
        return false;
    }
    return parent != NULL;
}

static char *
cgroup_of(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cgroup", (int) pid), *text = NULL;
    const char *at;

    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    at = strstr(text, "0::");
    return at ? g_strndup(at, strcspn(at, "\n")) : g_strdup("");
}

static void
check_real(void)
{
    g_autoptr(GPtrArray) nothing = g_ptr_array_new();
    g_autofree char *path = g_build_filename(parent, "guest-tuned", NULL);
    g_autofree char *group = g_build_filename(path, "emulator", NULL), *where = NULL;
    QemuThread thread = { .role = THREAD_EMULATOR };
    g_autoptr(GError) error = NULL;

    assert_true(cgroup_create(parent, "tuned", nothing, &error));
    assert_int_equal(mkdir(group, 0755), 0);
    thread.id = fork();
    if (thread.id == 0) {
        pause();
        _exit(0);
    }
    scratch_watch_pid(scratch, thread.id);
    assert_true(enter(parent, thread.id, &error));
    where = cgroup_of(thread.id);
    assert_true(g_str_has_suffix(where, "/guest-tuned"));
    /* It is not taken from something that lives, neither to be removed nor to be made anew. */
    assert_false(cgroup_create(parent, "tuned", nothing, &error));
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_BUSY));
    assert_int_equal(kill(thread.id, SIGKILL), 0);
    /* Ended and not yet reaped, as a QEMU is for a moment. */
    assert_true(cgroup_remove(parent, "tuned", NULL));
    assert_int_equal(waitpid(thread.id, NULL, 0), thread.id);
    assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    assert_true(cgroup_remove(parent, "tuned", NULL)); /* there is none: nothing to do */
}

static void
test_real(void **state)
{
    static const char *const none[] = { NULL };

    if (!is_usable(none))
        skip();
    check_real();
}

static gpointer
wait_forever(gpointer data)
{
    for (;;)
        pause();
    return NULL;
}

/* A process of two threads; *ret_second is the other one. */
static pid_t
fork_threads(pid_t *ret_second)
{
    g_autofree char *path = NULL;
    int ready[2];
    pid_t pid;
    char byte;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        g_thread_unref(g_thread_new("second", wait_forever, NULL));
        (void) !write(ready[1], "r", 1);
        wait_forever(NULL);
    }
    scratch_watch_pid(scratch, pid);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    path = g_strdup_printf("/proc/%d/task", (int) pid);
    {
        g_autoptr(GDir) tasks = g_dir_open(path, 0, NULL);
        const char *name;

        while ((name = g_dir_read_name(tasks)))
            if (g_ascii_strtoll(name, NULL, 10) != pid)
                *ret_second = (pid_t) g_ascii_strtoll(name, NULL, 10);
    }
    return pid;
}

static void
assert_kernel_has(const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(parent, "guest-tuned", name, NULL), *is = NULL;

    if (!g_file_get_contents(path, &is, NULL, NULL) || strcmp(is, text))
        fail_msg("%s holds '%s', not '%s'", path, is ? is : "(nothing)", text);
}

/* The kernel takes what the table says, and puts threads where they belong. */
static void
check_real_limits(void)
{
    g_autoptr(Spec) spec = tuned_spec(
        "<cputune><shares>2048</shares><quota>4000</quota><global_quota>90000</global_quota>"
        "<emulator_quota>5000</emulator_quota></cputune>"
        "<memtune><hard_limit unit='MiB'>128</hard_limit><soft_limit unit='MiB'>64</soft_limit>"
        "<swap_hard_limit unit='MiB'>160</swap_hard_limit></memtune>"
        "<numatune><memory mode='restrictive' nodeset='0'/></numatune>");
    g_autoptr(GPtrArray) writes = cgroup_limits(spec->domain);
    g_autofree char *main_group = NULL, *group = NULL;
    g_autoptr(GArray) threads = g_array_new(FALSE, FALSE, sizeof(QemuThread));
    QemuThread emulator = { .role = THREAD_EMULATOR }, vcpu = { .role = THREAD_VCPU };
    g_autoptr(GError) error = NULL;

    if (!cgroup_create(parent, "tuned", writes, &error))
        fail_msg("%s", error->message);
    emulator.id = fork_threads(&vcpu.id);
    g_array_append_val(threads, emulator);
    g_array_append_val(threads, vcpu);
    if (!enter(parent, emulator.id, &error) ||
        !cgroup_attach_threads(parent, "tuned", threads, &error))
        fail_msg("%s", error->message);
    assert_kernel_has("cpu.weight", "200\n");
    assert_kernel_has("cpu.max", "90000 100000\n");
    assert_kernel_has("memory.max", "134217728\n");
    assert_kernel_has("memory.high", "67108864\n");
    assert_kernel_has("memory.swap.max", "33554432\n");
    assert_kernel_has("cpuset.mems", "0\n");
    assert_kernel_has("emulator/cpu.max", "5000 100000\n");
    assert_kernel_has("vcpu0/cpu.max", "4000 100000\n");
    assert_kernel_has("vcpu3/cpu.max", "4000 100000\n");
    assert_kernel_has("cgroup.type", "domain threaded\n");
    main_group = cgroup_of(emulator.id);
    group = cgroup_of(vcpu.id);
    assert_true(g_str_has_suffix(main_group, "/guest-tuned/emulator"));
    assert_true(g_str_has_suffix(group, "/guest-tuned/vcpu0"));
    assert_int_equal(kill(emulator.id, SIGKILL), 0);
    if (!cgroup_remove(parent, "tuned", &error))
        fail_msg("%s", error->message);
    assert_int_equal(waitpid(emulator.id, NULL, 0), emulator.id);
}

static void
test_real_limits(void **state)
{
    static const char *const needed[] = { "cpu", "cpuset", "memory", NULL };

    if (!is_usable(needed))
        skip();
    check_real_limits();
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

static int
setup_real(void **state)
{
    parent = make_parent();
    return setup(state);
}

static int
teardown_real(void **state)
{
    int result = teardown(state);

    if (!parent)
        return result;
    if (!cgroup_remove(parent, "tuned", NULL) || g_rmdir(parent) < 0)
        result = -1;
    g_clear_pointer(&parent, g_free);
    return result;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_writes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_devices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_real, setup_real, teardown_real),
        cmocka_unit_test_setup_teardown(test_real_limits, setup_real, teardown_real),
    };

    return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
