/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal of actions: an intent is committed before the side effect, its outcome after. A row
 * without an outcome is open; an open row whose owner is dead was interrupted.
 */
#pragma once

#include "state/store.h"

typedef enum {
    ACTION_OPEN = 0,    /* no outcome yet */
    ACTION_DONE,        /* observed as done */
    ACTION_FAILED,      /* refused; see error */
    ACTION_INTERRUPTED, /* the controller died in between; the next pass observed and went on */
    ACTION_SUPERSEDED,  /* the file changed again before it was done */
    ACTION_TIMEOUT,     /* not done in its time */
} ActionOutcome;

/* "done", "failed", ...; NULL for ACTION_OPEN. */
const char *action_outcome_name(ActionOutcome outcome);

/* The controller process that answers for a row. */
typedef struct {
    gint64 pid;
    guint64 start_time;  /* field 22 of /proc/PID/stat */
    const char *boot_id; /* may be NULL */
} ActionOwner;

/* Why: each member may be NULL / 0. */
typedef struct {
    const char *file;
    guint line;
    const char *commit;
    const char *trigger; /* "file", "event", "timer", "apply", ... */
} ActionCause;

typedef struct {
    gint64 id;
    char *domain;
    char *kind;   /* "start", "set-memory", ... */
    char *detail; /* JSON text */
    char *cause_file;
    guint cause_line;
    char *cause_commit;
    char *cause_trigger;
    gint64 started_at_us;
    gint64 finished_at_us; /* 0: open */
    ActionOutcome outcome;
    char *error;
    gint64 owner_pid;
    guint64 owner_start_time;
    char *owner_boot_id;
} ActionRecord;

void action_record_free(ActionRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ActionRecord, action_record_free)

/* Commit the intent. `detail_json` may be NULL, otherwise must be JSON. The effect may be done only
 * after TRUE. */
gboolean journal_begin(Store *store, const char *domain, const char *kind, const char *detail_json,
                       const ActionCause *cause, const ActionOwner *owner, gint64 now_us,
                       gint64 *ret_id, GError **error);

/* Commit the outcome (not ACTION_OPEN). A row already ended keeps its first outcome: TRUE, nothing
 * written. */
gboolean journal_end(Store *store, gint64 id, ActionOutcome outcome, const char *error_text,
                     gint64 now_us, GError **error);

/* Replace the detail of an open action, e.g. how far it got. Relaxed. */
gboolean journal_put_detail(Store *store, gint64 id, const char *detail_json, GError **error);

/* Take over an open row: an action that outlives its controller (a memory move, a shutdown) goes on
 * under a new owner. */
gboolean journal_adopt(Store *store, gint64 id, const ActionOwner *owner, GError **error);

/* Open rows, oldest first; `domain` NULL: of all. Elements ActionRecord. */
GPtrArray *journal_open_rows(Store *store, const char *domain, GError **error);

/* Whether the owner process still lives; not called inside a transaction. */
typedef gboolean (*ActionOwnerIsAlive)(const ActionOwner *owner, gpointer user_data);

/* End every open row (of `domain`, or NULL: all) whose owner is dead with outcome interrupted; but
 * what is still waited for, a device's removal, an amount of memory, a guest's shutdown, becomes
 * `heir`'s. */
gboolean journal_close_interrupted(Store *store, const char *domain, const ActionOwner *heir,
                                   ActionOwnerIsAlive is_alive, gpointer user_data, gint64 now_us,
                                   guint *ret_n_closed, GError **error);
