/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Back-off: the work queue leaves a name alone for a while after each failure. The delay doubles
 * from 1 s to 5 min, less a jitter of up to a quarter that depends on the name and the count of
 * failures only. So ten domains that failed for one reason (a full disk, a missing bridge) do
 * not come back in the same instant, and the same history always gives the same times: tests and
 * `explain` can say when a name is tried next.
 *
 * A failure long after the last one is a new story and starts at 1 s again, since whatever was
 * wrong then has been right in between. Anything that changes what failed (an edited file,
 * `resume`) resets it at once.
 */
#include "reconcile/backoff.h"

/* splitmix64's finalizer: every bit of the seed moves every bit of the result. */
static guint64
mix(guint64 x)
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

gint64
backoff_delay(guint n_failures, guint64 seed)
{
    gint64 delay;

    if (n_failures == 0)
        return 0;
    delay = MIN(BACKOFF_FIRST << MIN(n_failures - 1, 20), BACKOFF_MOST);
    return delay - (gint64) (mix(seed ^ mix(n_failures)) % (guint64) (delay / 4));
}

guint64
backoff_seed(const char *name)
{
    guint64 hash = 0xcbf29ce484222325; /* FNV-1a: g_str_hash() may change between versions */

    for (const char *p = name; *p; p++)
        hash = (hash ^ (guchar) *p) * 0x100000001b3;
    return hash;
}

Backoff
backoff_failed(Backoff backoff, gint64 now, guint64 seed)
{
    guint n_failures = backoff.n_failures;

    if (n_failures > 0 && now - backoff.retry_at > BACKOFF_FORGET)
        n_failures = 0;
    n_failures += n_failures < G_MAXUINT;
    return (Backoff){ .n_failures = n_failures,
                      .failed_at = now,
                      .retry_at = now + backoff_delay(n_failures, seed) };
}

Backoff
backoff_reset(void)
{
    return (Backoff){ 0 };
}

bool
backoff_is_due(const Backoff *backoff, gint64 now)
{
    return backoff_remaining(backoff, now) == 0;
}

gint64
backoff_remaining(const Backoff *backoff, gint64 now)
{
    if (backoff->n_failures == 0)
        return 0;
    /* A clock that went back must not leave a name alone for longer than its delay. */
    return CLAMP(backoff->retry_at - now, 0, BACKOFF_MOST);
}
