/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/effect.h"

/*
 * Effects on a running QEMU's devices: add-device, remove-device, set-device, set-domain. Each is
 * journalled, stands alone, and once done is part of what is applied.
 */
bool device_effect_is(PlanActionKind kind);
/* PENDING: the guest was asked, and has not let go yet. @error with FAILED: QEMU's words, prefixed
 * with the device. */
EffectOutcome device_effect_run(Subject *subject, const Site *site, const PlanAction *action,
                                GError **error);

/* Devices of the applied document that QEMU has no more: what was behind them is removed, what was
 * asked is done, and what nobody asked for is an event. */
bool device_effect_note_gone(Subject *subject, const Site *site, GError **error);

/* Forgets removals that the file does not ask for any more, given the newest plan. */
bool device_effect_forget(const Subject *subject, const Site *site, const DomainPlan *plan,
                          GError **error);
