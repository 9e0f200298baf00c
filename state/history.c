/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happened, and how much of it is kept.
 *
 * Four tables grow with time: actions, changes, events and samples. All are read the same way
 * (newest first, of one domain or all, since a time, so many) and bounded the same way (by age and
 * by number of rows), so one row of `histories` describes each.
 *
 * Samples come about once a second a device while memory moves. They are thinned with age: in a
 * zone, time is cut into buckets that start at multiples of the zone's width since the epoch, and
 * the last sample of each bucket and device is kept. Each zone's width divides the next one's, so
 * a sample kept by a wider zone is always one that the narrower zone kept too, and thinning
 * twice does nothing more. An open action is never removed, however old.
 *
 *     now        10 min          1 h             1 day            30 days
 *      |  every one  |  one per 10 s  |  one per minute  |  one per 15 min  |  gone
 */
#include "state/history.h"
#include "state/store_private.h"

#define CHANGE(member, column, ...) COLUMN(ChangeRecord, member, column, .groups = 1, __VA_ARGS__)
#define EVENT(member, column) COLUMN(EventRecord, member, column, .groups = 1)
#define SAMPLE(member, column) COLUMN(SampleRecord, member, column, .groups = 1)

static const Column change_columns[] = {
    CHANGE(domain, "domain"),
    CHANGE(path, "path"),
    CHANGE(from, "old_value"),
    CHANGE(to, "new_value"),
    CHANGE(change_class, "change_class"),
    CHANGE(file, "file"),
    CHANGE(line, "line", .null_if_zero = TRUE),
    CHANGE(commit, "git_commit"),
    CHANGE(at_us, "at"),
};

static const Column event_columns[] = {
    EVENT(domain, "domain"),
    EVENT(kind, "kind"),
    EVENT(detail, "detail"),
    EVENT(at_us, "at"),
};

static const Column sample_columns[] = {
    SAMPLE(domain, "domain"),   SAMPLE(device, "device"), SAMPLE(requested, "requested"),
    SAMPLE(current, "current"), SAMPLE(target, "target"), SAMPLE(at_us, "at"),
};

static void
free_change(gpointer record)
{
    change_record_free(record);
}

static void
free_event(gpointer record)
{
    event_record_free(record);
}

static void
free_sample(gpointer record)
{
    sample_record_free(record);
}

#define RECORD_TYPE(Struct, sql_table, array, free_function)                                       \
    {                                                                                              \
        .size = sizeof(Struct), .table = (sql_table), .from = (sql_table), .columns = (array),     \
        .n_columns = G_N_ELEMENTS(array), .free_record = (free_function),                          \
    }

static const RecordType change_type =
    RECORD_TYPE(ChangeRecord, "t_change", change_columns, free_change);
static const RecordType event_type = RECORD_TYPE(EventRecord, "t_event", event_columns, free_event);
static const RecordType sample_type =
    RECORD_TYPE(SampleRecord, "t_sample", sample_columns, free_sample);

void
change_record_free(ChangeRecord *record)
{
    record_free(&change_type, record);
}

void
event_record_free(EventRecord *record)
{
    record_free(&event_type, record);
}

void
sample_record_free(SampleRecord *record)
{
    record_free(&sample_type, record);
}

gboolean
store_change_add(Store *store, const ChangeRecord *change, GError **error)
{
    return record_insert(store_sqlite(store), &change_type, change, 1, SQLITE_DURABLE, error);
}

gboolean
store_event_add(Store *store, const EventRecord *event, GError **error)
{
    return record_insert(store_sqlite(store), &event_type, event, 1, SQLITE_RELAXED, error);
}

gboolean
store_sample_add(Store *store, const SampleRecord *sample, GError **error)
{
    return record_insert(store_sqlite(store), &sample_type, sample, 1, SQLITE_RELAXED, error);
}

static GPtrArray *
list(Store *store, const RecordType *type, const char *time_column, const HistoryFilter *filter,
     GError **error)
{
    const HistoryFilter everything = { 0 };
    if (!filter)
        filter = &everything;
    g_autofree char *rest =
        g_strdup_printf("WHERE %s >= ?%s ORDER BY %s DESC, id DESC LIMIT ?", time_column,
                        filter->domain ? " AND domain = ?" : "", time_column);
    SqliteValue values[3];
    guint n_values = 0;
    values[n_values++] = SQLITE_VALUE_OF_INT(filter->since_us);
    if (filter->domain)
        values[n_values++] = SQLITE_VALUE_OF_TEXT(filter->domain);
    values[n_values++] = SQLITE_VALUE_OF_INT(filter->limit ? (gint64) filter->limit : -1);
    return record_select(store_sqlite(store), type, rest, values, n_values, error);
}

GPtrArray *
store_action_list(Store *store, const HistoryFilter *filter, GError **error)
{
    return list(store, journal_record_type(), "started_at", filter, error);
}

GPtrArray *
store_change_list(Store *store, const HistoryFilter *filter, GError **error)
{
    return list(store, &change_type, "at", filter, error);
}

GPtrArray *
store_event_list(Store *store, const HistoryFilter *filter, GError **error)
{
    return list(store, &event_type, "at", filter, error);
}

GPtrArray *
store_sample_list(Store *store, const HistoryFilter *filter, GError **error)
{
    return list(store, &sample_type, "at", filter, error);
}

/* ?1 is now. The width of a sample's bucket is worked out once and is part of the bucket's name. */
static const char thin_samples[] =
    "DELETE FROM t_sample WHERE at < ?1 - 30 * 86400000000 OR id IN ("
    "  SELECT id FROM ("
    "    SELECT id, row_number() OVER ("
    "      PARTITION BY domain, device, width, at / width ORDER BY at DESC, id DESC) AS nth"
    "    FROM (SELECT id, at, domain, device, CASE"
    "        WHEN at >= ?1 - 3600000000 THEN 10000000"
    "        WHEN at >= ?1 - 86400000000 THEN 60000000"
    "        ELSE 900000000 END AS width"
    "      FROM t_sample WHERE at < ?1 - 600000000)"
    "  ) WHERE nth > 1)";

/* What bounds each table. `too_old` takes the oldest time to keep, `too_many` the number of rows.
 */
static const struct {
    const char *too_old;
    const char *too_many;
} histories[] = {
    { "DELETE FROM t_action WHERE started_at < ? AND outcome IS NOT NULL",
      "DELETE FROM t_action WHERE outcome IS NOT NULL"
      " AND id <= (SELECT id FROM t_action ORDER BY id DESC LIMIT 1 OFFSET ?)" },
    { "DELETE FROM t_change WHERE at < ?",
      "DELETE FROM t_change"
      " WHERE id <= (SELECT id FROM t_change ORDER BY id DESC LIMIT 1 OFFSET ?)" },
    { "DELETE FROM t_event WHERE at < ?",
      "DELETE FROM t_event"
      " WHERE id <= (SELECT id FROM t_event ORDER BY id DESC LIMIT 1 OFFSET ?)" },
    { "DELETE FROM t_sample WHERE at < ?",
      "DELETE FROM t_sample"
      " WHERE id <= (SELECT id FROM t_sample ORDER BY id DESC LIMIT 1 OFFSET ?)" },
};

typedef struct {
    gint64 now_us;
    const HistoryLimits *limits;
} Pruning;

static gboolean
prune(Sqlite *db, gpointer user_data, GError **error)
{
    const Pruning *pruning = user_data;
    SqliteValue now = SQLITE_VALUE_OF_INT(pruning->now_us);
    SqliteValue oldest = SQLITE_VALUE_OF_INT(pruning->now_us - pruning->limits->max_age_us);
    SqliteValue n_rows = SQLITE_VALUE_OF_INT(pruning->limits->max_rows);
    if (!sqlite_write(db, SQLITE_RELAXED, thin_samples, &now, 1, error))
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(histories); i++) {
        if (pruning->limits->max_age_us &&
            !sqlite_write(db, SQLITE_RELAXED, histories[i].too_old, &oldest, 1, error))
            return FALSE;
        if (pruning->limits->max_rows &&
            !sqlite_write(db, SQLITE_RELAXED, histories[i].too_many, &n_rows, 1, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
store_prune_history(Store *store, gint64 now_us, const HistoryLimits *limits, GError **error)
{
    Pruning pruning = { now_us, limits };
    return sqlite_transact(store_sqlite(store), SQLITE_RELAXED, prune, &pruning, error);
}
