/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ledger of the host's memory, as a pass uses it.
 *
 *     lock of the domain
 *       note      what QEMU holds now goes into the ledger; what it no longer holds is free
 *       ask       granted is raised, in the ledger first, then in QEMU
 *       ...       requested-size is stepped; note and ask again as the guest follows
 *       close     what was granted and will not be used is given back
 *
 * Here it is known what the domain's claims are at each of these moments; each goes through its
 * account (controller/memory-account.c) in one transaction. What is not in the ledger yet is read
 * back first (controller/memory-read-back.c).
 *
 * A restart asks for all that the next QEMU takes beyond what this one has, and from when it is
 * granted until the pass that says that the restart is over, or off, all of it stays granted,
 * whatever becomes of the controllers meanwhile:
 *
 *     ask_restart -- held: in line, the guest runs on
 *          | granted
 *     shutdown asked ... guest off ... ask_start: passes to the next QEMU ... it runs: over
 */
#include "controller/memory-ledger.h"

#include "controller/memory-account.h"
#include "controller/memory-holding.h"
#include "controller/memory-pools.h"
#include "state/memory_claims.h"

struct MemoryLedger {
    Subject *subject;
    const Site *site;
    MemoryAccount *account;
    GHashTable *stuck; /* device -> why its guest does not follow */
    char *plugging;    /* a device that is to come, or NULL */
    bool is_withdrawn;
};

/* ---- what the domain's claims are now ---- */

static void
take_stuck(const MemoryLedger *ledger, GPtrArray *claims)
{
    for (guint i = 0; i < claims->len; i++) {
        MemoryClaim *claim = claims->pdata[i];
        const char *reason = g_hash_table_lookup(ledger->stuck, claim->device);

        if (!reason)
            continue;
        claim->is_stuck = true;
        claim->stuck_at = claim->current;
        claim->reason = g_strdup(reason);
    }
}

static GPtrArray *
own_claims(const MemoryLedger *ledger)
{
    const MemoryAccount *account = ledger->account;
    GPtrArray *claims = account->is_restarting
                            ? memory_holding_restart(ledger->subject, ledger->site, account->claims,
                                                     ledger->plugging, account->pools)
                            : memory_holding_running(ledger->subject, ledger->site, account->claims,
                                                     ledger->plugging);

    take_stuck(ledger, claims);
    return claims;
}

/* ---- for passes ---- */

/* No QEMU shows what is kept for the next one. */
static void
keep_extra(GPtrArray *claims, const GPtrArray *known)
{
    for (guint i = 0; i < known->len; i++) {
        const MemoryClaim *claim = known->pdata[i];

        if (claim->is_extra)
            g_ptr_array_add(claims, memory_claim_copy(claim));
    }
}

bool
memory_ledger_read_back(Subject *subject, const Site *site, GError **error)
{
    g_autoptr(MemoryAccount) account = memory_account_new(subject, site, NULL, error);
    GPtrArray *claims;

    if (!account)
        return false;
    claims = memory_holding_is_known(subject)
                 ? memory_holding_running(subject, site, account->claims, NULL)
                 : memory_holding_worst(subject, site);
    keep_extra(claims, account->claims);
    return memory_account_note(account, claims, error);
}

static bool
has_pool(const GPtrArray *pools, const MemoryPool *wanted)
{
    for (guint i = 0; i < pools->len; i++) {
        const MemoryPool *pool = pools->pdata[i];

        if (g_str_equal(pool->name, wanted->name))
            return pool->page_size == wanted->page_size && pool->nodes == wanted->nodes &&
                   pool->capacity == wanted->capacity;
    }
    return false;
}

/* For the views, which are to show a changed capacity also where nobody asks for memory. */
static bool
note_pools(Store *store, const GPtrArray *pools, GError **error)
{
    g_autoptr(GPtrArray) known = store_memory_pool_list(store, error);
    bool is_known = known && known->len == pools->len;

    for (guint i = 0; is_known && i < pools->len; i++)
        is_known = has_pool(known, pools->pdata[i]);
    return known && (is_known || store_memory_pool_put_all(store, pools, error));
}

MemoryLedger *
memory_ledger_open(Subject *subject, const Site *site, GError **error)
{
    g_autoptr(GPtrArray) pools = memory_pools_read(site->config, "", error);
    g_autoptr(MemoryLedger) ledger = g_new0(MemoryLedger, 1);

    if (!pools || !note_pools(site->store, pools, error))
        return NULL;
    ledger->subject = subject;
    ledger->site = site;
    ledger->account = memory_account_new(subject, site, g_steal_pointer(&pools), error);
    ledger->stuck = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return ledger->account ? g_steal_pointer(&ledger) : NULL;
}

void
memory_ledger_free(MemoryLedger *ledger)
{
    if (!ledger)
        return;
    memory_account_free(ledger->account);
    g_clear_pointer(&ledger->stuck, g_hash_table_unref);
    g_free(ledger->plugging);
    g_free(ledger);
}

bool
memory_ledger_note(MemoryLedger *ledger, GError **error)
{
    return !memory_holding_is_known(ledger->subject) ||
           memory_account_note(ledger->account, own_claims(ledger), error);
}

bool
memory_ledger_ask(MemoryLedger *ledger, GError **error)
{
    return memory_account_ask(ledger->account, own_claims(ledger), error);
}

static MemoryGrant
grant_of_whole(const MemoryLedger *ledger)
{
    return memory_account_has_whole(ledger->account) ? MEMORY_GRANTED : MEMORY_HELD;
}

bool
memory_ledger_ask_whole(MemoryLedger *ledger, MemoryGrant *ret_grant, GError **error)
{
    if (!memory_ledger_ask(ledger, error))
        return false;
    *ret_grant = grant_of_whole(ledger);
    return true;
}

bool
memory_ledger_ask_start(MemoryLedger *ledger, MemoryGrant *ret_grant, GError **error)
{
    GPtrArray *claims = memory_holding_start(ledger->subject, ledger->site);

    if (!memory_account_ask(ledger->account, claims, error))
        return false;
    *ret_grant = grant_of_whole(ledger);
    return true;
}

bool
memory_ledger_ask_restart(MemoryLedger *ledger, MemoryGrant *ret_grant, GError **error)
{
    ledger->account->is_restarting = true;
    return memory_ledger_ask_whole(ledger, ret_grant, error);
}

void
memory_ledger_end_restart(MemoryLedger *ledger)
{
    ledger->account->is_restarting = ledger->account->is_reserved = false;
}

bool
memory_ledger_ask_plug(MemoryLedger *ledger, const char *id, MemoryGrant *ret_grant, GError **error)
{
    const MemoryClaim *claim;

    g_free(ledger->plugging);
    ledger->plugging = g_strdup(id);
    if (!memory_ledger_ask(ledger, error))
        return false;
    claim = memory_claim_find(ledger->account->claims, ledger->subject->name, id);
    *ret_grant =
        claim && !claim->block && memory_claim_missing(claim) ? MEMORY_HELD : MEMORY_GRANTED;
    return true;
}

bool
memory_ledger_close(MemoryLedger *ledger, GError **error)
{
    /* A module that QEMU refused is not on its way any more. */
    g_clear_pointer(&ledger->plugging, g_free);
    if (memory_holding_is_known(ledger->subject))
        return memory_ledger_note(ledger, error);
    if (ledger->subject->process || ledger->subject->process_state == PROCESS_FOREIGN ||
        ledger->account->is_reserved || (ledger->account->wait && !ledger->is_withdrawn))
        return true;
    return memory_account_note(ledger->account, memory_claims_new(), error);
}

guint64
memory_ledger_grant(const MemoryLedger *ledger, const char *id)
{
    const MemoryAccount *account = ledger->account;

    for (guint i = 0; i < account->claims->len; i++)
        if (g_str_equal(((const MemoryClaim *) account->claims->pdata[i])->device, id))
            return g_array_index(account->limits, guint64, i);
    return 0;
}

void
memory_ledger_limit(const MemoryLedger *ledger, Domain *domain)
{
    for (guint i = 0; i < list_length(domain->memories); i++) {
        MemoryDevice *memory = domain->memories->pdata[i];
        guint64 grant = memory_ledger_grant(ledger, memory->info.alias);

        if (memory->model == MEMORY_MODEL_VIRTIO_MEM && memory->block.value)
            memory->requested.value =
                MIN(memory->requested.value, grant - grant % memory->block.value);
    }
}

void
memory_ledger_withdraw(MemoryLedger *ledger)
{
    ledger->is_withdrawn = true;
    memory_ledger_end_restart(ledger);
}

const char *
memory_ledger_wait(const MemoryLedger *ledger)
{
    return ledger->account->wait;
}

bool
memory_ledger_is_hopeful(const MemoryLedger *ledger)
{
    return ledger->account->is_hopeful;
}

bool
memory_ledger_is_impossible(const MemoryLedger *ledger)
{
    return ledger->account->is_impossible;
}

void
memory_ledger_note_stuck(MemoryLedger *ledger, const char *id, const char *reason)
{
    if (reason)
        g_hash_table_insert(ledger->stuck, g_strdup(id), g_strdup(reason));
    else
        g_hash_table_remove(ledger->stuck, id);
}
