/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is served before whom, and with how much. Nobody reserves anything in the ledger: a queue is
 * made anew of all claims each time somebody asks, everyone ahead of it takes first in thought,
 * and it is told what remains. So an order can't go stale, and a waiter that dies is forgotten.
 *
 *     not stuck before stuck; what a guarantee covers before the rest; higher priority first;
 *     who has waited longest; the domain's name
 *
 * A pool has two figures. What is granted leaves `spare`; what guarantees keep besides leaves
 * `free`, which is never more. Taking within a guarantee costs spare only, anything else costs
 * both. A whole claim is served early only if its guarantee covers all of it: else one byte of
 * guarantee would put a giant before everybody's priority.
 *
 * Who can't be served takes what it can use later: out of what is free first, for one unit (the
 * next block, or all of what is whole), then out of what is coming. Only if both together are
 * enough, so that a giant holds others back no longer than its givers move; and what is coming is
 * spoken for once. Further blocks, and those of a domain that is about to start, are taken off
 * what is coming first: smaller ones may use what is free as long as that is enough.
 *
 * So n_later of a turn is what it would be served if all givers had given, and n_served is never
 * more. Taking n_served changes nobody's n_later: whatever the order of the passes and the speed
 * of the guests, all end with what serving them in order at the end would give. Once nothing is
 * coming n_served is n_later. This is what the histories hold the queue to
 * (tests/reconcile/test-memory-budget-histories.c).
 *
 * That leaves those who pass over a giant as often as a little comes free. So from time to time one
 * of the giants may gather (reconcile/memory-patience.c): what is there is kept for it though it is
 * not enough, and n_later of others is less for that while. What gathers memory all the time is a
 * guarantee, which counts before it is held.
 *
 * What is coming: the excess of claims whose owner lives and whose guest follows. A whole claim
 * gives all or nothing, so one that shall only be smaller (boot memory, until the next start)
 * gives nothing. What a stuck guest was asked to take and did not counts as well: it is withdrawn
 * as soon as somebody else is short of it (is_short).
 */
#include "reconcile/memory-queue.h"

#include <stdlib.h>
#include <string.h>

#include "reconcile/memory-patience.h"

/* More than any host has, and small enough for sums of all claims. */
#define SIZE_MOST ((guint64) 1 << 53)

typedef struct {
    gint64 spare, free;
} Price;

static gint64
bytes(guint64 size)
{
    return MIN(size, SIZE_MOST);
}

bool
memory_claim_is_stuck(const MemoryClaim *claim)
{
    return claim->is_stuck && claim->current == claim->stuck_at;
}

guint64
memory_claim_settles(const MemoryClaim *claim, guint64 held)
{
    if (!claim->is_driven)
        return held;
    if (memory_claim_is_stuck(claim))
        return MIN(held, claim->current);
    if (!claim->block && claim->wanted)
        return MIN(held, MAX(memory_claim_held(claim), claim->wanted));
    return MIN(held, claim->wanted);
}

static const MemoryClaim *
member(const MemoryQueue *queue, guint i)
{
    return queue->claims->pdata[queue->members[i]];
}

static bool
is_start(const MemoryClaim *claim)
{
    return !claim->is_running && !claim->block;
}

/* What a running guest has now and shall have more of, and what its restart takes: one part of it
 * alone is of no use, and would lie idle. */
static bool
is_restart(const MemoryClaim *claim)
{
    return claim->is_running && !claim->block && (claim->is_extra || memory_claim_held(claim));
}

/* --- what there is ---------------------------------------------------------------------------- */

static void
add_rooms(MemoryQueue *queue, const GPtrArray *pools)
{
    queue->rooms = g_new0(MemoryRoom, pools->len);
    for (guint i = 0; i < pools->len; i++) {
        const MemoryPool *pool = pools->pdata[i];
        gint64 capacity = bytes(pool->capacity);

        if (pool->capacity != MEMORY_POOL_UNLIMITED)
            queue->rooms[queue->n_rooms++] =
                (MemoryRoom){ .pool = pool, .spare = capacity, .free = capacity };
    }
}

static void
charge(MemoryQueue *queue, guint i)
{
    const MemoryClaim *claim = queue->claims->pdata[i];
    gint64 held = bytes(queue->charged[i]), guaranteed = bytes(claim->guaranteed);
    gint64 settled = bytes(memory_claim_settles(claim, held));

    for (guint j = 0; j < queue->n_rooms; j++) {
        MemoryRoom *room = &queue->rooms[j];

        if (!memory_pool_holds(room->pool, claim))
            continue;
        room->spare -= held;
        room->free -= MAX(held, guaranteed);
        room->spare_coming += held - settled;
        room->free_coming += MAX(held, guaranteed) - MAX(settled, guaranteed);
    }
}

/* --- who waits -------------------------------------------------------------------------------- */

static gint
compare_members(gconstpointer a, gconstpointer b, gpointer data)
{
    const MemoryQueue *queue = data;
    guint i = *(const guint *) a, j = *(const guint *) b;
    const MemoryClaim *x = queue->claims->pdata[i], *y = queue->claims->pdata[j];
    gint order = strcmp(x->domain, y->domain);

    if (order == 0)
        order = is_start(y) - is_start(x);
    if (order == 0)
        order = is_restart(y) - is_restart(x);
    return order ? order : (i > j) - (i < j);
}

static void
add_members(MemoryQueue *queue, const char *asker)
{
    guint n = queue->claims->len;

    queue->charged = g_new(guint64, 2 * n);
    queue->planned = queue->charged + n;
    queue->members = g_new(guint, n);
    for (guint i = 0; i < n; i++) {
        const MemoryClaim *claim = queue->claims->pdata[i];
        bool asks = asker && g_str_equal(claim->domain, asker);
        guint64 granted = asks ? MIN(claim->granted, claim->wanted) : claim->granted;

        queue->charged[i] = MAX(granted, memory_claim_held(claim));
        queue->planned[i] = queue->charged[i];
        charge(queue, i);
        if (claim->wanted > queue->charged[i] &&
            (asks || (claim->is_driven && claim->waiting_since)))
            queue->members[queue->n_members++] = i;
    }
    if (queue->n_members > 1)
        g_qsort_with_data(queue->members, queue->n_members, sizeof(guint), compare_members, queue);
}

/* What @n units of @turn on top of @held (of each claim) cost in @room: nothing if it does not come
 * out of that. */
static Price
price_of(const MemoryQueue *queue, const guint64 *held, const MemoryTurn *turn,
         const MemoryRoom *room, guint64 n)
{
    Price price = { 0 };

    for (guint i = turn->first; i < turn->first + turn->n_claims; i++) {
        const MemoryClaim *claim = member(queue, i);
        guint64 from = held[queue->members[i]];
        guint64 to = turn->unit ? from + n * turn->unit : claim->wanted;

        if (room && !memory_pool_holds(room->pool, claim))
            continue;
        price.spare += bytes(to) - bytes(from);
        price.free += bytes(MAX(to, claim->guaranteed)) - bytes(MAX(from, claim->guaranteed));
    }
    return price;
}

static MemoryTurn *
add_turn(MemoryQueue *queue, guint first, guint n_claims, guint64 n_units)
{
    const MemoryClaim *claim = member(queue, first);
    MemoryTurn *turn = &queue->turns[queue->n_turns];

    queue->order[queue->n_turns++] = turn;
    *turn = (MemoryTurn){ .domain = claim->domain,
                          .first = first,
                          .n_claims = n_claims,
                          .unit = claim->block,
                          .n_units = n_units,
                          .priority = G_MININT64,
                          .since = G_MAXINT64 };
    for (guint i = first; i < first + n_claims; i++) {
        claim = member(queue, i);
        turn->is_stuck |= memory_claim_is_stuck(claim);
        turn->priority = MAX(turn->priority, claim->priority);
        if (claim->waiting_since)
            turn->since = MIN(turn->since, claim->waiting_since);
    }
    if (!turn->unit)
        turn->is_covered = price_of(queue, queue->charged, turn, NULL, 1).free == 0;
    turn->is_above = !turn->is_covered;
    return turn;
}

/* It comes after the @start of its domain, may be NULL, whatever is said of itself. */
static void
add_blocks_turn(MemoryQueue *queue, guint i, guint64 n_units, bool is_covered,
                const MemoryTurn *start)
{
    MemoryTurn *turn;

    if (!n_units)
        return;
    turn = add_turn(queue, i, 1, n_units);
    turn->is_covered = is_covered;
    turn->is_above = !is_covered;
    if (!start)
        return;
    turn->start = start;
    turn->is_stuck |= start->is_stuck;
    turn->is_above |= start->is_above;
    turn->priority = MIN(turn->priority, start->priority);
    turn->since = MAX(turn->since, start->since);
}

static void
add_blocks(MemoryQueue *queue, guint i, const MemoryTurn *start)
{
    const MemoryClaim *claim = member(queue, i);
    guint64 held = queue->charged[queue->members[i]];
    guint64 covered = MIN(claim->guaranteed, claim->wanted);
    guint64 n = (claim->wanted - held) / claim->block;
    guint64 n_covered = covered > held ? (covered - held) / claim->block : 0;

    add_blocks_turn(queue, i, n_covered, true, start);
    add_blocks_turn(queue, i, n - n_covered, false, start);
}

static gint
compare_turns(gconstpointer a, gconstpointer b)
{
    const MemoryTurn *x = *(MemoryTurn *const *) a, *y = *(MemoryTurn *const *) b;
    gint order;

    if (x->is_stuck != y->is_stuck)
        return x->is_stuck - y->is_stuck;
    if (x->is_above != y->is_above)
        return x->is_above - y->is_above;
    if (x->priority != y->priority)
        return x->priority > y->priority ? -1 : 1;
    if (x->since != y->since)
        return x->since < y->since ? -1 : 1;
    order = strcmp(x->domain, y->domain);
    return order ? order : (x > y) - (x < y);
}

/* All or none of both: of a start, or of a restart. */
static bool
go_together(const MemoryClaim *a, const MemoryClaim *b)
{
    return g_str_equal(a->domain, b->domain) &&
           ((is_start(a) && is_start(b)) || (is_restart(a) && is_restart(b)));
}

static void
add_turns(MemoryQueue *queue)
{
    const MemoryTurn *start = NULL, *turn;
    guint n = queue->n_members;

    queue->turns = g_new(MemoryTurn, 2 * n);
    queue->order = g_new(MemoryTurn *, 2 * n);
    for (guint i = 0, next; i < n; i = next) {
        const MemoryClaim *claim = member(queue, i);

        next = i + 1;
        if (start && !g_str_equal(start->domain, claim->domain))
            start = NULL;
        if (claim->block) {
            add_blocks(queue, i, start);
            continue;
        }
        while (next < n && go_together(claim, member(queue, next)))
            next++;
        turn = add_turn(queue, i, next - i, 1);
        if (is_start(claim))
            start = turn;
    }
    if (queue->n_turns > 1)
        qsort(queue->order, queue->n_turns, sizeof *queue->order, compare_turns);
}

MemoryQueue *
memory_queue_new(const GPtrArray *pools, const GPtrArray *claims, const char *asker, gint64 now)
{
    MemoryQueue *queue = g_new0(MemoryQueue, 1);

    queue->claims = claims;
    add_rooms(queue, pools);
    add_members(queue, asker);
    add_turns(queue);
    queue->gatherer = memory_patience_find(queue, pools, now);
    return queue;
}

void
memory_queue_free(MemoryQueue *queue)
{
    if (!queue)
        return;
    g_free(queue->rooms);
    g_free(queue->charged);
    g_free(queue->members);
    g_free(queue->turns);
    g_free(queue->order);
    g_free(queue);
}

/* --- their turns ------------------------------------------------------------------------------ */

/* How many of @n units that cost @one each at first fit into @has. */
static guint64
units_in(const MemoryTurn *turn, Price one, Price has, guint64 n)
{
    if (!one.spare)
        return n;
    if (!turn->unit)
        return one.spare <= has.spare && one.free <= MAX(has.free, 0) ? n : 0;
    if (!turn->is_covered) /* the first unit may lie in part within the guarantee */
        has.spare = MIN(has.spare, has.free + one.spare - one.free);
    return MIN(n, (guint64) MAX(has.spare, 0) / turn->unit);
}

/* How many of @n units fit into what is there, or, @is_later, into that and what is coming. */
static guint64
units_that_fit(const MemoryQueue *queue, const MemoryTurn *turn, guint64 n, bool is_later)
{
    const guint64 *held = is_later ? queue->planned : queue->charged;

    for (guint i = 0; i < queue->n_rooms && n; i++) {
        const MemoryRoom *room = &queue->rooms[i];
        Price has = { room->spare, room->free };

        if (is_later) {
            has.spare += room->spare_coming;
            has.free += room->free_coming;
        }
        n = units_in(turn, price_of(queue, held, turn, room, 1), has, n);
    }
    return n;
}

/* Adds @n units to @held. */
static void
hold(MemoryQueue *queue, guint64 *held, const MemoryTurn *turn, guint64 n)
{
    for (guint i = turn->first; i < turn->first + turn->n_claims && n; i++)
        held[queue->members[i]] =
            turn->unit ? held[queue->members[i]] + n * turn->unit : member(queue, i)->wanted;
}

static void
take(MemoryQueue *queue, const MemoryTurn *turn, guint64 n)
{
    for (guint i = 0; i < queue->n_rooms; i++) {
        Price price = price_of(queue, queue->charged, turn, &queue->rooms[i], n);

        queue->rooms[i].spare -= price.spare;
        queue->rooms[i].free -= price.free;
    }
    hold(queue, queue->charged, turn, n);
    hold(queue, queue->planned, turn, n);
}

/* Takes @price off @first as far as that goes, the rest off @then. */
static void
take_part(gint64 *first, gint64 *then, gint64 price)
{
    gint64 part = CLAMP(price, 0, MAX(*first, 0));

    *first -= part;
    *then -= price - part;
}

/* Keeps one unit for @turn to be taken as soon as it is there. */
static void
keep_next(MemoryQueue *queue, const MemoryTurn *turn)
{
    for (guint i = 0; i < queue->n_rooms; i++) {
        MemoryRoom *room = &queue->rooms[i];
        Price price = price_of(queue, queue->planned, turn, room, 1);

        if (!turn->is_stuck)
            room->is_short |= price.spare > room->spare || price.free > MAX(room->free, 0);
        take_part(&room->spare, &room->spare_coming, price.spare);
        take_part(&room->free, &room->free_coming, price.free);
    }
    hold(queue, queue->planned, turn, 1);
}

/* Keeps another @n units, preferably out of what is coming. */
static void
keep_more(MemoryQueue *queue, const MemoryTurn *turn, guint64 n)
{
    for (guint i = 0; i < queue->n_rooms; i++) {
        MemoryRoom *room = &queue->rooms[i];
        Price price = price_of(queue, queue->planned, turn, room, n);

        take_part(&room->spare_coming, &room->spare, price.spare);
        take_part(&room->free_coming, &room->free, price.free);
    }
    hold(queue, queue->planned, turn, n);
}

/* Takes of @there and @coming what there is, up to @price. */
static void
gather_of(gint64 *there, gint64 *coming, gint64 price)
{
    gint64 part = CLAMP(price, 0, MAX(*there, 0));

    *there -= part;
    *coming -= CLAMP(price - part, 0, MAX(*coming, 0));
}

/* Keeps what is free for @turn, for which it is not enough; not what is left to the guarantees of
 * others. */
static void
gather(MemoryQueue *queue, MemoryTurn *turn)
{
    turn->gathers = true;
    for (guint i = 0; i < queue->n_rooms; i++) {
        MemoryRoom *room = &queue->rooms[i];
        Price price = price_of(queue, queue->planned, turn, room, 1);
        gint64 kept = MIN(price.free, MAX(room->free, 0));

        gather_of(&room->free, &room->free_coming, price.free);
        gather_of(&room->spare, &room->spare_coming, kept);
    }
}

static const MemoryPool *
pool_without_room(const MemoryQueue *queue, const MemoryTurn *turn)
{
    for (guint i = 0; i < queue->n_rooms; i++) {
        const MemoryRoom *room = &queue->rooms[i];
        Price has = { room->spare, room->free };

        if (!units_in(turn, price_of(queue, queue->charged, turn, room, 1), has, 1))
            return room->pool;
    }
    return NULL;
}

static void
serve(MemoryQueue *queue, MemoryTurn *turn)
{
    guint64 n_kept;

    if (turn->start && !turn->start->n_served)
        turn->pool = turn->start->pool;
    if (turn->start && !turn->start->n_later)
        return;
    if (!turn->start || turn->start->n_served)
        turn->n_served = units_that_fit(queue, turn, turn->n_units, false);
    if (turn->n_served)
        take(queue, turn, turn->n_served);
    if (turn->n_served < turn->n_units && !turn->pool)
        turn->pool = pool_without_room(queue, turn);
    n_kept = units_that_fit(queue, turn, turn->n_units - turn->n_served, true);
    turn->n_later = turn->n_served + n_kept;
    if (!turn->n_later && turn == queue->gatherer)
        gather(queue, turn);
    if (!n_kept)
        return;
    if (!turn->start || turn->start->n_served) {
        keep_next(queue, turn);
        n_kept--;
    }
    if (n_kept)
        keep_more(queue, turn, n_kept);
}

void
memory_queue_serve(MemoryQueue *queue)
{
    for (guint i = 0; i < queue->n_turns; i++)
        serve(queue, queue->order[i]);
}

bool
memory_turn_needs(const MemoryQueue *queue, const MemoryTurn *turn, const MemoryPool *pool)
{
    for (guint i = turn->first; i < turn->first + turn->n_claims; i++)
        if (memory_pool_holds(pool, member(queue, i)))
            return true;
    return false;
}
