/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A forecast is the real thing played through: the same allocator answers (memory-answers.c) every
 * domain in turn, and guests that follow at once take and give a section at a time. So what it
 * prints is not a second opinion about the order, and its peak is what passes could reach at most,
 * not a sum of the beginning and the end.
 *
 * A section is Linux's 128 MiB or a block. Moves that are long, or many, are played in larger ones:
 * some thousands of steps at most, whatever the host's size.
 *
 * It ends when a whole round changes nothing. Every change is a step of a claim towards what is
 * wanted of it and none is taken back (stuck ones don't take part), so it ends.
 */
#include "reconcile/memory-forecast.h"

#include "reconcile/memory-answers.h"
#include "reconcile/memory-budget.h"
#include "reconcile/memory-wait.h"

#define SECTION ((guint64) 128 << 20)
#define STEPS_MOST 64
#define STEPS_LEAST 2
#define STEPS_OF_ALL 4096

/* Sums saturate, and are to come down again from there. */
typedef unsigned __int128 Wide;

typedef struct {
    const char *name;
    GArray *own; /* guint: numbers of its claims */
} PlayDomain;

typedef struct {
    const GPtrArray *pools;
    GPtrArray *claims;  /* copies */
    GPtrArray *domains; /* PlayDomain */
    MemoryAnswers *answers;
    Wide *granted; /* of each pool */
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

        peak->end = MIN(play->granted[i], G_MAXUINT64);
        peak->peak = MAX(peak->peak, peak->end);
    }
}

static void
add_granted(Play *play, const MemoryClaim *claim, guint64 before)
{
    for (guint i = 0; i < play->pools->len; i++)
        if (memory_pool_holds(play->pools->pdata[i], claim))
            play->granted[i] += (Wide) memory_claim_level(claim) - before;
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
    add_granted(play, claim, from);
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

static MemoryClaim *
claim_at(const Play *play, const GArray *own, guint i)
{
    return play->claims->pdata[g_array_index(own, guint, i)];
}

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
    guint64 from = memory_claim_level(claim), to = from;
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
has_whole(const Play *play, const GArray *own)
{
    for (guint i = 0; i < own->len; i++) {
        const MemoryClaim *claim = claim_at(play, own, i);

        if (!claim->block && memory_claim_missing(claim))
            return false;
    }
    return true;
}

static bool
is_at_rest(const Play *play, const GArray *own)
{
    for (guint i = 0; i < own->len; i++) {
        const MemoryClaim *claim = claim_at(play, own, i);

        if (memory_claim_held(claim) != claim->wanted)
            return false;
    }
    return true;
}

/* What only gives needs no answer. */
static bool
needs_answer(const Play *play, const GArray *own)
{
    for (guint i = 0; i < own->len; i++) {
        const MemoryClaim *claim = claim_at(play, own, i);

        if (memory_claim_is_stuck(claim) || claim->wanted > memory_claim_level(claim))
            return true;
    }
    return false;
}

/* Whether anything changed of it that others may be served by. */
static bool
is_other(const MemoryClaim *claim, const MemoryClaim *before)
{
    return claim->requested != before->requested || claim->current != before->current ||
           claim->granted != before->granted || claim->waiting_since != before->waiting_since;
}

static void
pass(Play *play, const GArray *own)
{
    bool starts, outlasts, has_changed = false;

    if (is_at_rest(play, own))
        return;
    if (needs_answer(play, own))
        memory_answers_ask(play->answers, own, play->limits);
    outlasts = memory_answers_outlast(play->answers, own);
    for (guint i = 0; i < own->len; i++) {
        const MemoryClaim before = *claim_at(play, own, i);

        step_claim(play, g_array_index(own, guint, i));
        has_changed |= is_other(claim_at(play, own, i), &before);
    }
    starts = has_whole(play, own);
    for (guint i = 0; i < own->len; i++)
        claim_at(play, own, i)->is_running |= starts;
    if (has_changed && !outlasts)
        memory_answers_expire(play->answers);
    note_peaks(play);
}

/* Who would get nothing as things are waits for those who give, also if they come first in a round.
 */
static void
find_refused(Play *play, const GArray *own)
{
    if (is_at_rest(play, own) || !needs_answer(play, own))
        return;
    memory_answers_ask(play->answers, own, play->limits);
    for (guint i = 0; i < own->len; i++) {
        const MemoryClaim *claim = claim_at(play, own, i);
        guint number = g_array_index(own, guint, i);

        play->is_refused[number] = claim->wanted > memory_claim_level(claim) &&
                                   play->limits[number] <= memory_claim_level(claim);
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
    GPtrArray *copies = memory_claims_new();
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

static void
domain_free(gpointer data)
{
    PlayDomain *domain = data;

    g_array_unref(domain->own);
    g_free(domain);
}

/* Those that somebody leads: others neither take nor give. */
static GPtrArray *
domains_of(const GPtrArray *claims)
{
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
    GPtrArray *domains = g_ptr_array_new_with_free_func(domain_free);

    for (guint i = 0; i < claims->len; i++) {
        const MemoryClaim *claim = claims->pdata[i];
        PlayDomain *domain;

        if (!claim->is_driven || g_hash_table_contains(known, claim->domain))
            continue;
        domain = g_new0(PlayDomain, 1);
        domain->name = claim->domain;
        domain->own = g_array_new(FALSE, FALSE, sizeof(guint));
        g_hash_table_insert(known, claim->domain, domain);
        g_ptr_array_add(domains, domain);
    }
    for (guint i = 0; i < claims->len; i++) {
        PlayDomain *domain =
            g_hash_table_lookup(known, ((const MemoryClaim *) claims->pdata[i])->domain);

        if (domain)
            g_array_append_val(domain->own, i);
    }
    return domains;
}

static void
add_waits(Play *play)
{
    g_autoptr(MemoryWaits) waits = NULL;

    memory_answers_expire(play->answers); /* who is ahead of whom may be another story by now */
    for (guint i = 0; i < play->domains->len; i++) {
        const PlayDomain *domain = play->domains->pdata[i];
        g_auto(MemoryWait) wait = { 0 };
        bool is_waiting;

        if (!needs_answer(play, domain->own))
            continue;
        if (!waits)
            waits = memory_waits_new(play->pools, memory_answers_queue(play->answers));
        is_waiting =
            memory_answers_are_common(play->answers, domain->own)
                ? memory_waits_find(waits, domain->name, &wait)
                : memory_wait_find(play->pools, play->claims, domain->name, MEMORY_NO_TIME, &wait);
        if (is_waiting)
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

static void
play_through(Play *play)
{
    set_sections(play);
    for (guint i = 0; i < play->claims->len; i++)
        add_granted(play, play->claims->pdata[i], 0);
    note_peaks(play);
    for (guint i = 0; i < play->pools->len; i++) {
        MemoryPoolPeak *peak = play->forecast->peaks->pdata[i];

        peak->now = peak->end;
    }
    for (guint i = 0; i < play->domains->len; i++)
        find_refused(play, ((const PlayDomain *) play->domains->pdata[i])->own);
    do {
        play->has_changed = false;
        for (guint i = 0; i < play->domains->len; i++)
            pass(play, ((const PlayDomain *) play->domains->pdata[i])->own);
    } while (play->has_changed);
    add_waits(play);
}

MemoryForecast *
memory_forecast_new(const GPtrArray *pools, const GPtrArray *claims)
{
    g_autoptr(GPtrArray) copies = copy_claims(claims);
    g_autoptr(GPtrArray) domains = domains_of(copies);
    g_autoptr(MemoryAnswers) answers = memory_answers_new(pools, copies);
    g_autofree Wide *granted = g_new0(Wide, pools->len);
    g_autofree guint64 *limits = g_new0(guint64, claims->len);
    g_autofree guint64 *sections = g_new0(guint64, claims->len);
    g_autofree MemoryForecastMove **moves = g_new0(MemoryForecastMove *, claims->len);
    g_autofree bool *is_refused = g_new0(bool, claims->len);
    g_autofree const char **last_givers = g_new0(const char *, pools->len);
    Play play = { .pools = pools,
                  .claims = copies,
                  .domains = domains,
                  .answers = answers,
                  .granted = granted,
                  .limits = limits,
                  .sections = sections,
                  .moves = moves,
                  .is_refused = is_refused,
                  .last_givers = last_givers,
                  .forecast = forecast_empty(pools) };

    play_through(&play);
    return play.forecast;
}
