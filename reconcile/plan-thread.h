/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/plan.h"

/* Internal to plan: virtual CPUs and I/O threads, by what QEMU has and the file asks for. Nothing is
 * planned where the observation does not tell. */

/* Ids of the virtual CPUs that are to leave ("vcpu2"), appended to @leaving (char*). */
void plan_vcpus_leaving(const PlanInput *input, GPtrArray *leaving);
/* I/O threads to be added, for devices that name them. */
void plan_iothreads_come(DomainPlan *plan, const PlanInput *input);
/* Those that nothing uses any more. */
void plan_iothreads_leave(DomainPlan *plan, const PlanInput *input);
/* Virtual CPUs to be plugged, and to be asked for (again) of the guest. */
void plan_vcpus(DomainPlan *plan, const PlanInput *input);
/* What of the I/O threads' settings somebody changed, as words; NULL = nothing. Caller frees. */
char *plan_iothread_drift(const PlanInput *input);
