/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/spec.h"

/*
 * What differs between the domain a QEMU was started with (@applied) and what its file asks for
 * now (@desired), both resolved. @spec, or NULL, is the file: it gives the changes their lines,
 * and what it leaves open (an assigned address, anything of an implied device) is no change.
 *
 * Devices are compared with the one they continue (reconcile/device-match.h); from_item and
 * to_item of a Change are then these devices, borrowed from the two domains. A device that is
 * in one of them only is one change, of class restart, with no field. Totals that only follow
 * the memory devices' sizes are of class none. Generated ids are not compared.
 *
 * Returns Change*, in document order, removed devices behind the others of their kind; caller
 * unrefs (the array frees its items).
 */
GPtrArray *diff_domains(const Domain *applied, const Domain *desired, const Spec *spec);

/* Whether any change is of @change_class. */
bool diff_has(const GPtrArray *changes, ChangeClass change_class);
/* Whether QEMU or the guest would see any of it. */
bool diff_matters(const GPtrArray *changes);
