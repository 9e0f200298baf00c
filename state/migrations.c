/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The schema of the state file and its history.
 *
 * PRAGMA user_version counts the migrations a file has been through. The array below only ever
 * grows: a released entry is never edited, since files out there were made by it, and
 * tests/state/fixtures keeps one file of every version to prove that it still comes up. Each step
 * is one transaction that ends in the new user_version, so that a crash leaves the file at one
 * version or the next. A file of a version we don't know is refused untouched: an older program
 * must not write into what it doesn't understand.
 *
 * PRAGMA application_id tells our files from any other program's SQLite file, which `--state` by
 * mistake might name, and which we'd otherwise fill with tables.
 *
 * Tables (t_...) are ours and may change with any version. The views are the interface
 * (docs/state.md, checked against the file by a test): they keep their names and columns. Times are
 * integers, microseconds since the epoch, in tables; RFC 3339 UTC text in views. Sizes are bytes.
 * History tables name a domain by text, not by foreign key: history outlives the domain's row.
 *
 * Views and constraints use no JSON function: SQLite 3.40 refuses those to a reader who opened
 * the file with an untrusted schema.
 */
#include "state/migrations.h"

/* A time column as text, NULL staying NULL. */
#define RFC3339(column)                                                                            \
    "strftime('%Y-%m-%dT%H:%M:%S', " column " / 1000000, 'unixepoch')"                             \
    " || printf('.%06dZ', " column " % 1000000)"

/* clang-format off */
static const char version_1[] =
    "CREATE TABLE t_domain("
    "  name TEXT PRIMARY KEY NOT NULL,"
    "  uuid TEXT, file TEXT, line INTEGER, git_commit TEXT, digest TEXT,"
    "  desired_boot INTEGER NOT NULL DEFAULT 0,"
    "  resolved_xml TEXT, applied_xml TEXT,"
    "  run_state TEXT, pid INTEGER, pid_start_time INTEGER, boot_id TEXT, token TEXT,"
    "  emulator TEXT, running_boot INTEGER NOT NULL DEFAULT 0,"
    "  sync TEXT, reason TEXT, message TEXT, since INTEGER,"
    "  last_error TEXT, n_failures INTEGER NOT NULL DEFAULT 0, next_attempt INTEGER,"
    "  n_starts INTEGER NOT NULL DEFAULT 0, last_exit TEXT, last_exit_at INTEGER,"
    "  shutdown_requested_at INTEGER, shutdown_deadline INTEGER, shutdown_purpose TEXT,"
    "  is_suspended INTEGER NOT NULL DEFAULT 0, suspend_reason TEXT, suspended_since INTEGER"
    ") STRICT;"

    "CREATE TABLE t_memory_device("
    "  domain TEXT NOT NULL REFERENCES t_domain(name) ON DELETE CASCADE,"
    "  device TEXT NOT NULL,"
    "  block_size INTEGER NOT NULL, max_size INTEGER NOT NULL, target INTEGER NOT NULL,"
    "  requested INTEGER NOT NULL, current INTEGER NOT NULL,"
    "  state TEXT, since INTEGER, reason TEXT, message TEXT,"
    "  stepping TEXT,"
    "  PRIMARY KEY(domain, device)"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE t_action("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  domain TEXT NOT NULL, kind TEXT NOT NULL,"
    "  detail TEXT, cause TEXT NOT NULL,"
    "  started_at INTEGER NOT NULL, finished_at INTEGER, outcome TEXT, error TEXT,"
    "  owner_pid INTEGER NOT NULL, owner_start_time INTEGER NOT NULL, owner_boot_id TEXT,"
    "  CHECK((finished_at IS NULL) = (outcome IS NULL))"
    ") STRICT;"
    "CREATE INDEX i_action_domain ON t_action(domain, started_at);"
    "CREATE INDEX i_action_time ON t_action(started_at);"
    "CREATE INDEX i_action_open ON t_action(domain) WHERE outcome IS NULL;"

    "CREATE TABLE t_change("
    "  id INTEGER PRIMARY KEY,"
    "  at INTEGER NOT NULL, domain TEXT NOT NULL, file TEXT, line INTEGER, git_commit TEXT,"
    "  path TEXT NOT NULL, old_value TEXT, new_value TEXT, change_class TEXT"
    ") STRICT;"
    "CREATE INDEX i_change_domain ON t_change(domain, at);"
    "CREATE INDEX i_change_time ON t_change(at);"

    "CREATE TABLE t_event("
    "  id INTEGER PRIMARY KEY,"
    "  at INTEGER NOT NULL, domain TEXT, kind TEXT NOT NULL, detail TEXT"
    ") STRICT;"
    "CREATE INDEX i_event_domain ON t_event(domain, at);"
    "CREATE INDEX i_event_time ON t_event(at);"

    "CREATE TABLE t_sample("
    "  id INTEGER PRIMARY KEY,"
    "  at INTEGER NOT NULL, domain TEXT NOT NULL, device TEXT NOT NULL,"
    "  requested INTEGER NOT NULL, current INTEGER NOT NULL, target INTEGER NOT NULL"
    ") STRICT;"
    "CREATE INDEX i_sample_domain ON t_sample(domain, at);"
    "CREATE INDEX i_sample_time ON t_sample(at);"

    "CREATE TABLE t_capabilities("
    "  path TEXT PRIMARY KEY NOT NULL,"
    "  size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, json TEXT NOT NULL"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE t_fact(key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL)"
    " STRICT, WITHOUT ROWID;"

    /* The whole guest's figures: boot memory plus all virtio-mem devices. Internal, shared by the
     * view and by the reader of domain rows. */
    "CREATE VIEW v_domain_memory AS SELECT"
    "  d.name AS name,"
    "  iif(d.pid IS NULL, d.desired_boot, d.running_boot) AS memory_boot,"
    "  iif(d.pid IS NULL, 0, d.running_boot + coalesce(sum(m.current), 0)) AS memory_current,"
    "  iif(d.pid IS NULL, 0, d.running_boot + coalesce(sum(m.requested), 0)) AS memory_requested,"
    "  iif(d.pid IS NULL, d.desired_boot, d.running_boot) + coalesce(sum(m.target), 0)"
    "    AS memory_target,"
    "  iif(d.pid IS NULL, d.desired_boot, d.running_boot) + coalesce(sum(m.max_size), 0)"
    "    AS memory_max"
    " FROM t_domain d LEFT JOIN t_memory_device m ON m.domain = d.name GROUP BY d.name;"

    "CREATE VIEW domains AS SELECT"
    "  name, uuid, file, line, git_commit AS \"commit\", run_state, pid, sync, reason, message,"
    "  " RFC3339("since") " AS since,"
    "  memory_boot, memory_current, memory_requested, memory_target, memory_max"
    " FROM t_domain JOIN v_domain_memory USING(name);"

    "CREATE VIEW memory_devices AS SELECT"
    "  domain, device, block_size, max_size, target, requested, current, state,"
    "  " RFC3339("since") " AS since, reason, message"
    " FROM t_memory_device;"

    "CREATE VIEW changes AS SELECT"
    "  domain, file, line, git_commit AS \"commit\", path, old_value AS \"from\","
    "  new_value AS \"to\", change_class AS class, " RFC3339("at") " AS at"
    " FROM t_change;"

    "CREATE VIEW actions AS SELECT"
    "  domain, kind, detail, cause,"
    "  " RFC3339("started_at") " AS started_at, " RFC3339("finished_at") " AS finished_at,"
    "  outcome, error"
    " FROM t_action;"

    "CREATE VIEW events AS SELECT domain, kind, detail, " RFC3339("at") " AS at FROM t_event;"

    "CREATE VIEW samples AS SELECT"
    "  domain, device, requested, current, target, " RFC3339("at") " AS at"
    " FROM t_sample;";

/* Helper processes beside QEMUs. `record` is the one of the run directory, opaque here. */
static const char version_2[] =
    "CREATE TABLE t_companion("
    "  domain TEXT NOT NULL REFERENCES t_domain(name) ON DELETE CASCADE,"
    "  device TEXT NOT NULL, program TEXT NOT NULL,"
    "  pid INTEGER NOT NULL, state TEXT NOT NULL, since INTEGER, message TEXT,"
    "  record TEXT NOT NULL,"
    "  PRIMARY KEY(domain, device, program)"
    ") STRICT, WITHOUT ROWID;"

    "CREATE VIEW companions AS SELECT"
    "  domain, device, program, pid, state, " RFC3339("since") " AS since, message"
    " FROM t_companion;";

/* Devices that leave while the guest runs. */
static const char version_3[] =
    "CREATE TABLE t_unplug("
    "  domain TEXT NOT NULL REFERENCES t_domain(name) ON DELETE CASCADE,"
    "  device TEXT NOT NULL,"
    "  asked_at INTEGER NOT NULL, last_asked_at INTEGER NOT NULL, n_asked INTEGER NOT NULL,"
    "  refusal TEXT,"
    "  PRIMARY KEY(domain, device)"
    ") STRICT, WITHOUT ROWID;"

    "CREATE VIEW removals AS SELECT"
    "  domain, device, " RFC3339("asked_at") " AS asked_at,"
    "  " RFC3339("last_asked_at") " AS last_asked_at, n_asked, refusal"
    " FROM t_unplug;";

/* Restarts that take turns. */
static const char version_4[] =
    "CREATE TABLE t_restart("
    "  domain TEXT PRIMARY KEY NOT NULL REFERENCES t_domain(name) ON DELETE CASCADE,"
    "  since INTEGER NOT NULL,"
    "  owner_pid INTEGER NOT NULL, owner_start_time INTEGER NOT NULL, owner_boot_id TEXT"
    ") STRICT, WITHOUT ROWID;"

    "CREATE VIEW restarts AS SELECT"
    "  domain, " RFC3339("since") " AS since, owner_pid AS pid FROM t_restart;";

/* The host's memory, and who holds how much of it. No foreign key: what a QEMU holds may have to be
 * counted before its domain is known. A capacity of -1 is no limit, nodes are a bit each.
 * Which claims a pool holds, v_memory_share (see version_6), is memory_pool_holds of
 * model/memory-claim.c. */
static const char version_5[] =
    "CREATE TABLE t_memory_pool("
    "  name TEXT PRIMARY KEY NOT NULL,"
    "  page_size INTEGER NOT NULL, nodes INTEGER NOT NULL, capacity INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE t_memory_claim("
    "  domain TEXT NOT NULL, device TEXT NOT NULL,"
    "  page_size INTEGER NOT NULL, nodes INTEGER NOT NULL, block INTEGER NOT NULL,"
    "  requested INTEGER NOT NULL, current INTEGER NOT NULL, granted INTEGER NOT NULL,"
    "  wanted INTEGER NOT NULL, guaranteed INTEGER NOT NULL, priority INTEGER NOT NULL,"
    "  waiting_since INTEGER, giving_from INTEGER NOT NULL,"
    "  is_running INTEGER NOT NULL, is_stuck INTEGER NOT NULL, stuck_at INTEGER NOT NULL,"
    "  reason TEXT,"
    "  owner_pid INTEGER NOT NULL, owner_start_time INTEGER NOT NULL, owner_boot_id TEXT,"
    "  qemu_pid INTEGER NOT NULL, qemu_start_time INTEGER NOT NULL,"
    "  PRIMARY KEY(domain, device)"
    ") STRICT, WITHOUT ROWID;"

    "CREATE VIEW v_memory_share AS SELECT"
    "  p.name AS pool, p.nodes AS pool_nodes, c.domain AS domain, c.device AS device,"
    "  max(c.requested, c.current) AS held, c.granted AS granted, c.guaranteed AS guaranteed,"
    "  iif(c.waiting_since IS NULL, 0, max(c.wanted - c.granted, 0)) AS waiting"
    " FROM t_memory_pool p JOIN t_memory_claim c ON p.page_size = c.page_size"
    "  AND (p.nodes = 0 OR (c.nodes <> 0 AND c.nodes & ~p.nodes = 0));"

    "CREATE VIEW memory_budget AS SELECT"
    "  p.name AS pool, p.page_size AS page_size, nullif(p.nodes, 0) AS nodes,"
    "  nullif(p.capacity, -1) AS capacity,"
    "  coalesce(sum(s.granted), 0) AS granted, coalesce(sum(s.held), 0) AS held,"
    "  coalesce(sum(s.guaranteed), 0) AS guaranteed,"
    "  max(nullif(p.capacity, -1) - coalesce(sum(max(s.granted, s.guaranteed)), 0), 0) AS free,"
    "  count(DISTINCT iif(s.waiting > 0, s.domain, NULL)) AS n_waiting,"
    "  coalesce(sum(s.waiting), 0) AS waiting"
    " FROM t_memory_pool p LEFT JOIN v_memory_share s ON s.pool = p.name GROUP BY p.name;"

    /* The narrowest pool: of two that hold a claim, one within the other, the smaller set is the
     * smaller number, bit 63 being the sign. */
    "CREATE VIEW memory_grants AS SELECT"
    "  domain, device,"
    "  (SELECT s.pool FROM v_memory_share s WHERE s.domain = c.domain AND s.device = c.device"
    "    ORDER BY s.pool_nodes = 0, s.pool_nodes < 0, s.pool_nodes LIMIT 1) AS pool,"
    "  requested, current, granted, wanted, guaranteed, priority,"
    "  CASE WHEN is_stuck THEN 'stuck'"
    "    WHEN waiting_since IS NOT NULL AND wanted > granted THEN 'waiting'"
    "    WHEN max(requested, current) > wanted THEN 'giving'"
    "    ELSE 'held' END AS state,"
    "  " RFC3339("waiting_since") " AS since, reason"
    " FROM t_memory_claim c;";

/* Memory that is kept for a restart. */
static const char version_6[] =
    "ALTER TABLE t_memory_claim ADD COLUMN is_extra INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE t_memory_claim ADD COLUMN is_restarting INTEGER NOT NULL DEFAULT 0;"

    "DROP VIEW v_memory_share;"
    "CREATE VIEW v_memory_share AS SELECT"
    "  p.name AS pool, p.nodes AS pool_nodes, c.domain AS domain, c.device AS device,"
    "  max(c.requested, c.current) AS held, c.granted AS granted, c.guaranteed AS guaranteed,"
    "  iif(c.waiting_since IS NULL, 0, max(c.wanted - c.granted, 0)) AS waiting"
    " FROM t_memory_pool p JOIN t_memory_claim c ON p.page_size = c.page_size"
    "  AND iif(c.is_extra, c.nodes = p.nodes,"
    "          p.nodes = 0 OR (c.nodes <> 0 AND c.nodes & ~p.nodes = 0));";
/* clang-format on */

const char *const state_migrations[] = {
    version_1,
    version_2,
    version_3,
    version_4,
    version_5,
    version_6,
};
const guint n_state_migrations = G_N_ELEMENTS(state_migrations);

typedef struct {
    gint64 version;
    gint64 application_id;
    gint64 n_objects;
} Identity;

static void
read_identity(SqliteRow *row, gpointer user_data)
{
    *(Identity *) user_data =
        (Identity){ sqlite_row_int(row, 0), sqlite_row_int(row, 1), sqlite_row_int(row, 2) };
}

gboolean
state_migrations_identify(Sqlite *db, guint n_known, guint *ret_version, GError **error)
{
    /* One statement, hence one snapshot: somebody else may be migrating right now. */
    Identity is = { 0 };
    if (!sqlite_read(db,
                     "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_schema)"
                     " FROM pragma_user_version, pragma_application_id",
                     NULL, 0, read_identity, &is, error))
        return FALSE;
    gboolean is_empty = is.version == 0 && is.application_id == 0 && is.n_objects == 0;
    if (!is_empty && (is.application_id != STATE_APPLICATION_ID || is.version < 1)) {
        g_set_error(error, STATE_ERROR, STATE_ERROR_DAMAGED,
                    "state file %s: is an SQLite file, but not virtkeep's; it is left untouched; "
                    "name another file with --state",
                    sqlite_path(db));
        return FALSE;
    }
    if (is.version > n_known) {
        g_set_error(error, STATE_ERROR, STATE_ERROR_NEWER,
                    "state file %s: was written by a newer virtkeep (format %" G_GINT64_FORMAT
                    ", this one knows up to %u); it is left untouched; use the newer virtkeep",
                    sqlite_path(db), is.version, n_known);
        return FALSE;
    }
    *ret_version = is.version;
    return TRUE;
}

typedef struct {
    const char *const *migrations;
    guint n;
    guint version;
} Migration;

/* One step. The version is read again under the write lock: someone else may have been faster. */
static gboolean
migrate_once(Sqlite *db, gpointer user_data, GError **error)
{
    Migration *migration = user_data;
    if (!state_migrations_identify(db, migration->n, &migration->version, error))
        return FALSE;
    if (migration->version == migration->n)
        return TRUE;
    g_autofree char *stamp = g_strdup_printf("PRAGMA application_id = %d; PRAGMA user_version = %u",
                                             STATE_APPLICATION_ID, migration->version + 1);
    if (!sqlite_exec(db, migration->migrations[migration->version], error) ||
        !sqlite_exec(db, stamp, error))
        return FALSE;
    migration->version++;
    return TRUE;
}

gboolean
state_migrations_apply(Sqlite *db, const char *const *migrations, guint n, GError **error)
{
    Migration migration = { migrations, n, 0 };
    if (!state_migrations_identify(db, n, &migration.version, error))
        return FALSE;
    while (migration.version < n)
        if (!sqlite_transact(db, SQLITE_DURABLE, migrate_once, &migration, error))
            return FALSE;
    return TRUE;
}
