/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What it costs to move memory between four guests of one host under a budget that has room for
 * their shares and no block more: by one edit of all four files, or by one edit after another.
 *
 *     rotation   768/512/256/0 MiB becomes 0/768/512/256: one gives, three take what it gives
 *     singles    the same by four edits, each waited for: the one that gives first
 *     give       the first of these, which no rotation can be quicker than
 *
 * virtkeep runs as the queue that `apply` and `watch` are, in this process. A time is from the
 * reading of the edited files until a pass of each edited domain has found all as its file says. In
 * each round both ways are gone, in turns the one or the other first, so each guest is the one that
 * gives in some round.
 *
 * Fails when the rotation takes 1.25 times as long as the single moves together, or longer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "controller/reconciler.h"
#include "controller/site.h"
#include "tests/bench/figures.h"
#include "tests/support/deadline.h"
#include "tests/support/guest.h"
#include "tests/support/views.h"

#define MIB ((guint64) 1 << 20)
#define N_GUESTS 4
#define BOOT_MIB 512
#define OVERHEAD_MIB 32
#define BUDGET_MIB (N_GUESTS * (BOOT_MIB + OVERHEAD_MIB) + 768 + 512 + 256)
#define MOST 1.25 /* 0.97 and 1.02 were seen: the one that gives takes nearly all of the time */
#define LEAST_ROUNDS 4
#define MOST_ROUNDS 8
#define ENOUGH_US (120 * G_USEC_PER_SEC) /* no further round after this long */
#define MOVE_SECONDS 120                 /* for one move, on whatever machine */

static const char *const names[N_GUESTS] = { "g0", "g1", "g2", "g3" };

typedef struct Bench {
    Scratch *scratch;
    Config *config;
    Host *host;
    Store *store;
    DirectoryCache *cache;
    Reconciler *reconciler;
    unsigned shares_mib[N_GUESTS];
    Figures *rotation, *singles, *give;

    GMutex mutex; /* of what follows */
    GCond has_passed;
    bool is_converged[N_GUESTS]; /* since the last edit */
    char *failure;
} Bench;

/* In a worker. */
static void
on_pass(const char *name, const PassResult *result, gpointer data)
{
    Bench *bench = data;

    g_mutex_lock(&bench->mutex);
    for (guint i = 0; i < N_GUESTS; i++)
        if (!strcmp(names[i], name))
            bench->is_converged[i] = result->is_converged;
    if (result->is_failed && !bench->failure)
        bench->failure = g_strdup(result->reason);
    g_cond_signal(&bench->has_passed);
    g_mutex_unlock(&bench->mutex);
}

static bool
all_converged(const Bench *bench)
{
    for (guint i = 0; i < N_GUESTS; i++)
        if (!bench->is_converged[i])
            return false;
    return true;
}

static void
write_domain(Bench *bench, guint i)
{
    guest_write_domain(
        bench->scratch,
        &(Guest){ .name = names[i], .boot_mib = BOOT_MIB, .requested_mib = bench->shares_mib[i] });
}

static void
rescan(Bench *bench)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DirectoryScan) scan = site_scan(bench->config, bench->store, bench->cache, &error);

    assert_non_null(scan);
    reconciler_set_scan(bench->reconciler, scan, NULL);
}

static void
wait_converged(Bench *bench)
{
    gint64 end = g_get_monotonic_time() + MOVE_SECONDS * G_USEC_PER_SEC;
    bool is_in_time = true;

    g_mutex_lock(&bench->mutex);
    while (!all_converged(bench) && !bench->failure && is_in_time)
        is_in_time = g_cond_wait_until(&bench->has_passed, &bench->mutex, end);
    g_mutex_unlock(&bench->mutex);
    if (bench->failure)
        fail_msg("pass: %s", bench->failure);
    if (!is_in_time) {
        g_autofree char *rows = view_rows(
            bench->scratch, "SELECT name, sync, reason, message FROM domains ORDER BY name");

        fail_msg("not converged:\n%s", rows);
    }
}

/* The files of the domains in @edited (a bit each) are read anew; returns how long it takes, ms. */
static double
follow(Bench *bench, guint edited)
{
    gint64 start;

    for (guint i = 0; i < N_GUESTS; i++)
        if (edited & 1u << i)
            write_domain(bench, i);
    start = g_get_monotonic_time();
    g_mutex_lock(&bench->mutex);
    for (guint i = 0; i < N_GUESTS; i++)
        bench->is_converged[i] &= !(edited & 1u << i);
    g_mutex_unlock(&bench->mutex);
    rescan(bench);
    for (guint i = 0; i < N_GUESTS; i++)
        if (edited & 1u << i)
            reconciler_add(bench->reconciler, names[i], "file", false);
    wait_converged(bench);
    return milliseconds_since(start);
}

/* Each guest is to have what the one before it had. */
static void
turn_shares(Bench *bench)
{
    unsigned last = bench->shares_mib[N_GUESTS - 1];

    for (guint i = N_GUESTS - 1; i > 0; i--)
        bench->shares_mib[i] = bench->shares_mib[i - 1];
    bench->shares_mib[0] = last;
}

static void
rotate(Bench *bench)
{
    turn_shares(bench);
    figures_add(bench->rotation, follow(bench, (1u << N_GUESTS) - 1));
}

/* The guest that gives is the one that has nothing afterwards. */
static void
move_singly(Bench *bench)
{
    guint giver = 0;
    double sum;

    turn_shares(bench);
    while (bench->shares_mib[giver] > 0)
        giver++;
    sum = follow(bench, 1u << giver);
    figures_add(bench->give, sum);
    for (guint i = 1; i < N_GUESTS; i++)
        sum += follow(bench, 1u << (giver + i) % N_GUESTS);
    figures_add(bench->singles, sum);
}

static void
print_row(const char *name, const Figures *figures)
{
    g_autofree char *text = figures_text(figures);

    printf("| %-22s | %-26s |\n", name, text);
}

static void
test_rotation_against_single_moves(void **state)
{
    Bench *bench = *state;
    gint64 start = g_get_monotonic_time();
    double ratio;

    for (guint round = 0; round < MOST_ROUNDS; round++) {
        if (round >= LEAST_ROUNDS && g_get_monotonic_time() - start > ENOUGH_US)
            break;
        if (round % 2)
            move_singly(bench);
        rotate(bench);
        if (round % 2 == 0)
            move_singly(bench);
    }
    ratio = figures_ratio(bench->rotation, bench->singles);
    printf("four guests, 768/512/256/0 MiB turned by one, TCG; ms: median (range)\n"
           "| way                    | time                       |\n"
           "| --- | --- |\n");
    print_row("rotation by one edit", bench->rotation);
    print_row("four single moves", bench->singles);
    print_row("of these, the giver's", bench->give);
    printf("rotation / single moves: %.2f (at most %.2f); rotation / the giver's move: %.2f\n",
           ratio, MOST, figures_ratio(bench->rotation, bench->give));
    fflush(stdout);
    assert_true(ratio <= MOST);
}

/* ---- the guests ---- */

static Config *
make_config(Scratch *scratch)
{
    g_autofree char *text = g_strdup_printf(
        "host: { memory-budget: %dMiB, qemu-overhead: %dMiB }\n", BUDGET_MIB, OVERHEAD_MIB);
    g_autofree char *file = scratch_write(scratch, "virtkeep.yaml", text);
    g_autofree char *domains = scratch_mkdir(scratch, "domains");
    g_autofree char *state = scratch_path(scratch, "state.db");
    g_autofree char *run = scratch_path(scratch, "run");
    g_autofree char *log = scratch_path(scratch, "log");
    const ConfigPaths paths = { file, domains, state, run, log };
    g_autoptr(Diagnostics) diagnostics = NULL;
    Config *config = config_load(&paths, &diagnostics, NULL);

    assert_non_null(config);
    return config;
}

static bool
all_are_ready(Bench *bench)
{
    for (guint i = 0; i < N_GUESTS; i++)
        if (!guest_is_ready(bench->scratch, names[i]))
            return false;
    return true;
}

static int
set_up(void **state)
{
    Bench *bench = g_new0(Bench, 1);

    *state = bench;
    memcpy(bench->shares_mib, (const unsigned[N_GUESTS]){ 768, 512, 256, 0 },
           sizeof(bench->shares_mib));
    g_mutex_init(&bench->mutex);
    g_cond_init(&bench->has_passed);
    bench->rotation = figures_new();
    bench->singles = figures_new();
    bench->give = figures_new();
    bench->scratch = scratch_new();
    bench->config = make_config(bench->scratch);
    bench->host = host_new();
    bench->store = store_open(bench->config->state, STORE_READ_WRITE, NULL);
    assert_non_null(bench->store);
    bench->cache = directory_cache_new();
    bench->reconciler = reconciler_new(bench->config, bench->host, on_pass, bench);
    follow(bench, (1u << N_GUESTS) - 1);
    assert_within(120, all_are_ready(bench));
    return 0;
}

static int
tear_down(void **state)
{
    Bench *bench = *state;

    reconciler_free(bench->reconciler);
    directory_cache_free(bench->cache);
    store_close(bench->store);
    host_free(bench->host);
    config_unref(bench->config);
    scratch_free(bench->scratch);
    figures_free(bench->rotation);
    figures_free(bench->singles);
    figures_free(bench->give);
    g_mutex_clear(&bench->mutex);
    g_cond_clear(&bench->has_passed);
    g_free(bench->failure);
    g_free(bench);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rotation_against_single_moves),
    };

    guest_require_image();
    return cmocka_run_group_tests_name("budget", tests, set_up, tear_down);
}
