/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/stat.h>

/* One *.xml that the walk came by. Borrowed: valid during the call. */
typedef struct WalkFile {
    const char *path;    /* relative to the root */
    const char *refusal; /* why it must not be read; else NULL, and the rest holds */
    struct stat status;  /* of the file itself, links followed */
    int at;              /* for openat(): */
    const char *name;
    int flags;
} WalkFile;

typedef void (*WalkVisit)(const WalkFile *file, gpointer data);

typedef struct WalkResult {
    char *resolved; /* the root without symlinks; NULL when there is none */
    struct stat root;
    bool is_missing;
    char *problem;    /* first directory that can't be read or is refused, and why; else NULL */
    guint n_vanished; /* files that went while the walk was on its way */
} WalkResult;

/*
 * Walks the tree at @root through directory descriptors, so that it reads one tree even if @root is
 * switched meanwhile. Hidden names are skipped; symlinks are followed while they stay below the
 * root; a directory is visited once, through its real place first. Refuses with @is_strict what
 * others may write to. Bounded by DIRECTORY_MAX_DEPTH and DIRECTORY_MAX_FILES.
 */
void directory_walk(const char *root, bool is_strict, WalkVisit visit, gpointer data,
                    WalkResult *ret_result);
void walk_result_clear(WalkResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WalkResult, walk_result_clear)
