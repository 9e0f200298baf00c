/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's memory budget with four real guests. It has room for what they have together and not
 * for a block more, so that each block must be given by one before another can have it. One edit of
 * all four files rotates their shares, and MemoryMonitor looks at every QEMU every 5 ms on the way:
 * under `watch`, with `watch` killed ten times at random points of the way, by two `apply` at once
 * as `plan` foretold; and last without a budget, where the same monitor must see too much, or it
 * would see nothing.
 *
 * Then one guest fills its share with pages that can't be moved, and what it can't give is missing
 * to one other guest only: the rest is moved, the reason says who keeps it, and the guest's letting
 * go is all that it takes.
 */
#include "model/json.h"
#include "tests/support/deadline.h"
#include "tests/support/guest.h"
#include "tests/support/memory-monitor.h"
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

#define MIB ((guint64) 1 << 20)
#define N_GUESTS 4
#define BOOT_MIB 512
#define OVERHEAD_MIB 32
#define SHARES_MIB (768 + 512 + 256)
#define CONSTANT_MIB (N_GUESTS * (BOOT_MIB + OVERHEAD_MIB))
#define BUDGET_MIB (CONSTANT_MIB + SHARES_MIB)
#define MOVE_SECONDS 90
#define N_KILLS 10
/* What is moved in a rotation: 768 MiB by one guest, 256 by each of the others. */
#define DISTANCE_MIB (768 + 3 * 256)
#define PINNED 2 /* keeps what TAKER is to have */
#define TAKER 3
/* The kernel itself keeps some 14 MiB of what `online` made its own, up to 34 were seen. */
#define UNPINNED_MIB 48

static const char *const names[N_GUESTS] = { "g0", "g1", "g2", "g3" };

static Scratch *scratch;
static Command *watch;
static MemoryMonitor *monitor;
static char *identities[N_GUESTS];
static guint64 base_total[N_GUESTS]; /* MemTotal without any of the device's memory */
static unsigned shares_mib[N_GUESTS] = { 768, 512, 256, 0 };
static const char *policies[N_GUESTS];
static const char *const figures[] = { "capacity", "granted", "peak",
                                       "end" }; /* of a plan's pool */

/* ---- what is asked for ---- */

static void
write_domains(void)
{
    for (guint i = 0; i < N_GUESTS; i++)
        guest_write_domain(scratch, &(Guest){ .name = names[i],
                                              .boot_mib = BOOT_MIB,
                                              .requested_mib = shares_mib[i],
                                              .policy = policies[i] });
}

/* Of all of them; in force with the next rotation. */
static void
set_policies(const char *policy)
{
    for (guint i = 0; i < N_GUESTS; i++)
        policies[i] = policy;
}

/* Each guest gets what the one before it had. */
static void
rotate(void)
{
    unsigned last = shares_mib[N_GUESTS - 1];

    for (guint i = N_GUESTS - 1; i > 0; i--)
        shares_mib[i] = shares_mib[i - 1];
    shares_mib[0] = last;
    write_domains();
}

static void
write_config(const char *budget)
{
    g_autofree char *text = g_strdup_printf("host: { memory-budget: %s, qemu-overhead: %dMiB }\n",
                                            budget, OVERHEAD_MIB);

    g_free(scratch_write(scratch, "virtkeep.yaml", text));
}

static void
set_budget(void)
{
    g_autofree char *budget = g_strdup_printf("%dMiB", BUDGET_MIB);

    write_config(budget);
    if (!watch)
        return;
    command_signal(watch, SIGHUP);
    assert_within(20, view_int(scratch, "SELECT capacity FROM memory_budget"
                                        " WHERE pool = 'memory'") == BUDGET_MIB * MIB);
}

static void
start_watch(void)
{
    watch = virtkeep_start(scratch, "watch");
}

static void
end_watch(void)
{
    g_autoptr(CommandResult) result = NULL;

    command_signal(watch, SIGTERM);
    result = command_wait(watch, 20);
    assert_int_equal(result->status, 0);
    g_clear_pointer(&watch, command_free);
}

/* ---- what there is ---- */

static bool
has_share(guint i)
{
    guint64 share = shares_mib[i] * MIB;

    return memory_monitor_requested(monitor, i) == share &&
           memory_monitor_current(monitor, i) == share &&
           guest_has_total(scratch, names[i], base_total[i] + share);
}

static bool
all_have_shares(void)
{
    for (guint i = 0; i < N_GUESTS; i++)
        if (!has_share(i))
            return false;
    return true;
}

static void
fail_with_state(const char *what)
{
    g_autofree char *domains =
        view_rows(scratch, "SELECT name, sync, reason, message FROM domains");
    g_autofree char *devices =
        view_rows(scratch, "SELECT domain, target / 1048576, requested / 1048576,"
                           " current / 1048576, state, message FROM memory_devices");
    g_autofree char *grants = view_rows(scratch, "SELECT * FROM memory_grants");
    g_autofree char *budget = view_rows(scratch, "SELECT * FROM memory_budget");
    g_autofree char *errors = watch ? command_errors(watch) : g_strdup("");

    for (guint i = 0; i < N_GUESTS; i++)
        print_message(
            "%s: %u MiB, and MemTotal is %" G_GINT64_FORMAT " KiB off\n", names[i], shares_mib[i],
            (gint64) (guest_mem_total(scratch, names[i]) - base_total[i] - shares_mib[i] * MIB) /
                1024);
    fail_msg("%s\n%s\n%s\n%s\n%s\n%s", what, domains, devices, grants, budget, errors);
}

static void
wait_for_shares(void)
{
    if (!is_within(MOVE_SECONDS, all_have_shares()))
        fail_with_state("the shares are not there");
    for (guint i = 0; i < N_GUESTS; i++) {
        view_wait_domain(scratch, 30, names[i], "Synced", "Synced");
        assert_true(qemu_is(scratch, names[i], identities[i]));
        assert_false(guest_has_panicked(scratch, names[i]));
    }
    assert_within(10, view_n_open_actions(scratch) == 0);
}

static void
print_report(const char *what, const MemoryReport *report, gint64 since)
{
    print_message("%s: %.1f s, %u rounds, at most %.0f ms apart, peak %u of %u MiB\n", what,
                  (g_get_monotonic_time() - since) / 1e6, report->n_rounds,
                  report->longest_us / 1e3, (unsigned) (report->peak / MIB), BUDGET_MIB);
}

static void
end_within_budget(const char *what, gint64 since)
{
    g_auto(MemoryReport) report = memory_monitor_end(monitor);

    print_report(what, &report, since);
    if (report.breach)
        fail_with_state(report.breach);
    assert_true(report.n_rounds > 50);
    /* All of them had all of it at the end, and at the beginning. */
    assert_int_equal(report.peak, BUDGET_MIB * MIB);
}

/* How much is elsewhere than it was; @from: one a guest. */
static guint64
moved_since(const guint64 *from)
{
    guint64 moved = 0;

    for (guint i = 0; i < N_GUESTS; i++) {
        guint64 current = memory_monitor_current(monitor, i);

        moved += current > from[i] ? current - from[i] : from[i] - current;
    }
    return moved;
}

/* ---- tests ---- */

static int
begin(void **state)
{
    scratch = scratch_new();
    set_budget();
    write_domains();
    start_watch();
    return 0;
}

static int
end(void **state)
{
    g_clear_pointer(&monitor, memory_monitor_free);
    g_clear_pointer(&watch, command_free);
    g_clear_pointer(&scratch, scratch_free);
    for (guint i = 0; i < N_GUESTS; i++)
        g_clear_pointer(&identities[i], g_free);
    return 0;
}

static bool
all_are_ready(void)
{
    for (guint i = 0; i < N_GUESTS; i++)
        if (!guest_is_ready(scratch, names[i]))
            return false;
    return true;
}

static void
test_start(void **state)
{
    assert_within(150, all_are_ready());
    monitor = memory_monitor_new(scratch, names, N_GUESTS, CONSTANT_MIB * MIB);
    for (guint i = 0; i < N_GUESTS; i++) {
        identities[i] = qemu_identity(scratch, names[i]);
        assert_non_null(identities[i]);
        view_wait_domain(scratch, 60, names[i], "Synced", "Synced");
        base_total[i] = guest_base_total(scratch, names[i]);
    }
    wait_for_shares();
}

static void
test_rotation(void **state)
{
    gint64 since = g_get_monotonic_time();

    memory_monitor_begin(monitor, BUDGET_MIB * MIB);
    rotate();
    wait_for_shares();
    end_within_budget("rotation", since);
}

/* After this much has moved; drawn anew for each kill from the first part of what is left of the
 * way, so that all of them find something under way; small steps make it a long one. */
static guint64
next_point(guint64 moved, unsigned n_left)
{
    return moved + (guint64) (g_random_double() / (n_left + 1) * (DISTANCE_MIB * MIB - moved));
}

static void
test_rotation_with_kills(void **state)
{
    gint64 since = g_get_monotonic_time();
    guint64 from[N_GUESTS];
    guint n_on_the_way = 0;

    for (guint i = 0; i < N_GUESTS; i++)
        from[i] = memory_monitor_current(monitor, i);
    set_policies("memory-step='4'");
    memory_monitor_begin(monitor, BUDGET_MIB * MIB);
    rotate();
    for (unsigned n_left = N_KILLS; n_left > 0; n_left--) {
        guint64 point = next_point(moved_since(from), n_left);

        if (!is_within(MOVE_SECONDS, moved_since(from) >= point))
            fail_with_state("nothing moves");
        command_signal(watch, SIGKILL);
        n_on_the_way += moved_since(from) < DISTANCE_MIB * MIB;
        print_message("killed at %u of %u MiB\n", (unsigned) (moved_since(from) / MIB),
                      DISTANCE_MIB);
        assert_within(10, !command_is_running(watch));
        g_clear_pointer(&watch, command_free);
        start_watch();
    }
    wait_for_shares();
    end_within_budget("rotation with ten kills", since);
    assert_int_equal(n_on_the_way, N_KILLS);
    set_policies(NULL);
}

/* Whoever gives comes first, the three that get name it; full all the way, and nobody waits. */
static void
test_plan_of_rotation(void **state)
{
    g_autofree char *text = NULL, *out = NULL;
    g_autoptr(Json) plan = NULL;
    const Json *memory, *pool, *moves;
    unsigned before_mib[N_GUESTS];

    end_watch();
    memcpy(before_mib, shares_mib, sizeof(shares_mib));
    rotate();
    text = virtkeep_expect(scratch, 20, 2, "plan", "--exit-code");
    assert_non_null(strstr(text, "256 MiB -> 512 MiB  as g2 gives back"));
    out = virtkeep_expect(scratch, 20, 2, "plan", "--exit-code", "--output", "json");
    plan = json_parse(out, -1, NULL);
    memory = json_get(plan, "memory");
    pool = json_at(json_get(memory, "pools"), 0);
    moves = json_get(memory, "moves");
    assert_string_equal(json_get_string(pool, "name"), "memory");
    for (guint i = 0; i < G_N_ELEMENTS(figures); i++)
        assert_int_equal(json_get_uint(pool, figures[i], 0), BUDGET_MIB * MIB);
    assert_int_equal(json_length(json_get(memory, "waits")), 0);
    assert_int_equal(json_length(moves), N_GUESTS);
    for (guint i = 0; i < N_GUESTS; i++) {
        const Json *move = json_at(moves, i);
        guint guest = json_get_string(move, "domain")[1] - '0';

        assert_in_range(guest, 0, N_GUESTS - 1);
        assert_int_equal(json_get_uint(move, "from", 1), before_mib[guest] * MIB);
        assert_int_equal(json_get_uint(move, "to", 1), shares_mib[guest] * MIB);
        assert_int_equal(i == 0, shares_mib[guest] < before_mib[guest]);
        if (i > 0)
            assert_string_equal(json_get_string(move, "after"),
                                json_get_string(json_at(moves, 0), "domain"));
    }
}

static void
test_rotation_by_two_applies(void **state)
{
    g_autoptr(Command) first = NULL, second = NULL;
    g_autoptr(CommandResult) first_result = NULL, second_result = NULL;
    gint64 since;

    since = g_get_monotonic_time();
    memory_monitor_begin(monitor, BUDGET_MIB * MIB);
    /* Without a time-out `apply` ends with 3 also where a guest is guarded for a second. */
    first = virtkeep_start(scratch, "apply", "--timeout", "90s");
    second = virtkeep_start(scratch, "apply", "--timeout", "90s");
    first_result = command_wait(first, MOVE_SECONDS + 10);
    second_result = command_wait(second, MOVE_SECONDS + 10);
    if (first_result->status || second_result->status)
        fail_msg("%d %s%s\n%d %s%s", first_result->status, first_result->out, first_result->err,
                 second_result->status, second_result->out, second_result->err);
    wait_for_shares();
    end_within_budget("rotation by two applies", since);
}

/* What PINNED, which has nothing after three rotations, is given now is memory that the kernel may
 * use for itself. Without a budget there is too much of it, as long as those who give lag behind.
 */
static void
test_monitor_sees_too_much(void **state)
{
    g_auto(MemoryReport) report = { 0 };
    gint64 since = g_get_monotonic_time();

    guest_run(scratch, names[PINNED], 20, "online online", NULL);
    write_config("none");
    start_watch();
    memory_monitor_begin(monitor, BUDGET_MIB * MIB);
    rotate();
    wait_for_shares();
    report = memory_monitor_end(monitor);
    print_report("rotation without a budget", &report, since);
    assert_true(report.peak > BUDGET_MIB * MIB);
    assert_non_null(report.breach);
}

/* PINNED keeps some, TAKER has the rest of what was given, and its sentence has both. */
static bool
is_at_rest(void)
{
    guint64 kept = memory_monitor_current(monitor, PINNED) - shares_mib[PINNED] * MIB;
    guint64 taken = memory_monitor_current(monitor, TAKER);
    g_autofree char *message =
        view_text(scratch, "SELECT message FROM domains WHERE name = '%s'", names[TAKER]);
    g_autofree char *figure = g_strdup_printf("%u MiB", (unsigned) (kept / MIB));

    return kept > 0 && taken + kept == shares_mib[TAKER] * MIB &&
           memory_monitor_requested(monitor, TAKER) == taken && message &&
           strstr(message, names[PINNED]) && strstr(message, figure);
}

static bool
is_said(const char *command, const char *name, const char *part)
{
    g_autofree char *text = virtkeep_expect(scratch, 20, 0, command, name);

    return strstr(text, part) != NULL;
}

static bool
has_grant(guint guest, const char *state)
{
    return view_is(scratch, state,
                   "SELECT state FROM memory_grants WHERE domain = '%s' AND device = 'virtiomem0'",
                   names[guest]);
}

/* By all at the same time: PINNED may still find a block to give, which changes the figures. */
static bool
is_explained(void)
{
    g_autofree char *message =
        view_text(scratch, "SELECT message FROM domains WHERE name = '%s'", names[TAKER]);

    return is_at_rest() && view_domain_is(scratch, names[PINNED], "Stalled", "Unmovable") &&
           view_is(scratch, "Waiting", "SELECT sync FROM domains WHERE name = '%s'",
                   names[TAKER]) &&
           has_grant(TAKER, "waiting") && has_grant(PINNED, "stuck") &&
           is_said("status", names[TAKER], message) && is_said("explain", names[TAKER], message) &&
           is_said("explain", names[PINNED], "Unmovable");
}

/* Half of what TAKER is to have comes from a guest that gives it, half from PINNED. */
static void
test_pinned(void **state)
{
    gint64 since = g_get_monotonic_time();

    set_budget();
    guest_run(scratch, names[PINNED], 120, "pin 80000", NULL);
    memory_monitor_begin(monitor, BUDGET_MIB * MIB);
    policies[PINNED] = "memory-stall-timeout='4s'";
    shares_mib[TAKER] = 256 + shares_mib[PINNED] - UNPINNED_MIB;
    shares_mib[PINNED] = UNPINNED_MIB;
    shares_mib[0] -= 256;
    write_domains();
    if (!is_within(MOVE_SECONDS, is_explained()))
        fail_with_state("not at rest, or not explained");
    end_within_budget("pinned", since);
}

static void
test_pinned_lets_go(void **state)
{
    gint64 since = g_get_monotonic_time();

    memory_monitor_begin(monitor, BUDGET_MIB * MIB);
    guest_run(scratch, names[PINNED], 60, "unpin", NULL);
    wait_for_shares();
    end_within_budget("let go", since);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_rotation_with_kills),
        cmocka_unit_test(test_plan_of_rotation),
        cmocka_unit_test(test_rotation_by_two_applies),
        cmocka_unit_test(test_monitor_sees_too_much),
        cmocka_unit_test(test_pinned),
        cmocka_unit_test(test_pinned_lets_go),
    };

    guest_require_image();
    return cmocka_run_group_tests_name("guest-budget", tests, begin, end);
}
