/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ledger's rows. What they mean, and who may change what when, is the ledger's own
 * (controller/memory-ledger.c); here they are kept, and shown in two views.
 *
 * The bound on the host's memory has to hold for all controllers of a host, so it is kept where
 * they meet. Whoever grants reads every claim and writes its own inside one transaction that holds
 * the write lock from its start (store_begin_relaxed): two who grant at once take turns, and the
 * second sees what the first took.
 *
 * Nothing here is worth an fsync. After kill -9 of everybody the rows are as they were committed;
 * a power loss that undoes some has ended every QEMU that they counted.
 *
 * A row is written for a domain that may have no row of its own yet, and outlives it: memory is
 * held by a process, not by a file.
 */
#include "state/memory_claims.h"
#include "state/store_private.h"

#define GROUP_ALL 1u
#define CLAIM(member, column, ...)                                                                 \
    COLUMN(MemoryClaim, member, column, .groups = GROUP_ALL, __VA_ARGS__)
#define POOL(member, column, ...)                                                                  \
    COLUMN(MemoryPool, member, column, .groups = GROUP_ALL, __VA_ARGS__)

/* clang-format off */
static const Column claim_columns[] = {
    COLUMN(MemoryClaim, domain, "domain", .is_key = TRUE),
    COLUMN(MemoryClaim, device, "device", .is_key = TRUE),
    CLAIM(page_size, "page_size"),
    CLAIM(nodes, "nodes"),
    CLAIM(block, "block"),
    CLAIM(requested, "requested"),
    CLAIM(current, "current"),
    CLAIM(granted, "granted"),
    CLAIM(wanted, "wanted"),
    CLAIM(guaranteed, "guaranteed"),
    CLAIM(priority, "priority"),
    CLAIM(waiting_since, "waiting_since", .null_if_zero = TRUE),
    CLAIM(giving_from, "giving_from"),
    CLAIM(is_running, "is_running"),
    CLAIM(is_extra, "is_extra"),
    CLAIM(is_restarting, "is_restarting"),
    CLAIM(is_stuck, "is_stuck"),
    CLAIM(stuck_at, "stuck_at"),
    CLAIM(reason, "reason"),
    CLAIM(owner_pid, "owner_pid"),
    CLAIM(owner_start_time, "owner_start_time"),
    CLAIM(owner_boot_id, "owner_boot_id"),
    CLAIM(qemu_pid, "qemu_pid"),
    CLAIM(qemu_start_time, "qemu_start_time"),
};

static const Column pool_columns[] = {
    COLUMN(MemoryPool, name, "name", .is_key = TRUE),
    POOL(page_size, "page_size"),
    POOL(nodes, "nodes"),
    POOL(capacity, "capacity"), /* MEMORY_POOL_UNLIMITED is -1 */
};
/* clang-format on */

static void
free_claim(gpointer claim)
{
    memory_claim_free(claim);
}

static void
free_pool(gpointer pool)
{
    memory_pool_free(pool);
}

static const RecordType claim_type = {
    .size = sizeof(MemoryClaim),
    .table = "t_memory_claim",
    .from = "t_memory_claim",
    .columns = claim_columns,
    .n_columns = G_N_ELEMENTS(claim_columns),
    .free_record = free_claim,
};

static const RecordType pool_type = {
    .size = sizeof(MemoryPool),
    .table = "t_memory_pool",
    .from = "t_memory_pool",
    .columns = pool_columns,
    .n_columns = G_N_ELEMENTS(pool_columns),
    .free_record = free_pool,
};

GPtrArray *
store_memory_claim_list(Store *store, const char *domain, GError **error)
{
    SqliteValue key = SQLITE_VALUE_OF_TEXT(domain);

    return record_select(store_sqlite(store), &claim_type,
                         domain ? "WHERE domain = ? ORDER BY device" : "ORDER BY domain, device",
                         &key, domain ? 1 : 0, error);
}

gboolean
store_memory_claim_put(Store *store, const MemoryClaim *claim, GError **error)
{
    return record_upsert(store_sqlite(store), &claim_type, claim, GROUP_ALL, SQLITE_RELAXED, error);
}

gboolean
store_memory_claim_keep(Store *store, const char *domain, const char *const *keep, GError **error)
{
    g_autofree char *joined = keep ? g_strjoinv("\x1f", (char **) keep) : g_strdup("");
    g_autofree char *list = g_strdup_printf("\x1f%s\x1f", joined);
    SqliteValue values[] = { SQLITE_VALUE_OF_TEXT(domain), SQLITE_VALUE_OF_TEXT(list) };

    return sqlite_write(store_sqlite(store), SQLITE_RELAXED,
                        "DELETE FROM t_memory_claim WHERE domain = ?"
                        " AND instr(?, char(31) || device || char(31)) = 0",
                        values, G_N_ELEMENTS(values), error);
}

gboolean
store_memory_claim_set_qemu(Store *store, const char *domain, gint64 pid, guint64 start_time,
                            GError **error)
{
    SqliteValue values[] = { SQLITE_VALUE_OF_INT(pid), SQLITE_VALUE_OF_INT(start_time),
                             SQLITE_VALUE_OF_TEXT(domain) };

    return sqlite_write(store_sqlite(store), SQLITE_RELAXED,
                        "UPDATE t_memory_claim SET qemu_pid = ?, qemu_start_time = ?"
                        " WHERE domain = ?",
                        values, G_N_ELEMENTS(values), error);
}

gboolean
store_memory_claim_clear(Store *store, GError **error)
{
    return sqlite_write(store_sqlite(store), SQLITE_RELAXED, "DELETE FROM t_memory_claim", NULL, 0,
                        error);
}

GPtrArray *
store_memory_pool_list(Store *store, GError **error)
{
    return record_select(store_sqlite(store), &pool_type, "ORDER BY name", NULL, 0, error);
}

static gboolean
put_pools(Sqlite *db, gpointer user_data, GError **error)
{
    const GPtrArray *pools = user_data;
    g_autoptr(GString) names = g_string_new("\x1f");

    for (guint i = 0; i < pools->len; i++) {
        const MemoryPool *pool = pools->pdata[i];
        g_string_append_printf(names, "%s\x1f", pool->name);
        if (!record_upsert(db, &pool_type, pool, GROUP_ALL, SQLITE_RELAXED, error))
            return FALSE;
    }
    SqliteValue list = SQLITE_VALUE_OF_TEXT(names->str);
    return sqlite_write(db, SQLITE_RELAXED,
                        "DELETE FROM t_memory_pool"
                        " WHERE instr(?, char(31) || name || char(31)) = 0",
                        &list, 1, error);
}

gboolean
store_memory_pool_put_all(Store *store, const GPtrArray *pools, GError **error)
{
    return sqlite_transact(store_sqlite(store), SQLITE_RELAXED, put_pools, (gpointer) pools, error);
}
