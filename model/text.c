/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text that others wrote, on its way to a reader.
 *
 * A file may hold anything that is UTF-8. Some of it can't stand in a name, since a name is shown
 * in terminals, logs and paths and is what a person confirms a destroy by: two names must not look
 * the same, nor one like another's end. The marks that right-to-left scripts need in running text
 * are refused there as well, since a name is a single run that needs none; the letters themselves,
 * and the joiners within words, are welcome.
 *
 * And a message repeats of a value what is needed to find it in the file, which its position does
 * already: megabytes of it would bury the other messages, in a row of the state file for good.
 */
#include "model/text.h"

#include <string.h>

bool
character_is_control(gunichar character)
{
    return character < 0x20 || (character >= 0x7f && character < 0xa0);
}

bool
character_is_deceptive(gunichar character)
{
    static const struct {
        gunichar first, last;
    } ranges[] = {
        { 0x061c, 0x061c }, /* Arabic letter mark */
        { 0x200e, 0x200f }, /* left-to-right and right-to-left mark */
        { 0x2028, 0x202e }, /* separators, embeddings, overrides */
        { 0x2066, 0x2069 }, /* isolates */
    };

    for (guint i = 0; i < G_N_ELEMENTS(ranges); i++)
        if (character >= ranges[i].first && character <= ranges[i].last)
            return true;
    return false;
}

char *
text_excerpt(const char *text, gsize max)
{
    const char *end = text;

    for (gsize i = 0; i < max && *end; i++)
        end = g_utf8_next_char(end);
    return *end ? g_strdup_printf("%.*s…", (int) (end - text), text) : g_strdup(text);
}

guint
text_distance(const char *a, const char *b)
{
    gsize n = strlen(b);
    guint row[65], corner, above;

    if (n > 64 || strlen(a) > 64)
        return G_MAXUINT;
    for (guint j = 0; j <= n; j++)
        row[j] = j;
    for (guint i = 1; a[i - 1]; i++) {
        corner = row[0];
        row[0] = i;
        for (guint j = 1; j <= n; j++) {
            above = row[j];
            row[j] = MIN(MIN(row[j - 1], above) + 1, corner + (a[i - 1] != b[j - 1]));
            corner = above;
        }
    }
    return row[n];
}

bool
text_is_near(const char *word, const char *known)
{
    return text_distance(word, known) <= MIN(strlen(known) / 3, 2);
}
