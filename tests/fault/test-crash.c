/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The test that matters most: for N = 1, 2, … `apply` is killed at, or with "fail" has fail, the
 * Nth thing by which it leaves a trace (tests/fault/injector.c); then `apply` is run again, as a
 * user or the next `watch` would; until a run needs no Nth thing. After each N the same must hold:
 *
 *     what the file asks for is there; at most one QEMU ever at a time, and one that was there
 *     and right is still the same; what it holds is granted to it in the ledger of the host's
 *     memory, also before the second `apply`; every action has an outcome; nothing is left over
 *     in the run directory or beside the state; and a further `apply` does nothing.
 *
 * "companion" is "start" of a domain with a helper process (swtpm), of which the same must hold.
 * With "slow" the Nth thing only takes long, and what `apply` says must be what it always says.
 *
 *     test-crash kill|fail|slow|blind first|start|companion|change|restart|prune
 */
#include "tests/fault/faulty.h"
#include "tests/fault/plain.h"
#include "tests/support/deadline.h"
#include "tests/support/qemus.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <glib/gstdio.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MIB ((guint64) 1 << 20)
#define APPLY_SECONDS 60
/* Less than so many points in a scenario: the injector sees nothing. */
#define LEAST_POINTS 8
#define MOST_POINTS 400
#define ENOUGH_LOOKS 50

static const char *mode;
static Scratch *scratch;
static const char *devices; /* of the domain, beside what it always has */
static char *seed;          /* the content of a state file that knows QEMU's capabilities already */
static gsize seed_size;

/* --- what must always hold --- */

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Locks stay, by design; the log and shared memory of the state are there because of the last
 * reader, this program. */
static bool
is_kept(const char *name)
{
    return g_str_has_suffix(name, ".lock") || g_str_equal(name, ".ledger") ||
           g_str_equal(name, "state.db-wal") || g_str_equal(name, "state.db-shm");
}

static char *
list_directory(const char *name)
{
    g_autofree char *path = scratch_path(scratch, name);
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *entry;

    while (directory && (entry = g_dir_read_name(directory)))
        if (!is_kept(entry))
            g_ptr_array_add(names, g_strdup(entry));
    g_ptr_array_sort(names, compare_names);
    g_ptr_array_add(names, NULL);
    return g_strjoinv(" ", (char **) names->pdata);
}

static void
assert_directory(const char *name, const char *wanted)
{
    g_autofree char *found = list_directory(name);

    assert_string_equal(found, wanted);
}

static void
assert_no_leftovers(bool is_running)
{
    assert_directory("", devices ? "commands domains log memory run state.db tpm virtkeep.yaml"
                                 : "commands domains log memory run state.db virtkeep.yaml");
    assert_directory("memory", "");
    assert_directory("run", is_running ? "p" : "");
    if (is_running)
        assert_directory("run/p",
                         devices ? "applied.xml control.sock debug.sock events.sock process.json "
                                   "tpm0-swtpm.companion tpm0-swtpm.sock"
                                 : "applied.xml control.sock debug.sock events.sock process.json");
    assert_int_equal(processes_logging(scratch, "log/p-tpm0-"), is_running && devices);
}

static gint64
n_actions(void)
{
    return view_int(scratch, "SELECT count(*) FROM actions");
}

static char *
apply(int status)
{
    return virtkeep_expect(scratch, APPLY_SECONDS, status, "apply", "--timeout", "30s");
}

/* The state agrees with the processes, every story has an end, and there is nothing left to do. */
static void
assert_settled(bool is_running)
{
    g_autofree char *identity = qemu_identity(scratch, "p");
    gint64 before = n_actions();

    assert_int_equal(identity != NULL, is_running);
    if (is_running) {
        assert_int_equal(view_int(scratch, "SELECT pid FROM domains WHERE name = 'p'"),
                         g_ascii_strtoll(identity, NULL, 10));
        assert_true(view_domain_is(scratch, "p", "Synced", "Synced"));
    }
    assert_int_equal(view_n_open_actions(scratch), 0);
    g_free(apply(0));
    assert_int_equal(n_actions(), before);
    if (is_running)
        assert_true(qemu_is(scratch, "p", identity));
    assert_no_leftovers(is_running);
}

/* --- from one round to the next --- */

static void
kill_qemu(void)
{
    if (!qemus_count(scratch, "p"))
        return;
    qemu_signal(scratch, "p", SIGKILL);
    assert_within(10, qemus_count(scratch, "p") == 0);
}

static void
remove_tree(const char *name)
{
    g_autofree char *path = scratch_path(scratch, name);
    const char *const argv[] = { "rm", "-rf", path, NULL };
    g_autoptr(CommandResult) result = command_run(scratch, 10, argv);

    assert_int_equal(result->status, 0);
}

/* As on a machine on which `p` never ran. */
static void
forget_everything(void)
{
    static const char *const names[] = { "run",      "log",          "domains/p.xml",
                                         "commands", "state.db-wal", "state.db-shm",
                                         "tpm" };
    g_autofree char *path = scratch_path(scratch, "state.db");

    kill_qemu();
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        remove_tree(names[i]);
    assert_true(g_file_set_contents_full(path, seed, (gssize) seed_size,
                                         G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
}

static void
write_domain(const char *policy, unsigned requested_mib, unsigned vcpus)
{
    plain_write(scratch, &(Plain){ .name = "p",
                                   .policy = policy,
                                   .requested_mib = requested_mib,
                                   .vcpus = vcpus,
                                   .devices = devices });
}

#define RUNNING                                                                                    \
    "run-strategy='always' shutdown-timeout='100ms' restart-required='restart' memory-step='all'"
#define HALTED "run-strategy='halted' shutdown-timeout='100ms'"
#define PRUNED RUNNING " prune='destroy'"

/* Another domain, which never runs in a round: a directory with one file is pruned by removing
 * the file, not by emptying the directory. */
static void
write_neighbour(const char *policy)
{
    plain_write(scratch, &(Plain){ .name = "neighbour", .policy = policy });
}

static int
begin(void **state)
{
    g_autofree char *path = NULL;

    scratch = scratch_new();
    write_neighbour(RUNNING);
    g_free(apply(0));
    write_neighbour(HALTED);
    g_free(apply(0));
    path = scratch_path(scratch, "state.db");
    assert_true(g_file_get_contents(path, &seed, &seed_size, NULL));
    forget_everything();
    return 0;
}

static int
end(void **state)
{
    g_clear_pointer(&seed, g_free);
    g_clear_pointer(&scratch, scratch_free);
    return 0;
}

static gint64
granted(const char *device)
{
    return view_int(scratch,
                    "SELECT coalesce(sum(granted), 0) FROM memory_grants"
                    " WHERE domain = 'p' AND device LIKE '%s'",
                    device);
}

/* Others who look at the ledger now must not take what a QEMU has. */
static void
assert_granted(const char *device, guint64 held, const char *what, unsigned n)
{
    gint64 has = granted(device);

    if (has < (gint64) held)
        fail_msg("%s %s:%u: %" G_GINT64_FORMAT " MiB of %s are granted, and %" G_GUINT64_FORMAT
                 " held",
                 what, mode, n, has / (gint64) MIB, device, held / MIB);
}

/* Runs `apply` with the fault. True where there was an Nth point. */
static bool
apply_with_fault(unsigned n, const char *what, bool can_wait)
{
    const char *const arguments[] = { "apply", can_wait ? "--timeout" : "--no-wait",
                                      can_wait ? "30s" : NULL, NULL };
    g_auto(FaultyRun) run = faulty_run(scratch, mode, n, arguments);

    if (g_getenv("VIRTKEEP_TEST_VERBOSE"))
        print_message("%s %s:%u %s -> %d %s\n", what, mode, n, run.point ? run.point : "(none)",
                      run.result->status, run.result->err);
    assert_true(n < MOST_POINTS);
    assert_true(qemus_count(scratch, "p") <= 1);
    assert_true(processes_logging(scratch, "log/p-tpm0-") <= 1);
    if (qemus_count(scratch, "p"))
        assert_granted("boot%", PLAIN_BOOT_MIB * MIB, what, n);
    /* Not a crash of its own making. */
    assert_true(run.result->status < 128 || run.result->status == 128 + SIGKILL);
    if (!strcmp(mode, "slow"))
        assert_int_equal(run.result->status, strcmp(what, "grow") ? 0 : 3);
    return run.point != NULL;
}

/* --- the scenarios; each runs its round and returns whether there was an Nth point --- */

static bool
start(unsigned n)
{
    g_autofree char *left = NULL;
    bool is_reached;

    write_domain(RUNNING, 0, 1);
    is_reached = apply_with_fault(n, "start", true);
    left = qemu_identity(scratch, "p");
    g_free(apply(0));
    if (left)
        assert_true(qemu_is(scratch, "p", left));
    assert_settled(true);
    return is_reached;
}

/* Without even a state file. */
static bool
round_of_first(unsigned n)
{
    forget_everything();
    remove_tree("state.db");
    return start(n);
}

static bool
round_of_start(unsigned n)
{
    bool has_started, has_stopped;

    forget_everything();
    has_started = start(n);

    write_domain(HALTED, 0, 1);
    has_stopped = apply_with_fault(n, "stop", true);
    g_free(apply(0));
    assert_true(view_domain_is(scratch, "p", "Synced", "Halted"));
    assert_settled(false);
    return has_started || has_stopped;
}

/* The same with a process beside QEMU. What is killed between the two must not be left. */
static bool
round_of_companion(unsigned n)
{
    devices = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>\n";
    return round_of_start(n);
}

/* Nobody drives the device: asking for memory is all that comes of it. */
static bool
change_requested(unsigned n, unsigned mib)
{
    g_autofree char *before = qemu_identity(scratch, "p");
    bool is_reached;

    write_domain(RUNNING, mib, 1);
    is_reached = apply_with_fault(n, mib ? "grow" : "shrink", false);
    assert_granted("virtiomem0", qemu_requested(scratch, "p"), mib ? "grow" : "shrink", n);
    g_free(virtkeep_expect(scratch, APPLY_SECONDS, mib ? 3 : 0, "apply", "--no-wait"));
    assert_int_equal(qemu_requested(scratch, "p"), mib * MIB);
    assert_true(qemu_is(scratch, "p", before));
    assert_no_leftovers(true);
    return is_reached;
}

static bool
round_of_change(unsigned n)
{
    bool is_reached;

    if (n == 1) {
        write_domain(RUNNING, 0, 1);
        g_free(apply(0));
    }
    is_reached = change_requested(n, 128);
    is_reached |= change_requested(n, 0);
    assert_settled(true);
    return is_reached;
}

static unsigned
n_vcpus(void)
{
    g_autoptr(Json) reply = qemu_ask(scratch, "p", "query-cpus-fast", NULL);

    return json_length(reply);
}

static bool
round_of_restart(unsigned n)
{
    g_autofree char *before = NULL, *left = NULL;
    unsigned vcpus = 1 + n % 2;
    bool is_reached;

    if (n == 1) {
        write_domain(RUNNING, 0, 1);
        g_free(apply(0));
    }
    before = qemu_identity(scratch, "p");
    write_domain(RUNNING, 0, vcpus);
    is_reached = apply_with_fault(n, "restart", true);
    left = qemu_identity(scratch, "p");
    g_free(apply(0));
    assert_false(qemu_is(scratch, "p", before));
    if (left && strcmp(left, before) != 0)
        assert_true(qemu_is(scratch, "p", left));
    assert_int_equal(n_vcpus(), vcpus);
    assert_settled(true);
    return is_reached;
}

static bool
round_of_prune(unsigned n)
{
    g_autofree char *path = scratch_path(scratch, "domains/p.xml");
    bool is_reached;

    write_domain(PRUNED, 0, 1);
    g_free(apply(0));
    g_unlink(path);
    is_reached = apply_with_fault(n, "prune", true);
    g_free(apply(0));
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM domains WHERE name = 'p'"), 0);
    assert_settled(false);
    return is_reached;
}

static bool (*round_of)(unsigned n);

static void
test_all_points(void **state)
{
    unsigned n = 1;

    /* Looks that go on are the polling of memory, each like the next. */
    while (round_of(n))
        n += !strcmp(mode, "blind") && n > ENOUGH_LOOKS ? 10 : 1;
    print_message("%u points\n", n - 1);
    assert_true(n > LEAST_POINTS);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        bool (*round_of)(unsigned n);
    } scenarios[] = {
        { "first", round_of_first },         { "start", round_of_start },
        { "companion", round_of_companion }, { "change", round_of_change },
        { "restart", round_of_restart },     { "prune", round_of_prune },
    };
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_all_points) };

    g_assert(argc == 3);
    mode = argv[1];
    for (guint i = 0; i < G_N_ELEMENTS(scenarios); i++)
        if (!strcmp(scenarios[i].name, argv[2]))
            round_of = scenarios[i].round_of;
    g_assert(round_of);
    return cmocka_run_group_tests_name(argv[2], tests, begin, end);
}
