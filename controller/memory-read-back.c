/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Filling the ledger of the host's memory from what runs. After the host's boot all that the ledger
 * says is of QEMUs that ended with the former one; after the state was lost it says nothing, and
 * after it was put back from a copy what was long ago, and QEMUs run. So before anybody is granted
 * anything, whatever runs is asked what it holds, once; one that does not answer, or whose record
 * is lost, is taken to hold the most it can, until a pass of its own knows better.
 *
 * The mark by which it is told whether it was done (controller/memory-mark.c) is written last: a
 * controller killed in between leaves it to the next. A lock keeps the others waiting, who would
 * grant too much.
 */
#include "controller/memory-ledger.h"

#include "controller/lock.h"
#include "controller/memory-mark.h"
#include "state/memory_claims.h"

/* A lock of no domain: their names don't begin with a space. */
#define READ_BACK_LOCK " memory"
#define READ_BACK_TIMEOUT_US (60 * G_USEC_PER_SEC)
#define LOOK_TIMEOUT_US (1 * G_USEC_PER_SEC)

/* The process is in the ledger, by the domain that it was launched as. */
static bool
is_counted(const ProcessRecord *process, const GPtrArray *claims)
{
    for (guint i = 0; i < claims->len; i++) {
        const MemoryClaim *claim = claims->pdata[i];

        if (claim->qemu_pid == process->pid && claim->qemu_start_time == process->start_time)
            return true;
    }
    return false;
}

/* One whose uuid is that of another's QEMU goes to @later, after that other; NULL: it is now. */
static bool
read_back_one(const Site *site, const char *name, GPtrArray *later, GError **error)
{
    g_autoptr(Subject) subject = subject_gather(site, name, LOOK_TIMEOUT_US, error);
    g_autoptr(GPtrArray) claims = NULL;

    if (!subject)
        return false;
    if (!subject->process && subject->process_state != PROCESS_FOREIGN)
        return true;
    if (subject->elsewhere && later) {
        g_ptr_array_add(later, (gpointer) name);
        return true;
    }
    if (subject->elsewhere && !(claims = store_memory_claim_list(site->store, NULL, error)))
        return false;
    return (claims && is_counted(subject->elsewhere, claims)) ||
           memory_ledger_read_back(subject, site, error);
}

static bool
read_back_all(const Site *site, const GPtrArray *names, GPtrArray *later, GError **error)
{
    for (guint i = 0; i < names->len; i++)
        if (!read_back_one(site, names->pdata[i], later, error))
            return false;
    return true;
}

static void
add_name(GPtrArray *names, const char *name)
{
    if (!g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
        g_ptr_array_add(names, g_strdup(name));
}

/* Domains that may have a QEMU: the state knows a process, there is a run directory, or there is a
 * file of which the state knows nothing: where both were lost, processes are searched. */
static GPtrArray *
names_with_process(const Site *site, GError **error)
{
    g_autoptr(GPtrArray) rows = store_domain_list(site->store, error);
    g_autoptr(GDir) run = g_dir_open(site->config->run, 0, NULL);
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
    GPtrArray *names;
    const char *entry;

    if (!rows)
        return NULL;
    names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < rows->len; i++) {
        const DomainRecord *row = rows->pdata[i];

        g_hash_table_add(known, row->name);
        if (row->process.pid)
            add_name(names, row->name);
    }
    while (run && (entry = g_dir_read_name(run)))
        if (domain_name_is_valid(entry))
            add_name(names, entry);
    for (guint i = 0; i < site->scan->entries->len; i++) {
        const DirectoryEntry *file = site->scan->entries->pdata[i];

        /* A file that is bad may name anything, a way out of the run directory too. */
        if (file->name && domain_name_is_valid(file->name) &&
            !g_hash_table_contains(known, file->name))
            add_name(names, file->name);
    }
    return names;
}

/* What was granted in this boot stays granted where QEMU shows less: a controller may be about to
 * ask for it, or to start the next QEMU of a restart with it. */
static bool
read_back(const Site *site, GError **error)
{
    g_autoptr(GPtrArray) names = names_with_process(site, error);
    g_autoptr(GPtrArray) later = g_ptr_array_new();
    bool is_of_boot;

    if (!names || !memory_mark_is_of_boot(site, &is_of_boot, error) ||
        (!is_of_boot && !store_memory_claim_clear(site->store, error)))
        return false;
    return read_back_all(site, names, later, error) && read_back_all(site, later, NULL, error) &&
           memory_mark_begin(site, error);
}

/* Nobody is between its two marks. */
static bool
is_newest_at_rest(const Site *site, bool *ret_is, GError **error)
{
    bool is_good;

    if (!store_begin_relaxed(site->store, error))
        return false;
    is_good = memory_mark_is_newest(site, ret_is, error);
    store_rollback(site->store);
    return is_good;
}

bool
memory_ledger_prepare(const Site *site, GError **error)
{
    g_autoptr(Lock) lock = NULL;
    bool is_newest = false;

    if (!memory_mark_is_newest(site, &is_newest, error) || is_newest)
        return is_newest;
    lock = lock_acquire(site->config->run, READ_BACK_LOCK, READ_BACK_TIMEOUT_US, NULL, error);
    if (!lock || !is_newest_at_rest(site, &is_newest, error))
        return false;
    return is_newest || read_back(site, error);
}
