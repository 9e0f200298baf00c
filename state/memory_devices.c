/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One row a virtio-mem device.
 *
 * Two readers want different things of it: people and tools read the figures and the state word in
 * the view; the next pass, perhaps of another process, reads `stepping` and goes on where the last
 * pass stopped. state/ doesn't look into that text.
 *
 * A device may show before its domain was recorded (a QEMU adopted after the file was moved
 * away), so put makes the domain's row in the same transaction.
 */
#include "state/memory_devices.h"
#include "state/store_private.h"

#define GROUP_ALL 1u
#define DEVICE(member, column, ...)                                                                \
    COLUMN(MemoryDeviceRecord, member, column, .groups = GROUP_ALL, __VA_ARGS__)

/* clang-format off */
static const Column device_columns[] = {
    COLUMN(MemoryDeviceRecord, domain, "domain", .is_key = TRUE),
    COLUMN(MemoryDeviceRecord, device, "device", .is_key = TRUE),
    DEVICE(block_size, "block_size"),
    DEVICE(max_size, "max_size"),
    DEVICE(target, "target"),
    DEVICE(requested, "requested"),
    DEVICE(current, "current"),
    DEVICE(state, "state"),
    DEVICE(since_us, "since", .null_if_zero = TRUE,
           .set = "iif(since IS NOT NULL AND state IS excluded.state"
                  " AND reason IS excluded.reason, since, excluded.since)"),
    DEVICE(reason, "reason"),
    DEVICE(message, "message"),
    DEVICE(stepping, "stepping"),
};
/* clang-format on */

static void
free_device(gpointer record)
{
    memory_device_record_free(record);
}

static const RecordType device_type = {
    .size = sizeof(MemoryDeviceRecord),
    .table = "t_memory_device",
    .from = "t_memory_device",
    .columns = device_columns,
    .n_columns = G_N_ELEMENTS(device_columns),
    .free_record = free_device,
};

void
memory_device_record_free(MemoryDeviceRecord *record)
{
    record_free(&device_type, record);
}

GPtrArray *
store_memory_device_list(Store *store, const char *domain, GError **error)
{
    SqliteValue key = SQLITE_VALUE_OF_TEXT(domain);
    return record_select(store_sqlite(store), &device_type,
                         domain ? "WHERE domain = ? ORDER BY device" : "ORDER BY domain, device",
                         &key, domain ? 1 : 0, error);
}

gboolean
store_memory_device_get(Store *store, const char *domain, const char *device,
                        MemoryDeviceRecord **ret_record, GError **error)
{
    SqliteValue keys[] = { SQLITE_VALUE_OF_TEXT(domain), SQLITE_VALUE_OF_TEXT(device) };
    return record_select_one(store_sqlite(store), &device_type, "WHERE domain = ? AND device = ?",
                             keys, G_N_ELEMENTS(keys), (gpointer *) ret_record, error);
}

static gboolean
write_device(Sqlite *db, gpointer user_data, GError **error)
{
    const MemoryDeviceRecord *record = user_data;
    SqliteValue key = SQLITE_VALUE_OF_TEXT(record->domain);
    return sqlite_write(db, SQLITE_RELAXED,
                        "INSERT INTO t_domain(name) VALUES(?) ON CONFLICT DO NOTHING", &key, 1,
                        error) &&
           record_upsert(db, &device_type, record, GROUP_ALL, SQLITE_RELAXED, error);
}

gboolean
store_memory_device_put(Store *store, const MemoryDeviceRecord *record, gint64 now_us,
                        GError **error)
{
    MemoryDeviceRecord row = *record;
    row.since_us = now_us;
    return sqlite_transact(store_sqlite(store), SQLITE_RELAXED, write_device, &row, error);
}

gboolean
store_memory_device_keep(Store *store, const char *domain, const char *const *keep, GError **error)
{
    /* The ids travel as one bound value, a JSON array would need quoting: char(31) separates. */
    g_autofree char *joined = keep ? g_strjoinv("\x1f", (char **) keep) : g_strdup("");
    g_autofree char *list = g_strdup_printf("\x1f%s\x1f", joined);
    SqliteValue values[] = { SQLITE_VALUE_OF_TEXT(domain), SQLITE_VALUE_OF_TEXT(list) };
    return sqlite_write(store_sqlite(store), SQLITE_RELAXED,
                        "DELETE FROM t_memory_device WHERE domain = ?"
                        " AND instr(?, char(31) || device || char(31)) = 0",
                        values, G_N_ELEMENTS(values), error);
}
