/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/*
 * Wake: how another command tells a running `watch` that something changed which stands in no
 * file of the domains directory (a domain was suspended or resumed): by touching RUN/.wake.
 */

/* Nobody may be listening, and a RUN that does not exist yet has nobody who could: never fails. */
void wake_touch(const char *run);
/* Calls @changed (data: @data) in the default main context after each touch. NULL when it can't be
 * watched: the periodic resync serves then. Free with g_object_unref(). */
GFileMonitor *wake_monitor(const char *run, GCallback changed, gpointer data);
