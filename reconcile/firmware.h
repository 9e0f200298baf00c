/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/firmware.h"
#include "reconcile/resolve.h"

/*
 * Names the firmware: for <os firmware='…'> the first image that fits what the file says, and for
 * a loader that the file names what is known of it. @previous (may be NULL) is what the domain was
 * resolved to before: a choice once made stays, since the guest's variables are that image's.
 * Reports no-firmware when nothing fits.
 */
void resolve_firmware(Domain *domain, const Domain *previous, const ResolveContext *context,
                      const Validation *validation);
