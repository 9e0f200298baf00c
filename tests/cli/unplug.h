/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/support/scratch.h"

/*
 * Runs `apply` until all is as the files say, and resets the domain's QEMU whenever something is
 * left: nothing of a guest runs in it, and a reset ends what was asked to leave. Fails the cmocka
 * test where it comes to no end.
 */
void unplug_by_resets(Scratch *scratch, const char *name);
