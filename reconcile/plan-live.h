/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/plan.h"

/* Internal to plan: appends an action of class live. */
PlanAction *plan_add_action(DomainPlan *plan, PlanActionKind kind);

/* Whether @what is fought over and so left alone, which is noted in plan->contests.
 * @is_undone_now: as of contest_find(). */
bool plan_is_contested(DomainPlan *plan, const PlanInput *input, const char *what,
                       bool is_undone_now);
/* The same of how much of a memory device is asked for. */
bool plan_is_memory_contested(DomainPlan *plan, const PlanInput *input, const char *id);

/* The actions for the plan's live changes, memory moves excepted: controllers before what sits on
 * them, removals last and in reverse. What was asked of the guest and is not due again adds none. */
void plan_live(DomainPlan *plan, const PlanInput *input);

/* Whether the guest was asked to let that go and need not be asked again yet. */
bool plan_is_waited_for(const PlanInput *input, const char *id);

/* When the next of the removals under way is to be asked for again, wall clock us; G_MAXINT64 when
 * none is under way. */
gint64 plan_next_unplug(const PlanInput *input);

/* Fills in plan->leaving. */
void plan_find_leaving(DomainPlan *plan, const PlanInput *input);

/* What is waited for: "the guest to let go of net1 (asked 3 times in 42 s)"; NULL when nothing is.
 * *ret_is_overdue: longer than stall-timeout. Caller frees. */
char *plan_unplugs_text(const DomainPlan *plan, const PlanInput *input, bool *ret_is_overdue);

/* What is fought over: "input2 was undone 6 times since … and is put back in 9m"; NULL when nothing
 * is. Caller frees. */
char *plan_contests_text(const DomainPlan *plan, const PlanInput *input);
