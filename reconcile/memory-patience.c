/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two evils are bounded against each other: that a giant is passed by for ever, as memory comes
 * free bit by bit and each bit is enough for somebody behind it; and that memory lies idle,
 * gathered for one whose rest never comes, while others wait who could use it.
 *
 *     age of the oldest   0      60 s            120 s                           240 s
 *     two giants          passed A    -    B  -    A       -       B       -       A ...
 *
 * So giants have turns, one at a time, in the order of the queue, and between two turns nothing is
 * gathered. In its turn what comes free is kept for it (behind guarantees, and behind all that come
 * before it in any case); when the turn is over, all that is let go. Turns grow with the age of the
 * oldest: if those who pass hold their memory for h at most, then in the first period with turns
 * longer than that a giant has it all, which is before it has waited 4 * max(MEMORY_PATIENCE, 2 n
 * h). Whoever is behind waits half of the time at most, and for one turn no longer than a 1/(2 n)
 * of what the giant has waited.
 *
 * Nothing is remembered: what is gathered lies in no ledger, it is just not given to others, and
 * whose turn it is follows from when they began to wait. Everybody who asks computes the same.
 */
#include "reconcile/memory-patience.h"

#include "reconcile/memory-shortage.h"

gint
memory_patience_turn(gint64 age, guint n)
{
    gint64 period = MEMORY_PATIENCE, turn;

    if (!n || age < period)
        return -1;
    while (age / 2 >= period)
        period *= 2;
    turn = (age - period) / MAX(period / (2 * (gint64) n), 1);
    return turn % 2 == 0 && turn / 2 < n ? turn / 2 : -1;
}

MemoryTurn *
memory_patience_find(const MemoryQueue *queue, const GPtrArray *pools, gint64 now)
{
    g_autoptr(GPtrArray) giants = g_ptr_array_new();
    gint64 oldest = now;
    MemoryTurn *giant;
    gint i;

    for (guint j = 0; j < queue->n_turns; j++) {
        MemoryTurn *turn = queue->order[j];

        if (turn->unit || turn->is_stuck || now - turn->since < MEMORY_PATIENCE)
            continue;
        oldest = MIN(oldest, turn->since);
        g_ptr_array_add(giants, turn);
    }
    i = memory_patience_turn(now - oldest, giants->len);
    giant = i < 0 ? NULL : giants->pdata[i];
    return giant && !memory_shortage_find(pools, queue->claims, giant->domain, NULL) ? giant : NULL;
}
