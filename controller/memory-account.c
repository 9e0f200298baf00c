/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One exchange with the ledger: all claims are read, the domain's are replaced by what they are
 * now, the allocator (reconcile/memory-budget) says what they may come to, and that is written, all
 * in one transaction. Of every claim, at every instant at which a controller can be killed,
 *
 *     max(requested, current) <= granted,
 *
 * since it is raised here before QEMU is asked and lowered after QEMU was seen lower. Transactions
 * are not synced: what survives the death of every process is enough, QEMUs do not survive the
 * host's.
 *
 * What others hold is read from the ledger, not from their QEMUs. A domain that died unseen is
 * found here: claims that nobody holds any more are dropped (controller/memory-others.c).
 */
#include "controller/memory-account.h"

#include <gio/gio.h>
#include <string.h>

#include "controller/memory-mark.h"
#include "controller/memory-others.h"
#include "reconcile/memory-budget.h"
#include "reconcile/memory-restart.h"
#include "reconcile/memory-wait.h"
#include "state/memory_claims.h"

MemoryAccount *
memory_account_new(const Subject *subject, const Site *site, GPtrArray *pools, GError **error)
{
    g_autoptr(MemoryAccount) account = g_new0(MemoryAccount, 1);

    account->subject = subject;
    account->site = site;
    account->pools = pools;
    account->limits = g_array_new(FALSE, TRUE, sizeof(guint64));
    account->claims = store_memory_claim_list(site->store, subject->name, error);
    if (!account->claims)
        return NULL;
    for (guint i = 0; i < account->claims->len; i++) {
        const MemoryClaim *claim = account->claims->pdata[i];

        account->is_reserved |= claim->is_restarting;
        account->is_restarting |= claim->is_restarting || claim->is_extra;
    }
    return g_steal_pointer(&account);
}

void
memory_account_free(MemoryAccount *account)
{
    if (!account)
        return;
    g_clear_pointer(&account->pools, g_ptr_array_unref);
    g_clear_pointer(&account->claims, g_ptr_array_unref);
    g_array_unref(account->limits);
    g_free(account->wait);
    g_free(account);
}

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
sign(const MemoryAccount *account, MemoryClaim *claim)
{
    ActionOwner owner = host_owner(account->site->host);
    const Process *process = account->subject->process;

    claim->owner_pid = owner.pid;
    claim->owner_start_time = owner.start_time;
    g_free(claim->owner_boot_id);
    claim->owner_boot_id = g_strdup(owner.boot_id);
    claim->qemu_pid = process ? process_record(process)->pid : 0;
    claim->qemu_start_time = process ? process_record(process)->start_time : 0;
    claim->is_driven = true;
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

static bool
has_whole(const GPtrArray *claims, guint n_own)
{
    for (guint i = 0; i < n_own; i++) {
        const MemoryClaim *claim = claims->pdata[i];

        if (!claim->block && memory_claim_missing(claim))
            return false;
    }
    return true;
}

/* From the moment at which a restart has all that it takes, until it is off or over. */
static void
keep_for_restart(MemoryAccount *account, GPtrArray *claims, guint n_own)
{
    account->is_reserved |= account->is_restarting && has_whole(claims, n_own);
    for (guint i = 0; i < n_own; i++)
        ((MemoryClaim *) claims->pdata[i])->is_restarting = account->is_reserved;
}

/* @claims: the domain's @n_own, and behind them everybody else's where @kind is to ask. What each
 * of the domain's may come to is kept as its limit. */
static void
settle(MemoryAccount *account, GPtrArray *claims, guint n_own, ExchangeKind kind)
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
        memory_budget_allocate(account->pools, claims, account->subject->name, now, limits);
    for (guint i = 0; i < n_own; i++) {
        settle_claim(claims->pdata[i], kind, limits[i], now);
        if (kind == EXCHANGE_NOTE)
            limits[i] = ((const MemoryClaim *) claims->pdata[i])->granted;
    }
    keep_for_restart(account, claims, n_own);
    g_array_set_size(account->limits, 0);
    g_array_append_vals(account->limits, limits, n_own);
}

static bool
write_claims(const MemoryAccount *account, const GPtrArray *own, const GPtrArray *dead,
             GError **error)
{
    Store *store = account->site->store;
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
    return store_memory_claim_keep(store, account->subject->name, (const char *const *) keep->pdata,
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
wake_others(const MemoryAccount *account, const GPtrArray *claims)
{
    const Site *site = account->site;

    for (guint i = 0; site->wake && i < claims->len; i++) {
        const MemoryClaim *claim = claims->pdata[i];

        if (claim->waiting_since && claim->owner_pid == site->host->pid &&
            !g_str_equal(claim->domain, account->subject->name))
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
inherit_all(const MemoryAccount *account, GPtrArray *own, const GPtrArray *before)
{
    for (guint i = 0; i < own->len; i++) {
        MemoryClaim *claim = own->pdata[i];

        inherit(claim, memory_claim_find(before, claim->domain, claim->device));
        sign(account, claim);
    }
    if (account->pools)
        memory_restart_pass_on(own, before, account->pools);
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
replace(MemoryAccount *account, ExchangeKind kind, GPtrArray *own, GPtrArray *all,
        GPtrArray *merged, GError **error)
{
    g_autoptr(GPtrArray) dead = g_ptr_array_new();
    g_autoptr(GPtrArray) others =
        memory_others(all, account->subject->name, account->site->host, dead);

    inherit_all(account, own, all);
    g_ptr_array_extend(merged, own, NULL, NULL);
    g_ptr_array_extend(merged, others, NULL, NULL);
    settle(account, merged, own->len, kind);
    return write_claims(account, own, dead, error);
}

static void
explain(MemoryAccount *account, const GPtrArray *claims)
{
    g_auto(MemoryWait) wait = { 0 };

    g_clear_pointer(&account->wait, g_free);
    account->is_impossible = account->is_hopeful = false;
    if (!memory_wait_find(account->pools, claims, account->subject->name, g_get_real_time(), &wait))
        return;
    account->wait = memory_wait_reason(&wait);
    account->is_impossible = wait.is_never;
    account->is_hopeful = !wait.is_never && wait.givers->len > 0;
}

/* Nothing is granted out of a ledger that the other controllers can't see. */
static bool
check_shared(Store *store, GError **error)
{
    if (!store_has_moved(store))
        return true;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                "%s was removed or replaced while it was in use: no memory is given out until it "
                "has been opened anew",
                store_path(store));
    return false;
}

/* What is read back is of no ledger yet. */
static bool
commit(const MemoryAccount *account, GError **error)
{
    return account->pools ? memory_mark_commit(account->site, error)
                          : store_commit(account->site->store, error);
}

static bool
transact(MemoryAccount *account, ExchangeKind kind, GPtrArray *own, GError **error)
{
    Store *store = account->site->store;
    guint64 before = total_granted(account->claims, account->subject->name);
    g_autoptr(GPtrArray) merged = g_ptr_array_new();
    g_autoptr(GPtrArray) all = NULL;

    if ((kind == EXCHANGE_ASK && !check_shared(store, error)) || !store_begin_relaxed(store, error))
        return false;
    all = store_memory_claim_list(store, NULL, error);
    if (!all || !replace(account, kind, own, all, merged, error) || !commit(account, error)) {
        store_rollback(store);
        return false;
    }
    if (kind == EXCHANGE_ASK)
        explain(account, merged);
    if (total_granted(own, account->subject->name) < before)
        wake_others(account, merged);
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
exchange(MemoryAccount *account, ExchangeKind kind, GPtrArray *own, GError **error)
{
    g_autoptr(GPtrArray) claims = own;

    g_ptr_array_sort(claims, compare_devices); /* as the state lists them */
    inherit_all(account, claims, account->claims);
    if (kind == EXCHANGE_NOTE || !is_short(claims)) {
        settle(account, claims, claims->len, EXCHANGE_NOTE);
        if (!is_short(claims))
            g_clear_pointer(&account->wait, g_free);
        if (are_equal(claims, account->claims))
            return true;
    }
    if (!transact(account, kind, claims, error))
        return false;
    g_ptr_array_unref(account->claims);
    account->claims = g_steal_pointer(&claims);
    return true;
}

bool
memory_account_note(MemoryAccount *account, GPtrArray *own, GError **error)
{
    return exchange(account, EXCHANGE_NOTE, own, error);
}

bool
memory_account_ask(MemoryAccount *account, GPtrArray *own, GError **error)
{
    return exchange(account, EXCHANGE_ASK, own, error);
}

bool
memory_account_has_whole(const MemoryAccount *account)
{
    return has_whole(account->claims, account->claims->len);
}
