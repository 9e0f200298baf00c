/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a saved plan remembers of what it was made from, so that one which no longer holds can say
 * why: which field of the file, which fact of QEMU, which of the policy moved.
 *
 * Of the file's fields there are digests, not values: a plan lies about in more places than
 * the file does, and that a field moved is all there is to say. A changed value that the plan
 * is about is told by the plan's own changes. Of secrets not even that: there are so few passwords
 * that a digest gives one away, so only that there is one counts.
 *
 * A domain for which there is nothing to do and no file keeps no fields; its digests still tell
 * that something about it moved.
 */
#include "reconcile/plan-basis.h"

#include <string.h>

#include "model/xml.h"

#define DIGEST_LENGTH 12

static bool
is_secret(const char *name)
{
    return !g_strcmp0(name, "passwd") || !g_strcmp0(name, "password");
}

static void
add_digest(Json *basis, const char *path, const char *name, const char *value)
{
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, value, -1);

    digest[DIGEST_LENGTH] = '\0';
    json_set_string(basis, path, is_secret(name) ? "(hidden)" : digest);
}

static guint
n_siblings(const XmlNode *parent, const char *name, guint end)
{
    guint n = 0;

    for (guint i = 0; i < end; i++)
        n += g_str_equal(((const XmlNode *) parent->children->pdata[i])->name, name);
    return n;
}

/* The paths are those of changes: "devices/disk[0]/target/@dev". */
static char *
child_path(const XmlNode *parent, guint index, const char *path)
{
    const XmlNode *child = parent->children->pdata[index];
    bool is_listed =
        g_str_equal(path, "devices") || n_siblings(parent, child->name, parent->children->len) > 1;
    g_autofree char *number =
        is_listed ? g_strdup_printf("[%u]", n_siblings(parent, child->name, index)) : g_strdup("");

    return g_strconcat(path, *path ? "/" : "", child->name, number, NULL);
}

static void
add_node(Json *basis, const XmlNode *node, const char *path)
{
    for (guint i = 0; node->attributes && i < node->attributes->len; i++) {
        const XmlAttribute *attribute = node->attributes->pdata[i];
        g_autofree char *below = g_strconcat(path, *path ? "/@" : "@", attribute->name, NULL);

        add_digest(basis, below, attribute->name, attribute->value);
    }
    if (node->text)
        add_digest(basis, path, node->name, node->text);
    for (guint i = 0; node->children && i < node->children->len; i++) {
        g_autofree char *below = child_path(node, i, path);

        add_node(basis, node->children->pdata[i], below);
    }
}

static void
add_document(Json *basis, const char *text)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("");
    g_autoptr(XmlNode) root = xml_parse(text, strlen(text), diagnostics);

    if (root)
        add_node(basis, root, "");
}

static void
add_number(Json *basis, const char *path, gint64 value)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);

    json_set_string(basis, path, text);
}

static void
add_policy(Json *basis, const Policy *policy)
{
    add_number(basis, "policy/run-strategy", policy->run_strategy);
    add_number(basis, "policy/restart-required", policy->restart_required);
    add_number(basis, "policy/prune", policy->prune);
    add_number(basis, "policy/shutdown-timeout", policy->shutdown_timeout);
    add_number(basis, "policy/memory-step", policy->step);
    add_number(basis, "policy/memory-stall-timeout", policy->stall_timeout);
    add_number(basis, "policy/memory-guest-reserve", (gint64) policy->guest_reserve);
    add_number(basis, "policy/memory-shrink-unguarded", policy->shrink_unguarded);
}

static void
add_observed(Json *basis, const Observed *observed)
{
    json_set_string(basis, "qemu/run-state", run_state_name(observed->run_state));
    add_number(basis, "qemu/pid", observed->pid);
    for (guint i = 0; i < observed->memories->len; i++) {
        const ObservedMemory *memory = observed->memories->pdata[i];
        g_autofree char *path = g_strdup_printf("qemu/%s/requested", memory->id);

        add_number(basis, path, (gint64) memory->requested);
    }
    for (guint i = 0; i < observed->drives->len; i++) {
        const ObservedDrive *drive = observed->drives->pdata[i];
        g_autofree char *node = g_strdup_printf("qemu/%s/node", drive->device);
        g_autofree char *size = g_strdup_printf("qemu/%s/size", drive->device);
        g_autofree char *image = g_strdup_printf("qemu/%s/image-size", drive->device);

        json_set_string(basis, node, drive->node ? drive->node : "none");
        add_number(basis, size, (gint64) drive->size);
        add_number(basis, image, (gint64) drive->image_size);
    }
}

Json *
plan_basis(const PlanInput *input, const DomainPlan *plan, const char *document)
{
    Json *basis = json_new_object();

    if (plan->verdict == PLAN_NONE && !input->desired)
        return basis;
    add_observed(basis, input->observed);
    add_policy(basis, &input->policy);
    json_set_string(basis, "suspended", input->is_suspended ? "yes" : "no");
    if (document)
        add_document(basis, document);
    return basis;
}

/* ---- what moved ---- */

static bool
is_told(const GPtrArray *changes, const char *path)
{
    for (guint i = 0; changes && i < changes->len; i++)
        if (!g_strcmp0(((const Change *) changes->pdata[i])->path, path))
            return true;
    return false;
}

/* "; qemu/run-state was running, is off"; of a digest only that it moved. */
static void
explain(GString *text, const char *path, const char *was, const char *is)
{
    bool is_plain = g_str_has_prefix(path, "qemu/") || g_str_equal(path, "suspended");

    if (is_plain)
        g_string_append_printf(text, "; %s was %s, is %s", path, was ? was : "absent",
                               is ? is : "absent");
    else
        g_string_append_printf(text, "; %s %s", path,
                               !was  ? "was added"
                               : !is ? "was removed"
                                     : "changed");
}

bool
plan_basis_explain(const Json *saved, const Json *now, const GPtrArray *const skip[2],
                   GString *text)
{
    const Json *both[] = { now, saved };
    gsize before = text->len;

    for (guint side = 0; saved && now && side < G_N_ELEMENTS(both); side++)
        for (guint i = 0; i < json_length(both[side]); i++) {
            const char *path = json_name_at(both[side], i);
            const char *was = json_get_string(saved, path), *is = json_get_string(now, path);

            /* What both have was told in the first round. */
            if (!g_strcmp0(was, is) || (side && is) || is_told(skip[0], path) ||
                is_told(skip[1], path))
                continue;
            explain(text, path, was, is);
        }
    return text->len > before;
}
