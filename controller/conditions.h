/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/subject.h"

/*
 * Conditions: yes or no answers about one domain, each with a word and a sentence, as Kubernetes
 * has them. Valid, Running, Companions (where there are any), Synced, RestartRequired, Suspended;
 * in this order.
 */
typedef struct Condition {
    const char *type; /* static */
    bool is_true;
    bool is_good;  /* as one would want it */
    char *reason;  /* CamelCase word; may be NULL */
    char *message; /* sentence; may be NULL */
    gint64 since;  /* us; 0: unknown */
} Condition;

/* Condition*; caller unrefs. */
GPtrArray *conditions_of(const Subject *subject, const DomainPlan *plan);
Json *condition_json(const Condition *condition);

/* What is to be said of the domain now: the plan's word, or the last pass's where that knows more
 * (a guest that does not follow). *@ret_reason and *@ret_message are borrowed. */
SyncState sync_now(const Subject *subject, const DomainPlan *plan, const char **ret_reason,
                   const char **ret_message);
