/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Companions are found by their records in the run directory, as QEMU is. The rows here serve two
 * others: people and tools, who read the view, and the day on which a run directory is lost while
 * its processes run. A domain's rows are always written together, since they stand and fall with
 * its QEMU.
 */
#include "state/companions.h"
#include "state/store_private.h"

#define GROUP_ALL 1u
#define COMPANION(member, column, ...)                                                             \
    COLUMN(CompanionRow, member, column, .groups = GROUP_ALL, __VA_ARGS__)

/* clang-format off */
static const Column companion_columns[] = {
    COLUMN(CompanionRow, domain, "domain", .is_key = TRUE),
    COLUMN(CompanionRow, device, "device", .is_key = TRUE),
    COLUMN(CompanionRow, program, "program", .is_key = TRUE),
    COMPANION(pid, "pid"),
    COMPANION(state, "state"),
    COMPANION(since_us, "since", .null_if_zero = TRUE),
    COMPANION(message, "message"),
    COMPANION(record, "record"),
};
/* clang-format on */

static void
free_row(gpointer record)
{
    companion_row_free(record);
}

static const RecordType companion_type = {
    .size = sizeof(CompanionRow),
    .table = "t_companion",
    .from = "t_companion",
    .columns = companion_columns,
    .n_columns = G_N_ELEMENTS(companion_columns),
    .free_record = free_row,
};

void
companion_row_free(CompanionRow *row)
{
    record_free(&companion_type, row);
}

GPtrArray *
store_companion_list(Store *store, const char *domain, GError **error)
{
    SqliteValue key = SQLITE_VALUE_OF_TEXT(domain);
    return record_select(store_sqlite(store), &companion_type,
                         "WHERE domain = ? ORDER BY device, program", &key, 1, error);
}

typedef struct {
    const char *domain;
    const GPtrArray *rows;
} Setting;

/* Those that are not in @list: "\x1fDEVICE\x1ePROGRAM\x1f…". */
static gboolean
forget_others(Sqlite *db, const char *domain, const char *list, GError **error)
{
    SqliteValue values[] = { SQLITE_VALUE_OF_TEXT(domain), SQLITE_VALUE_OF_TEXT(list) };
    return sqlite_write(db, SQLITE_RELAXED,
                        "DELETE FROM t_companion WHERE domain = ? AND"
                        " instr(?, char(31) || device || char(30) || program || char(31)) = 0",
                        values, G_N_ELEMENTS(values), error);
}

static gboolean
set_rows(Sqlite *db, gpointer user_data, GError **error)
{
    const Setting *setting = user_data;
    g_autoptr(GString) list = g_string_new("\x1f");
    for (guint i = 0; i < setting->rows->len; i++) {
        const CompanionRow *row = setting->rows->pdata[i];
        g_string_append_printf(list, "%s\x1e%s\x1f", row->device, row->program);
        if (!record_upsert(db, &companion_type, row, GROUP_ALL, SQLITE_RELAXED, error))
            return FALSE;
    }
    return forget_others(db, setting->domain, list->str, error);
}

gboolean
store_companions_set(Store *store, const char *domain, const GPtrArray *rows, GError **error)
{
    Setting setting = { domain, rows };
    return sqlite_transact(store_sqlite(store), SQLITE_RELAXED, set_rows, &setting, error);
}
