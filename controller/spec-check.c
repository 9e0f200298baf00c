/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is wrong with a document as a whole. Reading it (model/spec) finds what each element says
 * that can't be; whether all the devices find a place in one machine is known only when they were
 * given theirs. So they are, as for a first start, and only what was said of it is kept.
 *
 * Which firmware there is is the host's matter, and no mistake of a file.
 */
#include "controller/spec-check.h"

#include "model/firmware.h"
#include "reconcile/resolve.h"

#define CODE_OF_HOST "no-firmware"

void
spec_check_places(Spec *spec)
{
    g_autoptr(Diagnostics) found = diagnostics_new(spec->file);
    g_autoptr(GPtrArray) assumed =
        g_ptr_array_new_with_free_func((GDestroyNotify) firmware_image_free);
    const ResolveContext context = { .assumed_firmware = assumed };
    g_autoptr(Domain) resolved = NULL;

    if (!spec_is_valid(spec))
        return;
    firmware_add_assumed(assumed);
    resolved = resolve_domain(spec->domain, NULL, &context, spec->positions, found);
    for (guint i = 0; i < found->items->len; i++) {
        const Diagnostic *diagnostic = found->items->pdata[i];

        if (!g_str_equal(diagnostic->code, CODE_OF_HOST))
            diagnostics_add(spec->diagnostics, diagnostic->severity, diagnostic->at,
                            diagnostic->code, "%s", diagnostic->text);
    }
    diagnostics_sort(spec->diagnostics);
}
