/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * To answer one domain, the queue of all is made and served: for n domains in turn that is n times
 * n log n. But the queue is nearly the same whoever asks, and what changes between two questions
 * mostly changes no answer:
 *
 * - It is the same for all whose claims wait in any case and have nothing granted beyond their
 *   needs (is_common). Others are asked by themselves.
 * - Who takes what it was served changes the answer to nobody. All who are served ahead of it left
 *   that much in each of its pools, so they find the same without it; and when it is its turn, both
 *   queues are at the same point. This holds as long as the order is the same: a start that is
 *   through no longer holds up the blocks behind it, which may then come sooner (is_order_kept).
 * - Where all can be served all that they want, any order serves them, also after some have taken
 *   their part and others given: nobody need ever be asked again (is_plenty).
 *
 * So a queue is made anew only where somebody gave and not all can be served. Whether the answers
 * are the allocator's, tests/reconcile/test-memory-forecast-histories.c holds them to in random
 * ledgers.
 */
#include "reconcile/memory-answers.h"

#include "reconcile/memory-budget.h"

struct MemoryAnswers {
    const GPtrArray *pools, *claims;
    MemoryQueue *queue; /* served; NULL: to be made anew */
    bool is_plenty;
};

static const MemoryClaim *
claim_at(const MemoryAnswers *answers, const GArray *own, guint i)
{
    return answers->claims->pdata[g_array_index(own, guint, i)];
}

MemoryAnswers *
memory_answers_new(const GPtrArray *pools, const GPtrArray *claims)
{
    MemoryAnswers *answers = g_new0(MemoryAnswers, 1);

    answers->pools = pools;
    answers->claims = claims;
    return answers;
}

void
memory_answers_free(MemoryAnswers *answers)
{
    if (!answers)
        return;
    memory_queue_free(answers->queue);
    g_free(answers);
}

void
memory_answers_expire(MemoryAnswers *answers)
{
    g_clear_pointer(&answers->queue, memory_queue_free);
}

/* What it has and may take. */
/* Who asks waits for all that it misses; others only with somebody who leads them, and once they
 * have said so. */
static bool
waits_unasked(const MemoryClaim *claim)
{
    return claim->wanted <= memory_claim_level(claim) || (claim->is_driven && claim->waiting_since);
}

/* A stuck one is taken back what it has not used, and may then want other blocks than those. */
static bool
is_to_let_go(const MemoryClaim *claim)
{
    return memory_claim_is_stuck(claim) && claim->granted > memory_claim_held(claim);
}

static bool
all_are_served(const MemoryAnswers *answers)
{
    for (guint i = 0; i < answers->queue->n_turns; i++)
        if (answers->queue->turns[i].n_served < answers->queue->turns[i].n_units)
            return false;
    for (guint i = 0; i < answers->claims->len; i++) {
        const MemoryClaim *claim = answers->claims->pdata[i];

        if (!waits_unasked(claim) || is_to_let_go(claim))
            return false;
    }
    return true;
}

const MemoryQueue *
memory_answers_queue(MemoryAnswers *answers)
{
    if (!answers->queue) {
        answers->queue = memory_queue_new(answers->pools, answers->claims, NULL, MEMORY_NO_TIME);
        memory_queue_serve(answers->queue);
        answers->is_plenty = answers->is_plenty || all_are_served(answers);
    }
    return answers->queue;
}

bool
memory_answers_are_common(const MemoryAnswers *answers, const GArray *own)
{
    for (guint i = 0; i < own->len; i++) {
        const MemoryClaim *claim = claim_at(answers, own, i);

        if (!waits_unasked(claim) || claim->granted > MAX(claim->wanted, memory_claim_held(claim)))
            return false;
    }
    return true;
}

bool
memory_answers_are_plenty(const MemoryAnswers *answers)
{
    return answers->is_plenty;
}

/* All that it wants, by whole blocks. */
static guint64
limit_in_plenty(const MemoryClaim *claim)
{
    guint64 has = MAX(MIN(claim->granted, claim->wanted), memory_claim_held(claim));

    if (claim->wanted <= has || !claim->block)
        return MAX(claim->wanted, has);
    return has + (claim->wanted - has) / claim->block * claim->block;
}

void
memory_answers_ask(MemoryAnswers *answers, const GArray *own, guint64 *ret_limits)
{
    const MemoryQueue *queue = answers->is_plenty ? NULL : memory_answers_queue(answers);
    bool is_common = !answers->is_plenty && memory_answers_are_common(answers, own);

    if (!answers->is_plenty && !is_common) {
        memory_budget_allocate(answers->pools, answers->claims, claim_at(answers, own, 0)->domain,
                               MEMORY_NO_TIME, ret_limits);
        return;
    }
    for (guint i = 0; i < own->len; i++) {
        guint number = g_array_index(own, guint, i);

        ret_limits[number] = is_common ? memory_budget_limit(queue, number)
                                       : limit_in_plenty(answers->claims->pdata[number]);
    }
}

/* Whether the blocks of a domain that starts come at the same place in the order once it has:
 * until then no sooner than its start. Guarantees make that a long story: no. */
static bool
is_order_kept(const MemoryAnswers *answers, const GArray *own)
{
    gint64 priority = G_MININT64, since = G_MAXINT64;

    for (guint i = 0; i < own->len; i++) {
        const MemoryClaim *claim = claim_at(answers, own, i);

        if (claim->guaranteed)
            return false;
        if (claim->block || claim->wanted <= memory_claim_level(claim))
            continue;
        priority = MAX(priority, claim->priority);
        since = MIN(since, claim->waiting_since);
    }
    for (guint i = 0; i < own->len; i++) {
        const MemoryClaim *claim = claim_at(answers, own, i);

        if (claim->block && claim->wanted > memory_claim_level(claim) &&
            (claim->priority > priority || claim->waiting_since < since))
            return false;
    }
    return true;
}

bool
memory_answers_outlast(const MemoryAnswers *answers, const GArray *own)
{
    bool is_start = false;

    if (answers->is_plenty)
        return true;
    for (guint i = 0; i < own->len; i++) {
        const MemoryClaim *claim = claim_at(answers, own, i);

        if (memory_claim_is_stuck(claim) || !waits_unasked(claim) ||
            claim->granted > memory_claim_held(claim) || memory_claim_level(claim) > claim->wanted)
            return false;
        is_start |=
            !claim->is_running && !claim->block && claim->wanted > memory_claim_level(claim);
    }
    return !is_start || is_order_kept(answers, own);
}
