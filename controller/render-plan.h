/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/plan.h"

/*
 * A plan as text for people. Its symbols: + start, - stop, -/+ restart, ~ update, ! blocked.
 */
typedef struct PlanStyle {
    const char *root; /* the domains directory: files below it are named by the rest; may be NULL */
    bool is_colored;
    bool is_complete; /* also domains there is nothing to do for */
} PlanStyle;

/* Ends with the summary line. Caller frees. */
char *plan_text(const Plan *plan, const PlanStyle *style);
/* One domain without summary: its lines, each ended. Caller frees. */
char *domain_plan_text(const DomainPlan *domain, const PlanStyle *style);
/* "1 to start, 0 to stop, …"; caller frees. */
char *plan_summary_text(const Plan *plan);

/* "set-memory virtiomem0  128 MiB -> 768 MiB in 6 steps"; caller frees. */
char *plan_action_text(const PlanAction *action);
