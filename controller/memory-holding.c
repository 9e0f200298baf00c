/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a domain holds of the host's memory and what it wants, from all that was gathered about it.
 * The rules of counting are reconcile/memory-demand's; here it is decided whose wishes count now:
 *
 *     in the running QEMU   held as observed; wanted as the file says
 *     in the file only      wanted, once it is about to be plugged or QEMU to be started anew
 *
 * What waits for a restart that nobody has begun wants nothing: it would keep memory from others
 * for days. One that is about to be restarted wants what its next QEMU takes beyond this one's
 * (reconcile/memory-restart.c). A domain that is suspended keeps what it has.
 */
#include "controller/memory-holding.h"

#include "model/memory.h"
#include "reconcile/actual.h"
#include "reconcile/memory-demand.h"
#include "reconcile/memory-restart.h"

static GPtrArray *
demand(const PlanInput *input, const Site *site)
{
    MemoryDemandFacts facts = {
        .qemu_overhead = site->config->qemu_overhead,
        .page_size = site->host->page_size,
        .default_huge_page = site->host->default_huge_page,
    };

    return memory_demand(input, &facts);
}

GPtrArray *
memory_holding_start(const Subject *subject, const Site *site)
{
    Observed off = { .run_state = RUN_STATE_OFF };
    PlanInput input = subject->input;

    input.observed = &off;
    return demand(&input, site);
}

static bool
is_waiting(const GPtrArray *known, const MemoryClaim *claim)
{
    const MemoryClaim *before = memory_claim_find(known, claim->domain, claim->device);

    return before && before->waiting_since;
}

/* Devices of the file that no QEMU has yet, but for @plugging and those that wait for their turn.
 */
static void
drop_future(GPtrArray *claims, const Subject *subject, const GPtrArray *known, const char *plugging)
{
    const DeviceKind *kind;

    for (guint i = claims->len; i-- > 0;) {
        const MemoryClaim *claim = claims->pdata[i];

        if (!memory_claim_held(claim) && g_strcmp0(claim->device, plugging) &&
            !is_waiting(known, claim) &&
            !domain_find_device(subject->input.applied, claim->device, &kind))
            g_ptr_array_remove_index(claims, i);
    }
}

GPtrArray *
memory_holding_running(const Subject *subject, const Site *site, const GPtrArray *known,
                       const char *plugging)
{
    PlanInput input = subject->input;
    GPtrArray *claims;

    if (input.is_suspended)
        input.desired = NULL;
    claims = demand(&input, site);
    if (claims)
        drop_future(claims, subject, known, plugging);
    return claims;
}

GPtrArray *
memory_holding_restart(const Subject *subject, const Site *site, const GPtrArray *known,
                       const char *plugging, const GPtrArray *pools)
{
    GPtrArray *claims = memory_holding_running(subject, site, known, plugging);
    g_autoptr(GPtrArray) start = NULL;

    if (!claims || !subject->input.desired)
        return claims;
    start = memory_holding_start(subject, site);
    memory_restart_extend(claims, start, pools);
    return claims;
}

/* All of @known, which may be NULL, as if it were to be started. */
static GPtrArray *
demand_of(const Subject *subject, const Site *site, const Domain *known)
{
    Observed off = { .run_state = RUN_STATE_OFF };
    PlanInput input = subject->input;

    input.observed = &off;
    input.desired = known;
    return demand(&input, site);
}

static void
set_held(MemoryClaim *claim, guint64 size)
{
    claim->requested = claim->current = claim->wanted = size;
}

/* Where the boot memory of @claims lies; NULL: they have none. */
static const MemoryClaim *
find_boot(const GPtrArray *claims)
{
    for (guint i = 0; i < claims->len; i++)
        if (g_str_has_prefix(((const MemoryClaim *) claims->pdata[i])->device, MEMORY_CLAIM_BOOT))
            return claims->pdata[i];
    return NULL;
}

static void
add_modules(GPtrArray *claims, const char *domain, guint64 size)
{
    MemoryClaim *claim = g_new0(MemoryClaim, 1);

    claim->domain = g_strdup(domain);
    claim->device = g_strdup(MEMORY_CLAIM_MODULES);
    claim->is_running = true;
    set_held(claim, size);
    g_ptr_array_add(claims, claim);
}

/* By QEMU's own word, but for what it does not say: of which pages and nodes it is. That is the
 * file's, if there is one. NULL: it does not answer. */
static GPtrArray *
demand_said(const Subject *subject, const Site *site)
{
    PlanInput input = subject->input;
    g_autoptr(GPtrArray) file = demand_of(subject, site, subject->desired);
    const MemoryClaim *like = find_boot(file);
    guint64 base, plugged;
    GPtrArray *claims;

    input.desired = input.applied = NULL;
    if (!subject->monitor || !monitor_query_memory_size(subject->monitor, &base, &plugged, NULL) ||
        !(claims = demand(&input, site)))
        return NULL;
    for (guint i = 0; i < claims->len; i++) {
        MemoryClaim *claim = claims->pdata[i];

        if (claim->block)
            plugged -= MIN(plugged, claim->current);
        else if (g_str_equal(claim->device, MEMORY_CLAIM_BOOT))
            set_held(claim, base);
    }
    if (plugged)
        add_modules(claims, subject->name, plugged);
    for (guint i = 0; like && i < claims->len; i++) {
        MemoryClaim *claim = claims->pdata[i];

        if (!g_str_equal(claim->device, MEMORY_CLAIM_QEMU)) {
            claim->page_size = like->page_size;
            claim->nodes = like->nodes;
        }
    }
    return claims;
}

GPtrArray *
memory_holding_worst(const Subject *subject, const Site *site)
{
    /* Without the record of what it was started with, the file is the best guess. */
    const Domain *known = subject->applied ? subject->applied : subject->desired;
    GPtrArray *claims = subject->applied ? NULL : demand_said(subject, site);

    if (claims)
        return claims;
    claims = demand_of(subject, site, known);
    for (guint i = 0; i < claims->len; i++) {
        MemoryClaim *claim = claims->pdata[i];
        const DeviceKind *kind;
        const MemoryDevice *memory = domain_find_device(known, claim->device, &kind);

        claim->is_running = true;
        claim->requested = claim->current =
            claim->block && memory ? memory->size.value : claim->wanted;
        claim->wanted = claim->requested;
    }
    return claims;
}

bool
memory_holding_is_known(const Subject *subject)
{
    return subject->process && subject->applied && subject->observed &&
           subject->observed->run_state != RUN_STATE_UNREACHABLE;
}
