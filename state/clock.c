/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The wall clock is set: by an operator, or by NTP years after boot on a host without a battery.
 * And it goes on while the host sleeps, which no guest does.
 *
 * Deadlines are kept as times of day, since people read them, and passes of several processes must
 * agree on them. A clock set forward would end at once a guest that has a minute to power off; one
 * set back would have it waited for all that time longer. So the file also keeps, as a fact, by how
 * much the wall clock of this boot is ahead of the monotonic one. Who finds another difference
 * moves every time that is waited for by as much, in one transaction. Not those that an action keeps
 * in its own detail: a balloon on its way may be called stalled once after such a leap.
 *
 * Of another boot nothing is waited for: its QEMUs have ended. What merely says when something was
 * (events, actions, samples) stays as it was written.
 */
#include "state/clock.h"
#include "state/facts.h"
#include "state/store_private.h"

#include <stdio.h>

#define FACT "clock"
/* Less is the clock being steered, and nothing waits that exactly. */
#define TOLERANCE_US G_USEC_PER_SEC
/* More is no difference of clocks. */
#define MOST_US (G_MAXINT64 / 4)

static const char *const moves[] = {
    "UPDATE t_domain SET shutdown_requested_at = shutdown_requested_at + ?1,"
    " shutdown_deadline = shutdown_deadline + ?1 WHERE shutdown_deadline IS NOT NULL",
    "UPDATE t_domain SET next_attempt = next_attempt + ?1 WHERE next_attempt IS NOT NULL",
    "UPDATE t_unplug SET asked_at = asked_at + ?1, last_asked_at = last_asked_at + ?1",
    "UPDATE t_restart SET since = since + ?1",
    "UPDATE t_memory_claim SET waiting_since = waiting_since + ?1"
    " WHERE waiting_since IS NOT NULL",
};

typedef struct {
    Store *store;
    const char *boot_id;
    gint64 ahead; /* of the monotonic clock */
} Following;

/* By how much the clock was set; 0: not, or not in this boot. *ret_is_known: the fact is there. */
static gboolean
read_shift(const Following *following, gint64 *ret_shift, gboolean *ret_is_known, GError **error)
{
    g_autofree char *text = NULL;
    char boot_id[64];
    gint64 known, shift;

    *ret_shift = 0;
    if (!store_fact_get(following->store, FACT, &text, error))
        return FALSE;
    *ret_is_known = text && sscanf(text, "%63s %" G_GINT64_FORMAT, boot_id, &known) == 2 &&
                    g_str_equal(boot_id, following->boot_id) && known > -MOST_US && known < MOST_US;
    if (!*ret_is_known)
        return TRUE;
    shift = following->ahead - known;
    if (shift >= TOLERANCE_US || shift <= -TOLERANCE_US)
        *ret_shift = shift;
    return TRUE;
}

static gboolean
follow(Sqlite *db, gpointer user_data, GError **error)
{
    const Following *following = user_data;
    g_autofree char *text =
        g_strdup_printf("%s %" G_GINT64_FORMAT, following->boot_id, following->ahead);
    gboolean is_known;
    gint64 shift;

    /* Another process may have been first. */
    if (!read_shift(following, &shift, &is_known, error))
        return FALSE;
    for (guint i = 0; shift && i < G_N_ELEMENTS(moves); i++) {
        SqliteValue value = SQLITE_VALUE_OF_INT(shift);

        if (!sqlite_write(db, SQLITE_DURABLE, moves[i], &value, 1, error))
            return FALSE;
    }
    return (is_known && !shift) || store_fact_put(following->store, FACT, text, error);
}

gboolean
store_clock_follow(Store *store, const char *boot_id, gint64 real_us, gint64 monotonic_us,
                   GError **error)
{
    Following following = { store, boot_id, real_us - monotonic_us };
    gboolean is_known;
    gint64 shift;

    if (!read_shift(&following, &shift, &is_known, error))
        return FALSE;
    return (is_known && !shift) ||
           sqlite_transact(store_sqlite(store), SQLITE_DURABLE, follow, &following, error);
}
