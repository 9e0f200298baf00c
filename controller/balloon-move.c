/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the balloon is to leave its guest, as I/O. What differs is decided by
 * reconcile/plan-balloon; here QEMU is asked, and the guest's answer waited for without waiting:
 *
 *     intent, asked | ... a pass looks: nearer, so it is let be | ... asked again | agreed: done
 *                                       └─ no nearer for stall-timeout: Stalled, and still open
 *
 * The open row says all that the next pass must know, also of another process: what was asked for,
 * where the balloon was when last looked at, and since when it has come no nearer. Asking twice
 * does no harm: QEMU tells the guest its target once more. So a pass asks again whenever the
 * balloon is no nearer, be it that the guest sleeps or that somebody else asked for something else.
 */
#include "controller/balloon-move.h"

#include "controller/effect.h"
#include "controller/memory-ledger.h"
#include "model/balloon.h"
#include "model/quantity.h"
#include "qemu/verbs.h"
#include "reconcile/plan-balloon.h"

#define POLL_US (500 * 1000) /* while it moves, should no event say so */
#define HELD_POLL_US (1 * G_USEC_PER_SEC)

/* The detail of a row. */
typedef struct Move {
    gint64 row;
    guint64 from, to;
    guint64 at;   /* bytes; where it was at the last look */
    gint64 moved; /* wall clock us; when it was last seen to come nearer */
} Move;

static char *
format_detail(const char *device, const Move *move)
{
    g_autoptr(Json) detail = json_new_object();

    json_set_string(detail, "device", device);
    json_set_uint(detail, "from", move->from);
    json_set_uint(detail, "to", move->to);
    json_set_uint(detail, "at", move->at);
    json_set_int(detail, "moved", move->moved);
    return json_format(detail, false);
}

static bool
read_row(const ActionRecord *row, Move *ret_move)
{
    g_autoptr(Json) detail = row->detail ? json_parse(row->detail, -1, NULL) : NULL;

    if (g_strcmp0(row->kind, plan_action_name(PLAN_ACTION_SET_BALLOON)) || !detail)
        return false;
    *ret_move = (Move){ .row = row->id,
                        .from = json_get_uint(detail, "from", 0),
                        .to = json_get_uint(detail, "to", 0),
                        .at = json_get_uint(detail, "at", 0),
                        .moved = json_get_int(detail, "moved", row->started_at_us) };
    return true;
}

guint64
balloon_move_asked(const Site *site, const char *name)
{
    g_autoptr(GPtrArray) rows = journal_open_rows(site->store, name, NULL);
    Move move;

    for (guint i = 0; rows && i < rows->len; i++)
        if (read_row(rows->pdata[i], &move))
            return move.to;
    return 0;
}

/* The open row that asks for @to; others are ended. @actual: what the balloon leaves now. */
static bool
settle_rows(const Subject *subject, const Site *site, guint64 to, guint64 actual, Move *ret_move,
            GError **error)
{
    g_autoptr(GPtrArray) rows = journal_open_rows(site->store, subject->name, error);
    ActionOwner owner = host_owner(site->host);
    Move move;

    *ret_move = (Move){ 0 };
    for (guint i = 0; rows && i < rows->len; i++) {
        if (!read_row(rows->pdata[i], &move))
            continue;
        if (move.to != to || ret_move->row)
            effect_end(site, move.row,
                       plan_balloon_agrees(actual, move.to) ? ACTION_DONE : ACTION_SUPERSEDED,
                       NULL);
        else if (journal_adopt(site->store, move.row, &owner, error))
            *ret_move = move;
        else
            return false;
    }
    return rows != NULL;
}

static bool
begin(Subject *subject, const Site *site, const char *device, guint64 from, guint64 to,
      Move *ret_move, GError **error)
{
    g_autofree char *text = NULL;

    *ret_move = (Move){ .from = from, .to = to, .at = from, .moved = g_get_real_time() };
    text = format_detail(device, ret_move);
    subject->input.balloon_asked = to;
    return effect_begin(site, subject, plan_action_name(PLAN_ACTION_SET_BALLOON), text,
                        &ret_move->row, error);
}

bool
balloon_move_expect(Subject *subject, const Site *site, const Domain *domain, GError **error)
{
    guint64 counted = domain_balloon_counted(domain);
    guint64 taken = domain_balloon_taken(domain, counted);
    Move move;

    /* What a former QEMU was asked for is no matter of this one's. */
    return settle_rows(subject, site, 0, 0, &move, error) &&
           (!taken || begin(subject, site, balloon_id(domain_balloon(domain)), counted,
                            counted - taken, &move, error));
}

/* ---- how it goes ---- */

static guint64
distance(guint64 a, guint64 b)
{
    return a > b ? a - b : b - a;
}

/* Asks where it is no nearer than at the last look; notes where it is. */
static bool
follow(const Subject *subject, const Site *site, const PlanAction *action, Move *move,
       GError **error)
{
    bool is_nearer = distance(action->from, move->to) < distance(move->at, move->to);
    bool is_heard = subject->observed->run_state == RUN_STATE_RUNNING;
    gint64 now = g_get_real_time();
    bool is_clock_back = move->moved > now;
    g_autofree char *text = NULL;

    if (!is_nearer && !verb_set_balloon(subject->monitor, move->to, error))
        return false;
    if (!is_nearer && is_heard && move->at == action->from && !is_clock_back)
        return true;
    move->at = action->from;
    if (is_nearer || !is_heard || is_clock_back)
        move->moved = now;
    text = format_detail(action->device, move);
    return journal_put_detail(site->store, move->row, text, error);
}

typedef struct Finding {
    SyncState condition;
    const char *word, *why; /* static; why may be NULL */
} Finding;

static Finding
find_condition(const Subject *subject, const Move *move)
{
    bool is_shrinking = move->to < move->at;
    bool is_stalled = g_get_real_time() - move->moved >= subject->policy.stall_timeout;
    const char *id = domain_balloon_id(subject->applied);

    if (subject->observed->is_migrating)
        return (Finding){ SYNC_WAITING, "Migrating", "a migration runs" };
    if (subject->observed->run_state != RUN_STATE_RUNNING)
        return (Finding){ SYNC_WAITING, "GuestPaused", "the guest is paused" };
    if (monitor_query_virtio_driver(subject->monitor, id) == MONITOR_DRIVER_ABSENT)
        return (Finding){ is_stalled ? SYNC_STALLED : SYNC_PROGRESSING, "NoDriver",
                          "no balloon driver is bound in the guest" };
    if (!is_stalled)
        return (Finding){ SYNC_PROGRESSING, is_shrinking ? "Shrinking" : "Growing", NULL };
    return (Finding){ SYNC_STALLED, "NotFollowing",
                      is_shrinking ? "the guest keeps the rest (it has no more memory free, or "
                                     "took some back: autodeflate)"
                                   : "the guest does not take back what its balloon holds" };
}

static const char *
place_of(SyncState condition)
{
    return condition == SYNC_STALLED   ? "balloon stalled at"
           : condition == SYNC_WAITING ? "balloon held at"
                                       : "balloon at";
}

static void
tell(const Subject *subject, const PlanAction *action, const Move *move, MemoryMove *result,
     GPtrArray *memories)
{
    Finding finding = find_condition(subject, move);
    g_autofree char *at = size_text(action->from), *to = size_text(move->to);
    PassMemory *shown = g_new0(PassMemory, 1);
    MemoryMove found = {
        .condition = finding.condition,
        .reason_word = g_strdup(finding.word),
        .reason = g_strdup_printf("%s %s of %s%s%s", place_of(finding.condition), at, to,
                                  finding.why ? ": " : "", finding.why ? finding.why : ""),
        .poll_after = finding.condition == SYNC_PROGRESSING ? POLL_US : PASS_NEVER,
    };

    *shown = (PassMemory){
        g_strdup(action->device), move->from, action->from, move->to, move->to, finding.condition,
        g_strdup(found.reason)
    };
    g_ptr_array_add(memories, shown);
    memory_move_join(result, &found);
}

static const PlanAction *
find_action(const DomainPlan *plan)
{
    for (guint i = 0; i < plan->actions->len; i++) {
        const PlanAction *action = plan->actions->pdata[i];

        if (action->kind == PLAN_ACTION_SET_BALLOON)
            return action;
    }
    return NULL;
}

/* Where a ballooned guest counts by what its balloon leaves it, more of it has to be granted first.
 * Tells of it when it is not. */
static bool
may_deflate(Subject *subject, const PlanAction *action, MemoryMove *move, bool *ret_may,
            GError **error)
{
    MemoryGrant grant;
    MemoryMove held = { .condition = SYNC_WAITING, .poll_after = HELD_POLL_US };

    *ret_may = true;
    if (action->to <= action->from || subject->policy.memory_balloon != BALLOON_CURRENT)
        return true;
    if (!memory_ledger_ask_whole(subject->ledger, &grant, error))
        return false;
    *ret_may = grant == MEMORY_GRANTED;
    if (*ret_may)
        return true;
    held.reason_word = g_strdup("HostBudget");
    held.reason = g_strdup(memory_ledger_wait(subject->ledger));
    memory_move_join(move, &held);
    return true;
}

bool
balloon_move_run(Subject *subject, const Site *site, const DomainPlan *plan, MemoryMove *move,
                 GPtrArray *memories, GError **error)
{
    const PlanAction *action = find_action(plan);
    bool may;
    Move now;

    if (!settle_rows(subject, site, action ? action->to : 0, subject->observed->balloon_actual,
                     &now, error))
        return false;
    if (!action)
        return true;
    if (!may_deflate(subject, action, move, &may, error))
        return false;
    if (!may)
        return true;
    if (!now.row) {
        effect_note_drift(subject, site, action);
        if (!begin(subject, site, action->device, action->from, action->to, &now, error) ||
            !verb_set_balloon(subject->monitor, now.to, error))
            return false;
    } else if (!follow(subject, site, action, &now, error)) {
        return false;
    }
    tell(subject, action, &now, move, memories);
    return true;
}
