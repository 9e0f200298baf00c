/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From one pass to the next: did the guest follow, how fast, and if not, for how long.
 *
 * The stall clock (`idle`) counts only time in which the guest was seen not to do what it was
 * asked. It stands still in a pause, a migration and a boot, and a
 * gap between passes counts for a few seconds at most: a state that is read again after a restart
 * of the controller, or whose guest was suspended for a day, is neither late nor stalled by that.
 * It begins anew with every byte the guest moves, and when the target or the driver changes.
 *
 *     idle  0 s     2 s       6 s            14 s                 30 s             60 s       120 s
 *           asked   poke      poke           poke                 poke             STALLED    poke
 * ... window: a section        half the window, down to a section
 *
 * (for the default stall timeout; a shorter one shrinks the intervals). Linux tries again by
 * itself only 50 to 300 s after a refusal; any write of requested-size makes it try at once. In
 * a stall it is poked rarely, and when the statistics show that the guest has more or less memory
 * than at the last poke.
 *
 * The window answers to speed: half of it consumed within a second doubles it, or quadruples it
 * where the guest grew by all that was asked within 20 ms; half of it later than in four seconds
 * halves it, as does a poke. But a poke widens a window of less than a section to one: the guest's
 * own unit may be larger than a block (older kernels: 4 MiB, big block mode: a section), and it
 * would wait for ever for what it is too little to take. Nobody is stalled without having been
 * poked.
 */
#include "reconcile/memory-progress.h"

#define MOST_OBSERVED ((gint64) 5 * G_USEC_PER_SEC) /* of a gap between passes counts as seen */
#define AT_ONCE ((gint64) 20 * 1000)
#define PROMPT ((gint64) 1 * G_USEC_PER_SEC)
#define LATE ((gint64) 4 * G_USEC_PER_SEC)
#define FIRST_POKE ((gint64) 2 * G_USEC_PER_SEC)
#define STALLED_POKE ((gint64) 30 * G_USEC_PER_SEC)
#define HINTED_POKE ((gint64) 5 * G_USEC_PER_SEC)
#define HINT_LEAST ((guint64) 4 << 20)
#define BOOT_GRACE ((gint64) 120 * G_USEC_PER_SEC)
#define ONLINE_LIMIT ((guint64) 1 << 30) /* Linux: VIRTIO_MEM_DEFAULT_OFFLINE_THRESHOLD */

static guint64
distance(guint64 a, guint64 b)
{
    return a > b ? a - b : b - a;
}

guint64
memory_progress_section(const MemoryStepInput *in)
{
    return MAX(MEMORY_STEP_SECTION, in->block);
}

static guint64
cap_of(const MemoryStepInput *in, gint direction)
{
    return MAX(direction > 0 ? MEMORY_STEP_GROW_CAP : MEMORY_STEP_SHRINK_CAP, in->block);
}

static gint64
stall_timeout_of(const Policy *policy)
{
    return MAX(policy->stall_timeout, MEMORY_PROGRESS_POLL);
}

static gint64
first_poke_of(const Policy *policy)
{
    return MAX(MIN(FIRST_POKE, stall_timeout_of(policy) / 8), MEMORY_PROGRESS_POLL);
}

static gint64
stalled_poke_of(const Policy *policy)
{
    return MAX(stall_timeout_of(policy), STALLED_POKE);
}

static void
restart_window(MemoryPass *pass)
{
    pass->next.window = pass->in.block;
    pass->next.mark = pass->in.current;
    pass->next.mark_at = pass->in.now;
}

void
memory_progress_restart(MemoryPass *pass)
{
    MemoryStepState *next = &pass->next;

    next->idle = 0;
    next->poke_at = first_poke_of(pass->policy);
    next->poked_at = 0;
    next->n_pokes = 0;
    next->is_stalled = false;
    next->stall_reason = MEMORY_STEP_REASON_NONE;
}

/* The guest is asked again as soon as there is something to ask. */
static void
restart_clock_and_poke(MemoryPass *pass)
{
    memory_progress_restart(pass);
    pass->next.poke_at = 0;
}

static void
begin(MemoryPass *pass)
{
    const MemoryStepInput *in = &pass->in;

    pass->next = (MemoryStepState){ .is_begun = true,
                                    .generation = in->generation,
                                    .begun_at = in->now,
                                    .seen_at = in->now,
                                    .target = in->target,
                                    .requested = in->requested,
                                    .current = in->current,
                                    .driver = in->driver };
    restart_window(pass);
    memory_progress_restart(pass);
}

/* What was read back from a database is put in range: no time to come, a window of blocks. */
static void
put_in_range(MemoryPass *pass)
{
    MemoryStepState *next = &pass->next;
    gint64 now = pass->in.now;
    guint64 block = pass->in.block;

    next->begun_at = MIN(next->begun_at, now);
    next->reset_at = CLAMP(next->reset_at, 0, now);
    next->statistics_since = CLAMP(next->statistics_since, 0, now);
    next->pause_until = MIN(next->pause_until, now + MEMORY_GUARD_PAUSE);
    next->idle = CLAMP(next->idle, 0, G_MAXINT64 / 4);
    next->poked_at = CLAMP(next->poked_at, 0, next->idle);
    next->poke_at = MIN(next->poke_at, next->idle + stalled_poke_of(pass->policy));
    next->window = MAX(next->window / block * block, block);
    next->window = MIN(next->window, cap_of(&pass->in, next->direction));
    for (guint i = 0; i < MEMORY_STEP_N_PEAKS; i++) {
        if (next->peaks[i].second > now / G_USEC_PER_SEC)
            next->peaks[i] = (MemoryPeak){ 0 };
    }
}

static MemoryStepReason
frozen_by(const MemoryPass *pass)
{
    const MemoryStepInput *in = &pass->in;
    bool was_reset = pass->next.reset_at > 0 && in->now - pass->next.reset_at < BOOT_GRACE;

    if (in->is_migrating)
        return MEMORY_STEP_MIGRATING;
    if (!in->is_running)
        return MEMORY_STEP_GUEST_PAUSED;
    if ((in->is_booting || was_reset) && in->driver != MEMORY_DRIVER_BOUND && in->current == 0)
        return MEMORY_STEP_GUEST_BOOTING;
    return MEMORY_STEP_REASON_NONE;
}

/* The window answers to how fast the guest consumed half of it. */
static void
adapt_window(MemoryPass *pass)
{
    MemoryStepState *next = &pass->next;
    gint64 took = pass->in.now - next->mark_at;

    if (distance(pass->in.current, next->mark) < next->window / 2)
        return;
    if (took <= PROMPT) {
        bool is_at_once = took <= AT_ONCE && pass->in.current == pass->in.requested;
        guint factor = next->direction > 0 && is_at_once ? 4 : 2;

        next->window = MIN(next->window * factor, cap_of(&pass->in, next->direction));
    } else if (took > LATE) {
        next->window = MAX(next->window / 2 / pass->in.block * pass->in.block, pass->in.block);
    }
    next->mark = pass->in.current;
    next->mark_at = pass->in.now;
}

static void
note_driver(MemoryPass *pass)
{
    MemoryDriver driver = pass->in.driver;

    if (driver == MEMORY_DRIVER_UNKNOWN || driver == pass->next.driver)
        return;
    if (pass->next.driver != MEMORY_DRIVER_UNKNOWN)
        restart_clock_and_poke(pass);
    pass->next.driver = driver;
}

/* Idle time, and what ends it. */
static void
note_time(MemoryPass *pass)
{
    MemoryStepState *next = &pass->next;
    const MemoryStepInput *in = &pass->in;
    MemoryStepReason was_frozen = next->frozen;
    bool was_asked = next->requested != next->current;

    if (next->current > 0 && in->current == 0 && next->requested > 0 && in->requested > 0)
        next->reset_at = in->now;
    else if (in->current > 0)
        next->reset_at = 0;
    next->frozen = frozen_by(pass);
    if (next->frozen != MEMORY_STEP_REASON_NONE)
        return;
    if (was_frozen == MEMORY_STEP_MIGRATING)
        restart_clock_and_poke(pass);
    else if (was_frozen != MEMORY_STEP_REASON_NONE)
        memory_progress_restart(pass);
    else if (in->requested == in->current || in->current != next->current)
        memory_progress_restart(pass);
    else if (was_asked)
        next->idle += CLAMP(in->now - next->seen_at, 0, MOST_OBSERVED);
}

static void
note_direction(MemoryPass *pass)
{
    const MemoryStepInput *in = &pass->in;
    gint direction = (in->current < in->target) - (in->current > in->target);

    if (in->target != pass->next.target)
        memory_progress_restart(pass);
    if (direction != pass->next.direction) {
        pass->next.direction = direction;
        restart_window(pass);
    }
    if (direction >= 0 || pass->next.frozen != MEMORY_STEP_REASON_NONE)
        memory_guard_leave(&pass->next, in->now);
}

void
memory_progress_observe(MemoryPass *pass, const MemoryStepState *state)
{
    const MemoryStepInput *in = &pass->in;

    if (!state || !state->is_begun || state->generation != in->generation) {
        begin(pass);
        memory_guard_observe(&pass->next, in);
        pass->next.frozen = frozen_by(pass);
        note_direction(pass);
        return;
    }
    pass->next = *state;
    put_in_range(pass);
    memory_guard_observe(&pass->next, in);
    note_time(pass);
    note_driver(pass);
    note_direction(pass);
    adapt_window(pass);
    pass->next.seen_at = in->now;
    pass->next.target = in->target;
    pass->next.current = in->current;
}

/* A guest that lags has a large window halved, and a small one widened to a section, once: it may
 * not be able to take less. */
static void
lag(MemoryPass *pass)
{
    guint64 section = memory_progress_section(&pass->in);

    if (pass->next.window > section)
        pass->next.window = MAX(pass->next.window / 2 / pass->in.block * pass->in.block, section);
    else
        pass->next.window = section;
    pass->next.mark = pass->in.current;
    pass->next.mark_at = pass->in.now;
}

/* In a stall a change of what the guest has available hints that asking again may help. */
static bool
is_hinted(const MemoryPass *pass)
{
    const MemoryStepState *next = &pass->next;

    if (!next->is_stalled || !memory_guard_is_fresh(next, &pass->in))
        return false;
    if (next->idle - next->poked_at < HINTED_POKE)
        return false;
    return distance(pass->in.available, next->stall_available) >= MAX(pass->in.block, HINT_LEAST);
}

void
memory_progress_poke(MemoryPass *pass)
{
    MemoryStepState *next = &pass->next;

    if (pass->in.requested == pass->in.current || pass->next.frozen != MEMORY_STEP_REASON_NONE)
        return;
    if (pass->in.driver == MEMORY_DRIVER_UNBOUND)
        return;
    if (next->idle < next->poke_at && !is_hinted(pass))
        return;
    pass->is_poking = true;
    if (next->idle > 0 && !next->is_stalled)
        lag(pass);
    if (next->is_stalled) {
        next->stall_available = pass->in.available;
        next->poke_at = next->idle + stalled_poke_of(pass->policy);
    } else {
        next->n_pokes += next->idle > 0;
        next->poke_at = next->idle + (first_poke_of(pass->policy) << MIN(next->n_pokes, 20));
    }
    next->poked_at = next->idle;
}

static MemoryStepReason
infer_stall(const MemoryPass *pass)
{
    const MemoryStepInput *in = &pass->in;
    guint64 past = in->current % ONLINE_LIMIT;

    if (in->driver == MEMORY_DRIVER_UNBOUND)
        return MEMORY_STEP_NO_DRIVER;
    if (pass->next.direction < 0)
        return MEMORY_STEP_UNMOVABLE;
    if (in->current + MEMORY_STEP_SECTION > ONLINE_LIMIT &&
        MIN(past, ONLINE_LIMIT - past) < MEMORY_STEP_SECTION)
        return MEMORY_STEP_NOT_ONLINED;
    return MEMORY_STEP_NOT_FOLLOWING;
}

void
memory_progress_judge(MemoryPass *pass)
{
    MemoryStepState *next = &pass->next;

    if (next->is_stalled || next->idle < stall_timeout_of(pass->policy))
        return;
    /* Whoever can be poked is poked first, however late the passes come. */
    if (next->n_pokes == 0 && pass->in.driver != MEMORY_DRIVER_UNBOUND)
        return;
    next->is_stalled = true;
    next->stall_reason = infer_stall(pass);
    next->stall_available = pass->in.available;
    next->poke_at = MAX(next->poke_at, next->poked_at + stalled_poke_of(pass->policy));
}
