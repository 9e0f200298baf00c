/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plan's side of the host's memory: the claims of the ledger, those of the planned domains as
 * their plans will have them, and what reconcile/memory-forecast makes of all. Nothing is asked
 * for: a plan takes no lock, and what it says is what would be if it were carried out now.
 */
#include "controller/memory-outlook.h"

#include "controller/memory-holding.h"
#include "controller/memory-others.h"
#include "controller/memory-pools.h"
#include "model/memory.h"
#include "reconcile/memory-budget.h"
#include "reconcile/memory-restart.h"
#include "reconcile/memory-wait.h"
#include "state/memory_claims.h"

struct MemoryOutlook {
    const Site *site;
    GPtrArray *pools;    /* MemoryPool */
    GPtrArray *claims;   /* MemoryClaim, as the ledger has them */
    GPtrArray *planned;  /* MemoryClaim, of domains whose plans were added */
    GHashTable *domains; /* names of these */
};

/* What a recording says of its host is its total alone; none is recorded: no budget is shown. */
static GPtrArray *
recorded_pools(const Site *site)
{
    g_autoptr(HostMemory) host = host_memory_new(recording_memory_total(site->recording));

    return host->total ? memory_pools_of(site->config, host)
                       : g_ptr_array_new_with_free_func((GDestroyNotify) memory_pool_free);
}

MemoryOutlook *
memory_outlook_new(const Site *site, GError **error)
{
    g_autoptr(MemoryOutlook) outlook = g_new0(MemoryOutlook, 1);

    outlook->site = site;
    outlook->pools =
        site->recording ? recorded_pools(site) : memory_pools_read(site->config, "", error);
    if (!outlook->pools)
        return NULL;
    outlook->planned = memory_claims_new();
    outlook->domains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    outlook->claims = store_memory_claim_list(site->store, NULL, error);
    return outlook->claims ? g_steal_pointer(&outlook) : NULL;
}

void
memory_outlook_free(MemoryOutlook *outlook)
{
    if (!outlook)
        return;
    g_clear_pointer(&outlook->pools, g_ptr_array_unref);
    g_clear_pointer(&outlook->claims, g_ptr_array_unref);
    g_clear_pointer(&outlook->planned, g_ptr_array_unref);
    g_clear_pointer(&outlook->domains, g_hash_table_unref);
    g_free(outlook);
}

/* ---- what a domain's plan leads to ---- */

/* The memory devices that the plan plugs, as claims that wait for it. */
static GPtrArray *
plugged(const DomainPlan *plan)
{
    GPtrArray *claims = memory_claims_new();

    for (guint i = 0; i < plan->actions->len; i++) {
        const PlanAction *action = plan->actions->pdata[i];
        MemoryClaim *claim;

        if (action->kind != PLAN_ACTION_ADD_DEVICE || action->device_kind != &memory_kind)
            continue;
        claim = g_new0(MemoryClaim, 1);
        claim->domain = g_strdup(plan->name);
        claim->device = g_strdup(action->device);
        claim->waiting_since = 1;
        g_ptr_array_add(claims, claim);
    }
    return claims;
}

/* NULL: what was last counted holds, since its QEMU does not say or it is not known what it has. */
static GPtrArray *
planned_claims(const MemoryOutlook *outlook, const Subject *subject, const DomainPlan *plan)
{
    bool is_restart =
        plan->verdict == PLAN_RESTART || !g_strcmp0(subject->input.shutdown_purpose, "restart");
    g_autoptr(GPtrArray) known = plugged(plan);
    GPtrArray *claims;

    if (plan->verdict == PLAN_START)
        return memory_holding_start(subject, outlook->site);
    if (subject->observed->run_state == RUN_STATE_OFF)
        return memory_claims_new(); /* whatever the ledger has was a QEMU's that is gone */
    if (!subject->applied)
        return NULL;
    claims = is_restart
                 ? memory_holding_restart(subject, outlook->site, known, NULL, outlook->pools)
                 : memory_holding_running(subject, outlook->site, known, NULL);
    for (guint i = 0; claims && plan->verdict == PLAN_STOP && i < claims->len; i++)
        ((MemoryClaim *) claims->pdata[i])->wanted = 0;
    return claims;
}

/* What the ledger knows, and that somebody will be at work on it. */
static void
complete(MemoryClaim *claim, const MemoryClaim *before)
{
    memory_claim_inherit(claim, before);
    if (memory_claim_missing(claim) && !claim->waiting_since)
        claim->waiting_since = g_get_real_time();
    claim->is_driven = true;
    if (before && before->is_stuck && before->stuck_at == claim->current)
        memory_claim_stay_stuck(claim, before);
}

static void
complete_all(const MemoryOutlook *outlook, GPtrArray *claims)
{
    for (guint i = 0; i < claims->len; i++) {
        MemoryClaim *claim = claims->pdata[i];

        complete(claim, memory_claim_find(outlook->claims, claim->domain, claim->device));
    }
    memory_restart_pass_on(claims, outlook->claims, outlook->pools);
}

void
memory_outlook_add(MemoryOutlook *outlook, const Subject *subject, const DomainPlan *plan)
{
    g_autoptr(GPtrArray) claims = planned_claims(outlook, subject, plan);

    if (!claims)
        return;
    complete_all(outlook, claims);
    g_ptr_array_extend(outlook->planned, claims, (GCopyFunc) (GCallback) memory_claim_copy, NULL);
    g_hash_table_add(outlook->domains, g_strdup(subject->name));
}

/* ---- what is to be said ---- */

char *
memory_outlook_held(const MemoryOutlook *outlook, const Subject *subject, const DomainPlan *plan,
                    bool *ret_is_never)
{
    g_autoptr(GPtrArray) claims = NULL, all = NULL;
    g_autofree guint64 *limits = NULL;
    g_auto(MemoryWait) wait = { 0 };
    gint64 now = g_get_real_time();
    bool is_held = false;

    if (!domain_plan_has_start(plan) || !(claims = planned_claims(outlook, subject, plan)))
        return NULL;
    complete_all(outlook, claims);
    all = memory_others(outlook->claims, subject->name, outlook->site->host, NULL);
    g_ptr_array_extend(all, claims, NULL, NULL);
    limits = g_new0(guint64, all->len);
    memory_budget_allocate(outlook->pools, all, subject->name, now, limits);
    for (guint i = 0; i < all->len; i++) {
        MemoryClaim *claim = all->pdata[i];

        claim->granted = MAX(limits[i], memory_claim_held(claim));
        is_held |= g_str_equal(claim->domain, subject->name) && !claim->block &&
                   memory_claim_missing(claim);
    }
    if (!is_held || !memory_wait_find(outlook->pools, all, subject->name, now, &wait))
        return NULL;
    *ret_is_never = wait.is_never;
    return memory_wait_reason(&wait);
}

MemoryForecast *
memory_outlook_forecast(const MemoryOutlook *outlook)
{
    g_autoptr(GPtrArray) all = memory_others(outlook->claims, NULL, outlook->site->host, NULL);

    for (guint i = all->len; i-- > 0;)
        if (g_hash_table_contains(outlook->domains, ((MemoryClaim *) all->pdata[i])->domain))
            g_ptr_array_remove_index(all, i);
    g_ptr_array_extend(all, outlook->planned, NULL, NULL);
    return memory_forecast_new(outlook->pools, all);
}
