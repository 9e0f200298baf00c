/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* sd_notify(3), through libsystemd where built with it; otherwise, and when not started by
 * systemd, these do nothing. */
void notify_ready(void);
void notify_status(const char *format, ...) G_GNUC_PRINTF(1, 2);
void notify_reloading(void); /* followed by notify_ready() when done */
void notify_stopping(void);
void notify_watchdog(void);
/* How often notify_watchdog() is due (half of WatchdogSec); us, 0 when not asked for. */
gint64 notify_watchdog_interval(void);
