/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A reason is one text all the way from the plan to the state file and into JSON, since it is one
 * answer to one question. Whoever shows it to people has room for a line a cause (`plan`, `apply`,
 * `explain`), or for one line in all (`status`), where the first and a count must do.
 *
 *     "web-1.xml:19:15: error: …; web-1.xml:26:15: error: …"
 *      └────── first ──────────┘  └─────── "and 1 more" ─────┘
 *
 * They are told apart by the file's name, which diagnostics begin with: QEMU's own words, which may
 * hold any "; ", stay whole.
 */
#include "controller/causes.h"

#include "controller/terminal.h"

GStrv
causes_split(const char *reason, const char *file)
{
    g_autofree char *joint = g_strconcat("; ", file, ":", NULL);
    GStrv parts = g_strsplit(reason, joint, file ? -1 : 1);

    for (guint i = 1; parts[0] && parts[i]; i++) {
        char *rest = parts[i];

        parts[i] = g_strconcat(file, ":", rest, NULL);
        g_free(rest);
    }
    if (parts[0])
        return parts;
    g_strfreev(parts);
    return g_strdupv((char *[]){ (char *) "", NULL });
}

char *
causes_brief(const char *reason, const char *file)
{
    g_auto(GStrv) causes = causes_split(reason, file);
    g_autofree char *first = text_one_line(causes[0]);
    guint n_more = g_strv_length(causes) - 1;

    return n_more ? g_strdup_printf("%s and %u more", first, n_more) : g_steal_pointer(&first);
}
