/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A tug of war is nobody's wish: a device that somebody takes out by the debug monitor as often as
 * it is put back disturbs the guest each time, and so does a link that is taken down. So putting
 * back is bounded: not by growing pauses, which would need a memory of their own, but by how often
 * it was undone of late. Events tell that, whichever controller saw them, and time alone ends it.
 *
 * What is counted is a device as a whole or one field of it. A device that went is noted when it
 * is missed; a field is noted when it was put back, so that the undoing seen now counts as well.
 *
 *     undone   x  x  x  x  x  x                    x
 *     put back  x  x  x  x  x  ·····(window)·····>  x  ·····
 */
#include "reconcile/contest.h"

#include <string.h>

static gint
compare_newest_first(gconstpointer a, gconstpointer b)
{
    gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

    return x > y ? -1 : x < y;
}

char *
drift_what(const char *drift)
{
    /* What it is may be any text, such as a file's name; ids and paths have no colon. */
    const char *end = strstr(drift, ": is ");

    if (!end)
        end = g_strrstr(drift, ": ");
    return end ? g_strndup(drift, (gsize) (end - drift)) : g_strdup(drift);
}

char *
drift_requested(const char *id)
{
    return g_strdup_printf("%s: target/requested", id);
}

bool
contest_find(const GPtrArray *undoings, const char *what, bool is_undone_now, gint64 now,
             Contest *ret_contest)
{
    g_autoptr(GArray) times = g_array_new(FALSE, FALSE, sizeof(gint64));

    for (guint i = 0; undoings && i < undoings->len; i++) {
        const PlanUndoing *undoing = undoings->pdata[i];

        /* None from the future, after the clock was set back. */
        if (g_str_equal(undoing->what, what) && undoing->at > now - CONTEST_WINDOW_US &&
            undoing->at <= now)
            g_array_append_val(times, undoing->at);
    }
    if (is_undone_now)
        g_array_append_val(times, now);
    if (times->len <= CONTEST_MOST)
        return false;
    g_array_sort(times, compare_newest_first);
    *ret_contest = (Contest){
        .n = times->len,
        .since = g_array_index(times, gint64, times->len - 1),
        /* Once only CONTEST_MOST are left in the window. */
        .until = g_array_index(times, gint64, CONTEST_MOST) + CONTEST_WINDOW_US,
    };
    return true;
}
