/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Which managed domains have lost their file for good. Fails closed: a directory that is not
 * plainly the one it was, whole and sound, removes nothing.
 */
typedef struct PruneDirectory {
    const char *root;     /* as configured */
    const char *resolved; /* without symlinks; NULL when missing */
    guint64 dev, ino;
} PruneDirectory;

typedef struct PruneFacts {
    PruneDirectory directory;
    bool is_missing, is_empty, is_changing;
    const char *problem;            /* not (wholly) readable, or refused: why; else NULL */
    const char *invalid_file;       /* the first file that does not parse, validate or is a
                                       duplicate; else NULL */
    const char *const *names;       /* domains that have a file; NULL-terminated, never NULL */
    const PruneDirectory *previous; /* accepted before; NULL at first sight */
    bool accept_directory;          /* the operator vouches for this directory */
    guint max_prune;                /* per cent of the managed domains */
} PruneFacts;

/* A domain that virtkeep manages, with or without a file. */
typedef struct PruneDomain {
    const char *name;
    bool is_orphaned; /* an earlier decision that was not held named it: does not count again */
} PruneDomain;

typedef enum {
    PRUNE_HELD_NOT,
    PRUNE_HELD_MISSING,
    PRUNE_HELD_UNREADABLE,
    PRUNE_HELD_EMPTY,
    PRUNE_HELD_OTHER_DIRECTORY,
    PRUNE_HELD_CHANGING,
    PRUNE_HELD_INVALID_FILE,
    PRUNE_HELD_TOO_MANY,
} PruneHold;

typedef struct PruneDecision {
    PruneHold hold;
    char *reason;     /* NULL unless held */
    GPtrArray *names; /* char*: without a file, sorted; to be pruned unless held */
    bool is_accepted; /* this directory is now the one to compare with: record it */
} PruneDecision;

/* Pure. Free with prune_decision_free(). At least one domain may always go, unless max_prune is
 * 0: a quarter of three domains would else be none. */
PruneDecision *prune_decide(const PruneFacts *facts, const PruneDomain *domains, guint n_domains);
void prune_decision_free(PruneDecision *decision);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PruneDecision, prune_decision_free)
