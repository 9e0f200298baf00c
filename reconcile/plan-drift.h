/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/plan.h"

/*
 * Of each of the plan's changes, by its index: what of it nobody's file asked for, as words
 * ("net0: link/@state: is down, not up"), or NULL. All such changes of one device say the same,
 * since they are put back together. Caller unrefs.
 */
GPtrArray *plan_drifts(const DomainPlan *plan, const PlanInput *input);
