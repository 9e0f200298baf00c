/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which differences are somebody else's doing.
 *
 *     told       what QEMU was started with and told since
 *     applied    the same as it is now: a medium taken out, a link taken down (actual.c)
 *     desired    the file
 *
 * Where told and desired agree and applied does not, no edit is being carried out: the field was
 * changed behind virtkeep's back. Where told and desired differ too, the file changed, and what
 * somebody else did to the same field in between is nothing to speak of. Devices that went as a
 * whole are told of by events of their own.
 */
#include "reconcile/plan-drift.h"

#include <string.h>

#include "reconcile/diff.h"

/* Whether the file and what QEMU was told differ in this too. */
static bool
is_asked_for(const GPtrArray *asked, const Change *change)
{
    for (guint i = 0; i < asked->len; i++) {
        const Change *other = asked->pdata[i];

        if (other->to_item == change->to_item && g_str_equal(other->path, change->path))
            return true;
    }
    return false;
}

/* "link/@state" of "devices/interface[0]/link/@state" */
static const char *
field_of(const char *path)
{
    const char *end = strchr(path, ']');

    return end && end[1] ? end + 2 : path;
}

/* Parts of a device have no value of their own. */
static char *
words(const Change *change)
{
    const DeviceInfo *info = change->to_item;
    bool is_part = change->field && change->field->type == TYPE_STRUCT;

    if (is_part)
        return g_strdup_printf("%s: %s: is %s", info->alias, field_of(change->path),
                               !change->from ? "gone"
                               : change->to  ? "another one"
                                             : "there");
    return g_strdup_printf("%s: %s: is %s, not %s", info->alias, field_of(change->path),
                           change->from ? change->from : "absent",
                           change->to ? change->to : "the default");
}

/* Of an earlier change of the same device. */
static const char *
find_words(const DomainPlan *plan, const GPtrArray *drifts, gconstpointer device)
{
    for (guint i = 0; i < drifts->len; i++)
        if (drifts->pdata[i] && ((const Change *) plan->changes->pdata[i])->to_item == device)
            return drifts->pdata[i];
    return NULL;
}

GPtrArray *
plan_drifts(const DomainPlan *plan, const PlanInput *input)
{
    GPtrArray *drifts = g_ptr_array_new_full(plan->changes->len, g_free);
    g_autoptr(GPtrArray) asked = NULL;

    if (input->told && input->told != input->applied && input->desired)
        asked = domain_diff(input->told, input->desired, input->positions);
    for (guint i = 0; i < plan->changes->len; i++) {
        const Change *change = plan->changes->pdata[i];
        const char *known = NULL;

        if (asked && change->from_item && change->to_item && !is_asked_for(asked, change)) {
            known = find_words(plan, drifts, change->to_item);
            g_ptr_array_add(drifts, known ? g_strdup(known) : words(change));
        } else {
            g_ptr_array_add(drifts, NULL);
        }
    }
    return drifts;
}
