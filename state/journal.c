/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal of actions.
 *
 *     journal_begin ──> open ──journal_end──────────────> done | failed | superseded | timeout
 *        (FULL)          │ ^
 *                        │ └─journal_adopt (a new owner goes on with it)
 *                        └──journal_close_interrupted──> interrupted  (its owner is dead, and
 *                                                         nothing goes on without it)
 *
 * The intent is committed before the effect, so that after a kill -9 at any instant the rows that
 * are still open name everything that may have happened half. What did happen is not read from
 * here but observed by the next pass; the journal only tells the story, and never has an action
 * without an end once a controller looked at it again. So only intents wait for the disk: an end
 * that power loss undoes is written again by who finds the row open.
 *
 * Who is dead is not for this file to find out (state/ knows no processes): the caller answers
 * for an owner by pid, start time and boot id. It is asked outside any transaction, and a row
 * is closed only if it is still open and still that owner's, so that an adoption in between wins.
 */
#include "state/journal.h"
#include "state/store_private.h"

static const char *const outcome_names[] = {
    [ACTION_OPEN] = NULL,
    [ACTION_DONE] = "done",
    [ACTION_FAILED] = "failed",
    [ACTION_INTERRUPTED] = "interrupted",
    [ACTION_SUPERSEDED] = "superseded",
    [ACTION_TIMEOUT] = "timeout",
};

const char *
action_outcome_name(ActionOutcome outcome)
{
    return outcome < G_N_ELEMENTS(outcome_names) ? outcome_names[outcome] : NULL;
}

static const char *
format_outcome(guint value)
{
    return action_outcome_name(value);
}

static guint
parse_outcome(const char *text)
{
    for (guint i = 1; text && i < G_N_ELEMENTS(outcome_names); i++)
        if (g_str_equal(text, outcome_names[i]))
            return i;
    return ACTION_OPEN;
}

#define ACTION(member, column, ...) COLUMN(ActionRecord, member, column, __VA_ARGS__)

/* clang-format off */
static const Column action_columns[] = {
    ACTION(id, "id"),
    ACTION(domain, "domain"),
    ACTION(kind, "kind"),
    ACTION(detail, "detail"),
    ACTION(cause_file, "cause ->> '$.file'"),
    ACTION(cause_line, "cause ->> '$.line'"),
    ACTION(cause_commit, "cause ->> '$.commit'"),
    ACTION(cause_trigger, "cause ->> '$.trigger'"),
    ACTION(started_at_us, "started_at"),
    ACTION(finished_at_us, "finished_at"),
    ACTION(outcome, "outcome", .format = format_outcome, .parse = parse_outcome),
    ACTION(error, "error"),
    ACTION(owner_pid, "owner_pid"),
    ACTION(owner_start_time, "owner_start_time"),
    ACTION(owner_boot_id, "owner_boot_id"),
};
/* clang-format on */

static void
free_action(gpointer record)
{
    action_record_free(record);
}

static const RecordType action_type = {
    .size = sizeof(ActionRecord),
    .from = "t_action",
    .columns = action_columns,
    .n_columns = G_N_ELEMENTS(action_columns),
    .free_record = free_action,
};

const RecordType *
journal_record_type(void)
{
    return &action_type;
}

void
action_record_free(ActionRecord *record)
{
    record_free(&action_type, record);
}

gboolean
journal_begin(Store *store, const char *domain, const char *kind, const char *detail_json,
              const ActionCause *cause, const ActionOwner *owner, gint64 now_us, gint64 *ret_id,
              GError **error)
{
    const ActionCause unknown = { 0 };
    if (!cause)
        cause = &unknown;
    SqliteValue values[] = {
        SQLITE_VALUE_OF_TEXT(domain),
        SQLITE_VALUE_OF_TEXT(kind),
        SQLITE_VALUE_OF_TEXT(detail_json),
        SQLITE_VALUE_OF_TEXT(cause->file),
        cause->line ? SQLITE_VALUE_OF_INT(cause->line) : (SqliteValue){ 0 },
        SQLITE_VALUE_OF_TEXT(cause->commit),
        SQLITE_VALUE_OF_TEXT(cause->trigger),
        SQLITE_VALUE_OF_INT(now_us),
        SQLITE_VALUE_OF_INT(owner->pid),
        SQLITE_VALUE_OF_INT(owner->start_time),
        SQLITE_VALUE_OF_TEXT(owner->boot_id),
    };
    Sqlite *db = store_sqlite(store);
    /* json() refuses what is not JSON; json_patch() leaves out the members that are null. */
    if (!sqlite_write(db, SQLITE_DURABLE,
                      "INSERT INTO t_action(domain, kind, detail, cause, started_at,"
                      "  owner_pid, owner_start_time, owner_boot_id)"
                      " VALUES(?1, ?2, json(?3), json_patch('{}', json_object("
                      "  'file', ?4, 'line', ?5, 'commit', ?6, 'trigger', ?7)),"
                      "  ?8, ?9, ?10, ?11)",
                      values, G_N_ELEMENTS(values), error))
        return FALSE;
    *ret_id = sqlite_last_id(db);
    return TRUE;
}

gboolean
journal_end(Store *store, gint64 id, ActionOutcome outcome, const char *error_text, gint64 now_us,
            GError **error)
{
    g_assert(action_outcome_name(outcome));
    SqliteValue values[] = {
        SQLITE_VALUE_OF_TEXT(action_outcome_name(outcome)),
        SQLITE_VALUE_OF_TEXT(error_text),
        SQLITE_VALUE_OF_INT(now_us),
        SQLITE_VALUE_OF_INT(id),
    };
    return sqlite_write(store_sqlite(store), SQLITE_RELAXED,
                        "UPDATE t_action SET outcome = ?, error = ?, finished_at = ?"
                        " WHERE id = ? AND outcome IS NULL",
                        values, G_N_ELEMENTS(values), error);
}

gboolean
journal_put_detail(Store *store, gint64 id, const char *detail_json, GError **error)
{
    SqliteValue values[] = { SQLITE_VALUE_OF_TEXT(detail_json), SQLITE_VALUE_OF_INT(id) };
    return sqlite_write(store_sqlite(store), SQLITE_RELAXED,
                        "UPDATE t_action SET detail = json(?1)"
                        " WHERE id = ?2 AND outcome IS NULL AND detail IS NOT json(?1)",
                        values, G_N_ELEMENTS(values), error);
}

gboolean
journal_adopt(Store *store, gint64 id, const ActionOwner *owner, GError **error)
{
    SqliteValue values[] = {
        SQLITE_VALUE_OF_INT(owner->pid),
        SQLITE_VALUE_OF_INT(owner->start_time),
        SQLITE_VALUE_OF_TEXT(owner->boot_id),
        SQLITE_VALUE_OF_INT(id),
    };
    return sqlite_write(store_sqlite(store), SQLITE_RELAXED,
                        "UPDATE t_action"
                        " SET owner_pid = ?1, owner_start_time = ?2, owner_boot_id = ?3"
                        " WHERE id = ?4 AND outcome IS NULL AND (owner_pid IS NOT ?1"
                        "   OR owner_start_time IS NOT ?2 OR owner_boot_id IS NOT ?3)",
                        values, G_N_ELEMENTS(values), error);
}

GPtrArray *
journal_open_rows(Store *store, const char *domain, GError **error)
{
    SqliteValue key = SQLITE_VALUE_OF_TEXT(domain);
    return record_select(store_sqlite(store), &action_type,
                         domain ? "WHERE outcome IS NULL AND domain = ? ORDER BY id"
                                : "WHERE outcome IS NULL ORDER BY id",
                         &key, domain ? 1 : 0, error);
}

/* What goes on without its controller: a removal, or an amount of memory, that the guest was asked
 * for, a shutdown. */
#define IS_WAITED_FOR                                                                              \
    "(kind IN ('remove-device', 'remove-vcpu') AND EXISTS (SELECT 1 FROM t_unplug AS u"            \
    "   WHERE u.domain = t_action.domain AND u.device = t_action.detail ->> '$.device')"           \
    " OR kind IN ('set-memory', 'set-balloon')"                                                    \
    " OR kind = 'shutdown' AND EXISTS (SELECT 1 FROM t_domain AS d"                                \
    "   WHERE d.name = t_action.domain AND coalesce(d.shutdown_deadline, 0) > 0))"

static gboolean
inherit(Store *store, const ActionRecord *row, const ActionOwner *heir, gboolean *ret_is_inherited,
        GError **error)
{
    SqliteValue values[] = {
        SQLITE_VALUE_OF_INT(heir->pid),      SQLITE_VALUE_OF_INT(heir->start_time),
        SQLITE_VALUE_OF_TEXT(heir->boot_id), SQLITE_VALUE_OF_INT(row->id),
        SQLITE_VALUE_OF_INT(row->owner_pid), SQLITE_VALUE_OF_INT(row->owner_start_time),
    };
    Sqlite *db = store_sqlite(store);
    if (!sqlite_write(db, SQLITE_RELAXED,
                      "UPDATE t_action"
                      " SET owner_pid = ?1, owner_start_time = ?2, owner_boot_id = ?3"
                      " WHERE id = ?4 AND outcome IS NULL AND owner_pid = ?5"
                      "   AND owner_start_time = ?6 AND " IS_WAITED_FOR,
                      values, G_N_ELEMENTS(values), error))
        return FALSE;
    *ret_is_inherited = sqlite_n_changed(db) > 0;
    return TRUE;
}

static gboolean
close_interrupted(Store *store, const ActionRecord *row, gint64 now_us, guint *n_closed,
                  GError **error)
{
    SqliteValue values[] = {
        SQLITE_VALUE_OF_INT(now_us),
        SQLITE_VALUE_OF_INT(row->id),
        SQLITE_VALUE_OF_INT(row->owner_pid),
        SQLITE_VALUE_OF_INT(row->owner_start_time),
    };
    Sqlite *db = store_sqlite(store);
    if (!sqlite_write(db, SQLITE_RELAXED,
                      "UPDATE t_action SET outcome = 'interrupted', finished_at = ?,"
                      " error = 'the controller ended before the outcome was known'"
                      " WHERE id = ? AND outcome IS NULL"
                      " AND owner_pid = ? AND owner_start_time = ?",
                      values, G_N_ELEMENTS(values), error))
        return FALSE;
    *n_closed += sqlite_n_changed(db);
    return TRUE;
}

gboolean
journal_close_interrupted(Store *store, const char *domain, const ActionOwner *heir,
                          ActionOwnerIsAlive is_alive, gpointer user_data, gint64 now_us,
                          guint *ret_n_closed, GError **error)
{
    g_autoptr(GPtrArray) rows = journal_open_rows(store, domain, error);
    if (!rows)
        return FALSE;
    guint n_closed = 0;
    for (guint i = 0; i < rows->len; i++) {
        const ActionRecord *row = rows->pdata[i];
        ActionOwner owner = { row->owner_pid, row->owner_start_time, row->owner_boot_id };
        gboolean is_inherited = FALSE;
        if (is_alive(&owner, user_data))
            continue;
        if (!inherit(store, row, heir, &is_inherited, error) ||
            (!is_inherited && !close_interrupted(store, row, now_us, &n_closed, error)))
            return FALSE;
    }
    if (ret_n_closed)
        *ret_n_closed = n_closed;
    return TRUE;
}
