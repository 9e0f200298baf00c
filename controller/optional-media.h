/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/recording.h"
#include "model/device.h"

/* Code of the note, and kind of the event of a start without a medium. */
#define MEDIUM_MISSING "medium-missing"

/*
 * Leaves out of @desired the media of CD-ROMs and floppies that the file calls optional
 * (startupPolicy) and this host, or @recording where that is not NULL, has not. @applied: what
 * runs; a medium that its drive has stays, wherever its file went; NULL: nothing runs. A note for
 * each goes to @diagnostics.
 */
void optional_media_leave_out(Domain *desired, const Domain *applied, const Recording *recording,
                              const PositionMap *positions, Diagnostics *diagnostics);
