/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/subject.h"

/*
 * guards.max-restarts: how many guests are restarted for their files' sake at the same time, by
 * all controllers that share the state file.
 */

/* Finds out who has the places; fills in subject->restarts and the input's restart_held. Changes
 * nothing. */
bool restarts_load(Subject *subject, const Site *site, GError **error);
/* Before a plan that restarts is carried out: takes a place, or fills in restart_held, after which
 * the plan has to be made anew. */
bool restarts_claim(Subject *subject, const Site *site, const DomainPlan *plan, GError **error);
/* Whether @left, what remains to be done, is still a restart, or the start that follows. */
bool restarts_is_under_way(const Subject *subject, const DomainPlan *left);
/* At the end of a pass: gives the place back unless it is still under way. */
bool restarts_settle(const Subject *subject, const Site *site, const DomainPlan *left,
                     GError **error);
