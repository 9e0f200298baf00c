/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happened: changes of files, events, memory samples; reading them and the actions back;
 * bounding them. History names domains by text: it outlives their rows.
 */
#pragma once

#include "state/journal.h"
#include "state/store.h"

/* A field of a file that changed. */
typedef struct {
    char *domain;
    char *path;         /* XML path, "devices/memory[0]/target/requested" */
    char *from;         /* NULL: was absent */
    char *to;           /* NULL: is absent */
    char *change_class; /* "live" | "restart" | "identity" */
    char *file;
    guint line;
    char *commit;
    gint64 at_us;
} ChangeRecord;

typedef struct {
    char *domain; /* NULL: of the host */
    char *kind;   /* QMP event name or a word of watch's own */
    char *detail; /* text or JSON, may be NULL */
    gint64 at_us;
} EventRecord;

typedef struct {
    char *domain;
    char *device;
    guint64 requested;
    guint64 current;
    guint64 target;
    gint64 at_us;
} SampleRecord;

/* Of a device that QEMU had and has no more, though nobody asked for it here; detail is its id. */
#define EVENT_DEVICE_GONE "device-gone"
/* Of what somebody else changed and is put back; detail is "net0: link/@state: is down, not up". */
#define EVENT_DRIFT "drift"

void change_record_free(ChangeRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ChangeRecord, change_record_free)
void event_record_free(EventRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EventRecord, event_record_free)
void sample_record_free(SampleRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SampleRecord, sample_record_free)

gboolean store_change_add(Store *store, const ChangeRecord *change, GError **error);
/* Relaxed. */
gboolean store_event_add(Store *store, const EventRecord *event, GError **error);
/* Relaxed. */
gboolean store_sample_add(Store *store, const SampleRecord *sample, GError **error);

/* Which rows to read; {0} is everything. */
typedef struct {
    const char *domain; /* NULL: all */
    gint64 since_us;    /* 0: from the start; otherwise rows at or after it */
    guint limit;        /* 0: no limit; otherwise the newest so many */
} HistoryFilter;

/* Newest first. `filter` NULL: everything. */
GPtrArray *store_action_list(Store *store, const HistoryFilter *filter, GError **error);
GPtrArray *store_change_list(Store *store, const HistoryFilter *filter, GError **error);
GPtrArray *store_event_list(Store *store, const HistoryFilter *filter, GError **error);
GPtrArray *store_sample_list(Store *store, const HistoryFilter *filter, GError **error);

/* Bounds of history: per table, both hold; 0: unbounded. Samples are thinned with age besides:
 * every one for 10 min, one each 10 s for 1 h, each minute for a day, each 15 min for 30 days. */
typedef struct {
    gint64 max_age_us;
    guint max_rows;
} HistoryLimits;

#define HISTORY_LIMITS_DEFAULT                                                                     \
    ((HistoryLimits){ .max_age_us = 90 * G_TIME_SPAN_DAY, .max_rows = 50000 })

/* Thin and bound now; call every few minutes. Open actions are never removed. Relaxed. */
gboolean store_prune_history(Store *store, gint64 now_us, const HistoryLimits *limits,
                             GError **error);
