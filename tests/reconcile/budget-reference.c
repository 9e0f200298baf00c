/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules of the budget a second time, as plainly as they can be written: no queue, no keeping,
 * no memory of what is coming. Everybody who gives has given; then whoever is first takes, then
 * whoever is first among the rest. Quadratic, and written from the rules, not from the allocator.
 */
#include "tests/reconcile/budget-reference.h"

#include <string.h>

typedef struct {
    bool is_stuck, is_above;
    gint64 priority, since;
} Rank;

typedef struct {
    const GPtrArray *pools, *claims;
    const char *asker;
    guint64 *ends;
    guint64 start[REFERENCE_MOST_CLAIMS]; /* what it ends with if nobody takes */
    bool is_waiting[REFERENCE_MOST_CLAIMS];
    bool is_done[REFERENCE_MOST_CLAIMS][2]; /* within, above its guarantee */
    gint starts[REFERENCE_MOST_CLAIMS];     /* start_of() */
    Rank ranks[REFERENCE_MOST_CLAIMS][2];   /* rank_of() */
} Reference;

static bool
is_stuck(const MemoryClaim *claim)
{
    return claim->is_stuck && claim->stuck_at == claim->current;
}

static guint64
end_without_taking(const Reference *reference, const MemoryClaim *claim)
{
    guint64 now = MAX(MAX(claim->requested, claim->current), claim->granted);

    if (reference->asker && g_str_equal(claim->domain, reference->asker) &&
        claim->wanted < claim->granted)
        now = MAX(MAX(claim->requested, claim->current), claim->wanted);
    if (!claim->is_driven)
        return now;
    if (is_stuck(claim))
        return MIN(now, claim->current);
    if (!claim->block && claim->wanted > 0)
        return MIN(now, MAX(MAX(claim->requested, claim->current), claim->wanted));
    return MIN(now, claim->wanted);
}

/* Whether all would fit if claims were to end with @ends; pools that were too small before may be
 * as small as they were. */
static bool
fits(const Reference *reference, const guint64 *ends, bool is_above)
{
    for (guint i = 0; i < reference->pools->len; i++) {
        const MemoryPool *pool = reference->pools->pdata[i];
        guint64 granted = 0, reserved = 0, before = 0, reserved_before = 0;

        if (pool->capacity == MEMORY_POOL_UNLIMITED)
            continue;
        for (guint j = 0; j < reference->claims->len; j++) {
            const MemoryClaim *claim = reference->claims->pdata[j];

            if (!memory_pool_holds(pool, claim))
                continue;
            granted += ends[j];
            reserved += MAX(ends[j], claim->guaranteed);
            before += reference->ends[j];
            reserved_before += MAX(reference->ends[j], claim->guaranteed);
        }
        if (granted > before && granted > pool->capacity)
            return false;
        if (is_above && reserved > reserved_before && reserved > pool->capacity)
            return false;
    }
    return true;
}

/* --- one turn: claim @i, or the start that it is the first claim of --------------------------- */

static bool
is_whole_of_start(const Reference *reference, guint i)
{
    const MemoryClaim *claim = reference->claims->pdata[i];

    return reference->is_waiting[i] && !claim->block && !claim->is_running;
}

/* The first claim of the start that claim @i belongs to or comes after, or -1. */
static gint
start_of(const Reference *reference, guint i)
{
    const MemoryClaim *claim = reference->claims->pdata[i];

    for (guint j = 0; j < reference->claims->len && !claim->is_running; j++) {
        const MemoryClaim *other = reference->claims->pdata[j];

        if (is_whole_of_start(reference, j) &&
            (other->domain == claim->domain || g_str_equal(other->domain, claim->domain)))
            return j;
    }
    return -1;
}

static bool
is_with(const Reference *reference, guint i, guint j)
{
    return i == j || (is_whole_of_start(reference, i) && is_whole_of_start(reference, j) &&
                      reference->starts[i] == reference->starts[j]);
}

static Rank
rank_of_whole(const Reference *reference, guint i)
{
    Rank rank = { .priority = G_MININT64, .since = G_MAXINT64 };

    for (guint j = 0; j < reference->claims->len; j++) {
        const MemoryClaim *claim = reference->claims->pdata[j];

        if (!is_with(reference, i, j))
            continue;
        rank.is_stuck |= is_stuck(claim);
        rank.is_above |= claim->wanted > claim->guaranteed && claim->wanted > reference->start[j];
        rank.priority = MAX(rank.priority, claim->priority);
        rank.since = claim->waiting_since ? MIN(rank.since, claim->waiting_since) : rank.since;
    }
    return rank;
}

static Rank
rank_of(const Reference *reference, guint i, bool is_above)
{
    const MemoryClaim *claim = reference->claims->pdata[i];
    gint start = reference->starts[i];
    Rank rank = { .is_stuck = is_stuck(claim),
                  .is_above = is_above,
                  .priority = claim->priority,
                  .since = claim->waiting_since ? claim->waiting_since : G_MAXINT64 },
         first;

    if (!claim->block)
        return rank_of_whole(reference, i);
    if (start < 0)
        return rank;
    first = rank_of_whole(reference, start);
    rank.is_stuck |= first.is_stuck;
    rank.is_above |= first.is_above;
    rank.priority = MIN(rank.priority, first.priority);
    rank.since = MAX(rank.since, first.since);
    return rank;
}

/* Whether the turn of claim @i comes before the one of @j, both with their own is_above. */
static bool
is_before(const Reference *reference, guint i, bool i_above, guint j, bool j_above)
{
    const MemoryClaim *x = reference->claims->pdata[i], *y = reference->claims->pdata[j];
    Rank a = reference->ranks[i][i_above], b = reference->ranks[j][j_above];

    if (a.is_stuck != b.is_stuck)
        return b.is_stuck;
    if (a.is_above != b.is_above)
        return b.is_above;
    if (a.priority != b.priority)
        return a.priority > b.priority;
    if (a.since != b.since)
        return a.since < b.since;
    if (!g_str_equal(x->domain, y->domain))
        return strcmp(x->domain, y->domain) < 0;
    if (is_whole_of_start(reference, i) != is_whole_of_start(reference, j))
        return is_whole_of_start(reference, i);
    return i != j ? i < j : !i_above;
}

static void
give_whole(Reference *reference, guint i)
{
    guint64 ends[REFERENCE_MOST_CLAIMS];
    bool is_above = reference->ranks[i][1].is_above;

    memcpy(ends, reference->ends, sizeof *ends * reference->claims->len);
    for (guint j = 0; j < reference->claims->len; j++) {
        const MemoryClaim *claim = reference->claims->pdata[j];

        if (!is_with(reference, i, j))
            continue;
        ends[j] = claim->wanted;
        reference->is_done[j][0] = reference->is_done[j][1] = true;
    }
    if (fits(reference, ends, is_above))
        memcpy(reference->ends, ends, sizeof *ends * reference->claims->len);
}

static void
give_blocks(Reference *reference, guint i, bool is_above)
{
    const MemoryClaim *claim = reference->claims->pdata[i];
    guint64 ends[REFERENCE_MOST_CLAIMS], most = claim->wanted;
    gint start = reference->starts[i];

    reference->is_done[i][is_above] = true;
    if (start >= 0 &&
        reference->ends[start] != ((const MemoryClaim *) reference->claims->pdata[start])->wanted)
        return;
    if (!is_above)
        most = MIN(most, claim->guaranteed);
    memcpy(ends, reference->ends, sizeof *ends * reference->claims->len);
    while (ends[i] + claim->block <= most) {
        ends[i] += claim->block;
        if (!fits(reference, ends, is_above))
            break;
        reference->ends[i] = ends[i];
    }
}

/* The turn before all others that are left. False if none is. */
static bool
next_turn(const Reference *reference, guint *ret_i, bool *ret_above)
{
    bool is_found = false;

    for (guint i = 0; i < reference->claims->len; i++) {
        const MemoryClaim *claim = reference->claims->pdata[i];

        for (guint above = claim->block ? 0 : 1; above < 2; above++) {
            if (!reference->is_waiting[i] || reference->is_done[i][above] ||
                (is_found && !is_before(reference, i, above, *ret_i, *ret_above)))
                continue;
            *ret_i = i;
            *ret_above = above;
            is_found = true;
        }
    }
    return is_found;
}

void
reference_ends(const GPtrArray *pools, const GPtrArray *claims, const char *asker,
               guint64 *ret_ends)
{
    Reference reference = { .pools = pools, .claims = claims, .asker = asker, .ends = ret_ends };
    bool is_above = false;
    guint i;

    g_assert(claims->len <= REFERENCE_MOST_CLAIMS);
    for (i = 0; i < claims->len; i++) {
        const MemoryClaim *claim = claims->pdata[i];
        bool asks = asker && g_str_equal(claim->domain, asker);

        ret_ends[i] = reference.start[i] = end_without_taking(&reference, claim);
        reference.is_waiting[i] =
            claim->wanted > ret_ends[i] &&
            (asks || (claim->is_driven && claim->waiting_since && claim->wanted > claim->granted));
    }
    for (i = 0; i < claims->len; i++)
        reference.starts[i] = start_of(&reference, i);
    for (i = 0; i < claims->len; i++)
        for (guint above = 0; above < 2 && reference.is_waiting[i]; above++)
            reference.ranks[i][above] = rank_of(&reference, i, above);
    while (next_turn(&reference, &i, &is_above)) {
        if (((const MemoryClaim *) claims->pdata[i])->block)
            give_blocks(&reference, i, is_above);
        else
            give_whole(&reference, i);
    }
}
