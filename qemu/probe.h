/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "model/capabilities.h"

#define PROBE_ERROR (probe_error_quark())
GQuark probe_error_quark(void);

typedef enum {
    PROBE_ERROR_NOT_FOUND,      /* no such file */
    PROBE_ERROR_NOT_EXECUTABLE, /* a directory, no permission, or exec refused it */
    PROBE_ERROR_FAILED,         /* it exited or spoke no QMP; its own words are in the message */
    PROBE_ERROR_TIMEOUT         /* it hung; it has been killed */
} ProbeError;

#define PROBE_DEFAULT_TIMEOUT_US (20 * G_USEC_PER_SEC)

/*
 * Asks the binary at @emulator (an absolute path) what it can do: starts it once, paused, with
 * no machine and no files, on a socket that only we hold; a few 100 ms. The process is always
 * ended and reaped before the call returns, and dies with the calling thread.
 * @timeout_us: bound for the whole of it, > 0.
 */
Capabilities *probe_emulator(const char *emulator, gint64 timeout_us, GError **error);
