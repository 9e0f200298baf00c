/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/subject.h"

/*
 * Effects: what a plan's actions do. Each commits its intent to the journal first and its outcome
 * after; an action is done when the observation shows it, so the next look is a new one.
 */
typedef enum {
    EFFECT_DONE,
    EFFECT_PENDING, /* begun; a later pass sees whether it came about */
    EFFECT_FAILED,
} EffectOutcome;

/* Carries out one action; set-memory is memory-move.h's. @error with EFFECT_FAILED. */
EffectOutcome effect_run(Subject *subject, const Site *site, const PlanAction *action,
                         GError **error);

/* Journal rows of this site's process. */
bool effect_begin(const Site *site, const Subject *subject, const char *kind, const char *detail,
                  gint64 *ret_id, GError **error);
/* @failure NULL: done. */
void effect_end(const Site *site, gint64 id, ActionOutcome outcome, const char *failure);

/* Tells in the history what somebody else changed and @action puts back; nothing where it is of the
 * file. */
void effect_note_drift(const Subject *subject, const Site *site, const PlanAction *action);

/* Ends the row of a shutdown under way, which stays open while the guest thinks. */
void effect_end_shutdown(const Subject *subject, const Site *site, ActionOutcome outcome,
                         const char *failure);
/* Ends the rows that nothing would end any more: of effects whose outcome could not be written (the
 * caller holds the domain's lock, so no effect is under way), and of moves and removals whose QEMU is gone. */
void effect_end_lost(const Subject *subject, const Site *site);
/* A QEMU that is gone: closes open actions, notes how it ended, clears the run directory. Called by
 * a pass that holds the lock when the state knows a process that is not there. */
bool effect_note_exit(Subject *subject, const Site *site, GError **error);
/* A QEMU that is there and that the state does not know. */
bool effect_note_adoption(Subject *subject, const Site *site, GError **error);
/* What the running QEMU now has of the file, into state and run directory. */
bool effect_note_applied(Subject *subject, const Site *site, const Domain *applied, GError **error);
