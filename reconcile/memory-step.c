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
 * The window starts at one block and adapts to the guest (memory-progress.c). Growing, requested is
 * moved on as soon as half the window is free, not when all is accepted: the guest is never idle,
 * and a willing one is done as fast as by one jump. Shrinking, it is moved on only when all is
 * accepted: a write while Linux clears a section makes it begin anew, and half a second's work is
 * lost for the millisecond in which it would have been idle. (Measured, Linux 6.1 under TCG: a
 * write for each section cost the guest 40 % more CPU time than one jump, if it came before the
 * last one was accepted, and nothing after.) For the same reason a step down ends where a section
 * does: Linux clears a whole one at once, in four fifths of the time that its blocks take one by
 * one.
 *
 * A pass computes the bounds lo <= requested <= hi in which requested may lie now: up to target
 * and grant, down to target and what the shrink guard allows (memory-guard.c). If it lies outside
 * (target edited in mid-move, an outsider's qom-set, the guest ate memory) it is put right at
 * once; if inside, it is moved towards the goal by what the window allows.
 *
 *                  requested = current = target
 *     SYNCED ◀───────────────────────────────── PROGRESSING ◀──┐ target, guest or
 *         │  target edited, guest was reset         ▲  │  │     │ driver changed
 *         ╰─────────────────────────────────────────╯  │  ╰─▶ STALLED (latched)
 *                        nothing asked, for            │    no progress for stall_timeout
 *                        the guard's sake: GUARDED ◀───┤
 *                        the grant's sake: WAITING ◀───╯
 */
#include "reconcile/memory-step.h"

#include "model/size-arithmetic.h"
#include "reconcile/memory-guard.h"
#include "reconcile/memory-progress.h"

#define NIBBLE ((guint64) 16 << 20) /* less than this the guard's easing is not worth a step */

#define POLL_WRITTEN ((gint64) 250) /* a willing guest has taken some blocks by then */
#define POLL_MOST ((gint64) 250 * 1000)
#define POLL_HELD ((gint64) 1 * G_USEC_PER_SEC)
#define POLL_FROZEN ((gint64) 5 * G_USEC_PER_SEC)
#define POLL_STALLED_SHRINK ((gint64) 2 * G_USEC_PER_SEC)
#define POLL_STALLED_GROW ((gint64) 5 * G_USEC_PER_SEC)

static guint64
distance(guint64 a, guint64 b)
{
    return a > b ? a - b : b - a;
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

/* How much may be unaccepted after a SET of this pass. */
static guint64
window_of(const MemoryPass *pass)
{
    if (pass->policy->step == STEP_AUTO)
        return pass->next.window;
    if (pass->policy->step <= STEP_ALL)
        return G_MAXUINT64 / 2;
    return MIN((guint64) pass->policy->step, G_MAXUINT64 / 2 / pass->in.block) * pass->in.block;
}

static void
bound_growth(MemoryPass *pass)
{
    const MemoryStepInput *in = &pass->in;

    pass->lo = in->current;
    pass->hi = MAX(MIN(in->target, in->grant), in->current);
    pass->goal = pass->hi;
}

static void
bound_shrink(MemoryPass *pass)
{
    const MemoryStepInput *in = &pass->in;
    guint64 low;

    if (pass->next.frozen == MEMORY_STEP_REASON_NONE)
        pass->guard = memory_guard_bound(&pass->next, in, pass->policy);
    else
        pass->guard.low = MIN(in->requested, in->current);
    low = pass->guard.low;
    /* At rest a little that the guard would give is left. */
    if (pass->guard.is_fresh && in->requested == in->current && low > in->target &&
        low < in->current && in->current - low < MAX(in->block, NIBBLE))
        low = in->current;
    pass->hi = in->current;
    pass->lo = MIN(MAX(in->target, low), in->current);
    pass->goal = pass->lo;
    /* A guest that lags gets back what the smaller window no longer covers. */
    if (pass->is_poking && pass->policy->step == STEP_AUTO)
        pass->lo = MAX(pass->lo, size_less(in->current, pass->next.window));
}

/* Requested lies within its bounds: where the window lets it go up to now, or where it is if that
 * would not be worth a write. */
static guint64
advance_up(const MemoryPass *pass)
{
    const MemoryStepInput *in = &pass->in;
    guint64 window = window_of(pass);
    guint64 room = pass->policy->step == STEP_ALL ? in->block : MAX(in->block, window / 2);
    guint64 want = MIN(pass->goal, in->current + window) / in->block * in->block;

    if (want <= in->requested)
        return in->requested;
    if (in->requested == in->current || want == in->target || pass->is_poking)
        return want; /* a poke is a write anyway */
    return want - in->requested >= room ? want : in->requested;
}

/* The same downwards: nothing new is asked before the guest has given all that was. One that was
 * poked in vain may be unable to give as little as what is left of a section. */
static guint64
advance_down(const MemoryPass *pass)
{
    const MemoryStepInput *in = &pass->in;
    guint64 section = memory_progress_section(in);
    guint64 want = MAX(pass->goal, size_less(in->current, window_of(pass)));
    guint64 edge = (want + section - 1) / section * section;

    if (in->requested != in->current && !pass->is_poking)
        return in->requested;
    if (pass->policy->step == STEP_AUTO && edge < in->current && pass->next.n_pokes == 0 &&
        want != in->target)
        want = edge;
    want = (want + in->block - 1) / in->block * in->block;
    return MIN(want, in->requested);
}

static guint64
advance(const MemoryPass *pass)
{
    if (pass->next.is_stalled || pass->next.frozen == MEMORY_STEP_GUEST_PAUSED)
        return pass->in.requested;
    return pass->in.current < pass->in.target ? advance_up(pass) : advance_down(pass);
}

static guint64
put_right_and_advance(const MemoryPass *pass)
{
    MemoryPass right = *pass;

    right.in.requested = CLAMP(pass->in.requested, pass->lo, pass->hi);
    return advance(&right);
}

/* A stall holds while the guest was asked for a section, or all that may be asked. If the guard or
 * the grant allowed less, it may not have been able to follow by so little: when they allow more,
 * that is another question, and it is asked. */
static void
reconsider_stall(MemoryPass *pass)
{
    const MemoryStepInput *in = &pass->in;
    MemoryPass anew = *pass;
    guint64 asked = distance(CLAMP(in->requested, pass->lo, pass->hi), in->current);
    guint64 worth = pass->guard.is_fresh && pass->goal != in->target ? NIBBLE : 0;

    if (!pass->next.is_stalled || in->driver == MEMORY_DRIVER_UNBOUND)
        return;
    anew.next.is_stalled = false;
    anew.is_poking = in->current > in->target; /* downwards only a poke asks for more */
    if (asked < memory_progress_section(in) &&
        distance(put_right_and_advance(&anew), in->current) >= asked + MAX(in->block, worth))
        memory_progress_restart(pass);
}

static guint64
decide_requested(MemoryPass *pass)
{
    if (pass->in.current == pass->in.target)
        return pass->in.target;
    if (pass->in.current < pass->in.target)
        bound_growth(pass);
    else
        bound_shrink(pass);
    reconsider_stall(pass);
    return put_right_and_advance(pass);
}

/* --- what it is called --- */

static void
describe_held(const MemoryPass *pass, MemoryStepDecision *out)
{
    if (pass->next.direction > 0) {
        out->condition = SYNC_WAITING;
        out->reason = MEMORY_STEP_HOST_BUDGET;
        out->poll_after = POLL_HELD;
        return;
    }
    if (pass->guard.is_fresh || pass->guard.is_holding)
        out->condition = SYNC_GUARDED;
    out->reason = pass->guard.reason;
    out->poll_after = pass->guard.poll_after;
}

static void
describe_moving(const MemoryPass *pass, MemoryStepDecision *out)
{
    bool is_shrinking = pass->next.direction < 0 ||
                        (pass->next.direction == 0 && pass->in.requested > pass->in.target);
    MemoryStepReason guard = pass->guard.reason;

    out->reason = is_shrinking ? MEMORY_STEP_SHRINKING : MEMORY_STEP_GROWING;
    if (guard == MEMORY_STEP_AWAITING_STATISTICS || guard == MEMORY_STEP_NO_STATISTICS)
        out->reason = guard;
    if (guard == MEMORY_STEP_AWAITING_STATISTICS)
        out->poll_after = pass->guard.poll_after;
    if (pass->in.driver == MEMORY_DRIVER_UNBOUND)
        out->reason = MEMORY_STEP_NO_DRIVER;
}

static void
describe(const MemoryPass *pass, MemoryStepDecision *out)
{
    const MemoryStepInput *in = &pass->in;
    MemoryStepReason frozen = pass->next.frozen;

    out->condition = SYNC_PROGRESSING;
    out->poll_after = CLAMP(pass->next.idle / 32, MEMORY_PROGRESS_POLL, POLL_MOST);
    if (in->requested == in->target && in->current == in->target) {
        out->condition = SYNC_SYNCED;
        out->reason = MEMORY_STEP_CONVERGED;
        out->poll_after = MEMORY_STEP_NO_POLL;
    } else if (frozen != MEMORY_STEP_REASON_NONE) {
        out->reason = frozen;
        out->poll_after = frozen == MEMORY_STEP_GUEST_BOOTING ? POLL_MOST : POLL_FROZEN;
    } else if (pass->next.is_stalled) {
        out->condition = SYNC_STALLED;
        out->reason = pass->next.stall_reason;
        out->poll_after = pass->next.direction < 0 ? POLL_STALLED_SHRINK : POLL_STALLED_GROW;
    } else if (out->requested == in->current && in->current != in->target) {
        describe_held(pass, out);
    } else {
        describe_moving(pass, out);
    }
    if (out->verb != MEMORY_STEP_VERB_NONE)
        out->poll_after = POLL_WRITTEN;
}

static void
add_figures(const MemoryPass *pass, MemoryStepDecision *out)
{
    out->target = pass->in.target;
    out->current = pass->in.current;
    out->missing = distance(pass->in.target, pass->in.current);
    out->grant = pass->in.grant;
    out->want_statistics = pass->guard.want_statistics;
    out->has_available = pass->guard.is_fresh;
    if (!out->has_available)
        return;
    out->available = pass->in.available;
    out->reserve = pass->guard.reserve;
    out->floor = pass->guard.low;
}

bool
memory_step_is_undone(const MemoryStepState *state, const MemoryStepInput *input)
{
    return state->is_begun && state->generation == input->generation &&
           state->requested != input->requested;
}

MemoryStepDecision
memory_step(const MemoryStepState *state, const MemoryStepInput *input, const Policy *policy)
{
    MemoryPass pass = { .in = in_order(input), .policy = policy };
    const MemoryStepInput *in = &pass.in;
    MemoryStepDecision out = { .requested = in->requested };

    memory_progress_observe(&pass, state);
    if (pass.next.frozen != MEMORY_STEP_MIGRATING) {
        memory_progress_judge(&pass);
        memory_progress_poke(&pass);
        out.requested = decide_requested(&pass);
        if (out.requested != in->requested)
            out.verb = MEMORY_STEP_VERB_SET;
        else if (pass.is_poking)
            out.verb = MEMORY_STEP_VERB_POKE;
    }
    if (out.verb == MEMORY_STEP_VERB_SET && in->requested == in->current) {
        pass.next.mark = in->current;
        pass.next.mark_at = in->now;
    }
    /* Withdrawn to where it is: the guest owes nothing any more. */
    if (out.requested == in->current)
        memory_progress_restart(&pass);
    describe(&pass, &out);
    add_figures(&pass, &out);
    pass.next.requested = out.requested;
    out.state = pass.next;
    return out;
}
