/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory stepping: one virtio-mem device is led to its target like a sender leads a TCP
 * connection, by a window of bytes that may be unaccepted (asked for, not yet followed).
 *
 *     growing                                   shrinking
 *     current      requested        target      target     low    requested   current
 *     ───┼─────────────┼──────────────┼───      ──┼─────────┼─────────┼───────────┼──
 *        ╰── <= window ╯ <= grant                 >= guard's floor    ╰ <= window ╯
 *
 * The window starts at one block, doubles each time half of it was consumed within a second and
 * halves when that took long or did not happen. Requested is moved on as soon as half the window
 * is free, not when all is accepted: the guest is never idle, and a willing one is done as fast as
 * by one jump. A guest that does not follow is *poked*: the same value written again makes Linux
 * try at once what it would retry after 50 to 300 s. The first poke also widens a small window to
 * one memory section, since a guest may only take memory in larger pieces than a block.
 *
 *                  requested = current = target
 *     CONVERGED ◀────────────────────────────── PROGRESSING ◀──┐ target, guest or
 *         │  target edited, guest was reset         ▲  │  │     │ driver changed
 *         ╰─────────────────────────────────────────╯  │  ╰─▶ STALLED (latched)
 *                        nothing asked, for            │    no progress for stall_timeout
 *                        the guard's sake: GUARDED ◀───┤
 *                        the grant's sake: WAITING ◀───╯
 *
 * The stall clock (`idle`) counts only time in which the guest was seen not to do what it was
 * asked: not a pause, a migration, a boot, nor the hours in which no pass was run. So a state
 * that is read again after a restart of the controller is neither late nor stalled by that.
 *
 * A pass computes the bounds lo <= requested <= hi in which requested may lie now. If it lies
 * outside (target edited in mid-move, an outsider's qom-set, the guest ate memory) it is put right
 * at once; if inside, it is moved towards the goal by what the window allows.
 * The shrink's lower bound is reconcile/memory-guard.c's.
 */
#include "reconcile/memory-step.h"

#include "reconcile/memory-guard.h"

#define MOST_OBSERVED ((gint64) 5 * G_USEC_PER_SEC) /* of a gap between passes counts as seen */
#define PROMPT ((gint64) 1 * G_USEC_PER_SEC)
#define LATE ((gint64) 4 * G_USEC_PER_SEC)
#define FIRST_POKE ((gint64) 2 * G_USEC_PER_SEC)
#define STALLED_POKE ((gint64) 30 * G_USEC_PER_SEC)
#define HINTED_POKE ((gint64) 5 * G_USEC_PER_SEC)
#define HINT_LEAST ((guint64) 4 << 20)
#define NIBBLE ((guint64) 16 << 20) /* less than this the guard's easing is not worth a step */
#define BOOT_GRACE ((gint64) 120 * G_USEC_PER_SEC)
#define ONLINE_LIMIT ((guint64) 1 << 30) /* Linux: VIRTIO_MEM_DEFAULT_OFFLINE_THRESHOLD */

#define POLL_LEAST ((gint64) 1000)
#define POLL_MOST ((gint64) 250 * 1000)
#define POLL_HELD ((gint64) 1 * G_USEC_PER_SEC)
#define POLL_FROZEN ((gint64) 5 * G_USEC_PER_SEC)
#define POLL_STALLED_SHRINK ((gint64) 2 * G_USEC_PER_SEC)
#define POLL_STALLED_GROW ((gint64) 5 * G_USEC_PER_SEC)

/* What one pass works with. */
typedef struct {
    MemoryStepInput in;
    const Policy *policy;
    MemoryStepState next;
    MemoryGuard guard; /* while shrinking */
    guint64 lo, hi;    /* requested may lie from here to there now */
    guint64 goal;      /* where it is led; lo <= goal <= hi */
    bool is_poking;
} Step;

static guint64
minus(guint64 a, guint64 b)
{
    return a > b ? a - b : 0;
}

static guint64
distance(guint64 a, guint64 b)
{
    return a > b ? a - b : b - a;
}

static guint64
section_of(const MemoryStepInput *in)
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
    return MAX(policy->stall_timeout, POLL_LEAST);
}

static gint64
first_poke_of(const Policy *policy)
{
    return MAX(MIN(FIRST_POKE, stall_timeout_of(policy) / 8), POLL_LEAST);
}

static gint64
stalled_poke_of(const Policy *policy)
{
    return MAX(stall_timeout_of(policy), STALLED_POKE);
}

guint64
memory_step_reserve(const Policy *policy, guint64 guest_total)
{
    if (policy->guest_reserve != RESERVE_AUTO)
        return policy->guest_reserve;
    return MAX(MEMORY_STEP_RESERVE_LEAST, guest_total / 100 * MEMORY_STEP_RESERVE_PERCENT);
}

static MemoryStepInput
in_order(const MemoryStepInput *input)
{
    MemoryStepInput in = *input;

    in.block = MAX(in.block, 1);
    in.target = MIN(in.target, in.max) / in.block * in.block;
    if (in.grant != MEMORY_STEP_UNLIMITED)
        in.grant = in.grant / in.block * in.block;
    return in;
}

/* --- from one pass to the next --------------------------------------------------------- */

static void
restart_window(Step *step)
{
    step->next.window = step->in.block;
    step->next.mark = step->in.current;
    step->next.mark_at = step->in.now;
}

static void
restart_clock(Step *step)
{
    MemoryStepState *next = &step->next;

    next->idle = 0;
    next->poke_at = first_poke_of(step->policy);
    next->poked_at = 0;
    next->n_pokes = 0;
    next->is_stalled = false;
    next->stall_reason = MEMORY_STEP_REASON_NONE;
}

/* The guest is asked again as soon as there is something to ask. */
static void
restart_clock_and_poke(Step *step)
{
    restart_clock(step);
    step->next.poke_at = 0;
}

static void
begin(Step *step)
{
    const MemoryStepInput *in = &step->in;

    step->next = (MemoryStepState){ .is_begun = true,
                                    .generation = in->generation,
                                    .begun_at = in->now,
                                    .seen_at = in->now,
                                    .target = in->target,
                                    .requested = in->requested,
                                    .current = in->current,
                                    .driver = in->driver };
    restart_window(step);
    restart_clock(step);
}

/* What was read back from a database is put in range: no time to come, a window of blocks. */
static void
put_in_range(Step *step)
{
    MemoryStepState *next = &step->next;
    gint64 now = step->in.now;
    guint64 block = step->in.block;

    next->begun_at = MIN(next->begun_at, now);
    next->seen_at = MIN(next->seen_at, now);
    next->mark_at = MIN(next->mark_at, now);
    next->reset_at = CLAMP(next->reset_at, 0, now);
    next->statistics_since = CLAMP(next->statistics_since, 0, now);
    next->pause_until = MIN(next->pause_until, now + MEMORY_GUARD_PAUSE);
    next->idle = CLAMP(next->idle, 0, G_MAXINT64 / 4);
    next->poked_at = CLAMP(next->poked_at, 0, next->idle);
    next->poke_at = MIN(next->poke_at, next->idle + stalled_poke_of(step->policy));
    next->window = MAX(next->window / block * block, block);
    next->window = MIN(next->window, cap_of(&step->in, 1));
    for (guint i = 0; i < MEMORY_STEP_N_PEAKS; i++) {
        if (next->peaks[i].second > now / G_USEC_PER_SEC)
            next->peaks[i] = (MemoryPeak){ 0 };
    }
}

static MemoryStepReason
frozen_by(const Step *step)
{
    const MemoryStepInput *in = &step->in;
    bool was_reset = step->next.reset_at > 0 && in->now - step->next.reset_at < BOOT_GRACE;

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
adapt_window(Step *step)
{
    MemoryStepState *next = &step->next;
    gint64 took = step->in.now - next->mark_at;

    if (distance(step->in.current, next->mark) < next->window / 2)
        return;
    if (took <= PROMPT)
        next->window = MIN(next->window * 2, cap_of(&step->in, next->direction));
    else if (took > LATE)
        next->window = MAX(next->window / 2 / step->in.block * step->in.block, step->in.block);
    next->mark = step->in.current;
    next->mark_at = step->in.now;
}

static void
note_driver(Step *step)
{
    MemoryDriver driver = step->in.driver;

    if (driver == MEMORY_DRIVER_UNKNOWN || driver == step->next.driver)
        return;
    if (step->next.driver != MEMORY_DRIVER_UNKNOWN)
        restart_clock_and_poke(step);
    step->next.driver = driver;
}

/* Idle time, and what ends it. */
static void
note_time(Step *step)
{
    MemoryStepState *next = &step->next;
    const MemoryStepInput *in = &step->in;
    MemoryStepReason was_frozen = next->frozen;
    bool was_asked = next->requested != next->current;

    if (next->current > 0 && in->current == 0 && next->requested > 0 && in->requested > 0)
        next->reset_at = in->now;
    else if (in->current > 0)
        next->reset_at = 0;
    next->frozen = frozen_by(step);
    if (next->frozen != MEMORY_STEP_REASON_NONE)
        return;
    if (was_frozen == MEMORY_STEP_MIGRATING)
        restart_clock_and_poke(step);
    else if (was_frozen != MEMORY_STEP_REASON_NONE)
        restart_clock(step);
    else if (in->requested == in->current || in->current != next->current)
        restart_clock(step);
    else if (was_asked && (next->statistics_since == 0 || next->is_unguarded))
        next->idle += CLAMP(in->now - next->seen_at, 0, MOST_OBSERVED);
}

static void
note_direction(Step *step)
{
    const MemoryStepInput *in = &step->in;
    gint direction = (in->current < in->target) - (in->current > in->target);

    if (in->target != step->next.target)
        restart_clock(step);
    if (direction != step->next.direction) {
        step->next.direction = direction;
        restart_window(step);
    }
    if (direction >= 0 || step->next.frozen != MEMORY_STEP_REASON_NONE)
        memory_guard_leave(&step->next, in->now);
    step->next.window = MIN(step->next.window, cap_of(in, direction));
}

static void
observe(Step *step, const MemoryStepState *state)
{
    const MemoryStepInput *in = &step->in;

    if (!state || !state->is_begun || state->generation != in->generation) {
        begin(step);
        memory_guard_observe(&step->next, in);
        step->next.frozen = frozen_by(step);
        note_direction(step);
        return;
    }
    step->next = *state;
    put_in_range(step);
    memory_guard_observe(&step->next, in);
    note_time(step);
    note_driver(step);
    note_direction(step);
    adapt_window(step);
    step->next.seen_at = in->now;
    step->next.target = in->target;
    step->next.current = in->current;
}

/* --- deciding ---------------------------------------------------------------------------- */

/* How much may be unaccepted after a SET of this pass. */
static guint64
window_of(const Step *step)
{
    if (step->policy->step == STEP_AUTO)
        return step->next.window;
    if (step->policy->step <= STEP_ALL)
        return G_MAXUINT64 / 2;
    return MIN((guint64) step->policy->step, G_MAXUINT64 / 2 / step->in.block) * step->in.block;
}

/* A guest that lags has a large window halved, and a small one widened to a section, once: it may
 * not be able to take less. */
static void
lag(Step *step)
{
    guint64 section = section_of(&step->in);

    if (step->next.window > section)
        step->next.window = MAX(step->next.window / 2 / step->in.block * step->in.block, section);
    else
        step->next.window = section;
    step->next.mark = step->in.current;
    step->next.mark_at = step->in.now;
}

/* In a stall a change of what the guest has available hints that asking again may help. */
static bool
is_hinted(const Step *step)
{
    const MemoryStepState *next = &step->next;

    if (!next->is_stalled || !memory_guard_is_fresh(next, &step->in))
        return false;
    if (next->idle - next->poked_at < HINTED_POKE)
        return false;
    return distance(step->in.available, next->stall_available) >= MAX(step->in.block, HINT_LEAST);
}

static void
decide_poke(Step *step)
{
    MemoryStepState *next = &step->next;

    if (step->in.requested == step->in.current || step->next.frozen != MEMORY_STEP_REASON_NONE)
        return;
    if (step->in.driver == MEMORY_DRIVER_UNBOUND)
        return;
    if (next->idle < next->poke_at && !is_hinted(step))
        return;
    step->is_poking = true;
    if (next->idle > 0 && !next->is_stalled)
        lag(step);
    if (next->is_stalled) {
        next->stall_available = step->in.available;
        next->poke_at = next->idle + stalled_poke_of(step->policy);
    } else {
        next->n_pokes += next->idle > 0;
        next->poke_at = next->idle + (first_poke_of(step->policy) << MIN(next->n_pokes, 20));
    }
    next->poked_at = next->idle;
}

static MemoryStepReason
infer_stall(const Step *step)
{
    const MemoryStepInput *in = &step->in;
    guint64 past = in->current % ONLINE_LIMIT;

    if (in->driver == MEMORY_DRIVER_UNBOUND)
        return MEMORY_STEP_NO_DRIVER;
    if (step->next.direction < 0)
        return MEMORY_STEP_UNMOVABLE;
    if (in->current + MEMORY_STEP_SECTION > ONLINE_LIMIT &&
        MIN(past, ONLINE_LIMIT - past) < MEMORY_STEP_SECTION)
        return MEMORY_STEP_NOT_ONLINED;
    return MEMORY_STEP_NOT_FOLLOWING;
}

static void
decide_stall(Step *step)
{
    MemoryStepState *next = &step->next;

    if (next->is_stalled || next->idle < stall_timeout_of(step->policy))
        return;
    /* Whoever can be poked is poked first, however late the passes come. */
    if (next->n_pokes == 0 && step->in.driver != MEMORY_DRIVER_UNBOUND)
        return;
    next->is_stalled = true;
    next->stall_reason = infer_stall(step);
    next->stall_available = step->in.available;
    next->poke_at = MAX(next->poke_at, next->poked_at + stalled_poke_of(step->policy));
}

static void
bound_growth(Step *step)
{
    const MemoryStepInput *in = &step->in;

    step->lo = in->current;
    step->hi = MAX(MIN(in->target, in->grant), in->current);
    step->goal = step->hi;
}

static void
bound_shrink(Step *step)
{
    const MemoryStepInput *in = &step->in;
    guint64 low;

    if (step->next.frozen == MEMORY_STEP_REASON_NONE)
        step->guard = memory_guard_bound(&step->next, in, step->policy);
    else
        step->guard.low = MIN(in->requested, in->current);
    low = step->guard.low;
    /* At rest a little that the guard would give is left. */
    if (step->guard.is_fresh && in->requested == in->current && low > in->target &&
        low < in->current && in->current - low < MAX(in->block, NIBBLE))
        low = in->current;
    step->hi = in->current;
    step->lo = MIN(MAX(in->target, low), in->current);
    step->goal = step->lo;
    /* A guest that lags gets back what the smaller window no longer covers. */
    if (step->is_poking && step->policy->step == STEP_AUTO)
        step->lo = MAX(step->lo, minus(in->current, step->next.window));
}

/* Requested lies within its bounds: as far towards the goal as the window allows, or where it
 * is if that would not be worth a write. */
static guint64
advance(const Step *step)
{
    const MemoryStepInput *in = &step->in;
    guint64 window = window_of(step);
    guint64 room = step->policy->step == STEP_ALL ? in->block : MAX(in->block, window / 2);
    bool is_growing = in->current < in->target;
    guint64 want = is_growing ? MIN(step->goal, in->current + window)
                              : MAX(step->goal, minus(in->current, window));

    if (step->next.is_stalled || step->next.frozen == MEMORY_STEP_GUEST_PAUSED)
        return in->requested;
    want =
        is_growing ? want / in->block * in->block : (want + in->block - 1) / in->block * in->block;
    if (is_growing ? want <= in->requested : want >= in->requested)
        return in->requested;
    if (in->requested == in->current || want == in->target)
        return want;
    return distance(want, in->requested) >= room ? want : in->requested;
}

static guint64
put_right_and_advance(const Step *step)
{
    Step right = *step;

    right.in.requested = CLAMP(step->in.requested, step->lo, step->hi);
    return advance(&right);
}

/* A stall holds while the guest was asked for a section, or all that may be asked. If the guard or
 * the grant allowed less, it may not have been able to follow by so little: when they allow more,
 * that is another question, and it is asked. */
static void
reconsider_stall(Step *step)
{
    const MemoryStepInput *in = &step->in;
    Step anew = *step;
    guint64 asked = distance(CLAMP(in->requested, step->lo, step->hi), in->current);
    guint64 worth = step->guard.is_fresh && step->goal != in->target ? NIBBLE : 0;

    if (!step->next.is_stalled || step->next.stall_reason == MEMORY_STEP_NO_DRIVER)
        return;
    anew.next.is_stalled = false;
    if (asked < section_of(in) &&
        distance(put_right_and_advance(&anew), in->current) >= asked + MAX(in->block, worth))
        restart_clock(step);
}

static guint64
decide_requested(Step *step)
{
    if (step->in.current == step->in.target)
        return step->in.target;
    if (step->in.current < step->in.target)
        bound_growth(step);
    else
        bound_shrink(step);
    reconsider_stall(step);
    return put_right_and_advance(step);
}

/* --- what it is called ---------------------------------------------------------------------- */

static void
describe_held(const Step *step, MemoryStepDecision *out)
{
    if (step->next.direction > 0) {
        out->condition = SYNC_WAITING;
        out->reason = MEMORY_STEP_HOST_BUDGET;
        out->poll_after = POLL_HELD;
        return;
    }
    if (step->guard.is_fresh || step->guard.is_holding)
        out->condition = SYNC_GUARDED;
    out->reason = step->guard.reason;
    out->poll_after = step->guard.poll_after;
}

static void
describe_moving(const Step *step, MemoryStepDecision *out)
{
    bool is_shrinking = step->next.direction < 0 ||
                        (step->next.direction == 0 && step->in.requested > step->in.target);
    MemoryStepReason guard = step->guard.reason;

    out->reason = is_shrinking ? MEMORY_STEP_SHRINKING : MEMORY_STEP_GROWING;
    if (guard == MEMORY_STEP_AWAITING_STATISTICS || guard == MEMORY_STEP_NO_STATISTICS)
        out->reason = guard;
    if (guard == MEMORY_STEP_AWAITING_STATISTICS)
        out->poll_after = step->guard.poll_after;
    if (step->in.driver == MEMORY_DRIVER_UNBOUND)
        out->reason = MEMORY_STEP_NO_DRIVER;
}

static void
describe(const Step *step, MemoryStepDecision *out)
{
    const MemoryStepInput *in = &step->in;
    MemoryStepReason frozen = step->next.frozen;

    out->condition = SYNC_PROGRESSING;
    out->poll_after = CLAMP(step->next.idle / 16, POLL_LEAST, POLL_MOST);
    if (in->requested == in->target && in->current == in->target) {
        out->condition = SYNC_SYNCED;
        out->reason = MEMORY_STEP_CONVERGED;
        out->poll_after = MEMORY_STEP_NO_POLL;
    } else if (frozen != MEMORY_STEP_REASON_NONE) {
        out->reason = frozen;
        out->poll_after = frozen == MEMORY_STEP_GUEST_BOOTING ? POLL_MOST : POLL_FROZEN;
    } else if (step->next.is_stalled) {
        out->condition = SYNC_STALLED;
        out->reason = step->next.stall_reason;
        out->poll_after = step->next.direction < 0 ? POLL_STALLED_SHRINK : POLL_STALLED_GROW;
    } else if (out->requested == in->current && in->current != in->target) {
        describe_held(step, out);
    } else {
        describe_moving(step, out);
    }
    if (out->verb != MEMORY_STEP_VERB_NONE)
        out->poll_after = POLL_LEAST;
}

static void
add_figures(const Step *step, MemoryStepDecision *out)
{
    out->target = step->in.target;
    out->current = step->in.current;
    out->missing = distance(step->in.target, step->in.current);
    out->grant = step->in.grant;
    out->want_statistics = step->guard.want_statistics;
    out->has_available = step->guard.is_fresh;
    if (!out->has_available)
        return;
    out->available = step->in.available;
    out->reserve = step->guard.reserve;
    out->floor = step->guard.low;
}

MemoryStepDecision
memory_step(const MemoryStepState *state, const MemoryStepInput *input, const Policy *policy)
{
    Step step = { .in = in_order(input), .policy = policy };
    const MemoryStepInput *in = &step.in;
    MemoryStepDecision out = { .requested = in->requested };

    observe(&step, state);
    if (step.next.frozen != MEMORY_STEP_MIGRATING) {
        decide_stall(&step);
        decide_poke(&step);
        out.requested = decide_requested(&step);
        if (out.requested != in->requested)
            out.verb = MEMORY_STEP_VERB_SET;
        else if (step.is_poking)
            out.verb = MEMORY_STEP_VERB_POKE;
    }
    if (out.verb == MEMORY_STEP_VERB_SET && in->requested == in->current) {
        step.next.mark = in->current;
        step.next.mark_at = in->now;
    }
    /* Withdrawn to where it is: the guest owes nothing any more. */
    if (out.requested == in->current)
        restart_clock(&step);
    describe(&step, &out);
    add_figures(&step, &out);
    step.next.requested = out.requested;
    out.state = step.next;
    return out;
}

/* --- the devices of one guest ------------------------------------------------------------- */

/* What device @input took of the available memory since the sample, or may still take. */
static guint64
taken_by(const MemoryStepState *state, const MemoryStepInput *input, gint64 statistics_at)
{
    MemoryStepState observed = *state;

    memory_guard_observe(&observed, input);
    return minus(memory_guard_peak(&observed, MIN(statistics_at, input->now)),
                 MIN(input->requested, input->current));
}

static bool
is_stepping_unguarded(const MemoryStepState *state, gint64 now)
{
    return (state->is_stepping && !state->is_stalled) || state->pause_until > now;
}

void
memory_step_guest(const MemoryStepState *states, const MemoryStepInput *inputs, guint n,
                  const Policy *policy, MemoryStepDecision *ret_decisions)
{
    for (guint i = 0; i < n; i++) {
        MemoryStepInput input = inputs[i];
        for (guint j = 0; j < n; j++) {
            const MemoryStepState *state = j < i ? &ret_decisions[j].state : &states[j];
            MemoryStepInput other = inputs[j];
            if (j == i)
                continue;
            if (j < i)
                other.requested = ret_decisions[j].requested;
            input.taken += taken_by(state, &other, input.statistics_at);
            input.is_other_shrinking |= is_stepping_unguarded(state, input.now);
        }
        ret_decisions[i] = memory_step(&states[i], &input, policy);
    }
}
