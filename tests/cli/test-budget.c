/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's memory budget as its operator sees it: starts that wait and go on by themselves, those
 * that are refused, who is first, and what is known after the ledger was lost. Real QEMUs without a
 * guest: what they boot with, 64 MiB and 16 for QEMU itself, is all that counts here. (How memory
 * moves between guests is tests/guest/test-budget.c.)
 */
#include "tests/cli/domain-file.h"
#include "tests/support/deadline.h"
#include "tests/support/qemus.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "model/json.h"

#define MIB ((guint64) 1 << 20)
#define ONE_MIB (64 + 16) /* what one domain takes */
#define HALTED "run-strategy='halted'"

static Scratch *scratch;
static Command *watch;

static void
set_budget(unsigned mib)
{
    g_autofree char *text =
        g_strdup_printf("host: { memory-budget: %uMiB, qemu-overhead: 16MiB }\n", mib);

    g_free(scratch_write(scratch, "virtkeep.yaml", text));
    if (watch)
        command_signal(watch, SIGHUP);
}

static void
write_domain(const char *name, const char *policy)
{
    domain_file_write(scratch, &(DomainFile){ .name = name, .policy = policy });
}

static void
start(const char *name)
{
    write_domain(name, NULL);
    g_free(virtkeep_expect(scratch, 60, 0, "apply", name));
    assert_int_equal(qemus_count(scratch, name), 1);
}

static int
set_up(void **state)
{
    scratch = scratch_new();
    g_free(scratch_mkdir(scratch, "domains"));
    return 0;
}

static int
tear_down(void **state)
{
    g_clear_pointer(&watch, command_free);
    g_clear_pointer(&scratch, scratch_free);
    return 0;
}

static bool
is_watched(const char *name)
{
    g_autofree char *path = g_strdup_printf("run/.%s.lock", name);
    g_autofree char *text = scratch_read(scratch, path);
    g_autofree char *pid = g_strdup_printf("%d", command_pid(watch));

    return text && strstr(text, pid);
}

/* Once it has looked at db-1 it hears signals. */
static void
start_watch(void)
{
    watch = virtkeep_start(scratch, "watch");
    assert_within(20, is_watched("db-1"));
}

static char *
message_of(const char *name)
{
    char *message = view_text(scratch, "SELECT message FROM domains WHERE name = '%s'", name);

    return message ? message : g_strdup("");
}

static void
assert_says(const char *name, const char *part)
{
    g_autofree char *message = message_of(name);

    if (!strstr(message, part))
        fail_msg("%s: no '%s' in: %s", name, part, message);
}

static bool
is_waiting(const char *name)
{
    return view_is(scratch, "Waiting", "SELECT sync FROM domains WHERE name = '%s'", name);
}

static void
wait_until_waiting(const char *name)
{
    if (!is_within(30, is_waiting(name))) {
        g_autofree char *rows =
            view_rows(scratch, "SELECT name, run_state, sync, reason, message FROM domains");

        fail_msg("%s does not wait:\n%s", name, rows);
    }
    assert_int_equal(qemus_count(scratch, name), 0);
}

static guint64
granted(void)
{
    return view_int(scratch, "SELECT granted FROM memory_budget WHERE pool = 'memory'");
}

/* What waits says how much for, and who has it. */
static void
assert_explained(const char *name, const char *holder)
{
    g_autofree char *message = message_of(name);
    g_autofree char *status = virtkeep_expect(scratch, 10, 0, "status", name);

    print_message("%s: %s\n", name, message);
    assert_says(name, holder);
    assert_says(name, "80 MiB");
    assert_non_null(strstr(status, message));
    assert_int_equal(granted(), 2 * ONE_MIB * MIB);
}

static void
test_start_waits_for_budget(void **state)
{
    set_budget(2 * ONE_MIB + 10);
    start("db-1");
    start("db-2");
    write_domain("web-1", NULL);
    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    start_watch();
    wait_until_waiting("web-1");
    assert_explained("web-1", "db-1");
    set_budget(3 * ONE_MIB);
    view_wait_domain(scratch, 30, "web-1", "Synced", "Synced");
    assert_int_equal(qemus_count(scratch, NULL), 3);
    assert_int_equal(granted(), 3 * ONE_MIB * MIB);
}

static void
test_start_follows_what_is_given_back(void **state)
{
    set_budget(2 * ONE_MIB + 10);
    start("db-1");
    start("db-2");
    start_watch();
    write_domain("web-1", NULL);
    wait_until_waiting("web-1");
    write_domain("db-2", HALTED);
    view_wait_domain(scratch, 30, "web-1", "Synced", "Synced");
    assert_int_equal(qemus_count(scratch, NULL), 2);
    assert_int_equal(granted(), 2 * ONE_MIB * MIB);
}

/* A QEMU that dies and is not to be started again gives back as well, also while nobody looks. */
static void
test_death_gives_back(void **state)
{
    g_autofree char *before = NULL, *after = NULL, *waits = NULL, *starts = NULL;

    set_budget(ONE_MIB + 10);
    write_domain("db-1", "run-strategy='manual'");
    g_free(virtkeep_expect(scratch, 60, 0, "apply", "db-1"));
    write_domain("web-1", NULL);
    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    assert_true(is_waiting("web-1"));
    before = virtkeep_expect(scratch, 10, 0, "plan");
    assert_non_null(strstr(before, "! web-1 waits for 80 MiB to start"));
    waits = virtkeep_expect(scratch, 10, 0, "explain", "web-1");
    assert_null(strstr(waits, "+ web-1"));
    qemu_signal(scratch, "db-1", SIGKILL);
    assert_within(10, qemus_count(scratch, NULL) == 0);
    starts = virtkeep_expect(scratch, 10, 0, "explain", "web-1");
    assert_non_null(strstr(starts, "+ web-1"));
    after = virtkeep_expect(scratch, 10, 0, "plan");
    assert_null(strstr(after, "web-1 waits"));
    g_free(virtkeep_expect(scratch, 60, 0, "apply", "web-1"));
    assert_int_equal(qemus_count(scratch, "web-1"), 1);
    assert_int_equal(granted(), ONE_MIB * MIB);
}

static void
test_lowered_budget_takes_nothing(void **state)
{
    set_budget(3 * ONE_MIB);
    start("db-1");
    start("db-2");
    start_watch();
    set_budget(ONE_MIB);
    assert_within(20, view_int(scratch, "SELECT capacity FROM memory_budget"
                                        " WHERE pool = 'memory'") == ONE_MIB * MIB);
    write_domain("web-1", NULL);
    wait_until_waiting("web-1");
    assert_int_equal(qemus_count(scratch, NULL), 2);
    assert_int_equal(granted(), 2 * ONE_MIB * MIB);
}

static void
test_refused(void **state)
{
    g_autoptr(CommandResult) result = NULL;
    g_autofree char *explained = NULL;

    set_budget(ONE_MIB + 10);
    start("db-1");
    write_domain("web-1", "memory-admission='refuse'");
    result = virtkeep_run(scratch, 30, "apply", "--timeout", "60s", "web-1");
    assert_int_equal(result->status, 3);
    assert_int_equal(qemus_count(scratch, "web-1"), 0);
    assert_false(is_waiting("web-1"));
    assert_says("web-1", "db-1");
    explained = virtkeep_expect(scratch, 10, 0, "explain", "web-1");
    assert_non_null(strstr(explained, "OutOfSync (OverBudget)"));
    assert_null(strstr(explained, "HostBudget"));
    assert_int_equal(granted(), ONE_MIB * MIB);
}

static void
test_never_fits(void **state)
{
    g_autoptr(CommandResult) result = NULL;
    g_autofree char *explained = NULL;

    set_budget(ONE_MIB - 1);
    write_domain("web-1", NULL);
    result = virtkeep_run(scratch, 30, "apply", "--timeout", "60s");
    assert_int_equal(result->status, 3);
    assert_int_equal(qemus_count(scratch, NULL), 0);
    assert_says("web-1", "can never start");
    assert_says("web-1", "80 MiB");
    explained = virtkeep_expect(scratch, 10, 0, "explain", "web-1");
    assert_non_null(strstr(explained, "OutOfSync (OverBudget)"));
    assert_int_equal(granted(), 0);
}

/* Both wait, the one without priority longer. */
static void
test_priority(void **state)
{
    set_budget(ONE_MIB + 10);
    start("db-1");
    start_watch();
    write_domain("low", NULL);
    wait_until_waiting("low");
    write_domain("high", "memory-priority='10'");
    wait_until_waiting("high");
    write_domain("db-1", HALTED);
    view_wait_domain(scratch, 30, "high", "Synced", "Synced");
    assert_true(is_waiting("low"));
    assert_int_equal(qemus_count(scratch, NULL), 1);
}

/* The guaranteed domain has 80 MiB and is to be able to have 200 at any time. */
static void
test_guarantee(void **state)
{
    DomainFile file = { .name = "db-1",
                        .has_memory_device = true,
                        .policy = "memory-guarantee='200MiB' memory-step='all'" };

    set_budget(200 + ONE_MIB + 20);
    domain_file_write(scratch, &file);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    start("db-2");
    start_watch();
    write_domain("web-1", NULL);
    wait_until_waiting("web-1");
    file.requested_mib = 120;
    domain_file_write(scratch, &file);
    assert_within(20, qemu_requested(scratch, "db-1") == 120 * MIB);
    assert_true(is_waiting("web-1"));
}

static bool
has_dimm(const char *name)
{
    g_autoptr(Json) devices = qemu_ask(scratch, name, "query-memory-devices", NULL);

    return json_length(devices) == 1;
}

/* A module is memory that comes as a whole: 128 MiB of which 90 are free. */
static void
test_module_waits(void **state)
{
    static const char dimm[] = "<memory model='dimm'><target><size unit='MiB'>128</size>"
                               "<node>0</node></target></memory>";
    DomainFile file = { .name = "db-1", .head = "<features><acpi/></features>" };
    g_autofree char *xml = NULL, *with = NULL;
    g_auto(GStrv) parts = NULL;

    set_budget(2 * ONE_MIB + 90);
    domain_file_write(scratch, &file);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    start("db-2");
    file.devices = dimm;
    xml = domain_file_xml(&file);
    parts = g_strsplit(xml, "<memory unit='MiB'>64</memory>", 2);
    with = g_strjoinv("<memory unit='MiB'>192</memory>", parts);
    start_watch();
    g_free(scratch_write(scratch, "domains/db-1.xml", with));
    assert_within(30, is_waiting("db-1"));
    assert_says("db-1", "128 MiB");
    assert_false(has_dimm("db-1"));
    assert_int_equal(granted(), 2 * ONE_MIB * MIB);
    write_domain("db-2", HALTED);
    assert_within(30, has_dimm("db-1"));
    view_wait_domain(scratch, 30, "db-1", "Synced", "Synced");
    assert_int_equal(granted(), (ONE_MIB + 128) * MIB);
}

/* Nothing is known but what the QEMUs themselves say. */
static void
test_ledger_is_lost(void **state)
{
    static const char *const files[] = { "state.db", "state.db-wal", "state.db-shm" };

    set_budget(2 * ONE_MIB + 10);
    start("db-1");
    start("db-2");
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = scratch_path(scratch, files[i]);

        g_unlink(path);
    }
    write_domain("web-1", NULL);
    g_free(virtkeep_expect(scratch, 60, 3, "apply", "web-1"));
    assert_true(is_waiting("web-1"));
    assert_int_equal(qemus_count(scratch, NULL), 2);
    assert_int_equal(granted(), 2 * ONE_MIB * MIB);
}

#define N_CROWD 7
#define N_FIT 4

static bool
is_running(Command *command, unsigned *ret_most)
{
    unsigned n = qemus_count(scratch, NULL);

    *ret_most = MAX(*ret_most, n);
    return command_is_running(command);
}

/* Three processes draw on one ledger; QEMUs are counted all the while. */
static void
test_shared_ledger(void **state)
{
    g_autoptr(Command) first = NULL, second = NULL;
    unsigned most = 0;

    set_budget(N_FIT * ONE_MIB + ONE_MIB / 2);
    for (guint i = 0; i < N_CROWD; i++) {
        g_autofree char *name = g_strdup_printf("web-%u", i);

        write_domain(name, NULL);
    }
    watch = virtkeep_start(scratch, "watch");
    first = virtkeep_start(scratch, "apply", "--timeout", "5s");
    second = virtkeep_start(scratch, "apply", "--timeout", "5s");
    assert_within(60, !is_running(first, &most) && !is_running(second, &most));
    /* Who waits may be known before the last of those that need not wait has become a QEMU. */
    assert_within(30, (is_running(watch, &most), qemus_count(scratch, NULL) == N_FIT) &&
                          view_int(scratch, "SELECT count(*) FROM domains"
                                            " WHERE sync = 'Waiting'") == N_CROWD - N_FIT);
    assert_int_equal(most, N_FIT);
    assert_int_equal(granted(), N_FIT * ONE_MIB * MIB);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_start_waits_for_budget),
        TEST(test_start_follows_what_is_given_back),
        TEST(test_death_gives_back),
        TEST(test_lowered_budget_takes_nothing),
        TEST(test_refused),
        TEST(test_never_fits),
        TEST(test_priority),
        TEST(test_guarantee),
        TEST(test_module_waits),
        TEST(test_ledger_is_lost),
        TEST(test_shared_ledger),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
