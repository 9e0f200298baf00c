/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/plan.h"

/* Internal to plan: what a domain's plan was made from, field by field, as an object of texts:
 * "qemu/run-state": "running", "policy/prune": "1", "devices/disk[0]/target/@dev": a digest.
 * @document: desired as text, or NULL. */
Json *plan_basis(const PlanInput *input, const DomainPlan *plan, const char *document);

/* Appends "; FIELD …" for what differs between two of these, what @skip has a change for
 * excepted. False: nothing does. */
bool plan_basis_explain(const Json *saved, const Json *now, const GPtrArray *const skip[2],
                        GString *text);
