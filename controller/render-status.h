/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/terminal.h"
#include "model/json.h"
#include "model/sync.h"
#include "state/domains.h"

/* Rows of the state as a table for people. @rows: DomainRecord*. Caller frees. */
char *status_text(const GPtrArray *rows, gint64 now, bool is_colored);
/* One row with the names of the views `domains` and `memory_devices`; what isn't known is null.
 * @devices: MemoryDeviceRecord* of any domains. Caller frees. */
Json *status_json(const DomainRecord *row, const GPtrArray *devices);

/* "512/640/768 MiB", "768 MiB" where all agree, "-" for the first two without a QEMU. Caller
 * frees. */
char *memory_figures_text(guint64 current, guint64 requested, guint64 target, bool is_off);
/* How long ago, in one or two units: "5s", "3m", "2h 10m", "4d"; "-" for 0. Caller frees. */
char *age_text(gint64 since, gint64 now);
Style sync_style(SyncState sync);
/* Setting members as the views have them: NULL and 0 are null. */
void json_set_text_or_null(Json *object, const char *name, const char *text);
void json_set_time_or_null(Json *object, const char *name, gint64 us);
void json_set_count_or_null(Json *object, const char *name, gint64 value);
