/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/subject.h"

/* Codes of the notes, and kinds of the events of a start without what they tell of. */
#define MEDIUM_MISSING "medium-missing"
#define DISK_MISSING "disk-missing"

/*
 * Leaves out of the subject's desired document what its file calls optional (startupPolicy) and
 * this host, or the recording, has not: the media of drives, and whole hard disks. What the running
 * QEMU has stays, wherever its file went. A note for each goes to the subject's diagnostics, and its
 * positions follow. Harmless to do twice; what was desired before lives as long as the subject.
 */
void optional_disks_leave_out(Subject *subject, const Site *site);
