/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who stands behind a claim: the controller that last led its domain, and the QEMU that has the
 * memory. Without the controller nobody will give or take (is_driven); without both nobody has the
 * memory, and it is free as soon as anybody looks.
 *
 * What is kept for a restart (is_restarting) is the exception. There is a moment between two QEMUs
 * in which a controller can be killed, and the guest that was stopped has to come back: it counts
 * until a pass of its domain has said what becomes of it. Every `watch` and every whole `apply`
 * makes one.
 */
#include "controller/memory-others.h"

#include "qemu/process.h"

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

GPtrArray *
memory_others(GPtrArray *claims, const char *domain, const Host *host, GPtrArray *dead)
{
    GPtrArray *others = g_ptr_array_new();

    for (guint i = 0; i < claims->len; i++) {
        MemoryClaim *claim = claims->pdata[i];

        if (domain && g_str_equal(claim->domain, domain))
            continue;
        claim->is_driven = owner_lives(claim, host);
        if (claim->is_driven || claim->is_restarting || qemu_lives(claim))
            g_ptr_array_add(others, claim);
        else if (dead && !g_ptr_array_find_with_equal_func(dead, claim->domain, g_str_equal, NULL))
            g_ptr_array_add(dead, claim->domain);
    }
    return others;
}
