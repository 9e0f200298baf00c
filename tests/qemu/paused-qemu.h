/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "qemu/launch.h"
#include "tests/support/scratch.h"

/* A real QEMU without a guest, launched as the product does it. */

#define PAUSED_QEMU_EMULATOR "/usr/bin/qemu-system-x86_64"
#define PAUSED_QEMU_UUID "0f9a8b7c-1111-4222-8333-444455556666"
#define PAUSED_QEMU_TIMEOUT_US (60 * G_USEC_PER_SEC)

/* Prepares one as DIR/run/NAME, logging to DIR/log/NAME.log; a small q35 machine (`-machine none`
 * when @is_bare), plus @more (NULL-terminated, or NULL). */
Launch *paused_qemu_prepare(Scratch *scratch, const char *name, bool is_bare,
                            const char *const *more, GError **error);
/* Prepared, let go and connected; fails the test when that doesn't work. */
Launch *paused_qemu_start(Scratch *scratch, const char *name, bool is_bare, const char *const *more,
                          Qmp **ret_control);
