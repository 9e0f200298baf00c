/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/observed.h"
#include "qemu/monitor.h"
#include "state/domains.h"

/*
 * Recording: a site's QEMUs and state as a file says, for `plan --observed FILE`, the golden cases
 * and the documentation. Domains that are not in it are off and were never seen.
 *
 *     {"format_version": 1, "now": "2026-07-01T12:00:00Z", "memory_total"?: bytes,
 *      "domains": [{
 *        "name": "web-1",
 *        "applied": "<domain …/>" or a path relative to the file,
 *        "qmp": [{"execute": …, "arguments"?: …, "return": … or "error": …}, …],
 *        "run_state"?: "running",   instead of qmp, or over it
 *        "pid"?: 4711, "started_at"?: "2026-07-01T08:00:00Z",
 *        "resolved"?: as applied; the allocations, where they are not applied's,
 *        "n_starts"?: 1, "last_exit"?: "guest-shutdown" | "stopped" | "crashed",
 *        "suspended"?: "why", "shutdown"?: {"purpose": "stop", "deadline": "…"} }]}
 */
typedef struct Recording Recording;

/* NULL with @error (G_IO_ERROR): can't be read, or is not of this form. */
Recording *recording_load(const char *file, GError **error);
void recording_free(Recording *recording); /* NULL is allowed */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Recording, recording_free)

/* Whether the recorded host lacks @path: its "absent" lists what is not there. */
bool recording_is_absent(const Recording *recording, const char *path);

/* What memory the recorded host has, bytes; 0 when that is not recorded. */
guint64 recording_memory_total(const Recording *recording);
gint64 recording_now(const Recording *recording); /* wall clock us */
/* Puts what is known of each domain into @store, which is empty. */
bool recording_fill(const Recording *recording, Store *store, GError **error);
/* Whether there is a QEMU of the domain @name. */
bool recording_is_running(const Recording *recording, const char *name);
/* Answers as recorded; NULL when there are none. Caller frees. */
Monitor *recording_monitor(const Recording *recording, const char *name);
/* Writes into @observed what the recording says beside QMP. */
void recording_amend(const Recording *recording, const char *name, Observed *observed);
