/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Restarts take turns.
 *
 *     plan says restart ── place free? ── no ──> live changes only; RestartWaiting, looked at again
 *                              │ yes
 *                 place taken, guest asked ...... guest off, QEMU started anew ──> place given back
 *
 * A place is kept for as long as the guest is on its way down, is down, or has not come up again:
 * a restart that fails keeps the next guest from being taken down for the same broken reason. It is
 * given back when the domain is as its file says, wants no restart any more, or is suspended.
 * Those of dead controllers are dropped by whoever is in need of one (state/restarts).
 */
#include "controller/restarts.h"

#include "controller/host.h"
#include "model/quantity.h"
#include "state/restarts.h"

static bool
is_own(const Subject *subject, const RestartRecord *row)
{
    return g_str_equal(row->domain, subject->name);
}

static bool
is_live(const RestartRecord *row, const Site *site)
{
    ActionOwner owner = { row->owner_pid, row->owner_start_time, row->owner_boot_id };

    return row->is_shutting_down || host_owner_is_alive(&owner, (gpointer) site->host);
}

/* "db-1 (since 12s), web-2 (since 3s, its restart failed)" */
static void
append_holder(GString *text, const RestartRecord *row)
{
    gint64 age = MAX(g_get_real_time() - row->since_us, 0);
    g_autofree char *since = duration_text(age - age % G_USEC_PER_SEC);

    g_string_append_printf(text, "%s%s (since %s%s)", text->len ? ", " : "", row->domain, since,
                           row->n_failures ? ", its restart failed" : "");
}

bool
restarts_load(Subject *subject, const Site *site, GError **error)
{
    g_autoptr(GPtrArray) rows =
        site->recording ? g_ptr_array_new() : store_restart_list(site->store, error);
    g_autoptr(GString) others = g_string_new(NULL);
    guint n_others = 0, n_failing = 0;

    subject->has_restart = false;
    for (guint i = 0; rows && i < rows->len; i++) {
        const RestartRecord *row = rows->pdata[i];

        subject->has_restart |= is_own(subject, row);
        if (is_own(subject, row) || !is_live(row, site))
            continue;
        n_others++;
        n_failing += row->n_failures > 0;
        append_holder(others, row);
    }
    g_clear_pointer(&subject->restart_held, g_free);
    if (!subject->has_restart && n_others >= site->config->max_restarts)
        subject->restart_held = g_strdup(others->str);
    subject->input.restart_held = subject->restart_held;
    subject->input.is_restart_stuck = n_others && n_failing == n_others;
    return rows != NULL;
}

static bool
drop_dead(const Subject *subject, const Site *site, GError **error)
{
    g_autoptr(GPtrArray) rows = store_restart_list(site->store, error);

    for (guint i = 0; rows && i < rows->len; i++) {
        const RestartRecord *row = rows->pdata[i];

        if (!is_own(subject, row) && !is_live(row, site) &&
            !store_restart_drop(site->store, row, error))
            return false;
    }
    return rows != NULL;
}

bool
restarts_claim(Subject *subject, const Site *site, const DomainPlan *plan, GError **error)
{
    ActionOwner owner = host_owner(site->host);
    gboolean is_claimed;

    if (plan->verdict != PLAN_RESTART || !plan->is_restart_required)
        return true;
    if (!drop_dead(subject, site, error) ||
        !store_restart_claim(site->store, subject->name, &owner, site->config->max_restarts,
                             g_get_real_time(), &is_claimed, error))
        return false;
    if (!is_claimed)
        return restarts_load(subject, site, error);
    subject->has_restart = true;
    return true;
}

bool
restarts_is_under_way(const Subject *subject, const DomainPlan *left)
{
    return !subject->input.is_suspended &&
           (left->verdict == PLAN_RESTART || left->verdict == PLAN_START ||
            !g_strcmp0(subject->input.shutdown_purpose, "restart"));
}

bool
restarts_settle(const Subject *subject, const Site *site, const DomainPlan *left, GError **error)
{
    return !subject->has_restart || restarts_is_under_way(subject, left) ||
           store_restart_release(site->store, subject->name, error);
}
