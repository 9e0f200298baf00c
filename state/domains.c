/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One row a domain.
 *
 * Different hands write one row: the pass (process, sync), the file scan (desired), the operator's
 * `suspend`, the shutdown's deadline. Each put names a group of columns and leaves the others
 * alone, so that no read-modify-write spans two transactions and nobody undoes another's word.
 *
 * Rules that are about the old value live in the statement, under the write lock: the uuid is
 * pinned at first sight, `since` moves only with sync or reason, starts are counted, the first
 * suspension's time stays.
 *
 * What concerns identity and intent is durable. Sync, message, back-off and the applied document
 * are relaxed: power loss ends every guest anyway, and the next pass works them out again.
 */
#include "state/domains.h"
#include "state/store_private.h"

enum {
    GROUP_DESIRED = 1 << 0,
    GROUP_RESOLVED = 1 << 1,
    GROUP_APPLIED = 1 << 2,
    GROUP_PROCESS = 1 << 3,
    GROUP_START = 1 << 4,
    GROUP_EXIT = 1 << 5,
    GROUP_RUN_STATE = 1 << 6,
    GROUP_SYNC = 1 << 7,
    GROUP_FAILURE = 1 << 8,
    GROUP_SHUTDOWN = 1 << 9,
    GROUP_SUSPENDED = 1 << 10,
};

static const char *
format_sync(guint value)
{
    return sync_state_name(value);
}

static guint
parse_sync(const char *text)
{
    return sync_state_parse(text);
}

#define DOMAIN(member, column, ...) COLUMN(DomainRecord, member, column, __VA_ARGS__)

/* clang-format off */
static const Column domain_columns[] = {
    DOMAIN(name, "name", .is_key = TRUE),
    DOMAIN(desired.file, "file", .groups = GROUP_DESIRED),
    DOMAIN(sync, "sync", .groups = GROUP_SYNC, .format = format_sync, .parse = parse_sync),
    DOMAIN(reason, "reason", .groups = GROUP_SYNC),
    /* ↑ those that a scan of the directory wants of every row (N_FILE_COLUMNS) */
    DOMAIN(desired.uuid, "uuid", .groups = GROUP_DESIRED, .set = "coalesce(uuid, excluded.uuid)"),
    DOMAIN(desired.line, "line", .groups = GROUP_DESIRED, .null_if_zero = TRUE),
    DOMAIN(desired.commit, "git_commit", .groups = GROUP_DESIRED),
    DOMAIN(desired.digest, "digest", .groups = GROUP_DESIRED),
    DOMAIN(desired.memory_boot, "desired_boot", .groups = GROUP_DESIRED),
    DOMAIN(run_state, "run_state", .groups = GROUP_RUN_STATE),
    DOMAIN(process.pid, "pid", .groups = GROUP_PROCESS | GROUP_EXIT, .null_if_zero = TRUE),
    DOMAIN(process.pid_start_time, "pid_start_time", .groups = GROUP_PROCESS | GROUP_EXIT,
           .null_if_zero = TRUE),
    DOMAIN(process.boot_id, "boot_id", .groups = GROUP_PROCESS | GROUP_EXIT),
    DOMAIN(process.token, "token", .groups = GROUP_PROCESS | GROUP_EXIT),
    DOMAIN(process.emulator, "emulator", .groups = GROUP_PROCESS),
    DOMAIN(process.memory_boot, "running_boot", .groups = GROUP_PROCESS | GROUP_EXIT),
    DOMAIN(message, "message", .groups = GROUP_SYNC),
    DOMAIN(since_us, "since", .groups = GROUP_SYNC, .null_if_zero = TRUE,
           .set = "iif(since IS NOT NULL AND sync IS excluded.sync AND reason IS excluded.reason,"
                  " since, excluded.since)"),
    DOMAIN(last_error, "last_error", .groups = GROUP_FAILURE),
    DOMAIN(n_failures, "n_failures", .groups = GROUP_FAILURE),
    DOMAIN(next_attempt_us, "next_attempt", .groups = GROUP_FAILURE, .null_if_zero = TRUE),
    DOMAIN(n_starts, "n_starts", .groups = GROUP_START, .set = "n_starts + excluded.n_starts"),
    DOMAIN(last_exit, "last_exit", .groups = GROUP_EXIT),
    DOMAIN(last_exit_at_us, "last_exit_at", .groups = GROUP_EXIT, .null_if_zero = TRUE),
    DOMAIN(shutdown.requested_at_us, "shutdown_requested_at", .groups = GROUP_SHUTDOWN | GROUP_EXIT,
           .null_if_zero = TRUE),
    DOMAIN(shutdown.deadline_us, "shutdown_deadline", .groups = GROUP_SHUTDOWN | GROUP_EXIT,
           .null_if_zero = TRUE),
    DOMAIN(shutdown.purpose, "shutdown_purpose", .groups = GROUP_SHUTDOWN | GROUP_EXIT),
    DOMAIN(is_suspended, "is_suspended", .groups = GROUP_SUSPENDED),
    DOMAIN(suspend_reason, "suspend_reason", .groups = GROUP_SUSPENDED),
    DOMAIN(suspended_since_us, "suspended_since", .groups = GROUP_SUSPENDED, .null_if_zero = TRUE,
           .set = "iif(is_suspended AND excluded.is_suspended,"
                  " suspended_since, excluded.suspended_since)"),
    DOMAIN(memory_boot, "memory_boot"),
    DOMAIN(memory_current, "memory_current"),
    DOMAIN(memory_requested, "memory_requested"),
    DOMAIN(memory_target, "memory_target"),
    DOMAIN(memory_max, "memory_max"),
    /* The documents: most of a row, and of no interest to those who list rows. */
    DOMAIN(resolved_xml, "resolved_xml", .groups = GROUP_RESOLVED),
    DOMAIN(applied_xml, "applied_xml", .groups = GROUP_APPLIED),
};
#define N_FILE_COLUMNS 4
#define N_DOCUMENTS 2
/* clang-format on */

static void
free_domain(gpointer record)
{
    domain_record_free(record);
}

static const RecordType domain_type = {
    .size = sizeof(DomainRecord),
    .table = "t_domain",
    .from = "t_domain JOIN v_domain_memory USING(name)",
    .columns = domain_columns,
    .n_columns = G_N_ELEMENTS(domain_columns),
    .free_record = free_domain,
};

static const RecordType listed_domain_type = {
    .size = sizeof(DomainRecord),
    .from = "t_domain JOIN v_domain_memory USING(name)",
    .columns = domain_columns,
    .n_columns = G_N_ELEMENTS(domain_columns) - N_DOCUMENTS,
    .free_record = free_domain,
};

/* Without the view, which sums up the memory devices of all domains. */
static const RecordType domain_file_type = {
    .size = sizeof(DomainRecord),
    .from = "t_domain",
    .columns = domain_columns,
    .n_columns = N_FILE_COLUMNS,
    .free_record = free_domain,
};

void
domain_record_free(DomainRecord *record)
{
    record_free(&domain_type, record);
}

gboolean
store_domain_get(Store *store, const char *name, DomainRecord **ret_record, GError **error)
{
    SqliteValue key = SQLITE_VALUE_OF_TEXT(name);
    return record_select_one(store_sqlite(store), &domain_type, "WHERE name = ?", &key, 1,
                             (gpointer *) ret_record, error);
}

GPtrArray *
store_domain_list(Store *store, GError **error)
{
    return record_select(store_sqlite(store), &listed_domain_type, "ORDER BY name", NULL, 0, error);
}

GPtrArray *
store_domain_list_files(Store *store, GError **error)
{
    return record_select(store_sqlite(store), &domain_file_type, "ORDER BY name", NULL, 0, error);
}

/* Writes the group's members of `record`, whose strings are only borrowed. */
static gboolean
put(Store *store, const char *name, DomainRecord record, guint group, SqliteDurability durability,
    GError **error)
{
    record.name = (char *) name;
    return record_upsert(store_sqlite(store), &domain_type, &record, group, durability, error);
}

gboolean
store_domain_put_desired(Store *store, const char *name, const DomainDesired *desired,
                         GError **error)
{
    return put(store, name, (DomainRecord){ .desired = *desired }, GROUP_DESIRED, SQLITE_DURABLE,
               error);
}

gboolean
store_domain_put_resolved(Store *store, const char *name, const char *resolved_xml, GError **error)
{
    return put(store, name, (DomainRecord){ .resolved_xml = (char *) resolved_xml }, GROUP_RESOLVED,
               SQLITE_DURABLE, error);
}

gboolean
store_domain_put_applied(Store *store, const char *name, const char *applied_xml, GError **error)
{
    return put(store, name, (DomainRecord){ .applied_xml = (char *) applied_xml }, GROUP_APPLIED,
               SQLITE_RELAXED, error);
}

gboolean
store_domain_put_process(Store *store, const char *name, const DomainProcess *process,
                         gboolean is_start, GError **error)
{
    return put(store, name, (DomainRecord){ .process = *process, .n_starts = 1 },
               GROUP_PROCESS | (is_start ? GROUP_START : 0), SQLITE_DURABLE, error);
}

static gboolean
write_exit(Sqlite *db, gpointer user_data, GError **error)
{
    DomainRecord *record = user_data;
    SqliteValue key = SQLITE_VALUE_OF_TEXT(record->name);
    return record_upsert(db, &domain_type, record, GROUP_EXIT, SQLITE_DURABLE, error) &&
           sqlite_write(db, SQLITE_DURABLE,
                        "UPDATE t_memory_device SET requested = 0, current = 0"
                        " WHERE domain = ? AND (requested <> 0 OR current <> 0)",
                        &key, 1, error) &&
           sqlite_write(db, SQLITE_DURABLE, "DELETE FROM t_unplug WHERE domain = ?", &key, 1,
                        error);
}

gboolean
store_domain_put_exit(Store *store, const char *name, const char *last_exit, gint64 now_us,
                      GError **error)
{
    DomainRecord record = { .name = (char *) name,
                            .last_exit = (char *) last_exit,
                            .last_exit_at_us = now_us };
    return sqlite_transact(store_sqlite(store), SQLITE_DURABLE, write_exit, &record, error);
}

gboolean
store_domain_put_run_state(Store *store, const char *name, const char *run_state, GError **error)
{
    return put(store, name, (DomainRecord){ .run_state = (char *) run_state }, GROUP_RUN_STATE,
               SQLITE_RELAXED, error);
}

gboolean
store_domain_put_sync(Store *store, const char *name, SyncState sync, const char *reason,
                      const char *message, gint64 now_us, GError **error)
{
    DomainRecord record = {
        .sync = sync, .reason = (char *) reason, .message = (char *) message, .since_us = now_us
    };
    return put(store, name, record, GROUP_SYNC, SQLITE_RELAXED, error);
}

gboolean
store_domain_put_failure(Store *store, const char *name, const char *last_error, guint n_failures,
                         gint64 next_attempt_us, GError **error)
{
    DomainRecord record = { .last_error = (char *) last_error,
                            .n_failures = n_failures,
                            .next_attempt_us = next_attempt_us };
    return put(store, name, record, GROUP_FAILURE, SQLITE_RELAXED, error);
}

gboolean
store_domain_put_shutdown(Store *store, const char *name, const DomainShutdown *shutdown,
                          GError **error)
{
    return put(store, name,
               (DomainRecord){ .shutdown = shutdown ? *shutdown : (DomainShutdown){ 0 } },
               GROUP_SHUTDOWN, SQLITE_DURABLE, error);
}

gboolean
store_domain_put_suspended(Store *store, const char *name, gboolean is_suspended,
                           const char *reason, gint64 now_us, GError **error)
{
    DomainRecord record = { .is_suspended = is_suspended,
                            .suspend_reason = is_suspended ? (char *) reason : NULL,
                            .suspended_since_us = is_suspended ? now_us : 0 };
    return put(store, name, record, GROUP_SUSPENDED, SQLITE_DURABLE, error);
}

gboolean
store_domain_remove(Store *store, const char *name, GError **error)
{
    SqliteValue key = SQLITE_VALUE_OF_TEXT(name);
    return sqlite_write(store_sqlite(store), SQLITE_DURABLE, "DELETE FROM t_domain WHERE name = ?",
                        &key, 1, error);
}
