/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fields with a fixed default, written out.
 *
 * A resolved domain says them explicitly, so that a user who later writes the default into the
 * file has changed nothing, and so that the guest keeps what it was started with when a default
 * changes in a later version. The domain's own are here; a device kind fills in its own.
 */
#include "reconcile/defaults.h"

#include "model/default.h"
#include "reconcile/resolution.h"

static void
fill_domain(Domain *domain)
{
    default_string(&domain->os_type, "hvm");
    default_string(&domain->arch, "x86_64");
    default_string(&domain->machine, "pc");
    default_uint(&domain->vcpus, 1);
    default_enum(&domain->clock_offset, CLOCK_OFFSET_UTC);
    default_enum(&domain->on_poweroff, ACTION_DESTROY);
    default_enum(&domain->on_reboot, ACTION_RESTART);
    default_enum(&domain->on_crash, ACTION_DESTROY);
}

void
resolve_defaults(Domain *domain)
{
    g_autoptr(GArray) refs = domain_device_refs(domain);

    fill_domain(domain);
    for (guint i = 0; i < refs->len; i++) {
        const DeviceRef *ref = &g_array_index(refs, DeviceRef, i);

        if (ref->kind->fill_defaults)
            ref->kind->fill_defaults(domain, ref->device);
    }
}
