/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/plan.h"

/* Adds set-balloon where QEMU's balloon leaves the guest another size than the file asks for. */
void plan_balloon(DomainPlan *plan, const PlanInput *input);

/* What QEMU's balloon counts as the guest's now: boot memory and the DIMMs that are there; bytes.
 * @input->applied must be there. */
guint64 plan_balloon_counted(const PlanInput *input);
/* What the balloon is to leave the guest, bytes; 0: there is none, or nothing to tell it. */
guint64 plan_balloon_target(const PlanInput *input);

/* Whether a balloon that leaves @actual bytes is one that is to leave @target, as close as pages of
 * guests let it come. */
bool plan_balloon_agrees(guint64 actual, guint64 target);

/* Whether a live change of <currentMemory> has come about. */
bool plan_balloon_is_done(const DomainPlan *plan, const PlanInput *input);
