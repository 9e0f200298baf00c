/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Removals that wait for their guest. A pass asks and ends; the row tells the next one, perhaps of
 * another process, when it was asked and how often, so that it is asked again in time and neither
 * too often nor never. The row goes when the device has gone, or is wanted again.
 */
#include "state/unplugs.h"
#include "state/store_private.h"

#define GROUP_ALL 1u
#define UNPLUG(member, column, ...)                                                                \
    COLUMN(UnplugRecord, member, column, .groups = GROUP_ALL, __VA_ARGS__)

/* clang-format off */
static const Column unplug_columns[] = {
    COLUMN(UnplugRecord, domain, "domain", .is_key = TRUE),
    COLUMN(UnplugRecord, device, "device", .is_key = TRUE),
    UNPLUG(asked_at_us, "asked_at"),
    UNPLUG(last_asked_at_us, "last_asked_at"),
    UNPLUG(n_asked, "n_asked"),
    UNPLUG(refusal, "refusal"),
};
/* clang-format on */

static void
free_unplug(gpointer record)
{
    unplug_record_free(record);
}

static const RecordType unplug_type = {
    .size = sizeof(UnplugRecord),
    .table = "t_unplug",
    .from = "t_unplug",
    .columns = unplug_columns,
    .n_columns = G_N_ELEMENTS(unplug_columns),
    .free_record = free_unplug,
};

void
unplug_record_free(UnplugRecord *record)
{
    record_free(&unplug_type, record);
}

GPtrArray *
store_unplug_list(Store *store, const char *domain, GError **error)
{
    SqliteValue key = SQLITE_VALUE_OF_TEXT(domain);
    return record_select(store_sqlite(store), &unplug_type, "WHERE domain = ? ORDER BY device",
                         &key, 1, error);
}

gboolean
store_unplug_put(Store *store, const UnplugRecord *record, GError **error)
{
    return record_upsert(store_sqlite(store), &unplug_type, record, GROUP_ALL, SQLITE_RELAXED,
                         error);
}

gboolean
store_unplug_remove(Store *store, const char *domain, const char *device, GError **error)
{
    SqliteValue values[] = { SQLITE_VALUE_OF_TEXT(domain), SQLITE_VALUE_OF_TEXT(device) };
    return sqlite_write(store_sqlite(store), SQLITE_RELAXED,
                        "DELETE FROM t_unplug WHERE domain = ?1 AND (?2 IS NULL OR device = ?2)",
                        values, G_N_ELEMENTS(values), error);
}
