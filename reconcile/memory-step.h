/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "model/json.h"
#include "model/policy.h"
#include "model/sync.h"

/*
 * MemoryStep: what to do next about one virtio-mem device, given what it is and what it was.
 * A value goes in, a value comes out: no I/O, no clock, no memory of its own. Sizes are bytes,
 * times and durations microseconds. `now` is a clock that all passes on one boot of the host
 * share and that does not jump: g_get_monotonic_time().
 *
 * A pass does:
 *     observe -> MemoryStepInput; load MemoryStepState (kept between passes, also in SQLite)
 *     memory_step_guest() over all virtio-mem devices of the guest
 *     carry out each decision's verb, keep its state, come back after its poll_after
 *
 * The words target, requested, current and the conditions are those of docs/architecture.md.
 */

#define MEMORY_STEP_NO_POLL ((gint64) -1)
#define MEMORY_STEP_UNLIMITED G_MAXUINT64

/* Linux's memory section on x86-64: what the guest's driver adds and removes at a time. */
#define MEMORY_STEP_SECTION ((guint64) 128 << 20)
/* Most that is ever left unaccepted by `step: auto`, growing and shrinking (never less than
 * one block). Measured: 128 MiB at a time plugs as fast as one jump, unplug is bound by the
 * guest from four blocks on; twice and four times that keep it from ever running dry. */
#define MEMORY_STEP_GROW_CAP ((guint64) 512 << 20)
#define MEMORY_STEP_SHRINK_CAP ((guint64) 256 << 20)
/* The guard's default reserve is the larger of these. */
#define MEMORY_STEP_RESERVE_LEAST ((guint64) 128 << 20)
#define MEMORY_STEP_RESERVE_PERCENT 5
/* Statistics older than this do not count as statistics. */
#define MEMORY_STEP_STATISTICS_AGE ((gint64) 3 * G_USEC_PER_SEC)

typedef enum {
    MEMORY_DRIVER_UNKNOWN, /* not asked, or this QEMU cannot tell */
    MEMORY_DRIVER_UNBOUND, /* x-query-virtio-status: no DRIVER_OK */
    MEMORY_DRIVER_BOUND
} MemoryDriver;

/* What was observed about one device and its guest. */
typedef struct {
    gint64 now;         /* when it was observed */
    guint64 generation; /* tells one QEMU process from the next: its start time. Another one than
                         * the state's gives a fresh state. */

    guint64 target;    /* what the XML asks for; rounded down to a block, at most max */
    guint64 block;     /* block-size, a power of two */
    guint64 max;       /* the backend's size */
    guint64 requested; /* requested-size, read back from QEMU */
    guint64 current;   /* size: what the guest really has */
    guint64 grant;     /* the host budget's upper bound for requested, MEMORY_STEP_UNLIMITED
                        * where there is none. It never makes a device shrink. */

    bool is_running;   /* vCPUs run: not paused, not in a watchdog or panic stop */
    bool is_migrating; /* a migration runs, outgoing or incoming: QEMU answers BUSY */
    bool is_booting;   /* started or reset a short while ago; counts while driver is not BOUND */
    MemoryDriver driver;

    guint64 guest_total;     /* boot memory and the current of all virtio-mem devices */
    bool has_balloon;        /* a balloon device that may give statistics */
    gint64 statistics_at;    /* EARLIEST time the sample can be from, on `now`'s clock; 0: none.
                              * QEMU's last-update has one second's resolution: take the
                              * second's beginning. */
    guint64 available;       /* stat-available-memory of that sample */
    guint64 taken;           /* part of available that the guest's other devices shrink by; filled
                              * in by memory_step_guest() */
    bool is_other_shrinking; /* likewise: another device's unguarded step is on its way */
} MemoryStepInput;

#define MEMORY_STEP_N_PEAKS 6

/* Highest `current` in one second of `now`'s clock. */
typedef struct {
    gint64 second;
    guint64 size;
} MemoryPeak;

typedef enum {
    MEMORY_STEP_REASON_NONE,
    MEMORY_STEP_CONVERGED,
    MEMORY_STEP_GROWING,
    MEMORY_STEP_SHRINKING,
    MEMORY_STEP_GUEST_PAUSED,
    MEMORY_STEP_GUEST_BOOTING,
    MEMORY_STEP_MIGRATING,
    MEMORY_STEP_AWAITING_STATISTICS,
    MEMORY_STEP_NO_DRIVER,
    MEMORY_STEP_NOT_ONLINED,
    MEMORY_STEP_UNMOVABLE,
    MEMORY_STEP_NOT_FOLLOWING,
    MEMORY_STEP_GUEST_RESERVE,
    MEMORY_STEP_NO_STATISTICS,
    MEMORY_STEP_HOST_BUDGET,
    MEMORY_STEP_N_REASONS
} MemoryStepReason;

/* What one pass tells the next. All zero is a fresh state. Callers keep it and do not look. */
typedef struct {
    bool is_begun;
    guint64 generation;
    gint64 begun_at; /* first observation; what size samples from before it speak of is unknown */
    gint64 seen_at;  /* last observation and what it saw */
    guint64 target;
    guint64 requested;
    guint64 current;
    MemoryDriver driver; /* last known one */
    MemoryPeak peaks[MEMORY_STEP_N_PEAKS];

    gint direction; /* of the move under way: 1 grows, -1 shrinks, 0 rests */
    guint64 window; /* bytes that may be unaccepted */
    guint64 mark;   /* current when the window was last looked at ... */
    gint64 mark_at; /* ... and when */

    MemoryStepReason frozen; /* paused, migrating, booting: the stall clock stands still */
    gint64 reset_at;         /* current fell to nothing unasked: the guest was reset; 0: no */
    gint64 idle;             /* time the guest was seen not to follow */
    gint64 poke_at;          /* the value of idle at which it is poked next ... */
    gint64 poked_at;         /* ... and was poked last */
    guint n_pokes;           /* since it last moved */
    bool is_stalled;         /* latched */
    MemoryStepReason stall_reason;
    guint64 stall_available; /* what the statistics said when it was latched or last poked */

    gint64 statistics_since; /* when a refresh began to be waited for; 0: not waiting */
    bool is_unguarded;       /* it did not come */
    bool is_stepping;        /* an unguarded step is under way, */
    guint64 step_floor;      /* down to this size, */
    gint64 pause_until;      /* and after it comes a pause */
} MemoryStepState;

typedef enum {
    MEMORY_STEP_VERB_NONE,
    MEMORY_STEP_VERB_SET, /* write requested-size */
    MEMORY_STEP_VERB_POKE /* write the same requested-size again: it notifies the guest */
} MemoryStepVerb;

typedef struct {
    MemoryStepState state; /* to be kept for the next call, whatever became of the verb */
    MemoryStepVerb verb;
    guint64 requested;    /* what requested-size is to be (for VERB_NONE: what it is) */
    bool want_statistics; /* see to it that the balloon refreshes its statistics now: polling
                           * interval 1 s. No harm in doing so at each such decision. */
    gint64 poll_after;    /* look again after this long; 0 at once, or MEMORY_STEP_NO_POLL */
    SyncState condition;  /* SYNC_SYNCED, _PROGRESSING, _STALLED, _GUARDED or _WAITING */
    MemoryStepReason reason;

    /* The figures for the message. */
    guint64 target;
    guint64 current;
    guint64 missing;    /* |target - current| */
    bool has_available; /* fresh statistics: the next three hold */
    guint64 available;
    guint64 reserve;
    guint64 floor; /* lowest size the guard lets be asked for; 0: no bound */
    guint64 grant; /* for MEMORY_STEP_HOST_BUDGET */
} MemoryStepDecision;

/* Decides about one device. @state NULL is a fresh state. To be called in every pass, when
 * nothing is to be done too: a state that saw the device at rest lets the next shrink rely on
 * the statistics at once, a fresh one waits for a new sample. Of @policy it reads step,
 * stall_timeout, guest_reserve and shrink_unguarded. The guarantees, whatever the guest does
 * (tests/reconcile/test-memory-step-histories.c):
 * - requested is a multiple of block and at most max;
 * - growing (current < target) it never exceeds the target or the grant, shrinking it never goes
 *   below the target or, while statistics are fresh, below what the guard lets be asked for;
 * - a SET never leaves more unaccepted than the window's cap, unless more was unaccepted before
 *   (QEMU's command line passes the whole target; a reset guest re-plugs up to requested);
 * - nothing at all is written while a migration runs;
 * - SYNC_SYNCED, with VERB_NONE, exactly when requested = current = target. */
MemoryStepDecision memory_step(const MemoryStepState *state, const MemoryStepInput *input,
                               const Policy *policy);

/* Whether somebody else asked the guest for another size than this machine did, since @state: the
 * same QEMU's requested is not the one it was left with. Not to be asked while a write may have
 * been lost or not been recorded. */
bool memory_step_is_undone(const MemoryStepState *state, const MemoryStepInput *input);

/* Decides about all virtio-mem devices of one guest, in order: they share one available memory,
 * so each one's `taken` and `is_other_shrinking` are filled in from the others, decisions made
 * in the same call included. @states, @inputs and @ret_decisions have @n elements. */
void memory_step_guest(const MemoryStepState *states, const MemoryStepInput *inputs, guint n,
                       const Policy *policy, MemoryStepDecision *ret_decisions);

/* The state as a JSON object, and back. Anything that is not such an object, NULL included,
 * gives a fresh state; values out of range are put in range by the next memory_step(). */
Json *memory_step_state_to_json(const MemoryStepState *state);
MemoryStepState memory_step_state_from_json(const Json *json);

/* A name that scripts may rely on: `Growing`, `GuestReserve`. Static. */
const char *memory_step_reason_name(MemoryStepReason reason);

/* One sentence for people, such as `held at 512 MiB of 0 B: guest has 175 MiB available, 128 MiB
 * are kept back`. Whom the host's budget has it wait for is reconcile/memory-wait's to say. Caller
 * frees. */
char *memory_step_message(const MemoryStepDecision *decision);

/* The guest's reserve under @policy for a guest that now has @guest_total. */
guint64 memory_step_reserve(const Policy *policy, guint64 guest_total);
