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
    char *what; /* a device's id, or what drift_what() gives: "net0: link/@state" */
    gint64 at;  /* wall clock us */
} PlanUndoing;

typedef struct Contest {
    guint n;      /* how often within the window */
    gint64 since; /* the first of these */
    gint64 until; /* when it is done again */
} Contest;

/* Whether @what is fought over now, given PlanUndoing* in any order (NULL: none).
 * @is_undone_now: it is seen to be undone once more, which is not among them yet. */
bool contest_find(const GPtrArray *undoings, const char *what, bool is_undone_now, gint64 now,
                  Contest *ret_contest);

/* Of what drift, as words: "net0: link/@state: is down, not up" is of "net0: link/@state". Caller
 * frees. */
char *drift_what(const char *drift);
/* What of the memory device @id the amount that it is asked for is. Caller frees. */
char *drift_requested(const char *id);
