/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Places for restarts. What bounds them has to be one for all controllers of a host, threads of
 * `watch` and any number of `apply`, so it is counted where they meet: a place is a row, and taking
 * one is a single statement that counts the others'.
 *
 * Nothing is promised to live: a row names its owner, and who finds one of a dead owner whose
 * guest is not on its way down either drops it.
 */
#include "state/restarts.h"
#include "state/store_private.h"

#define RESTART(member, column, ...) COLUMN(RestartRecord, member, column, __VA_ARGS__)
#define OF_DOMAIN(expression) "(SELECT " expression " FROM t_domain WHERE name = t_restart.domain)"

/* clang-format off */
static const Column restart_columns[] = {
    RESTART(domain, "domain"),
    RESTART(since_us, "since"),
    RESTART(owner_pid, "owner_pid"),
    RESTART(owner_start_time, "owner_start_time"),
    RESTART(owner_boot_id, "owner_boot_id"),
    RESTART(is_shutting_down, OF_DOMAIN("shutdown_purpose IS 'restart' AND pid IS NOT NULL")),
    RESTART(n_failures, OF_DOMAIN("n_failures")),
};
/* clang-format on */

static void
free_restart(gpointer record)
{
    restart_record_free(record);
}

static const RecordType restart_type = {
    .size = sizeof(RestartRecord),
    .from = "t_restart",
    .columns = restart_columns,
    .n_columns = G_N_ELEMENTS(restart_columns),
    .free_record = free_restart,
};

void
restart_record_free(RestartRecord *record)
{
    record_free(&restart_type, record);
}

GPtrArray *
store_restart_list(Store *store, GError **error)
{
    return record_select(store_sqlite(store), &restart_type, "ORDER BY since, domain", NULL, 0,
                         error);
}

gboolean
store_restart_claim(Store *store, const char *domain, const ActionOwner *owner, guint limit,
                    gint64 now_us, gboolean *ret_is_claimed, GError **error)
{
    SqliteValue values[] = {
        SQLITE_VALUE_OF_TEXT(domain),         SQLITE_VALUE_OF_INT(now_us),
        SQLITE_VALUE_OF_INT(owner->pid),      SQLITE_VALUE_OF_INT(owner->start_time),
        SQLITE_VALUE_OF_TEXT(owner->boot_id), SQLITE_VALUE_OF_INT(limit),
    };
    Sqlite *db = store_sqlite(store);

    if (!sqlite_write(db, SQLITE_RELAXED,
                      "INSERT INTO t_restart(domain, since, owner_pid, owner_start_time,"
                      "  owner_boot_id) SELECT ?1, ?2, ?3, ?4, ?5"
                      " WHERE EXISTS (SELECT 1 FROM t_restart WHERE domain = ?1)"
                      "   OR (SELECT count(*) FROM t_restart) < ?6"
                      " ON CONFLICT(domain) DO UPDATE SET owner_pid = excluded.owner_pid,"
                      "  owner_start_time = excluded.owner_start_time,"
                      "  owner_boot_id = excluded.owner_boot_id",
                      values, G_N_ELEMENTS(values), error))
        return FALSE;
    *ret_is_claimed = sqlite_n_changed(db) > 0;
    return TRUE;
}

gboolean
store_restart_release(Store *store, const char *domain, GError **error)
{
    SqliteValue key = SQLITE_VALUE_OF_TEXT(domain);

    return sqlite_write(store_sqlite(store), SQLITE_RELAXED,
                        "DELETE FROM t_restart WHERE domain = ?", &key, 1, error);
}

gboolean
store_restart_drop(Store *store, const RestartRecord *record, GError **error)
{
    SqliteValue values[] = {
        SQLITE_VALUE_OF_TEXT(record->domain),
        SQLITE_VALUE_OF_INT(record->owner_pid),
        SQLITE_VALUE_OF_INT(record->owner_start_time),
    };

    return sqlite_write(store_sqlite(store), SQLITE_RELAXED,
                        "DELETE FROM t_restart WHERE domain = ? AND owner_pid = ?"
                        " AND owner_start_time = ?",
                        values, G_N_ELEMENTS(values), error);
}
