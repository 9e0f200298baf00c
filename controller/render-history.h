/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/json.h"
#include "state/history.h"

/*
 * What happened, as read from the state: newest first, each list or NULL where it wasn't asked for.
 */
typedef struct History {
    GPtrArray *actions; /* ActionRecord* */
    GPtrArray *changes; /* ChangeRecord* */
    GPtrArray *events;  /* EventRecord* */
} History;

void history_clear(History *history);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(History, history_clear)

/* All of it by time, the newest last, one line each. Caller frees. */
char *history_text(const History *history, gboolean is_colored);
/* Sets "actions", "changes", "events" (those that were asked for), newest first, with the names of
 * the views. */
void history_fill_json(const History *history, Json *json);

/* "set-memory virtiomem0 128 MiB -> 768 MiB"; caller frees. */
char *action_record_text(const ActionRecord *action);
/* "web-1.xml:31, commit 1a2b3c4d, by file"; "" when nothing is known. Caller frees. */
char *action_cause_text(const ActionRecord *action);
/* "done in 1.2s", "failed after 30s: …", "under way"; caller frees. */
char *action_outcome_text(const ActionRecord *action);
/* "devices/…/requested  512 MiB -> 768 MiB (web-1.xml:31, commit …)"; caller frees. */
char *change_record_text(const ChangeRecord *change);
