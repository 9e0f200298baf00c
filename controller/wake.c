/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state file says what an operator decided, and every pass reads it; but nothing makes a pass
 * happen. A touched file does, without a socket and a protocol: it carries no information, so
 * losing one or seeing one twice is harmless.
 */
#include "controller/wake.h"

static GFile *
wake_file(const char *run)
{
    g_autofree char *path = g_build_filename(run, ".wake", NULL);

    return g_file_new_for_path(path);
}

void
wake_touch(const char *run)
{
    g_autoptr(GFile) file = wake_file(run);

    (void) g_file_replace_contents(file, "", 0, NULL, FALSE, G_FILE_CREATE_PRIVATE, NULL, NULL,
                                   NULL);
}

GFileMonitor *
wake_monitor(const char *run, GCallback changed, gpointer data)
{
    g_autoptr(GFile) file = wake_file(run);
    GFileMonitor *monitor = g_file_monitor_file(file, G_FILE_MONITOR_NONE, NULL, NULL);

    if (monitor)
        g_signal_connect_swapped(monitor, "changed", changed, data);
    return monitor;
}
