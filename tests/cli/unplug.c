/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices that leave a QEMU without a guest. One pass asks for all of them; whether one goes at
 * once, waits for a guest or goes with a reset depends on how far the firmware has come, so none of
 * it is counted on: ask, reset, look again. (A time limit instead of a single pass would be no
 * better: on a busy machine it may be over before anything was asked for.)
 */
#include "tests/cli/unplug.h"

#include "tests/support/deadline.h"
#include "tests/support/qemus.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void
unplug_by_resets(Scratch *scratch, const char *name)
{
    Deadline deadline = deadline_in(30);

    for (;;) {
        g_autoptr(CommandResult) result = virtkeep_run(scratch, 60, "apply", "--no-wait");

        if (result->status == 0)
            return;
        if (result->status != 3 || !deadline_pause(&deadline))
            fail_msg("status %d: %s", result->status, result->err);
        json_free(qemu_ask(scratch, name, "system_reset", NULL));
    }
}
