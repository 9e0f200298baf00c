/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file that is gone means a domain that is to go, but only where nothing else explains it.
 *
 * The failures that this defends against were all seen in the field: an unmounted or half-checked-
 * out directory that looked empty, a volume that was replaced by another, one syntax error that
 * hid a file, a wrong branch that had a tenth of the files. Each of them looks like "many domains
 * were deleted". So the default is to hold, and say why; what may be pruned is what remains.
 *
 * The directory is known by device and inode. It may become another one in three ways only:
 *
 *     first sight                     accepted
 *     a symlink on the way to it was  accepted: that is how trees are published; the configured
 *     switched                        path is the same and leads somewhere else now
 *     it holds every managed domain,  accepted: nothing would go
 *     or the operator says so
 *
 * Accepting is separate from pruning: a directory that is accepted can still be held for another
 * reason. Nothing is accepted that could not be read as a whole, since it would then be the one to
 * compare with.
 */
#include "reconcile/prune.h"

#include <string.h>

void
prune_decision_free(PruneDecision *decision)
{
    if (!decision)
        return;
    g_free(decision->reason);
    g_ptr_array_unref(decision->names);
    g_free(decision);
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Managed domains without a file, sorted; how many of them are news is put into *@ret_n_new. */
static GPtrArray *
list_missing(const PruneFacts *facts, const PruneDomain *domains, guint n_domains, guint *ret_n_new)
{
    g_autoptr(GHashTable) present = g_hash_table_new(g_str_hash, g_str_equal);
    GPtrArray *missing = g_ptr_array_new_with_free_func(g_free);

    for (const char *const *name = facts->names; *name; name++)
        g_hash_table_add(present, (gpointer) *name);
    *ret_n_new = 0;
    for (guint i = 0; i < n_domains; i++) {
        if (g_hash_table_contains(present, domains[i].name))
            continue;
        g_ptr_array_add(missing, g_strdup(domains[i].name));
        if (!domains[i].is_orphaned)
            (*ret_n_new)++;
    }
    g_ptr_array_sort(missing, compare_names);
    return missing;
}

static bool
is_same_directory(const PruneDirectory *a, const PruneDirectory *b)
{
    return a->dev == b->dev && a->ino == b->ino;
}

/* The configured path is the same and leads somewhere else: a symlink on the way was switched. */
static bool
is_switched(const PruneDirectory *before, const PruneDirectory *now)
{
    return g_strcmp0(before->root, now->root) == 0 && now->resolved && before->resolved &&
           strcmp(before->resolved, now->resolved) != 0;
}

static bool
is_known_directory(const PruneFacts *facts)
{
    const PruneDirectory *before = facts->previous;

    return !before || is_same_directory(before, &facts->directory) ||
           is_switched(before, &facts->directory);
}

/* How many may go at once: rounded down, but one. */
static guint
most_at_once(guint percent, guint n_domains)
{
    if (percent == 0)
        return 0;
    return MAX((guint64) n_domains * percent / 100, 1);
}

static PruneHold
hold_for_too_many(const PruneFacts *facts, guint n_new, guint n_domains, char **ret_reason)
{
    guint most = most_at_once(facts->max_prune, n_domains);

    if (n_new <= most)
        return PRUNE_HELD_NOT;
    *ret_reason = g_strdup_printf("%u of %u domains lost their files at once; guards.max-prune "
                                  "(%u%%) lets %u go",
                                  n_new, n_domains, facts->max_prune, most);
    return PRUNE_HELD_TOO_MANY;
}

/* What about the directory itself forbids to conclude anything from a missing file. */
static PruneHold
hold_for_directory(const PruneFacts *facts, bool is_accepted, char **ret_reason)
{
    const PruneDirectory *now = &facts->directory, *before = facts->previous;

    if (facts->is_missing) {
        *ret_reason = g_strdup_printf("the domains directory %s is missing", now->root);
        return PRUNE_HELD_MISSING;
    }
    if (facts->problem) {
        *ret_reason = g_strdup_printf("the domains directory can't be trusted: %s", facts->problem);
        return PRUNE_HELD_UNREADABLE;
    }
    if (facts->is_empty) {
        *ret_reason = g_strdup_printf("the domains directory %s is empty", now->root);
        return PRUNE_HELD_EMPTY;
    }
    if (facts->is_changing) {
        *ret_reason = g_strdup_printf("the domains directory %s is being changed", now->root);
        return PRUNE_HELD_CHANGING;
    }
    if (!is_accepted) {
        *ret_reason = g_strdup_printf(
            "the domains directory %s is another one than before (%s, device %" G_GUINT64_FORMAT
            ", inode %" G_GUINT64_FORMAT "); 'virtkeep apply --accept-directory' accepts it",
            now->root, before->resolved ? before->resolved : before->root, before->dev,
            before->ino);
        return PRUNE_HELD_OTHER_DIRECTORY;
    }
    if (facts->invalid_file) {
        *ret_reason = g_strdup_printf("a file is not valid, and could be any domain's: %s",
                                      facts->invalid_file);
        return PRUNE_HELD_INVALID_FILE;
    }
    return PRUNE_HELD_NOT;
}

PruneDecision *
prune_decide(const PruneFacts *facts, const PruneDomain *domains, guint n_domains)
{
    PruneDecision *decision = g_new0(PruneDecision, 1);
    bool is_readable, is_accepted;
    guint n_new;

    decision->names = list_missing(facts, domains, n_domains, &n_new);
    is_readable = !facts->is_missing && !facts->problem && !facts->is_empty && !facts->is_changing;
    is_accepted = is_known_directory(facts) || facts->accept_directory || decision->names->len == 0;
    decision->is_accepted = is_readable && is_accepted;
    if (decision->names->len == 0)
        return decision;
    decision->hold = hold_for_directory(facts, is_accepted, &decision->reason);
    if (decision->hold == PRUNE_HELD_NOT)
        decision->hold = hold_for_too_many(facts, n_new, n_domains, &decision->reason);
    return decision;
}
