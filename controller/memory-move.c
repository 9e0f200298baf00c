/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stepping, as I/O. What to do is decided by memory_step_guest(), a pure function; here its inputs
 * are collected, its verbs carried out, and its states kept in the state file between passes, so
 * that another process, or the next one after a crash, goes on where this one was.
 *
 * A slice polls query-memory-devices as fast as the machine asks for (1 ms and more): waiting for
 * QEMU's event alone would make a step a second. When the slice is over the pass ends; the file
 * is written once a slice, not once a step.
 *
 * How far a device may grow is granted by the ledger of the host's memory
 * (controller/memory-ledger): it is asked when the slice begins, and again as guests give back or
 * come to what they were granted.
 *
 * The clock given to the machine is CLOCK_MONOTONIC, the same for all processes of one boot.
 */
#include "controller/memory-move.h"

#include <gio/gio.h>
#include <string.h>

#include "controller/effect.h"
#include "controller/memory-ledger.h"
#include "model/memory.h"
#include "model/quantity.h"
#include "qemu/observe.h"
#include "qemu/verbs.h"
#include "state/history.h"
#include "state/memory_devices.h"

#define CONTESTED "is left as somebody else asked for it"
#define BOOTING_US (20 * G_USEC_PER_SEC)
/* Seconds between the guest's statistics while something moves, and else. */
#define STATISTICS_MOVING 1
/* How much a guest gives back before others are told, and how often the ledger is asked at most:
 * an exchange costs a tenth of a millisecond, and those told are woken by it. */
#define LEDGER_WORTH ((guint64) 32 << 20)
#define LEDGER_PAUSE_US (5 * 1000)

typedef struct Device {
    const MemoryDevice *memory; /* desired */
    char *id;
    guint64 target;
    guint64 from;      /* current when the move began, for progress */
    gint64 action;     /* open journal row; 0 = none */
    bool is_contested; /* fought over, and left alone for now */
    MemoryDeviceRecord *row;
} Device;

typedef struct Mover {
    Subject *subject;
    const Site *site;
    GArray *devices; /* Device */
    MemoryStepState *states;
    MemoryStepInput *inputs;
    MemoryStepDecision *decisions;
    bool has_asked;      /* for statistics, in this slice */
    gint64 ledger_at;    /* when the ledger was last asked */
    guint64 ledger_held; /* and what all devices held then */
} Mover;

static void
clear_device(gpointer data)
{
    Device *device = data;

    g_free(device->id);
    g_clear_pointer(&device->row, memory_device_record_free);
}

/* The devices that both the file and QEMU have. */
static void
find_devices(Mover *mover)
{
    const Domain *desired = mover->subject->input.desired;

    for (guint i = 0; i < list_length(desired->memories); i++) {
        const MemoryDevice *memory = list_at(desired->memories, i, MemoryDevice);
        const ObservedMemory *observed =
            observed_memory(mover->subject->observed, memory->info.alias);
        Device device = { .memory = memory };

        if (memory->model != MEMORY_MODEL_VIRTIO_MEM || !observed || !observed->block)
            continue;
        device.id = g_strdup(observed->id);
        device.target = plan_memory_target(memory, observed);
        device.from = observed->current;
        g_array_append_val(mover->devices, device);
    }
}

static bool
load_states(Mover *mover, GError **error)
{
    for (guint i = 0; i < mover->devices->len; i++) {
        Device *device = &g_array_index(mover->devices, Device, i);
        g_autoptr(Json) json = NULL;

        if (!store_memory_device_get(mover->site->store, mover->subject->name, device->id,
                                     &device->row, error))
            return false;
        if (device->row && device->row->stepping)
            json = json_parse(device->row->stepping, -1, NULL);
        mover->states[i] = memory_step_state_from_json(json);
    }
    return true;
}

/* Open rows of this domain's moves: taken over when they still say what is wanted, else closed. */
static bool
adopt_actions(Mover *mover, GError **error)
{
    g_autoptr(GPtrArray) rows = journal_open_rows(mover->site->store, mover->subject->name, error);
    ActionOwner owner = host_owner(mover->site->host);

    for (guint r = 0; rows && r < rows->len; r++) {
        const ActionRecord *row = rows->pdata[r];
        g_autoptr(Json) detail = row->detail ? json_parse(row->detail, -1, NULL) : NULL;
        bool is_taken = false;

        if (g_strcmp0(row->kind, plan_action_name(PLAN_ACTION_SET_MEMORY)))
            continue;
        for (guint i = 0; i < mover->devices->len && !is_taken; i++) {
            Device *device = &g_array_index(mover->devices, Device, i);

            is_taken = !device->action &&
                       !g_strcmp0(json_get_string(detail, "device"), device->id) &&
                       json_get_uint(detail, "to", G_MAXUINT64) == device->target;
            if (!is_taken)
                continue;
            /* Not superseded: it stays open, and the next pass goes on with it. */
            if (!journal_adopt(mover->site->store, row->id, &owner, error))
                return false;
            device->action = row->id;
            device->from = json_get_uint(detail, "from", device->from);
        }
        if (!is_taken)
            effect_end(mover->site, row->id, ACTION_SUPERSEDED, NULL);
    }
    return rows != NULL;
}

static bool
begin_action(Mover *mover, Device *device, guint64 from, GError **error)
{
    g_autoptr(Json) detail = json_new_object();
    g_autofree char *text = NULL;

    if (device->action)
        return true;
    json_set_string(detail, "device", device->id);
    json_set_uint(detail, "from", from);
    json_set_uint(detail, "to", device->target);
    text = json_format(detail, false);
    return effect_begin(mover->site, mover->subject, plan_action_name(PLAN_ACTION_SET_MEMORY), text,
                        &device->action, error);
}

static MemoryDriver
driver_of(DriverState driver)
{
    switch (driver) {
    case DRIVER_UNKNOWN:
        return MEMORY_DRIVER_UNKNOWN;
    case DRIVER_UNBOUND:
        return MEMORY_DRIVER_UNBOUND;
    case DRIVER_BOUND:
        return MEMORY_DRIVER_BOUND;
    }
    g_assert_not_reached();
}

static void
fill_inputs(Mover *mover)
{
    const Observed *observed = mover->subject->observed;
    gint64 now = g_get_monotonic_time(), age = observed->observed_at - observed->statistics_at;
    guint64 total = domain_boot_memory(mover->subject->applied);

    for (guint i = 0; i < observed->memories->len; i++)
        total += ((const ObservedMemory *) observed->memories->pdata[i])->current;
    for (guint i = 0; i < mover->devices->len; i++) {
        const Device *device = &g_array_index(mover->devices, Device, i);
        const ObservedMemory *memory = observed_memory(observed, device->id);

        mover->inputs[i] = (MemoryStepInput){
            .now = now,
            .generation = observed->pid_start_time,
            .target = device->is_contested ? memory->requested : device->target,
            .block = memory->block,
            .max = memory->max,
            .requested = memory->requested,
            .current = memory->current,
            .grant = memory_ledger_grant(mover->subject->ledger, device->id),
            .is_running = observed->run_state == RUN_STATE_RUNNING,
            .is_migrating = observed->is_migrating,
            .is_booting = observed->started_at > 0 &&
                          observed->observed_at - observed->started_at < BOOTING_US,
            .driver = driver_of(memory->driver),
            .guest_total = total,
            .has_balloon = observed->has_balloon,
            .statistics_at = observed->has_statistics ? MAX(now - age, 1) : 0,
            .available = observed->statistics_available,
        };
    }
}

static bool
carry_out(Mover *mover, GError **error)
{
    Monitor *monitor = mover->subject->monitor;
    const char *balloon = domain_balloon_id(mover->subject->applied);
    bool want_statistics = false;

    for (guint i = 0; i < mover->devices->len; i++) {
        Device *device = &g_array_index(mover->devices, Device, i);
        const MemoryStepDecision *decision = &mover->decisions[i];

        want_statistics |= decision->want_statistics;
        mover->states[i] = decision->state;
        if (decision->verb == MEMORY_STEP_VERB_NONE)
            continue;
        /* A poke asks for nothing new: a guest that reboots, or one that is stalled for days, adds
         * no row to the journal. */
        if (decision->verb == MEMORY_STEP_VERB_SET &&
            !begin_action(mover, device, mover->inputs[i].current, error))
            return false;
        if (!verb_set_requested(monitor, device->id, decision->requested, error))
            return false;
    }
    if (!want_statistics || mover->has_asked || !balloon)
        return true;
    mover->has_asked = true;
    return verb_refresh_statistics(monitor, balloon, STATISTICS_MOVING, error);
}

static bool
is_contested(const Mover *mover, guint index)
{
    return g_array_index(mover->devices, Device, index).is_contested;
}

static gint64
next_poll(const Mover *mover)
{
    gint64 poll = PASS_NEVER;

    for (guint i = 0; i < mover->devices->len; i++) {
        gint64 after = mover->decisions[i].poll_after;

        if (!is_contested(mover, i) && after != MEMORY_STEP_NO_POLL &&
            (poll == PASS_NEVER || after < poll))
            poll = after;
    }
    return poll;
}

/* An operator may have taken a device away by the debug monitor. */
static bool
check_devices(const Mover *mover, const Observed *observed, GError **error)
{
    for (guint i = 0; i < mover->devices->len; i++) {
        const char *id = g_array_index(mover->devices, Device, i).id;

        if (observed_memory(observed, id))
            continue;
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "%s: QEMU has the device no more", id);
        return false;
    }
    return true;
}

/* One round trip a poll; a second one while fresh statistics are waited for. */
static bool
look_again(Mover *mover, GError **error)
{
    Subject *subject = mover->subject;
    const char *balloon = mover->has_asked ? domain_balloon_id(subject->applied) : NULL;
    g_autoptr(Observed) observed =
        observe_memory(subject->monitor, subject->observed, g_get_real_time(), error);

    if (!observed || !check_devices(mover, observed, error))
        return false;
    subject_take_observed(subject, g_steal_pointer(&observed));
    if (!balloon)
        return true;
    observed =
        observe_statistics(subject->monitor, subject->observed, balloon, g_get_real_time(), error);
    if (!observed)
        return false;
    subject_take_observed(subject, g_steal_pointer(&observed));
    return true;
}

/* ---- what somebody else asked for ---- */

static bool
note_undone(const Mover *mover, const char *id, guint64 requested, guint64 asked, GError **error)
{
    g_autofree char *what = drift_requested(id);
    g_autofree char *is = size_text(requested), *was = size_text(asked);
    g_autofree char *detail = g_strdup_printf("%s: is %s, not %s", what, is, was);
    EventRecord event = { .domain = mover->subject->name,
                          .kind = (char *) EVENT_DRIFT,
                          .detail = detail,
                          .at_us = g_get_real_time() };

    return store_event_add(mover->site->store, &event, error) &&
           subject_load_undoings(mover->subject, mover->site, error);
}

/* Told once for each time. A move under way may have written what was not recorded, and so may one
 * whose controller was killed. */
static bool
find_undone(Mover *mover, GError **error)
{
    fill_inputs(mover);
    for (guint i = 0; i < mover->devices->len; i++) {
        Device *device = &g_array_index(mover->devices, Device, i);
        g_autofree char *what = drift_requested(device->id);
        Contest contest;

        if (!device->action && memory_step_is_undone(&mover->states[i], &mover->inputs[i])) {
            if (!mover->subject->is_resumed &&
                !note_undone(mover, device->id, mover->inputs[i].requested,
                             mover->states[i].requested, error))
                return false;
            mover->states[i].requested = mover->inputs[i].requested;
        }
        device->is_contested =
            contest_find(mover->subject->undoings, what, false, g_get_real_time(), &contest);
    }
    return true;
}

/* ---- the host's budget ---- */

static guint64
held_by_devices(const Mover *mover)
{
    guint64 held = 0;

    for (guint i = 0; i < mover->devices->len; i++) {
        const char *id = g_array_index(mover->devices, Device, i).id;
        const ObservedMemory *memory = observed_memory(mover->subject->observed, id);

        held += MAX(memory->requested, memory->current);
    }
    return held;
}

static bool
ask_ledger(Mover *mover, GError **error)
{
    mover->ledger_at = g_get_monotonic_time();
    mover->ledger_held = held_by_devices(mover);
    return memory_ledger_ask(mover->subject->ledger, error);
}

/* A guest that is held by its grant, or has given enough back to be worth telling the others. */
static bool
is_ledger_due(const Mover *mover)
{
    guint64 held = held_by_devices(mover);

    if (g_get_monotonic_time() < mover->ledger_at + LEDGER_PAUSE_US)
        return false;
    if (held + LEDGER_WORTH <= mover->ledger_held)
        return true;
    for (guint i = 0; i < mover->devices->len; i++) {
        const MemoryStepInput *input = &mover->inputs[i];

        if ((input->grant < input->target && input->requested >= input->grant) ||
            (input->current <= input->target && held < mover->ledger_held))
            return true;
    }
    return false;
}

/* Who does not follow gives nothing back that others could count on, and comes last itself. */
static void
note_stuck(const Mover *mover)
{
    for (guint i = 0; i < mover->devices->len; i++) {
        const MemoryStepDecision *decision = &mover->decisions[i];
        bool is_stuck = is_contested(mover, i) || decision->condition == SYNC_STALLED ||
                        decision->condition == SYNC_GUARDED ||
                        decision->reason == MEMORY_STEP_GUEST_PAUSED ||
                        decision->reason == MEMORY_STEP_MIGRATING;
        g_autofree char *reason = is_stuck ? memory_step_message(decision) : NULL;

        memory_ledger_note_stuck(mover->subject->ledger,
                                 g_array_index(mover->devices, Device, i).id, reason);
    }
}

static bool
has_written(const Mover *mover)
{
    for (guint i = 0; i < mover->devices->len; i++)
        if (mover->decisions[i].verb != MEMORY_STEP_VERB_NONE)
            return true;
    return false;
}

/* Steps until nothing is to be done soon or the slice is over. What was written is looked at once
 * even then: it may be all that there was to do, however long a busy machine took for it. */
static bool
step(Mover *mover, GError **error)
{
    gint64 end = g_get_monotonic_time() + PASS_SLICE_US;
    bool is_over = false;

    if (!ask_ledger(mover, error))
        return false;
    for (;;) {
        gint64 poll;

        fill_inputs(mover);
        memory_step_guest(mover->states, mover->inputs, mover->devices->len,
                          &mover->subject->policy, mover->decisions);
        note_stuck(mover);
        if (!carry_out(mover, error))
            return false;
        poll = next_poll(mover);
        if (poll == PASS_NEVER || is_over)
            return true;
        is_over = g_get_monotonic_time() + poll >= end;
        if (is_over && !has_written(mover))
            return true;
        if (poll > 0)
            g_usleep(poll);
        if (!look_again(mover, error) || (is_ledger_due(mover) && !ask_ledger(mover, error)))
            return false;
    }
}

static const char *
condition_word(SyncState condition)
{
    switch (condition) {
    case SYNC_STALLED:
        return "stalled";
    case SYNC_GUARDED:
        return "guarded";
    case SYNC_WAITING:
        return "waiting";
    case SYNC_SYNCED:
        return "converged";
    case SYNC_UNKNOWN:
    case SYNC_OUT_OF_SYNC:
    case SYNC_PROGRESSING:
    case SYNC_RESTART_REQUIRED:
    case SYNC_INVALID:
    case SYNC_ORPHANED:
    case SYNC_SUSPENDED:
    case SYNC_FAILED:
        return "progressing";
    }
    g_assert_not_reached();
}

/* A move that has come to its end, or to where it can't go on. */
static void
end_action(const Mover *mover, Device *device, const MemoryStepDecision *decision,
           const char *message)
{
    if (!device->action || device->is_contested)
        return;
    if (decision->condition == SYNC_SYNCED)
        effect_end(mover->site, device->action, ACTION_DONE, NULL);
    else if (decision->condition == SYNC_STALLED)
        effect_end(mover->site, device->action, ACTION_TIMEOUT, message);
    else
        return;
    device->action = 0;
}

static char *
message_of(const Mover *mover, const MemoryStepDecision *decision)
{
    const char *wait = memory_ledger_wait(mover->subject->ledger);

    return decision->condition == SYNC_WAITING && wait ? g_strdup(wait)
                                                       : memory_step_message(decision);
}

static bool
record_device(const Mover *mover, guint index, GPtrArray *memories, GError **error)
{
    Device *device = &g_array_index(mover->devices, Device, index);
    const MemoryStepDecision *decision = &mover->decisions[index];
    const ObservedMemory *observed = observed_memory(mover->subject->observed, device->id);
    g_autoptr(Json) state = memory_step_state_to_json(&mover->states[index]);
    g_autofree char *stepping = json_format(state, false);
    g_autofree char *message =
        device->is_contested ? g_strdup(CONTESTED) : message_of(mover, decision);
    gint64 now = g_get_real_time();
    MemoryDeviceRecord record = {
        .domain = mover->subject->name,
        .device = device->id,
        .block_size = observed->block,
        .max_size = observed->max,
        .target = device->target,
        .requested = observed->requested,
        .current = observed->current,
        .state = (char *) condition_word(device->is_contested ? SYNC_WAITING : decision->condition),
        .reason = (char *) memory_step_reason_name(decision->reason),
        .message = message,
        .stepping = stepping,
    };
    SampleRecord sample = { mover->subject->name, device->id,     observed->requested,
                            observed->current,    device->target, now };
    PassMemory *shown = g_new0(PassMemory, 1);
    bool is_moved = !device->row || device->row->requested != observed->requested ||
                    device->row->current != observed->current ||
                    device->row->target != device->target;

    *shown = (PassMemory){ g_strdup(device->id), device->from,   observed->current,
                           observed->requested,  device->target, decision->condition,
                           g_strdup(message) };
    g_ptr_array_add(memories, shown);
    end_action(mover, device, decision, message);
    return store_memory_device_put(mover->site->store, &record, now, error) &&
           (!is_moved || store_sample_add(mover->site->store, &sample, error));
}

/* Which condition speaks for the domain: the one that needs someone's attention most. */
static const SyncState precedence[] = { SYNC_SYNCED, SYNC_PROGRESSING, SYNC_WAITING, SYNC_GUARDED,
                                        SYNC_STALLED };

static guint
rank(SyncState condition)
{
    for (guint i = 0; i < G_N_ELEMENTS(precedence); i++)
        if (precedence[i] == condition)
            return i;
    return 0;
}

static void
summarize(const Mover *mover, MemoryMove *move)
{
    guint worst = G_MAXUINT;

    for (guint i = 0; i < mover->devices->len; i++)
        if (is_contested(mover, i))
            move->is_contested = true;
        else if (worst == G_MAXUINT ||
                 rank(mover->decisions[i].condition) > rank(mover->decisions[worst].condition))
            worst = i;
    if (worst == G_MAXUINT)
        return;
    move->condition = mover->decisions[worst].condition;
    move->reason_word = g_strdup(memory_step_reason_name(mover->decisions[worst].reason));
    move->reason = message_of(mover, &mover->decisions[worst]);
    if (mover->devices->len > 1 && move->condition != SYNC_WAITING) {
        g_autofree char *plain = move->reason;

        move->reason =
            g_strdup_printf("%s: %s", g_array_index(mover->devices, Device, worst).id, plain);
    }
    move->poll_after = next_poll(mover);
}

void
memory_move_clear(MemoryMove *move)
{
    g_clear_pointer(&move->reason_word, g_free);
    g_clear_pointer(&move->reason, g_free);
}

void
memory_move_join(MemoryMove *move, MemoryMove *other)
{
    gint64 poll = move->poll_after == PASS_NEVER    ? other->poll_after
                  : other->poll_after == PASS_NEVER ? move->poll_after
                                                    : MIN(move->poll_after, other->poll_after);
    MemoryMove loser = *other;

    if (rank(other->condition) > rank(move->condition)) {
        loser = *move;
        *move = *other;
    }
    *other = (MemoryMove){ 0 };
    memory_move_clear(&loser);
    move->poll_after = poll;
}

static bool
record(const Mover *mover, GPtrArray *memories, GError **error)
{
    g_autoptr(GPtrArray) keep = g_ptr_array_new();

    for (guint i = 0; i < mover->devices->len; i++) {
        if (!record_device(mover, i, memories, error))
            return false;
        g_ptr_array_add(keep, g_array_index(mover->devices, Device, i).id);
    }
    g_ptr_array_add(keep, NULL);
    return store_memory_device_keep(mover->site->store, mover->subject->name,
                                    (const char *const *) keep->pdata, error);
}

bool
memory_move_run(Subject *subject, const Site *site, MemoryMove *ret_move, GPtrArray *memories,
                GError **error)
{
    Mover mover = { .subject = subject, .site = site };
    bool is_good = true;
    guint n;

    *ret_move = (MemoryMove){ .condition = SYNC_SYNCED, .poll_after = PASS_NEVER };
    mover.devices = g_array_new(FALSE, TRUE, sizeof(Device));
    g_array_set_clear_func(mover.devices, clear_device);
    find_devices(&mover);
    n = mover.devices->len;
    mover.states = g_new0(MemoryStepState, n);
    mover.inputs = g_new0(MemoryStepInput, n);
    mover.decisions = g_new0(MemoryStepDecision, n);
    if (load_states(&mover, error) && adopt_actions(&mover, error)) {
        g_autoptr(GError) refusal = NULL;

        if (n)
            is_good = find_undone(&mover, &refusal) && step(&mover, &refusal);
        /* What was seen is recorded also when QEMU refused. */
        if (mover.decisions && n && mover.decisions[0].reason)
            is_good &= record(&mover, memories, refusal ? NULL : error);
        if (n)
            summarize(&mover, ret_move);
        if (refusal)
            g_propagate_error(error, g_steal_pointer(&refusal));
    } else {
        is_good = false;
    }
    g_array_unref(mover.devices);
    g_free(mover.states);
    g_free(mover.inputs);
    g_free(mover.decisions);
    return is_good;
}
