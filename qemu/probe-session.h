/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "model/json.h"

/*
 * ProbeSession: a QEMU binary that was started only to be asked, with no guest and no files.
 */
typedef struct ProbeSession ProbeSession;

/* Takes @arguments (NULL: none). Returns the 'return' value, to be freed; errors are QMP_ERROR. */
Json *probe_session_ask(const ProbeSession *session, const char *command, Json *arguments,
                        GError **error);

/* Asks what there is to ask and puts the answers together. NULL with @error. */
typedef Json *(*ProbeQuestions)(const ProbeSession *session, GError **error);

/*
 * Starts @emulator (an absolute path), paused, with @machine (the argument of -machine: "none",
 * "none,accel=kvm"), on a socket that only we hold, and has @questions asked. The process is always
 * ended and reaped before the call returns, and dies with the calling thread. @timeout_us: bound
 * for the whole of it, > 0. Errors: PROBE_ERROR (qemu/probe.h). Caller frees.
 */
Json *probe_converse(const char *emulator, const char *machine, gint64 timeout_us,
                     ProbeQuestions questions, GError **error);
