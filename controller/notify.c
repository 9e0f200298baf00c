/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the service says to systemd. The unit is Type=notify (or notify-reload), so READY comes
 * after the first scan, RELOADING and READY around a SIGHUP, and WATCHDOG from the main loop: it
 * is the loop's liveness that the watchdog proves, not that of a pass, since a hung QEMU must
 * never get the controller killed.
 *
 * Failures are ignored: there is nobody else to tell.
 */
#include "controller/notify.h"

#ifdef HAVE_LIBSYSTEMD

#include <systemd/sd-daemon.h>

#include <string.h>

void
notify_ready(void)
{
    sd_notify(0, "READY=1");
}

void
notify_status(const char *format, ...)
{
    g_autofree char *text = NULL;
    g_autofree char *message = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    /* A newline would begin another assignment. */
    message = g_strconcat("STATUS=", g_strdelimit(text, "\n", ' '), NULL);
    sd_notify(0, message);
}

void
notify_reloading(void)
{
    /* systemd.service(5), notify-reload: the time tells this reload from an earlier one. */
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT, g_get_monotonic_time());
}

void
notify_stopping(void)
{
    sd_notify(0, "STOPPING=1");
}

void
notify_watchdog(void)
{
    sd_notify(0, "WATCHDOG=1");
}

gint64
notify_watchdog_interval(void)
{
    uint64_t interval;

    return sd_watchdog_enabled(0, &interval) > 0 ? (gint64) (interval / 2) : 0;
}

#else

void
notify_ready(void)
{
}

void
notify_status(const char *format, ...)
{
}

void
notify_reloading(void)
{
}

void
notify_stopping(void)
{
}

void
notify_watchdog(void)
{
}

gint64
notify_watchdog_interval(void)
{
    return 0;
}

#endif
