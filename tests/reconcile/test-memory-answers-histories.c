/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The answers that are kept against those of the allocator, in random histories of random ledgers:
 * any domain asks at any time, takes some of what it may, gives some of what it has too much, or is
 * stuck. At each question both must say the same; and so must both ways to find why one waits.
 *
 *     VIRTKEEP_HISTORIES, VIRTKEEP_SEED: how many and which
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "reconcile/memory-answers.h"
#include "reconcile/memory-budget.h"
#include "reconcile/memory-wait.h"
#include "tests/reconcile/budget-rig.h"
#include "tests/reconcile/simulated-guest.h"

#define DEFAULT_SEED 20261124
#define DEFAULT_HISTORIES 200000
#define MOST_DOMAINS 8
#define MOST_CLAIMS 4 /* of a domain */

typedef struct {
    Chance chance;
    Ledger ledger;
    GArray *domains[MOST_DOMAINS]; /* guint: numbers of its claims */
    guint n_domains;
    MemoryAnswers *answers;
    guint64 *expected, *limits;
} History;

typedef struct {
    guint64 n_questions, n_outlasting, n_plenty, n_waits;
} Totals;

static MemoryClaim *
claim_of(const History *history, guint domain, guint i)
{
    return history->ledger.claims->pdata[g_array_index(history->domains[domain], guint, i)];
}

static const char *
name_of(const History *history, guint domain)
{
    return claim_of(history, domain, 0)->domain;
}

/* ---- random ledgers ---- */

static void
add_pools(History *history, bool is_ample)
{
    static const char *const names[] = { "memory", "memory-node0", "memory-node1" };

    for (guint i = 0; i < 1 + chance_below(&history->chance, 3); i++) {
        guint64 most = is_ample ? 2000 : 120;
        MemoryPool *pool =
            ledger_pool(&history->ledger, names[i], 10 + chance_below(&history->chance, most));

        pool->nodes = i;
        if (chance_of(&history->chance, 5))
            pool->capacity = MEMORY_POOL_UNLIMITED;
    }
}

static void
fill_claim(Chance *chance, MemoryClaim *claim, bool is_running)
{
    guint64 unit = MAX(claim->block, 1);

    claim->nodes = chance_below(chance, 4);
    claim->is_running = is_running;
    claim->wanted = chance_below(chance, 24);
    if (is_running && chance_of(chance, 80)) {
        claim->current = chance_below(chance, 24 / unit) * unit;
        claim->requested = chance_of(chance, 80) ? claim->current : chance_below(chance, 24);
        if (chance_of(chance, 40))
            claim->wanted = claim->current;
    }
    claim->granted = memory_claim_held(claim);
    if (chance_of(chance, 15))
        claim->granted += chance_below(chance, 8);
    claim->waiting_since = chance_of(chance, 5) ? 0 : 1 + chance_below(chance, 20);
    claim->is_driven = chance_of(chance, 95);
    claim->is_stuck = is_running && chance_of(chance, 10);
    claim->stuck_at = claim->current;
    claim->is_extra = is_running && !claim->block && chance_of(chance, 10);
}

static void
add_domain(History *history, bool has_guarantees)
{
    Chance *chance = &history->chance;
    guint number = history->n_domains++;
    g_autofree char *name = g_strdup_printf("d%u", (guint) chance_below(chance, 90) + 10 * number);
    bool is_running = chance_of(chance, 60);
    gint64 priority = chance_of(chance, 70) ? 0 : chance_below(chance, 3);

    history->domains[number] = g_array_new(FALSE, FALSE, sizeof(guint));
    for (guint i = 0; i < 1 + chance_below(chance, MOST_CLAIMS); i++) {
        MemoryClaim *claim = g_new0(MemoryClaim, 1);

        claim->domain = g_strdup(name);
        claim->device = g_strdup_printf("m%u", i);
        claim->block = chance_of(chance, 60) ? 1 + chance_below(chance, 3) : 0;
        claim->priority = chance_of(chance, 90) ? priority : 1;
        fill_claim(chance, claim, is_running);
        if (has_guarantees && chance_of(chance, 40))
            claim->guaranteed = chance_below(chance, 20);
        g_array_append_val(history->domains[number], history->ledger.claims->len);
        g_ptr_array_add(history->ledger.claims, claim);
    }
}

static bool
is_known(const History *history, const char *name)
{
    for (guint i = 0; i + 1 < history->n_domains; i++)
        if (g_str_equal(name_of(history, i), name))
            return true;
    return false;
}

static void
begin(History *history, guint64 seed)
{
    bool has_guarantees;
    guint n;

    history->chance.seed = seed;
    history->ledger = ledger_new();
    add_pools(history, chance_of(&history->chance, 20));
    has_guarantees = chance_of(&history->chance, 50);
    n = 1 + chance_below(&history->chance, MOST_DOMAINS);
    while (history->n_domains < n) {
        add_domain(history, has_guarantees);
        if (is_known(history, name_of(history, history->n_domains - 1)))
            for (guint i = 0; i < history->domains[history->n_domains - 1]->len; i++) {
                MemoryClaim *claim = claim_of(history, history->n_domains - 1, i);

                g_free(claim->domain);
                claim->domain = g_strdup_printf("x%u", history->n_domains);
            }
    }
    history->answers = memory_answers_new(history->ledger.pools, history->ledger.claims);
    history->limits = g_new0(guint64, history->ledger.claims->len);
    history->expected = g_new0(guint64, history->ledger.claims->len);
}

static void
end(History *history)
{
    memory_answers_free(history->answers);
    for (guint i = 0; i < history->n_domains; i++)
        g_array_unref(history->domains[i]);
    ledger_clear(&history->ledger);
    g_free(history->limits);
    g_free(history->expected);
    *history = (History){ 0 };
}

/* ---- what happens ---- */

static void
compare_answers(History *history, guint domain)
{
    const GArray *own = history->domains[domain];

    memory_budget_allocate(history->ledger.pools, history->ledger.claims, name_of(history, domain),
                           MEMORY_NO_TIME, history->expected);
    memory_answers_ask(history->answers, own, history->limits);
    for (guint i = 0; i < own->len; i++) {
        guint number = g_array_index(own, guint, i);

        assert_int_equal(history->limits[number], history->expected[number]);
    }
}

static void
set_held(MemoryClaim *claim, guint64 size)
{
    claim->requested = claim->current = claim->granted = size;
    if (size >= claim->wanted)
        claim->waiting_since = 0;
}

/* Takes or gives all, or by blocks some. */
static void
move(History *history, MemoryClaim *claim, guint64 limit)
{
    guint64 level = MAX(claim->granted, memory_claim_held(claim));
    guint64 unit = MAX(claim->block, 1), to = MIN(limit, claim->wanted), part;

    if (memory_claim_is_stuck(claim)) {
        claim->requested = MIN(claim->requested, limit);
        claim->granted = memory_claim_held(claim);
        return;
    }
    if (claim->wanted < level) {
        part = level - claim->wanted;
        set_held(claim, claim->block ? level - chance_below(&history->chance, part + 1)
                                     : memory_claim_settles(claim, level));
    } else if (to > level) {
        part = chance_below(&history->chance, (to - level) / unit + 1) * unit;
        set_held(claim, claim->block ? level + part : claim->wanted);
    }
}

static bool
is_whole(const History *history, guint domain)
{
    for (guint i = 0; i < history->domains[domain]->len; i++) {
        const MemoryClaim *claim = claim_of(history, domain, i);

        if (!claim->block && memory_claim_missing(claim))
            return false;
    }
    return true;
}

static void
pass(History *history, guint domain, Totals *totals)
{
    GArray *own = history->domains[domain];
    bool outlasts, starts;

    compare_answers(history, domain);
    outlasts = memory_answers_outlast(history->answers, own);
    for (guint i = 0; i < own->len; i++)
        move(history, claim_of(history, domain, i), history->limits[g_array_index(own, guint, i)]);
    starts = is_whole(history, domain);
    for (guint i = 0; i < own->len; i++)
        claim_of(history, domain, i)->is_running |= starts;
    if (!outlasts)
        memory_answers_expire(history->answers);
    totals->n_questions++;
    totals->n_outlasting += outlasts;
}

static void
compare_waits(History *history, Totals *totals)
{
    const Ledger *ledger = &history->ledger;
    g_autoptr(MemoryWaits) waits = NULL;

    memory_answers_expire(history->answers);
    waits = memory_waits_new(ledger->pools, memory_answers_queue(history->answers));
    for (guint i = 0; i < history->n_domains; i++) {
        g_auto(MemoryWait) wait = { 0 }, expected = { 0 };
        g_autofree char *text = NULL, *expected_text = NULL;
        const char *name = name_of(history, i);
        bool is_waiting =
            memory_wait_find(ledger->pools, ledger->claims, name, MEMORY_NO_TIME, &expected);

        if (!memory_answers_are_common(history->answers, history->domains[i]))
            continue;
        assert_int_equal(memory_waits_find(waits, name, &wait), is_waiting);
        text = is_waiting ? memory_wait_text(&wait) : NULL;
        expected_text = is_waiting ? memory_wait_text(&expected) : NULL;
        assert_int_equal(g_strcmp0(text, expected_text), 0);
        totals->n_waits += is_waiting;
    }
}

static void
answers_are_the_allocators(void **unused)
{
    guint64 seed = DEFAULT_SEED, n = DEFAULT_HISTORIES;
    const char *text;
    Totals totals = { 0 };
    clock_t began = clock();
    History history = { 0 };

    if ((text = g_getenv("VIRTKEEP_SEED")))
        seed = g_ascii_strtoull(text, NULL, 10);
    if ((text = g_getenv("VIRTKEEP_HISTORIES")))
        n = g_ascii_strtoull(text, NULL, 10);
    for (guint64 i = 0; i < n; i++) {
        begin(&history, seed + i);
        for (guint j = 0; j < 30; j++)
            pass(&history, chance_below(&history.chance, history.n_domains), &totals);
        totals.n_plenty += memory_answers_are_plenty(history.answers);
        compare_waits(&history, &totals);
        end(&history);
    }
    printf("seed %" G_GUINT64_FORMAT ": %" G_GUINT64_FORMAT " histories, %" G_GUINT64_FORMAT
           " questions, %" G_GUINT64_FORMAT " outlasted, %" G_GUINT64_FORMAT
           " ended in plenty, %" G_GUINT64_FORMAT " waits; %.1f s of CPU time\n",
           seed, n, totals.n_questions, totals.n_outlasting, totals.n_plenty, totals.n_waits,
           (double) (clock() - began) / CLOCKS_PER_SEC);
    /* They were about something. */
    assert_true(n < 1000 || (totals.n_plenty > n / 10 && totals.n_waits > n / 2 &&
                             totals.n_outlasting > 3 * n));
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(answers_are_the_allocators) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
