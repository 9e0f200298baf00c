/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting, explained. The queue says which turn of the domain is not served and which pool has no
 * room for it; everything else is who holds that pool: who is giving back and how far it is, who
 * can't (its guest does not follow, or nobody leads it), who is served before, and, where nobody
 * gives, who has it all. So the sentence is made of the very figures that the answer was.
 *
 * It names the three largest of a kind and how many more there are: a host may have a thousand.
 */
#include "reconcile/memory-wait.h"

#include <string.h>

#include "model/quantity.h"
#include "reconcile/memory-queue.h"

#define NAMED 3

/* --- who -------------------------------------------------------------------------------------- */

static void
add_party(GArray *parties, const char *domain, guint64 size, guint64 so_far, const char *reason)
{
    MemoryParty new = { .domain = domain, .size = size, .so_far = so_far, .reason = reason };

    for (guint i = parties->len; i > 0; i--) {
        MemoryParty *party = &g_array_index(parties, MemoryParty, i - 1);

        if (!g_str_equal(party->domain, domain) || g_strcmp0(party->reason, reason) != 0)
            continue;
        party->size += size;
        party->so_far += so_far;
        return;
    }
    g_array_append_val(parties, new);
}

static gint
compare_parties(gconstpointer a, gconstpointer b)
{
    const MemoryParty *x = a, *y = b;

    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return strcmp(x->domain, y->domain);
}

/* What is said of a pool to all that wait for it. */
typedef struct {
    MemoryPoolFigures figures;
    GArray *givers, *keepers, *holders; /* as MemoryWait's; NULL: not found yet */
} PoolUse;

static void
add_giver(PoolUse *use, const MemoryClaim *claim, guint64 granted)
{
    guint64 coming = granted - memory_claim_settles(claim, granted);
    guint64 excess = memory_claim_excess(claim);
    bool is_stuck = memory_claim_is_stuck(claim);

    if (coming && is_stuck)
        add_party(use->givers, claim->domain, coming, 0, "its guest does not take it");
    else if (coming)
        add_party(use->givers, claim->domain, MAX(claim->giving_from, granted) - claim->wanted,
                  claim->giving_from > granted ? claim->giving_from - granted : 0, NULL);
    if (excess > coming && is_stuck)
        add_party(use->keepers, claim->domain, excess - coming, 0,
                  claim->reason ? claim->reason : "it does not follow");
    else if (excess && !claim->is_driven)
        add_party(use->keepers, claim->domain, excess, 0, NULL);
}

static void
find_use(PoolUse *use, const MemoryPool *pool, const GPtrArray *claims)
{
    use->figures = memory_pool_figures(pool, claims);
    use->givers = g_array_new(FALSE, FALSE, sizeof(MemoryParty));
    use->keepers = g_array_new(FALSE, FALSE, sizeof(MemoryParty));
    use->holders = g_array_new(FALSE, FALSE, sizeof(MemoryParty));
    for (guint i = 0; i < claims->len; i++) {
        const MemoryClaim *claim = claims->pdata[i];
        guint64 granted = MAX(claim->granted, memory_claim_held(claim));

        if (!granted || !memory_pool_holds(pool, claim))
            continue;
        add_party(use->holders, claim->domain, granted, 0, NULL);
        add_giver(use, claim, granted);
    }
    g_array_sort(use->givers, compare_parties);
    g_array_sort(use->keepers, compare_parties);
    g_array_sort(use->holders, compare_parties);
}

static char *
first_reason(const MemoryTurn *first, const MemoryTurn *turn)
{
    if (first->gathers)
        return g_strdup("memory is gathered for it for a while");
    if (!first->is_stuck && turn->is_stuck)
        return g_strdup("its guest follows");
    if (!first->is_above && turn->is_above)
        return g_strdup("guaranteed");
    if (first->priority != turn->priority)
        return g_strdup_printf("priority %" G_GINT64_FORMAT, first->priority);
    return g_strdup("waits longer");
}

static void
add_those_ahead(MemoryWait *wait, const MemoryQueue *queue, const MemoryTurn *turn)
{
    const char *last = NULL;

    for (guint i = 0; i < queue->n_turns && queue->order[i] != turn; i++) {
        const MemoryTurn *ahead = queue->order[i];

        if (!(ahead->n_later || ahead->gathers) || g_str_equal(ahead->domain, turn->domain) ||
            !memory_turn_needs(queue, ahead, wait->pool) || g_strcmp0(last, ahead->domain) == 0)
            continue;
        last = ahead->domain;
        if (wait->n_ahead++)
            continue;
        wait->first = ahead->domain;
        wait->first_reason = first_reason(ahead, turn);
    }
}

static void
add_turn(MemoryWait *wait, const MemoryQueue *queue, const MemoryTurn *turn)
{
    for (guint i = turn->first; i < turn->first + turn->n_claims; i++) {
        const MemoryClaim *claim = queue->claims->pdata[queue->members[i]];

        wait->missing += turn->unit ? (turn->n_units - turn->n_served) * turn->unit
                                    : claim->wanted - queue->charged[queue->members[i]];
        wait->is_start |= !turn->unit && !claim->is_running;
        wait->is_restart |= claim->is_extra;
        if (!g_ptr_array_find(wait->claims, claim, NULL))
            g_ptr_array_add(wait->claims, (gpointer) claim);
    }
}

/* ---- all that wait ---- */

struct MemoryWaits {
    const GPtrArray *pools;
    const MemoryQueue *queue;
    GHashTable *turns; /* domain, borrowed -> GPtrArray of MemoryTurn: not served, in order */
    PoolUse *uses;     /* of each pool */
};

MemoryWaits *
memory_waits_new(const GPtrArray *pools, const MemoryQueue *queue)
{
    MemoryWaits *waits = g_new0(MemoryWaits, 1);

    waits->pools = pools;
    waits->queue = queue;
    waits->uses = g_new0(PoolUse, pools->len);
    waits->turns =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) g_ptr_array_unref);
    for (guint i = 0; i < queue->n_turns; i++) {
        MemoryTurn *turn = queue->order[i];
        GPtrArray *turns = g_hash_table_lookup(waits->turns, turn->domain);

        if (turn->n_served == turn->n_units)
            continue;
        if (!turns) {
            turns = g_ptr_array_new();
            g_hash_table_insert(waits->turns, (gpointer) turn->domain, turns);
        }
        g_ptr_array_add(turns, turn);
    }
    return waits;
}

void
memory_waits_free(MemoryWaits *waits)
{
    if (!waits)
        return;
    for (guint i = 0; i < waits->pools->len; i++) {
        g_clear_pointer(&waits->uses[i].givers, g_array_unref);
        g_clear_pointer(&waits->uses[i].keepers, g_array_unref);
        g_clear_pointer(&waits->uses[i].holders, g_array_unref);
    }
    g_free(waits->uses);
    g_hash_table_unref(waits->turns);
    g_free(waits);
}

static void
add_use_of_pool(const MemoryWaits *waits, MemoryWait *wait)
{
    guint i = 0;

    while (waits->pools->pdata[i] != wait->pool)
        i++;
    if (!waits->uses[i].givers)
        find_use(&waits->uses[i], wait->pool, waits->queue->claims);
    wait->figures = waits->uses[i].figures;
    wait->givers = g_array_ref(waits->uses[i].givers);
    wait->keepers = g_array_ref(waits->uses[i].keepers);
    wait->holders = g_array_ref(waits->uses[i].holders);
}

bool
memory_waits_find(const MemoryWaits *waits, const char *domain, MemoryWait *ret_wait)
{
    const GPtrArray *turns = g_hash_table_lookup(waits->turns, domain);
    const MemoryTurn *first = turns ? turns->pdata[0] : NULL;
    const GPtrArray *claims = waits->queue->claims;

    if (!first || !first->pool)
        return false;
    *ret_wait = (MemoryWait){ .domain = domain, .pool = first->pool, .claims = g_ptr_array_new() };
    for (guint i = 0; i < turns->len; i++)
        add_turn(ret_wait, waits->queue, turns->pdata[i]);
    ret_wait->is_never = (ret_wait->is_start || ret_wait->is_restart) &&
                         memory_shortage_find(waits->pools, claims, domain, &ret_wait->shortage);
    add_use_of_pool(waits, ret_wait);
    add_those_ahead(ret_wait, waits->queue, first);
    return true;
}

bool
memory_wait_find(const GPtrArray *pools, const GPtrArray *claims, const char *domain, gint64 now,
                 MemoryWait *ret_wait)
{
    g_autoptr(MemoryQueue) queue = memory_queue_new(pools, claims, domain, now);
    g_autoptr(MemoryWaits) waits = NULL;

    memory_queue_serve(queue);
    waits = memory_waits_new(pools, queue);
    return memory_waits_find(waits, domain, ret_wait);
}

void
memory_wait_clear(MemoryWait *wait)
{
    g_clear_pointer(&wait->claims, g_ptr_array_unref);
    g_clear_pointer(&wait->givers, g_array_unref);
    g_clear_pointer(&wait->keepers, g_array_unref);
    g_clear_pointer(&wait->holders, g_array_unref);
    g_clear_pointer(&wait->first_reason, g_free);
}

/* --- the sentence ----------------------------------------------------------------------------- */

static void
add_giver_text(GString *text, const MemoryParty *party)
{
    g_autofree char *size = size_text(party->size), *so_far = size_text(party->so_far);

    if (party->reason)
        g_string_append_printf(text, "%s gives up %s (%s)", party->domain, size, party->reason);
    else if (party->so_far)
        g_string_append_printf(text, "%s is giving back %s (%s so far)", party->domain, size,
                               so_far);
    else
        g_string_append_printf(text, "%s is giving back %s", party->domain, size);
}

static void
add_keeper_text(GString *text, const MemoryParty *party)
{
    g_autofree char *size = size_text(party->size);

    if (party->reason)
        g_string_append_printf(text, "%s can't give back %s (guest keeps it: %s)", party->domain,
                               size, party->reason);
    else
        g_string_append_printf(text, "%s does not give back %s (no controller leads it)",
                               party->domain, size);
}

static void
add_holder_text(GString *text, const MemoryParty *party)
{
    g_autofree char *size = size_text(party->size);

    g_string_append_printf(text, "%s %s", party->domain, size);
}

static void
add_list(GString *text, const GArray *parties, void (*add)(GString *, const MemoryParty *))
{
    for (guint i = 0; i < MIN(parties->len, NAMED); i++) {
        g_string_append(text, i ? ", " : "");
        add(text, &g_array_index(parties, MemoryParty, i));
    }
    if (parties->len > NAMED)
        g_string_append_printf(text, " and %u more", parties->len - NAMED);
}

static void
add_kind(GString *text, const GArray *parties, void (*add)(GString *, const MemoryParty *))
{
    if (parties->len)
        g_string_append(text, text->len ? "; " : "");
    add_list(text, parties, add);
}

/* "the budget", or the pool's name. */
static const char *
pool_text(const MemoryPool *pool)
{
    return g_str_equal(pool->name, "memory") ? "the budget" : pool->name;
}

/* Who has it all, where nobody gives. */
static void
add_use(GString *text, const MemoryWait *wait)
{
    g_autofree char *capacity = size_text(wait->pool->capacity);
    g_autofree char *free = size_text(wait->figures.free);
    g_autofree char *over = size_text(wait->figures.overcommitted);
    g_autofree char *guaranteed = size_text(wait->figures.guaranteed);

    g_string_append_printf(text, "%s%s of %s ", text->len ? "; " : "", pool_text(wait->pool),
                           capacity);
    if (wait->figures.overcommitted)
        g_string_append_printf(text, "is exceeded by %s", over);
    else if (wait->figures.free)
        g_string_append_printf(text, "has %s free", free);
    else
        g_string_append(text, "is used up");
    if (wait->holders->len)
        g_string_append(text, ": ");
    add_list(text, wait->holders, add_holder_text);
    if (wait->figures.guaranteed)
        g_string_append_printf(text, "; %s are kept for guarantees", guaranteed);
    if (!wait->keepers->len)
        g_string_append(text, "; nobody gives back");
}

/* The part behind the colon. */
static char *
cause_text(const MemoryWait *wait)
{
    g_autoptr(GString) text = g_string_new(NULL);

    add_kind(text, wait->givers, add_giver_text);
    add_kind(text, wait->keepers, add_keeper_text);
    if (wait->n_ahead) {
        g_string_append_printf(text, "%s%s (%s)", text->len ? "; " : "", wait->first,
                               wait->first_reason);
        if (wait->n_ahead > 1)
            g_string_append_printf(text, " and %u more come first", wait->n_ahead - 1);
        else
            g_string_append(text, " comes first");
    }
    if (!wait->givers->len && !wait->n_ahead)
        add_use(text, wait);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static char *
never_text(const MemoryWait *wait)
{
    g_autofree char *needed = size_text(wait->shortage.needed);
    g_autofree char *capacity = size_text(wait->shortage.pool->capacity);
    g_autofree char *guaranteed = size_text(wait->shortage.guaranteed);

    if (wait->shortage.guaranteed)
        return g_strdup_printf("needs %s of memory; %s is %s, of which %s are guaranteed to "
                               "others: it can never start",
                               needed, pool_text(wait->shortage.pool), capacity, guaranteed);
    return g_strdup_printf("needs %s of memory; %s is %s: it can never start", needed,
                           pool_text(wait->shortage.pool), capacity);
}

char *
memory_wait_reason(const MemoryWait *wait)
{
    g_autofree char *missing = size_text(wait->missing), *cause = NULL;

    if (wait->is_never)
        return never_text(wait);
    cause = cause_text(wait);
    return g_strdup_printf("waits for %s%s: %s", missing,
                           wait->is_start     ? " to start"
                           : wait->is_restart ? " to restart"
                                              : "",
                           cause);
}

char *
memory_wait_text(const MemoryWait *wait)
{
    g_autofree char *reason = memory_wait_reason(wait);

    return g_strdup_printf("%s %s", wait->domain, reason);
}
