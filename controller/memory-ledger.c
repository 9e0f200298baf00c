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
 * Everything is one kind of transaction (exchange): all claims are read, the domain's are replaced
 * by what they are now, the allocator (reconcile/memory-budget) says what they may come to, and
 * that is written. Of every claim, at every instant at which a controller can be killed,
 *
 *     max(requested, current) <= granted,
 *
 * since it is raised before QEMU is asked and lowered after QEMU was seen lower. Transactions are
 * not synced: what survives the death of every process is enough, QEMUs do not survive the host's.
 *
 * What others hold is read from the ledger, not from their QEMUs (what is not in it yet is read
 * back first, controller/memory-read-back.c). A domain that died unseen is found at the next
 * exchange: a claim whose QEMU and controller are both gone is dropped.
 */
#include "controller/memory-ledger.h"

#include <string.h>

#include "controller/memory-holding.h"
#include "controller/memory-pools.h"
#include "qemu/process.h"
#include "reconcile/memory-budget.h"
#include "reconcile/memory-wait.h"
#include "state/memory_claims.h"

struct MemoryLedger {
    Subject *subject;
    const Site *site;
    GPtrArray *pools;   /* MemoryPool */
    GPtrArray *claims;  /* MemoryClaim: this domain's, as in the ledger */
    GArray *limits;     /* guint64: what the allocator last said of each */
    GHashTable *stuck;  /* device -> why its guest does not follow */
    char *plugging;     /* a device that is to come, or NULL */
    bool is_restarting; /* what the running QEMU is to be replaced by is wanted as well */
    char *wait;         /* what is waited for, as a sentence; NULL: nothing is */
    bool is_hopeful, is_impossible, is_withdrawn;
};

static GPtrArray *
claims_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify) memory_claim_free);
}

static MemoryLedger *
ledger_new(Subject *subject, const Site *site, GPtrArray *pools)
{
    MemoryLedger *ledger = g_new0(MemoryLedger, 1);

    ledger->subject = subject;
    ledger->site = site;
    ledger->pools = pools;
    ledger->claims = claims_new();
    ledger->limits = g_array_new(FALSE, TRUE, sizeof(guint64));
    ledger->stuck = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return ledger;
}

/* ---- one exchange with the ledger ---- */

typedef enum {
    EXCHANGE_NOTE, /* granted comes down to what is held or still wanted; it never rises */
    EXCHANGE_ASK,  /* and it rises as far as there is room */
} ExchangeKind;

/* What the ledger remembers of @claim beside what was just looked at. */
static void
inherit(MemoryClaim *claim, const MemoryClaim *before)
{
    memory_claim_inherit(claim, before);
    /* Somebody who was asked for and did not come is stuck until something moves. */
    if (!claim->is_stuck && before && memory_claim_shares_pools(before, claim) &&
        before->is_stuck && claim->current == before->stuck_at && claim->wanted == before->wanted &&
        claim->wanted > claim->current)
        memory_claim_stay_stuck(claim, before);
}

static void
sign(MemoryClaim *claim, const MemoryLedger *ledger)
{
    ActionOwner owner = host_owner(ledger->site->host);
    const Process *process = ledger->subject->process;

    claim->owner_pid = owner.pid;
    claim->owner_start_time = owner.start_time;
    g_free(claim->owner_boot_id);
    claim->owner_boot_id = g_strdup(owner.boot_id);
    claim->qemu_pid = process ? process_record(process)->pid : 0;
    claim->qemu_start_time = process ? process_record(process)->start_time : 0;
    claim->is_driven = true;
}

static bool
owner_lives(const MemoryClaim *claim, const Host *host)
{
    ActionOwner owner = { claim->owner_pid, claim->owner_start_time, claim->owner_boot_id };

    return host_owner_is_alive(&owner, (gpointer) host);
}

/* What holds something has a QEMU; one that was read back without its pid being known may live. */
static bool
qemu_lives(const MemoryClaim *claim)
{
    guint64 start_time;

    if (!claim->qemu_pid)
        return memory_claim_held(claim) > 0;
    return process_start_time((pid_t) claim->qemu_pid, &start_time) &&
           start_time == claim->qemu_start_time;
}

/* The other domains' claims, without those that nobody is left to hold. */
static GPtrArray *
living_others(const MemoryLedger *ledger, GPtrArray *all, GPtrArray *dead)
{
    GPtrArray *others = g_ptr_array_new();

    for (guint i = 0; i < all->len; i++) {
        MemoryClaim *claim = all->pdata[i];

        if (g_str_equal(claim->domain, ledger->subject->name))
            continue;
        claim->is_driven = owner_lives(claim, ledger->site->host);
        if (claim->is_driven || qemu_lives(claim))
            g_ptr_array_add(others, claim);
        else if (!g_ptr_array_find_with_equal_func(dead, claim->domain, g_str_equal, NULL))
            g_ptr_array_add(dead, claim->domain);
    }
    return others;
}

/* Without asking: what is not held stays granted for as long as the file wants it and the guest
 * follows, so that a move keeps its place between passes. */
static guint64
kept_grant(const MemoryClaim *claim)
{
    guint64 held = memory_claim_held(claim);

    if (claim->is_stuck || claim->wanted <= held)
        return held;
    return CLAMP(claim->granted, held, claim->wanted);
}

static void
settle_claim(MemoryClaim *claim, ExchangeKind kind, guint64 limit, gint64 now)
{
    claim->granted =
        kind == EXCHANGE_ASK ? MAX(limit, memory_claim_held(claim)) : kept_grant(claim);
    if (claim->wanted <= claim->granted)
        claim->waiting_since = 0;
    else if (kind == EXCHANGE_ASK && !claim->waiting_since)
        claim->waiting_since = now;
}

/* @claims: the domain's @n_own, and behind them everybody else's where @kind is to ask. What each
 * of the domain's may come to is kept as its limit. */
static void
settle(MemoryLedger *ledger, GPtrArray *claims, guint n_own, ExchangeKind kind)
{
    g_autofree guint64 *limits = g_new0(guint64, claims->len);
    gint64 now = g_get_real_time();

    /* Those who ask stand in the line from now on. */
    for (guint i = 0; kind == EXCHANGE_ASK && i < n_own; i++) {
        MemoryClaim *claim = claims->pdata[i];

        if (memory_claim_missing(claim) && !claim->waiting_since)
            claim->waiting_since = now;
    }
    if (kind == EXCHANGE_ASK)
        memory_budget_allocate(ledger->pools, claims, ledger->subject->name, limits);
    for (guint i = 0; i < n_own; i++) {
        settle_claim(claims->pdata[i], kind, limits[i], now);
        if (kind == EXCHANGE_NOTE)
            limits[i] = ((const MemoryClaim *) claims->pdata[i])->granted;
    }
    g_array_set_size(ledger->limits, 0);
    g_array_append_vals(ledger->limits, limits, n_own);
}

static bool
write_claims(const MemoryLedger *ledger, const GPtrArray *own, const GPtrArray *dead,
             GError **error)
{
    Store *store = ledger->site->store;
    g_autoptr(GPtrArray) keep = g_ptr_array_new();

    for (guint i = 0; i < own->len; i++) {
        const MemoryClaim *claim = own->pdata[i];

        if (!store_memory_claim_put(store, claim, error))
            return false;
        g_ptr_array_add(keep, claim->device);
    }
    g_ptr_array_add(keep, NULL);
    for (guint i = 0; i < dead->len; i++)
        if (!store_memory_claim_keep(store, dead->pdata[i], NULL, error))
            return false;
    return store_memory_claim_keep(store, ledger->subject->name, (const char *const *) keep->pdata,
                                   error);
}

/* The total granted to this domain, to see whether others may have some of it now. */
static guint64
total_granted(const GPtrArray *claims, const char *domain)
{
    guint64 total = 0;

    for (guint i = 0; i < claims->len; i++) {
        const MemoryClaim *claim = claims->pdata[i];

        if (g_str_equal(claim->domain, domain))
            total += claim->granted;
    }
    return total;
}

/* Those of this process are told; another's look by themselves. */
static void
wake_others(const MemoryLedger *ledger, const GPtrArray *claims)
{
    const Site *site = ledger->site;

    for (guint i = 0; site->wake && i < claims->len; i++) {
        const MemoryClaim *claim = claims->pdata[i];

        if (claim->waiting_since && claim->owner_pid == site->host->pid &&
            !g_str_equal(claim->domain, ledger->subject->name))
            site->wake(claim->domain, site->wake_data);
    }
}

/* Both have the same devices, in the same order, and nothing to be written. */
static bool
are_equal(const GPtrArray *a, const GPtrArray *b)
{
    if (a->len != b->len)
        return false;
    for (guint i = 0; i < a->len; i++)
        if (!memory_claim_equal(a->pdata[i], b->pdata[i]))
            return false;
    return true;
}

static void
inherit_all(const MemoryLedger *ledger, GPtrArray *own, const GPtrArray *before)
{
    for (guint i = 0; i < own->len; i++) {
        MemoryClaim *claim = own->pdata[i];

        inherit(claim, memory_claim_find(before, claim->domain, claim->device));
        sign(claim, ledger);
    }
}

static bool
is_short(const GPtrArray *own)
{
    for (guint i = 0; i < own->len; i++)
        if (memory_claim_missing(own->pdata[i]))
            return true;
    return false;
}

/* In a transaction. @merged gets @own, and behind it the others' claims, which @all owns. */
static bool
replace(MemoryLedger *ledger, ExchangeKind kind, GPtrArray *own, GPtrArray *all, GPtrArray *merged,
        GError **error)
{
    g_autoptr(GPtrArray) dead = g_ptr_array_new();
    g_autoptr(GPtrArray) others = living_others(ledger, all, dead);

    inherit_all(ledger, own, all);
    g_ptr_array_extend(merged, own, NULL, NULL);
    g_ptr_array_extend(merged, others, NULL, NULL);
    settle(ledger, merged, own->len, kind);
    return write_claims(ledger, own, dead, error);
}

static void
explain(MemoryLedger *ledger, const GPtrArray *claims)
{
    g_auto(MemoryWait) wait = { 0 };

    g_clear_pointer(&ledger->wait, g_free);
    ledger->is_impossible = ledger->is_hopeful = false;
    if (!memory_wait_find(ledger->pools, claims, ledger->subject->name, &wait))
        return;
    ledger->wait = memory_wait_reason(&wait);
    ledger->is_impossible = wait.is_never;
    ledger->is_hopeful = !wait.is_never && wait.givers->len > 0;
}

/* Nothing is granted out of a ledger that the other controllers can't see. */
static bool
check_shared(Store *store, GError **error)
{
    if (!store_has_moved(store))
        return true;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                "%s was removed or replaced while it was in use: no memory is given out until "
                "virtkeep is restarted",
                store_path(store));
    return false;
}

static bool
transact(MemoryLedger *ledger, ExchangeKind kind, GPtrArray *own, GError **error)
{
    Store *store = ledger->site->store;
    guint64 before = total_granted(ledger->claims, ledger->subject->name);
    g_autoptr(GPtrArray) merged = g_ptr_array_new();
    g_autoptr(GPtrArray) all = NULL;

    if ((kind == EXCHANGE_ASK && !check_shared(store, error)) || !store_begin_relaxed(store, error))
        return false;
    all = store_memory_claim_list(store, NULL, error);
    if (!all || !replace(ledger, kind, own, all, merged, error) || !store_commit(store, error)) {
        store_rollback(store);
        return false;
    }
    if (kind == EXCHANGE_ASK)
        explain(ledger, merged);
    if (total_granted(own, ledger->subject->name) < before)
        wake_others(ledger, merged);
    return true;
}

static gint
compare_devices(gconstpointer a, gconstpointer b)
{
    const MemoryClaim *const *x = a, *const *y = b;

    return strcmp((*x)->device, (*y)->device);
}

/* Takes @own, what the domain's claims are now but for what the ledger remembers of them. */
static bool
exchange(MemoryLedger *ledger, ExchangeKind kind, GPtrArray *own, GError **error)
{
    g_autoptr(GPtrArray) claims = own;

    g_ptr_array_sort(claims, compare_devices); /* as the state lists them */
    inherit_all(ledger, claims, ledger->claims);
    if (kind == EXCHANGE_NOTE || !is_short(claims)) {
        settle(ledger, claims, claims->len, EXCHANGE_NOTE);
        if (!is_short(claims))
            g_clear_pointer(&ledger->wait, g_free);
        if (are_equal(claims, ledger->claims))
            return true;
    }
    if (!transact(ledger, kind, claims, error))
        return false;
    g_ptr_array_unref(ledger->claims);
    ledger->claims = g_steal_pointer(&claims);
    return true;
}

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

/* A restart that was granted its memory, or waits for it since an earlier pass. */
static bool
is_restarting(const MemoryLedger *ledger)
{
    const Subject *subject = ledger->subject;

    if (ledger->is_withdrawn) /* what was refused is in nobody's way */
        return false;
    return ledger->is_restarting || !g_strcmp0(subject->input.shutdown_purpose, "restart") ||
           (subject->row && !g_strcmp0(subject->row->reason, "HostBudget") &&
            subject->policy.restart_required == RESTART_RESTART);
}

static GPtrArray *
own_claims(const MemoryLedger *ledger)
{
    GPtrArray *claims = memory_holding_running(ledger->subject, ledger->site, ledger->claims,
                                               ledger->plugging, is_restarting(ledger));

    take_stuck(ledger, claims);
    return claims;
}

/* ---- for passes ---- */

bool
memory_ledger_record(Subject *subject, const Site *site, GPtrArray *claims, GError **error)
{
    g_autoptr(MemoryLedger) ledger = ledger_new(subject, site, NULL);

    return exchange(ledger, EXCHANGE_NOTE, claims, error);
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
    g_autoptr(GPtrArray) claims =
        pools ? store_memory_claim_list(site->store, subject->name, error) : NULL;
    g_autoptr(MemoryLedger) ledger = NULL;

    if (!claims || !note_pools(site->store, pools, error))
        return NULL;
    ledger = ledger_new(subject, site, g_steal_pointer(&pools));
    g_ptr_array_unref(ledger->claims);
    ledger->claims = g_steal_pointer(&claims);
    return g_steal_pointer(&ledger);
}

void
memory_ledger_free(MemoryLedger *ledger)
{
    if (!ledger)
        return;
    g_clear_pointer(&ledger->pools, g_ptr_array_unref);
    g_ptr_array_unref(ledger->claims);
    g_array_unref(ledger->limits);
    g_hash_table_unref(ledger->stuck);
    g_free(ledger->wait);
    g_free(ledger->plugging);
    g_free(ledger);
}

bool
memory_ledger_note(MemoryLedger *ledger, GError **error)
{
    return !memory_holding_is_known(ledger->subject) ||
           exchange(ledger, EXCHANGE_NOTE, own_claims(ledger), error);
}

bool
memory_ledger_ask(MemoryLedger *ledger, GError **error)
{
    return exchange(ledger, EXCHANGE_ASK, own_claims(ledger), error);
}

static MemoryGrant
grant_of_whole(const GPtrArray *claims, guint n_own)
{
    for (guint i = 0; i < n_own; i++) {
        const MemoryClaim *claim = claims->pdata[i];

        if (!claim->block && memory_claim_missing(claim))
            return MEMORY_HELD;
    }
    return MEMORY_GRANTED;
}

bool
memory_ledger_ask_whole(MemoryLedger *ledger, MemoryGrant *ret_grant, GError **error)
{
    if (!memory_ledger_ask(ledger, error))
        return false;
    *ret_grant = grant_of_whole(ledger->claims, ledger->claims->len);
    return true;
}

bool
memory_ledger_ask_start(MemoryLedger *ledger, MemoryGrant *ret_grant, GError **error)
{
    if (!exchange(ledger, EXCHANGE_ASK, memory_holding_start(ledger->subject, ledger->site), error))
        return false;
    *ret_grant = grant_of_whole(ledger->claims, ledger->claims->len);
    return true;
}

/* Whether the desired document could start if the running QEMU were gone; nothing is written. What
 * this one has passes to that: nobody else, however long it waits, is given it in between. */
static bool
would_start(MemoryLedger *ledger, MemoryGrant *ret_grant, GError **error)
{
    g_autoptr(GPtrArray) own = memory_holding_start(ledger->subject, ledger->site);
    g_autoptr(GPtrArray) all = store_memory_claim_list(ledger->site->store, NULL, error);
    g_autoptr(GPtrArray) dead = g_ptr_array_new(), merged = g_ptr_array_new();
    g_autoptr(GPtrArray) others = all ? living_others(ledger, all, dead) : NULL;
    g_autoptr(GArray) limits = g_array_copy(ledger->limits);

    if (!all)
        return false;
    inherit_all(ledger, own, ledger->claims);
    g_ptr_array_extend(merged, own, NULL, NULL);
    g_ptr_array_extend(merged, others, NULL, NULL);
    settle(ledger, merged, own->len, EXCHANGE_ASK);
    explain(ledger, merged);
    *ret_grant = grant_of_whole(merged, own->len);
    g_array_unref(ledger->limits);
    ledger->limits = g_steal_pointer(&limits); /* of the claims that there are */
    return true;
}

bool
memory_ledger_ask_restart(MemoryLedger *ledger, MemoryGrant *ret_grant, GError **error)
{
    ledger->is_restarting = true;
    if (!memory_ledger_ask_whole(ledger, ret_grant, error))
        return false;
    return *ret_grant == MEMORY_HELD || would_start(ledger, ret_grant, error);
}

bool
memory_ledger_ask_plug(MemoryLedger *ledger, const char *id, MemoryGrant *ret_grant, GError **error)
{
    const MemoryClaim *claim;

    g_free(ledger->plugging);
    ledger->plugging = g_strdup(id);
    if (!memory_ledger_ask(ledger, error))
        return false;
    claim = memory_claim_find(ledger->claims, ledger->subject->name, id);
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
        (ledger->wait && !ledger->is_withdrawn))
        return true;
    return exchange(ledger, EXCHANGE_NOTE, claims_new(), error);
}

guint64
memory_ledger_grant(const MemoryLedger *ledger, const char *id)
{
    for (guint i = 0; i < ledger->claims->len; i++)
        if (g_str_equal(((const MemoryClaim *) ledger->claims->pdata[i])->device, id))
            return g_array_index(ledger->limits, guint64, i);
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
}

const char *
memory_ledger_wait(const MemoryLedger *ledger)
{
    return ledger->wait;
}

bool
memory_ledger_is_hopeful(const MemoryLedger *ledger)
{
    return ledger->is_hopeful;
}

bool
memory_ledger_is_impossible(const MemoryLedger *ledger)
{
    return ledger->is_impossible;
}

void
memory_ledger_note_stuck(MemoryLedger *ledger, const char *id, const char *reason)
{
    if (reason)
        g_hash_table_insert(ledger->stuck, g_strdup(id), g_strdup(reason));
    else
        g_hash_table_remove(ledger->stuck, id);
}
