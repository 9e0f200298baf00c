/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "model/json.h"
#include "qemu/companion.h"
#include "qemu/process.h"

/*
 * CompanionRecord: one companion that was started, as its file in RUN/NAME says it
 * (ID-KIND.companion): all that is needed to find it, to end it and to start it again.
 */
typedef struct CompanionRecord {
    char *kind, *id, *where; /* as Companion has them */
    char **argv;             /* argv[0] is absolute */
    char *socket;            /* NULL: none */
    bool is_handed, can_restart;
    ProcessRecord *process; /* which process it is; without token */
    gint64 started_at;      /* wall clock, us */
    guint n_restarts;
    bool is_noted;    /* its end has been noticed and said */
    bool is_alive;    /* as last looked; not in the file */
    char *cgroup;     /* to be entered at the next start of it; not in the file. NULL: none */
    char *last_words; /* what it wrote last, once it has ended; not in the file. NULL */
} CompanionRecord;

void companion_record_free(CompanionRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CompanionRecord, companion_record_free)
/* "swtpm of tpm0"; caller frees. */
char *companion_record_text(const CompanionRecord *record);
Json *companion_record_to_json(const CompanionRecord *record);
CompanionRecord *companion_record_from_json(const Json *json); /* NULL: not one */
/* Replaces the file as a whole. */
bool companion_record_write(const CompanionRecord *record, const char *run_directory,
                            GError **error);
/* Looks whether the process lives. Error: it can't be told. */
bool companion_record_look(CompanionRecord *record, GError **error);

/* Every record of RUN/NAME, looked at, sorted by kind and id. No directory: none. */
GPtrArray *companion_records_read(const char *run_directory, GError **error);

/* Prepares @companion on this host (finds the program, makes directory and file), and starts it.
 * @log_path: where its stderr goes. NULL with @error, its own last words in it, when it does not
 * come up within its deadline; then nothing of it is left. */
CompanionRecord *companion_start(const Companion *companion, const char *run_directory,
                                 const char *log_path, GError **error);
/* Starts one anew that has ended. */
bool companion_restart(CompanionRecord *record, const char *run_directory, GError **error);

/* Ends all of @records that live: SIGTERM, and SIGKILL for what does not end within a second or
 * two. Removes sockets and files of each that is gone. False: one does not even end killed. */
bool companion_records_end(GPtrArray *records, const char *run_directory, GError **error);
