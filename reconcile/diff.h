/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

/*
 * What differs between the domain a QEMU was started with (@applied) and what its file asks for
 * now (@desired), both resolved. @positions, or NULL, is the file's and gives the changes their
 * lines. What the file of a resolved @desired leaves open (an assigned address, the fields of an
 * implied device) is no change, and neither are generated ids.
 *
 * Devices are compared with the one they continue (reconcile/device-match.h); from_item and
 * to_item of a Change are then these devices, borrowed from the two domains. A device that is
 * in one of them only is one change, of class restart, with no field. Totals that only follow
 * the memory devices' sizes are of class none.
 *
 * Returns Change*, the domain's own first, then kind by kind, removed devices behind the others;
 * caller unrefs (the array frees its items).
 */
GPtrArray *domain_diff(const Domain *applied, const Domain *desired, const PositionMap *positions);

/* @applied with those fields of @desired that QEMU need not be told at once: what only concerns the
 * file and virtkeep, and of memory devices what is then moved step by step. Caller frees. */
Domain *domain_apply_live(const Domain *applied, const Domain *desired);
/* @applied with the domain's own live fields of @desired. Caller frees. */
Domain *domain_take_live_fields(const Domain *applied, const Domain *desired);
/* @applied with the live fields of @after in its device that is @before. Caller frees. */
Domain *domain_take_live_device(const Domain *applied, const DeviceKind *kind, gconstpointer before,
                                gconstpointer after);

/* Whether the virtual CPUs of @applied can become those of @desired (as far as its maximum goes)
 * while the guest runs: it hears of them by ACPI. Without KVM none is taken out: QEMU 7.2 leaves a
 * listener behind and ends at the next change of the guest's memory map. */
bool domain_vcpus_are_live(const Domain *applied, const Domain *desired);
/* Whether any change is of @change_class. */
bool diff_has(const GPtrArray *changes, ChangeClass change_class);
