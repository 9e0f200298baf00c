/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One row a domain, by name. Every `put` makes the row if there is none and touches only its own
 * group of columns, so that a pass, `suspend` and a shutdown timer don't overwrite each other.
 */
#pragma once

#include "model/sync.h"
#include "state/store.h"

/* What the file says: written when a file was read and is valid. */
typedef struct {
    char *uuid;   /* pinned: kept from the first put that has one, later values are ignored */
    char *file;   /* path as given to the user */
    guint line;   /* of <domain> */
    char *commit; /* VCS commit of the file, NULL if unknown */
    char *digest; /* of the file's content */
    guint64 memory_boot; /* bytes the guest boots with, as the file says */
} DomainDesired;

/* The QEMU process. `pid` 0: none. */
typedef struct {
    gint64 pid;
    guint64 pid_start_time; /* field 22 of /proc/PID/stat, clock ticks since boot */
    char *boot_id;          /* /proc/sys/kernel/random/boot_id */
    char *token;            /* 32 hex digits, in QEMU's command line */
    char *emulator;         /* path */
    guint64 memory_boot;    /* bytes this process was started with */
} DomainProcess;

/* A graceful shutdown under way. `deadline_us` 0: none. */
typedef struct {
    gint64 requested_at_us;
    gint64 deadline_us;
    char *purpose; /* "stop" | "restart" */
} DomainShutdown;

typedef struct {
    char *name;
    DomainDesired desired;
    char *resolved_xml; /* last resolved desired XML: the allocations; NULL before the first */
    char *applied_xml;  /* what the running QEMU was started with or last changed to */
    char *run_state;    /* model/observed.h's words */
    DomainProcess process;

    SyncState sync;
    char *reason;    /* one CamelCase word */
    char *message;   /* a sentence, with figures */
    gint64 since_us; /* when sync or reason last changed */

    char *last_error;       /* NULL after a success */
    guint n_failures;       /* consecutive */
    gint64 next_attempt_us; /* back-off; 0: now */
    guint n_starts;         /* QEMU processes started since the row was made */
    char *last_exit; /* "guest-shutdown" | "crashed" | "destroyed" | ..., NULL: never ended */
    gint64 last_exit_at_us;

    DomainShutdown shutdown;

    gboolean is_suspended;
    char *suspend_reason;
    gint64 suspended_since_us;

    /* Figures of the whole guest, computed from this row and its memory devices (as in the
     * view): boot memory plus all devices. current and requested are 0 without a process. */
    guint64 memory_boot;
    guint64 memory_current;
    guint64 memory_requested;
    guint64 memory_target;
    guint64 memory_max;
} DomainRecord;

void domain_record_free(DomainRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomainRecord, domain_record_free)

/* *ret_record is NULL when there is no such row (that is not an error). */
gboolean store_domain_get(Store *store, const char *name, DomainRecord **ret_record,
                          GError **error);

/* All rows by name, without their documents (resolved_xml, applied_xml). Elements DomainRecord,
 * owned by the array. */
GPtrArray *store_domain_list(Store *store, GError **error);
/* The same with nothing but name, desired.file, sync and reason: quick, for every look at the
 * directory. */
GPtrArray *store_domain_list_files(Store *store, GError **error);

gboolean store_domain_put_desired(Store *store, const char *name, const DomainDesired *desired,
                                  GError **error);
gboolean store_domain_put_resolved(Store *store, const char *name, const char *resolved_xml,
                                   GError **error);
gboolean store_domain_put_applied(Store *store, const char *name, const char *applied_xml,
                                  GError **error);

/* A process was started (`is_start`: counts in n_starts) or adopted. Commit this before exec. */
gboolean store_domain_put_process(Store *store, const char *name, const DomainProcess *process,
                                  gboolean is_start, GError **error);

/* The process is gone: forgets its pid, start time, boot id and token, notes how it ended, clears
 * the pending shutdown, and sets requested and current of the memory devices to 0. Keeps
 * applied_xml and emulator. */
gboolean store_domain_put_exit(Store *store, const char *name, const char *last_exit, gint64 now_us,
                               GError **error);

/* Relaxed. */
gboolean store_domain_put_run_state(Store *store, const char *name, const char *run_state,
                                    GError **error);

/* `since` moves to now_us only if sync or reason differs from what is stored. Relaxed. */
gboolean store_domain_put_sync(Store *store, const char *name, SyncState sync, const char *reason,
                               const char *message, gint64 now_us, GError **error);

/* Back-off: `last_error` NULL, 0, 0 after a success. Relaxed. */
gboolean store_domain_put_failure(Store *store, const char *name, const char *last_error,
                                  guint n_failures, gint64 next_attempt_us, GError **error);

/* NULL clears it. */
gboolean store_domain_put_shutdown(Store *store, const char *name, const DomainShutdown *shutdown,
                                   GError **error);

/* The time of suspension stays the first one's when suspended again. */
gboolean store_domain_put_suspended(Store *store, const char *name, gboolean is_suspended,
                                    const char *reason, gint64 now_us, GError **error);

/* Forget the domain and its memory devices; its history stays. A missing row is fine. */
gboolean store_domain_remove(Store *store, const char *name, GError **error);
