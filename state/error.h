/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What can go wrong with the state file, as far as a caller may branch on it. The message
 * names the file and says what to do.
 */
#pragma once

#include <glib.h>

#define STATE_ERROR (state_error_quark())
GQuark state_error_quark(void);

typedef enum {
    STATE_ERROR_FAILED,  /* anything else (a bug in a statement, out of memory) */
    STATE_ERROR_NEWER,   /* written by a newer virtkeep; untouched */
    STATE_ERROR_DAMAGED, /* corrupt, not SQLite, or not ours; untouched */
    STATE_ERROR_FULL,    /* no space, quota or file size limit; earlier data is intact, try later */
    STATE_ERROR_BUSY,    /* another writer held the file for more than 30 s; try later */
    STATE_ERROR_IO,      /* the disk refused otherwise (EIO, permission, not a directory) */
    STATE_ERROR_READONLY, /* a write through a read-only store, or onto a read-only file */
} StateError;
