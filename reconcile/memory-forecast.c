/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A forecast is the real thing played through: the same allocator is asked, by every domain in
 * turn, and guests that follow at once take and give a section at a time. So what it prints is not
 * a second opinion about the order, and its peak is what passes could reach at most, not a sum of
 * the beginning and the end.
 *
 * A section is Linux's 128 MiB or a block. Moves that are long, or many, are played in larger ones:
 * some thousands of steps at most, whatever the host's size.
 *
 * It ends when a whole round changes nothing. Every change is a step of a claim towards what is
 * wanted of it and none is taken back (stuck ones don't take part), so it ends.
 */
#include "reconcile/memory-forecast.h"

#include "reconcile/memory-budget.h"
#include "reconcile/memory-queue.h"
#include "reconcile/memory-wait.h"

/* Guests follow at once: nobody has waited long. */
#define NO_TIME 0
#define SECTION ((guint64) 128 << 20)
#define STEPS_MOST 64
#define STEPS_LEAST 2
#define STEPS_OF_ALL 4096

typedef struct {
    const GPtrArray *pools;
    GPtrArray *claims; /* copies */
    GPtrArray *domains;
    guint64 *limits;
    guint64 *sections;          /* of each claim: moved at a time */
    MemoryForecastMove **moves; /* of each claim, borrowed, or NULL */
    bool *is_refused;           /* each claim: there is nothing for it to begin with */
    const char **last_givers;   /* of each pool: who gave last */
    MemoryForecast *forecast;
    bool has_changed;
} Play;

static void
move_free(MemoryForecastMove *move)
{
    g_free(move->domain);
    g_free(move->device);
    g_free(move->after);
    g_free(move);
}

static void
peak_free(MemoryPoolPeak *peak)
{
    g_free(peak->pool);
    g_free(peak);
}

void
memory_forecast_free(MemoryForecast *forecast)
{
    if (!forecast)
        return;
    g_clear_pointer(&forecast->moves, g_ptr_array_unref);
    g_clear_pointer(&forecast->peaks, g_ptr_array_unref);
    g_clear_pointer(&forecast->waits, g_ptr_array_unref);
    g_free(forecast);
}

/* --- what is noted ---------------------------------------------------------------------------- */

static void
note_peaks(Play *play)
{
    for (guint i = 0; i < play->pools->len; i++) {
        MemoryPoolPeak *peak = play->forecast->peaks->pdata[i];

        peak->end = memory_pool_figures(play->pools->pdata[i], play->claims).granted;
        peak->peak = MAX(peak->peak, peak->end);
    }
}

/* Who gave last in a pool of @claim. */
static const char *
giver_before(const Play *play, const MemoryClaim *claim)
{
    for (guint i = 0; i < play->pools->len; i++)
        if (play->last_givers[i] && memory_pool_holds(play->pools->pdata[i], claim) &&
            !g_str_equal(play->last_givers[i], claim->domain))
            return play->last_givers[i];
    return NULL;
}

static void
note_move(Play *play, guint i, guint64 from)
{
    const MemoryClaim *claim = play->claims->pdata[i];
    MemoryForecastMove *move = play->moves[i];

    play->has_changed = true;
    if (!move) {
        move = play->moves[i] = g_new0(MemoryForecastMove, 1);
        move->domain = g_strdup(claim->domain);
        move->device = g_strdup(claim->device);
        move->from = from;
        move->after = play->is_refused[i] ? g_strdup(giver_before(play, claim)) : NULL;
        g_ptr_array_add(play->forecast->moves, move);
    }
    move->to = claim->granted;
    for (guint j = 0; j < play->pools->len && claim->granted < from; j++)
        if (memory_pool_holds(play->pools->pdata[j], claim))
            play->last_givers[j] = claim->domain;
}

/* --- a pass ----------------------------------------------------------------------------------- */

static void
set_held(MemoryClaim *claim, guint64 size)
{
    claim->requested = claim->current = claim->granted = size;
    if (size >= claim->wanted)
        claim->waiting_since = 0;
}

/* A section, or all that is missing if that is less or whole. */
static void
step_claim(Play *play, guint i)
{
    MemoryClaim *claim = play->claims->pdata[i];
    guint64 from = MAX(claim->granted, memory_claim_held(claim)), to = from;
    guint64 section = play->sections[i];

    if (memory_claim_is_stuck(claim)) {
        claim->requested = MIN(claim->requested, play->limits[i]);
        claim->granted = memory_claim_held(claim);
        if (claim->granted != from)
            note_move(play, i, from);
        return;
    }
    if (from > claim->wanted)
        to = claim->block ? from - MIN(from - claim->wanted, section)
                          : memory_claim_settles(claim, from);
    else if (claim->wanted > from && play->limits[i] > from)
        to = claim->block ? from + MIN(MIN(play->limits[i], claim->wanted) - from, section)
                          : claim->wanted;
    set_held(claim, to);
    if (to != from)
        note_move(play, i, from);
}

static bool
has_whole(const Play *play, const char *domain)
{
    for (guint i = 0; i < play->claims->len; i++) {
        const MemoryClaim *claim = play->claims->pdata[i];

        if (g_str_equal(claim->domain, domain) && !claim->block && memory_claim_missing(claim))
            return false;
    }
    return true;
}

static bool
is_at_rest(const Play *play, const char *domain)
{
    for (guint i = 0; i < play->claims->len; i++) {
        const MemoryClaim *claim = play->claims->pdata[i];

        if (g_str_equal(claim->domain, domain) && memory_claim_held(claim) != claim->wanted)
            return false;
    }
    return true;
}

static void
pass(Play *play, const char *domain)
{
    bool starts;

    if (is_at_rest(play, domain))
        return;
    memory_budget_allocate(play->pools, play->claims, domain, NO_TIME, play->limits);
    for (guint i = 0; i < play->claims->len; i++)
        if (g_str_equal(((const MemoryClaim *) play->claims->pdata[i])->domain, domain))
            step_claim(play, i);
    starts = has_whole(play, domain);
    for (guint i = 0; i < play->claims->len; i++) {
        MemoryClaim *claim = play->claims->pdata[i];

        claim->is_running |= starts && g_str_equal(claim->domain, domain);
    }
    note_peaks(play);
}

/* Who would get nothing as things are waits for those who give, also if they come first in a round.
 */
static void
find_refused(Play *play)
{
    for (guint d = 0; d < play->domains->len; d++) {
        const char *domain = play->domains->pdata[d];

        if (is_at_rest(play, domain))
            continue;
        memory_budget_allocate(play->pools, play->claims, domain, NO_TIME, play->limits);
        for (guint i = 0; i < play->claims->len; i++) {
            const MemoryClaim *claim = play->claims->pdata[i];
            guint64 from = MAX(claim->granted, memory_claim_held(claim));

            play->is_refused[i] |= g_str_equal(claim->domain, domain) && claim->wanted > from &&
                                   play->limits[i] <= from;
        }
    }
}

/* --- the whole -------------------------------------------------------------------------------- */

static void
set_sections(Play *play)
{
    guint64 n_moving = 0, steps;

    for (guint i = 0; i < play->claims->len; i++) {
        const MemoryClaim *claim = play->claims->pdata[i];

        n_moving += claim->block && memory_claim_held(claim) != claim->wanted;
    }
    steps = CLAMP(STEPS_OF_ALL / MAX(n_moving, 1), STEPS_LEAST, STEPS_MOST);
    for (guint i = 0; i < play->claims->len; i++) {
        const MemoryClaim *claim = play->claims->pdata[i];
        guint64 block = MAX(claim->block, 1), held = memory_claim_held(claim);
        guint64 distance = MAX(held, claim->wanted) - MIN(held, claim->wanted);
        guint64 section = MAX(MAX(SECTION, block), distance / steps);

        play->sections[i] = section / block * block;
    }
}

/* Copies of @claims, all of which wait that miss anything. */
static GPtrArray *
copy_claims(const GPtrArray *claims)
{
    GPtrArray *copies = g_ptr_array_new_with_free_func((GDestroyNotify) memory_claim_free);
    gint64 last = 0;

    for (guint i = 0; i < claims->len; i++)
        last = MAX(last, ((const MemoryClaim *) claims->pdata[i])->waiting_since);
    for (guint i = 0; i < claims->len; i++) {
        MemoryClaim *copy = memory_claim_copy(claims->pdata[i]);

        if (!memory_claim_missing(copy))
            copy->waiting_since = 0;
        else if (!copy->waiting_since)
            copy->waiting_since = last + 1 + i;
        g_ptr_array_add(copies, copy);
    }
    return copies;
}

/* Those that somebody leads: others neither take nor give. */
static GPtrArray *
domains_of(const GPtrArray *claims)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    GPtrArray *domains = g_ptr_array_new();

    for (guint i = 0; i < claims->len; i++) {
        const MemoryClaim *claim = claims->pdata[i];

        if (claim->is_driven && g_hash_table_add(seen, claim->domain))
            g_ptr_array_add(domains, claim->domain);
    }
    return domains;
}

static void
add_waits(Play *play)
{
    for (guint i = 0; i < play->domains->len; i++) {
        g_auto(MemoryWait) wait = { 0 };

        if (memory_wait_find(play->pools, play->claims, play->domains->pdata[i], NO_TIME, &wait))
            g_ptr_array_add(play->forecast->waits, memory_wait_text(&wait));
    }
}

static MemoryForecast *
forecast_empty(const GPtrArray *pools)
{
    MemoryForecast *forecast = g_new0(MemoryForecast, 1);

    forecast->moves = g_ptr_array_new_with_free_func((GDestroyNotify) move_free);
    forecast->peaks = g_ptr_array_new_with_free_func((GDestroyNotify) peak_free);
    forecast->waits = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < pools->len; i++) {
        const MemoryPool *pool = pools->pdata[i];
        MemoryPoolPeak *peak = g_new0(MemoryPoolPeak, 1);

        peak->pool = g_strdup(pool->name);
        peak->capacity = pool->capacity;
        g_ptr_array_add(forecast->peaks, peak);
    }
    return forecast;
}

MemoryForecast *
memory_forecast_new(const GPtrArray *pools, const GPtrArray *claims)
{
    g_autoptr(GPtrArray) copies = copy_claims(claims);
    g_autoptr(GPtrArray) domains = domains_of(copies);
    g_autofree guint64 *limits = g_new0(guint64, claims->len);
    g_autofree guint64 *sections = g_new0(guint64, claims->len);
    g_autofree MemoryForecastMove **moves = g_new0(MemoryForecastMove *, claims->len);
    g_autofree bool *is_refused = g_new0(bool, claims->len);
    g_autofree const char **last_givers = g_new0(const char *, pools->len);
    Play play = { .pools = pools,
                  .claims = copies,
                  .domains = domains,
                  .limits = limits,
                  .sections = sections,
                  .moves = moves,
                  .is_refused = is_refused,
                  .last_givers = last_givers,
                  .forecast = forecast_empty(pools) };

    set_sections(&play);
    note_peaks(&play);
    for (guint i = 0; i < pools->len; i++) {
        MemoryPoolPeak *peak = play.forecast->peaks->pdata[i];

        peak->now = peak->end;
    }
    find_refused(&play);
    do {
        play.has_changed = false;
        for (guint i = 0; i < domains->len; i++)
            pass(&play, domains->pdata[i]);
    } while (play.has_changed);
    add_waits(&play);
    return play.forecast;
}
