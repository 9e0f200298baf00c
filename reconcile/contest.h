/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Contest: somebody undoes what virtkeep does, and virtkeep does it again. After CONTEST_MOST times
 * within CONTEST_WINDOW_US it is left alone until the window has moved on.
 */
#define CONTEST_MOST 5
#define CONTEST_WINDOW_US (600 * G_USEC_PER_SEC)

/* One time that something was found undone. */
typedef struct PlanUndoing {
    char *what; /* a device's id */
    gint64 at;  /* wall clock us */
} PlanUndoing;

typedef struct Contest {
    guint n;      /* how often within the window */
    gint64 since; /* the first of these */
    gint64 until; /* when it is done again */
} Contest;

/* Whether @what is fought over now, given PlanUndoing* in any order (NULL: none). */
bool contest_find(const GPtrArray *undoings, const char *what, gint64 now, Contest *ret_contest);
