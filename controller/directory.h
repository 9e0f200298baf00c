/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "model/spec.h"

/*
 * DirectoryScan: every *.xml below the domains directory at one moment, as values. Immutable and
 * reference-counted. Nothing here acts: what a scan means for domains without a file is
 * reconcile/prune.h's to say.
 */
#define DIRECTORY_MAX_FILES 20000u
#define DIRECTORY_MAX_DEPTH 16u

typedef enum {
    ENTRY_VALID,
    ENTRY_INVALID,    /* read, but it has mistakes: its spec's diagnostics */
    ENTRY_DUPLICATE,  /* another file has the same name: neither acts */
    ENTRY_UNREADABLE, /* message says why */
} EntryState;

typedef struct DirectoryEntry {
    char *path; /* relative to the root: "web/web-1.xml" */
    char *file; /* as named to the user: root/path */
    EntryState state;
    char *name;              /* the domain's; NULL when unknown */
    bool is_name_remembered; /* the file does not say it (now): it did before */
    const char *uuid;        /* as the file says it; NULL when it does not */
    const char *digest;      /* of its text, as Spec's; NULL when unreadable */
    char *message; /* why it does not act, one line with position where there is one; NULL when
                      valid */
    Diagnostics *trouble; /* what is wrong beside the file's text (codes unreadable, duplicate-name,
                             duplicate-uuid); NULL when nothing */
    gpointer parsed;      /* private */
} DirectoryEntry;

typedef struct DirectoryScan {
    char *root;     /* as configured, absolute */
    char *resolved; /* without symlinks; NULL when missing */
    guint64 dev, ino;
    bool is_missing;
    bool is_empty;    /* readable, and holds no *.xml */
    char *problem;    /* the root (or a directory below) can't be read or is refused; else NULL */
    bool is_changing; /* files kept vanishing while it was read, or git is at work: scan again soon
                         (watcher_hint()), since the end of that may be no event */
    GPtrArray *entries;       /* DirectoryEntry*, by path */
    guint n_valid, n_invalid; /* n_invalid: all that aren't valid */
    char *digest;             /* of the set: paths and contents; hex */
    char *commit;             /* checked out there; NULL when no git work tree */
    guint n_parsed;           /* how many files were not in the cache */
    GHashTable *by_name;      /* private: name -> the entry that speaks for it */
} DirectoryScan;

/* Remembers parsed files between scans, so that a rescan reparses only what changed. Used by one
 * thread at a time; scans outlive it. */
typedef struct DirectoryCache DirectoryCache;
DirectoryCache *directory_cache_new(void);
/* For those who stay: its scans keep what files say as text, and parse that when it is asked for.
 * A parsed document weighs twenty times its text. */
DirectoryCache *directory_cache_new_lean(void);
void directory_cache_free(DirectoryCache *cache);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DirectoryCache, directory_cache_free)
/* The domain that @path (relative) was last known to describe, e.g. from the state file. */
void directory_cache_remember(DirectoryCache *cache, const char *path, const char *name);

/*
 * Reads the directory @root (absolute). Never fails: what went wrong stands in the scan. Hidden
 * files and directories are skipped, symlinks are followed as long as they stay below the root,
 * each directory is visited once. @cache may be NULL.
 * @is_strict: refuse what others may write to (for root): files and directories with mode o+w.
 */
DirectoryScan *directory_scan(const char *root, bool is_strict, DirectoryCache *cache);
DirectoryScan *directory_scan_ref(DirectoryScan *scan);
void directory_scan_unref(DirectoryScan *scan); /* NULL is allowed */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DirectoryScan, directory_scan_unref)

/* What the file said when it was scanned, whatever became of it since. NULL when unreadable. Caller
 * frees. */
Spec *directory_entry_spec(const DirectoryEntry *entry);

/* The entry that speaks for @name: a valid one, else the first other. NULL when no file does. */
const DirectoryEntry *directory_scan_find(const DirectoryScan *scan, const char *name);
/* Files that don't act, for a message: "web-1.xml:3:5: error: …"; NULL when all are valid. */
char *directory_scan_complaint(const DirectoryScan *scan);
